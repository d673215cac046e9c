"""What CloudWatch makes of an alarm: metric math over numbers, and the state that the datapoints lead to.

A metric, ``"AWS/EC2 CPUUtilization"``, has in each period the samples that its service sent, of which the alarm's
statistic makes the datapoint; where there are no samples there is none. Operators on a missing datapoint, and a
division by zero, give none; ``FILL`` gives its value for one. Only the operators and functions that our alarms use are
known here, any other is refused:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

``IF`` takes 0 for false and any other number for true, and gives no datapoint where its condition has none.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from statistics import fmean
from typing import TypeAlias

from resolve import Data

Samples: TypeAlias = Sequence[float]
Metrics: TypeAlias = Mapping[str, Sequence[Samples]]
"""By metric, its samples in each period, oldest first."""
Value: TypeAlias = float | None
"""A datapoint, or none."""
BEYOND = 2
"""Periods beyond an alarm's own in which datapoints are looked for."""
_STATISTICS: dict[str, Callable[[Samples], float]] = {
    "Average": fmean,
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Sum": sum,
}
_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: lambda left, right: bool(left) and bool(right),
    ast.Or: lambda left, right: bool(left) or bool(right),
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def metrics(alarm: Data) -> dict[str, Data]:
    """By Id, the metrics of an alarm's properties, each with Namespace, MetricName, Statistic and Period."""
    if "Metrics" not in alarm:
        return {"metric": alarm}
    return {
        query["Id"]: {
            **query["MetricStat"]["Metric"],
            "Statistic": query["MetricStat"]["Stat"],
            "Period": query["MetricStat"]["Period"],
        }
        for query in alarm["Metrics"]
        if "MetricStat" in query
    }


def name_of(metric: Data) -> str:
    """Namespace and name; of a metric that several services of a cluster have, the service as well."""
    services = [it["Value"] for it in metric.get("Dimensions", []) if it["Name"] == "ServiceName"]
    return " ".join([metric["Namespace"], metric["MetricName"], *services])


def datapoint(metric: Data, samples: Samples) -> Value:
    if not samples:
        return None
    statistic = metric.get("Statistic") or metric["ExtendedStatistic"]
    if re.fullmatch(r"p\d+(\.\d+)?", statistic):
        return sorted(samples)[ceil(len(samples) * float(statistic[1:]) / 100) - 1]
    return _STATISTICS[statistic](samples)


def series(alarm: Data, given: Metrics) -> list[Value]:
    """The datapoints that the alarm watches."""
    by_id = {
        query: [datapoint(metric, samples) for samples in given[name_of(metric)]]
        for query, metric in metrics(alarm).items()
    }
    if "Metrics" not in alarm:
        return by_id["metric"]
    periods = {query: float(metric["Period"]) for query, metric in metrics(alarm).items()}
    expressions = {query["Id"]: query["Expression"] for query in alarm["Metrics"] if "Expression" in query}

    def at(query: str, index: int) -> Value:
        if query in by_id:
            return by_id[query][index]
        return _evaluate(_parse(expressions[query]), lambda name: at(name, index), periods)

    (returned,) = [query["Id"] for query in alarm["Metrics"] if query.get("ReturnData", True)]
    return [at(returned, index) for index in range(len(next(iter(by_id.values()))))]


def _parse(expression: str) -> ast.expr:
    """Metric math is close to Python: AND, OR and IF are spelled in capitals."""
    spelled = re.sub(r"\b(AND|OR)\b", lambda match: match[1].lower(), expression)
    return ast.parse(spelled.replace("&&", " and ").replace("||", " or "), mode="eval").body


def _evaluate(node: ast.expr, metric: Callable[[str], Value], periods: Mapping[str, float]) -> Value:
    def value(inner: ast.expr) -> Value:
        return _evaluate(inner, metric, periods)

    def apply(function: type[ast.AST], left: Value, right: Value) -> Value:
        if left is None or right is None or (function is ast.Div and right == 0):
            return None
        return float(_OPERATORS[function](left, right))

    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return metric(name)
        case ast.BinOp(left, function, right):
            return apply(type(function), value(left), value(right))
        case ast.Compare(left, [function], [right]):
            return apply(type(function), value(left), value(right))
        case ast.BoolOp(function, [left, right]):
            return apply(type(function), value(left), value(right))
        case ast.Call(ast.Name("FILL"), [inner, filling]):
            found = value(inner)
            return value(filling) if found is None else found
        case ast.Call(ast.Name("IF"), [condition, *branches]):
            held = value(condition)
            taken = None if held is None else (*branches, None)[0 if held else 1]
            return None if taken is None else value(taken)
        case ast.Call(ast.Name("PERIOD"), [ast.Name(id=name)]):
            return periods[name]
        case ast.Call(ast.Name("MAX" | "MIN" as name), [ast.List(items)]):
            known = [it for it in map(value, items) if it is not None]
            return (max if name == "MAX" else min)(known, default=None)
    raise NotImplementedError(f"metric math: {ast.unparse(node)} is not known here")


def state(alarm: Data, given: Metrics) -> str:
    """``OK``, ``ALARM`` or ``INSUFFICIENT_DATA`` after the newest periods of ``given``.

    CloudWatch takes the newest datapoints of a few periods more than EvaluationPeriods, so that late ones do not count as
    missing; what is still missing is treated as the alarm says. How many more it does not say; in its examples it is two.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    periods = int(alarm["EvaluationPeriods"])
    watched = series(alarm, {name: samples[-(periods + BEYOND) :] for name, samples in given.items()})
    assert len(watched) >= periods, f"give the samples of {periods} periods, () where there are none"
    compare, threshold = _COMPARISONS[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    needed = int(alarm.get("DatapointsToAlarm", periods))
    missing = alarm.get("TreatMissingData", "missing")
    if missing == "ignore":
        raise NotImplementedError("TreatMissingData ignore, which keeps the state of before, is not known here")
    breaching = [compare(it, threshold) for it in watched if it is not None][-periods:]
    if missing == "missing":
        if not breaching:
            return "INSUFFICIENT_DATA"
        needed = min(needed, len(breaching))
    else:
        breaching += [missing == "breaching"] * (periods - len(breaching))
    return "ALARM" if sum(breaching) >= needed else "OK"


_LOAD_BALANCER = ("LoadBalancer", "AvailabilityZone LoadBalancer")
_TARGETS = ("LoadBalancer TargetGroup", "AvailabilityZone LoadBalancer TargetGroup")
_SERVICES = ("ClusterName", "ClusterName ServiceName")
_INSTANCES = ("AutoScalingGroupName", "ImageId", "InstanceId", "InstanceType")

DIMENSIONS: dict[str, tuple[str, ...]] = {
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    "AWS/ApplicationELB HealthyHostCount": _TARGETS,
    "AWS/ApplicationELB UnHealthyHostCount": _TARGETS,
    "AWS/ApplicationELB HTTPCode_ELB_5XX_Count": _LOAD_BALANCER,
    "AWS/ApplicationELB HTTPCode_ELB_503_Count": _LOAD_BALANCER,
    "AWS/ApplicationELB HTTPCode_Target_5XX_Count": _LOAD_BALANCER + _TARGETS,
    "AWS/ApplicationELB RequestCount": _LOAD_BALANCER + _TARGETS,
    "AWS/ApplicationELB TargetResponseTime": _LOAD_BALANCER + _TARGETS,
    # https://docs.aws.amazon.com/efs/latest/ug/efs-metrics.html
    "AWS/EFS BurstCreditBalance": ("FileSystemId",),
    "AWS/EFS MeteredIOBytes": ("FileSystemId",),
    "AWS/EFS PercentIOLimit": ("FileSystemId",),
    "AWS/EFS PermittedThroughput": ("FileSystemId",),
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html
    "AWS/ECS CPUUtilization": _SERVICES,
    "AWS/ECS MemoryUtilization": _SERVICES,
    # https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html
    "AWS/AutoScaling GroupInServiceInstances": ("AutoScalingGroupName",),
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_metrics_with_cloudwatch.html
    "AWS/EC2 CPUCreditBalance": _INSTANCES,
    "AWS/EC2 CPUUtilization": _INSTANCES,
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/cloudwatch.html
    "AWS/Backup NumberOfBackupJobsCompleted": ("BackupVaultName", "ResourceType", "BackupVaultName ResourceType"),
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda Errors": ("FunctionName", "FunctionName Resource", "ExecutedVersion FunctionName Resource"),
    # https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html
    "AWS/CertificateManager DaysToExpiry": ("CertificateArn",),
}
"""By metric, the sets of dimensions, in alphabetical order, that its service sends it with: no other has data."""
