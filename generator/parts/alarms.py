"""The alarms: what they watch, when they go off, and what to do then.

``AWS/…`` metrics and their dimensions are in each service's own documentation:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/aws-services-cloudwatch-metrics.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from troposphere import GetAtt, Join, Sub, cloudwatch

from generator import conditions, settings
from generator.language.slots import appended
from generator.language.wiring import Expression, Setting, Stack, When, only_if
from generator.parts.tags import tags

ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"

Dimensions = dict[str, Expression]
"""Values of dimensions by their name."""


@dataclass(frozen=True)
class Metric:
    """``statistic`` of a metric over ``period`` seconds, of the series with the ``dimensions`` of these names."""

    namespace: str
    name: str
    statistic: str
    period: int
    dimensions: tuple[str, ...]

    def series(self, values: Dimensions) -> list[cloudwatch.MetricDimension]:
        return [cloudwatch.MetricDimension(Name=name, Value=values[name]) for name in self.dimensions]

    def properties(self, values: Dimensions) -> dict[str, Any]:
        """What an alarm on this metric has besides the alarm's own properties."""
        return {
            "Namespace": self.namespace,
            "MetricName": self.name,
            "Dimensions": self.series(values),
            "Statistic": self.statistic,
            "Period": self.period,
        }


@dataclass(frozen=True)
class Computed:
    """``expression`` in metric math over the ``metrics``, which are named by their key."""

    name: str
    label: str
    expression: str
    metrics: dict[str, Metric]

    def properties(self, values: Dimensions) -> dict[str, Any]:
        """What an alarm on the result has besides the alarm's own properties."""
        queries = [
            cloudwatch.MetricDataQuery(
                Id=name,
                ReturnData=False,
                MetricStat=cloudwatch.MetricStat(
                    Metric=cloudwatch.Metric(Namespace=it.namespace, MetricName=it.name, Dimensions=it.series(values)),
                    Period=it.period,
                    Stat=it.statistic,
                ),
            )
            for name, it in self.metrics.items()
        ]
        result = cloudwatch.MetricDataQuery(Id=self.name, Label=self.label, Expression=self.expression)
        return {"Metrics": [*queries, result]}


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Goes off when ``metric`` is ``comparison`` ``threshold`` in ``periods`` periods on end; if ``condition`` holds.

    ``title`` is the logical ID, ``description`` what whoever is woken reads: what is wrong, and what to do.
    """

    title: str
    description: str
    metric: Metric | Computed
    comparison: str
    threshold: int | Setting
    periods: int = 2
    condition: When | None = None


_FILE_SYSTEM = ("FileSystemId",)
_LOAD_BALANCER = ("LoadBalancer",)
_TASKS = ("LoadBalancer", "TargetGroup")

ALARMS = (
    Alarm(
        title="FileSystemIoLimitAlarm",
        description="The file system is near its limit of operations: look for a client that lists or uploads in a loop.",
        metric=Metric("AWS/EFS", "PercentIOLimit", "Average", 300, _FILE_SYSTEM),
        comparison=ABOVE,
        threshold=80,
    ),
    Alarm(
        title="FileSystemThroughputAlarm",
        description="The file system is near its permitted throughput: choose elastic throughput, or provision more.",
        metric=Computed(
            "used",
            "Throughput used (%)",
            "100*metered/PERIOD(metered)/permitted",
            {
                "metered": Metric("AWS/EFS", "MeteredIOBytes", "Sum", 300, _FILE_SYSTEM),
                "permitted": Metric("AWS/EFS", "PermittedThroughput", "Average", 300, _FILE_SYSTEM),
            },
        ),
        comparison=ABOVE,
        threshold=80,
    ),
    Alarm(
        title="FileSystemBurstCreditAlarm",
        description="Burst credits run out, after which the file system is slow: choose elastic throughput.",
        metric=Metric("AWS/EFS", "BurstCreditBalance", "Average", 300, _FILE_SYSTEM),
        comparison=BELOW,
        threshold=settings.EFS_BURST_CREDIT_THRESHOLD,
        condition=conditions.IS_BURSTING,
    ),
    Alarm(
        title="UnhealthyTargetsAlarm",
        description="More than one task fails its health check: see the tasks' log.",
        metric=Metric("AWS/ApplicationELB", "UnHealthyHostCount", "Average", 60, _TASKS),
        comparison=ABOVE,
        threshold=1,
    ),
    Alarm(
        title="NoHealthyTargetsAlarm",
        description="No task answers: the server is down. See the service's events, then the tasks' log.",
        metric=Metric("AWS/ApplicationELB", "HealthyHostCount", "Maximum", 60, _TASKS),
        comparison=BELOW,
        threshold=1,
        condition=conditions.HAS_ALWAYS_TASKS,
    ),
    Alarm(
        title="ResponseTimeAlarm",
        description="The average answer takes more than 48 seconds: see the dashboard for what is exhausted.",
        metric=Metric("AWS/ApplicationELB", "TargetResponseTime", "Average", 60, _LOAD_BALANCER),
        comparison=ABOVE,
        threshold=48,
    ),
    Alarm(
        title="SuccessRateAlarm",
        description="More than 1 % of the requests failed with 5xx: see the tasks' log.",
        metric=Computed(
            "success",
            "Success rate (%)",
            "100*(1-(FILL(target,0)+FILL(elb,0))/requests)",
            {
                "requests": Metric("AWS/ApplicationELB", "RequestCount", "Sum", 300, _LOAD_BALANCER),
                "target": Metric("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", 300, _LOAD_BALANCER),
                "elb": Metric("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "Sum", 300, _LOAD_BALANCER),
            },
        ),
        comparison=BELOW,
        threshold=99,
    ),
    Alarm(
        title="HostCpuAlarm",
        description="The hosts' CPUs are busy for ten minutes: choose a larger instance type or more tasks.",
        metric=Metric("AWS/EC2", "CPUUtilization", "Average", 300, ("AutoScalingGroupName",)),
        comparison=ABOVE,
        threshold=90,
    ),
    Alarm(
        title="CertificateExpiryAlarm",
        description="The certificate expires in less than 14 days: renew an imported one, or see why ACM could not.",
        metric=Metric("AWS/CertificateManager", "DaysToExpiry", "Minimum", 86400, ("CertificateArn",)),
        comparison=BELOW,
        threshold=14,
        periods=1,
    ),
)


def alarms(stack: Stack, topic: Expression, values: Dimensions) -> Expression:
    """Every alarm, told to ``topic`` and the operator's; gives their ARNs, joined by commas."""
    actions = appended(stack, [topic], settings.ALARM_TOPIC_ARNS, conditions.HAS_ALARM_TOPICS)
    arns: list[object] = []
    for it in ALARMS:
        threshold = stack.take(it.threshold) if isinstance(it.threshold, Setting) else it.threshold
        alarm = stack.add(
            cloudwatch.Alarm(
                it.title,
                **only_if(stack.when(it.condition) if it.condition else None),
                AlarmDescription=it.description,
                ComparisonOperator=it.comparison,
                Threshold=threshold,
                TreatMissingData="notBreaching",
                AlarmActions=actions,
                OKActions=actions,
                Tags=tags(stack, "alarm"),
                EvaluationPeriods=it.periods,
                **it.metric.properties(values),
            )
        )
        arn = GetAtt(alarm, "Arn")
        separated = Sub(",${Arn}", Arn=arn) if arns else arn
        arns.append(stack.if_(it.condition, separated, "") if it.condition else separated)
    return Join("", arns)
