"""The CloudWatch dashboard: rows of graphs, each with a text that explains how to read it.

Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
from typing import Any

from troposphere import Sub

from generator import conditions
from generator.language.wiring import Expression, Stack
from generator.parts import log_metrics

Metric = list[Any]
_ROW = 6

_TASKS = """## Tasks
**Utilisation** is of the CPU and memory *reserved*; scaling aims at 60 % CPU, and more than 100 % is normal on an
idle host. **Running** below **desired** for long: see the service's events. **Memory** near the limit: raise
ContainerMemory."""
_REQUESTS = """## Requests
**p50** is what most clients see, **p99** the worst. **5xx** of the load balancer without the target's: no task
answered. **Healthy** should equal the running tasks."""
_STORAGE = """## Storage
**I/O limit** near 100 %: too many small operations. **Throughput** near 100 %: choose elastic throughput.
**Connections**: one or two for each task."""

_USE = """## Use
From the tasks' log. **Refused logins** are wrong passwords, not pip's first question without one. The tables are asked
of Logs Insights, which bills by what it reads."""


_SERVICE = ["ClusterName", "${Cluster}", "ServiceName", "${Service}"]
_LOAD_BALANCER = ["LoadBalancer", "${LoadBalancer}"]
_TARGETS = ["TargetGroup", "${TargetGroup}", *_LOAD_BALANCER]
_FILE_SYSTEM = ["FileSystemId", "${FileSystem}"]
"""Dimensions, name and value alternating; CloudFormation fills in the values."""


def _ecs_metric(name: str, stat: str) -> Metric:
    return ["AWS/ECS", name, *_SERVICE, {"stat": stat, "label": f"{name} {stat}"}]


def _insight(name: str, stat: str = "Average", **options: object) -> Metric:
    return ["ECS/ContainerInsights", name, *_SERVICE, {"stat": stat, "label": name, **options}]


def _elb(name: str, stat: str, dimensions: list[str] = _LOAD_BALANCER, **options: object) -> Metric:
    return ["AWS/ApplicationELB", name, *dimensions, {"stat": stat, "label": f"{name} {stat}", **options}]


def _efs(name: str, stat: str, **options: object) -> Metric:
    return ["AWS/EFS", name, *_FILE_SYSTEM, {"stat": stat, "label": name, **options}]


_ROWS: list[tuple[str, dict[str, list[Metric]]]] = [
    (
        _TASKS,
        {
            "CPU and memory (%)": [
                _ecs_metric(name, stat)
                for name in ("CPUUtilization", "MemoryUtilization")
                for stat in ("Average", "Maximum")
            ],
            "Tasks": [_insight(name) for name in ("DesiredTaskCount", "RunningTaskCount", "PendingTaskCount")],
            "CPU units": [_insight("CpuUtilized"), _insight("CpuReserved", color="#d62728")],
            "Memory (MiB)": [_insight("MemoryUtilized"), _insight("MemoryReserved", color="#d62728")],
        },
    ),
    (
        _REQUESTS,
        {
            "Response time (s)": [
                _elb("TargetResponseTime", stat, _TARGETS) for stat in ("p50", "p95", "p99", "Average")
            ],
            "Requests": [_elb("RequestCount", "Sum")]
            + [_elb(f"HTTPCode_Target_{n}XX_Count", "Sum", _TARGETS) for n in (2, 4, 5)]
            + [_elb("HTTPCode_ELB_5XX_Count", "Sum")],
            "Connections": [
                _elb(name, "Sum") for name in ("ActiveConnectionCount", "NewConnectionCount", "RejectedConnectionCount")
            ],
            "Targets": [
                _elb("HealthyHostCount", "Minimum", _TARGETS),
                _elb("UnHealthyHostCount", "Maximum", _TARGETS),
            ],
        },
    ),
    (
        _STORAGE,
        {
            "I/O limit and throughput (%)": [
                _efs("PercentIOLimit", "Average"),
                _efs("MeteredIOBytes", "Sum", id="metered", visible=False),
                _efs("PermittedThroughput", "Average", id="permitted", visible=False),
                [{"expression": "100*metered/PERIOD(metered)/permitted", "label": "Throughput used"}],
            ],
            "Client connections": [_efs("ClientConnections", "Sum")],
            "Bytes": [_efs(name, "Sum") for name in ("DataReadIOBytes", "DataWriteIOBytes", "MetadataIOBytes")],
        },
    ),
]
_USED: dict[str, list[str]] = {
    "Uploads and downloads": ["Uploads", "Downloads"],
    "Refused, and slow": ["RefusedLogins", "RefusedChanges", "SlowListings"],
}
_ASKED = ("RefusalsQuery", "ChangesQuery")
"""The row after those: the log's metrics, and queries on it."""
_BURST_CREDITS = ("Burst credits (bytes)", [_efs("BurstCreditBalance", "Average")])
"""A graph that ends the last row, in bursting mode only."""


def body(
    stack: Stack,
    *,
    cluster: Expression,
    service: Expression,
    load_balancer: Expression,
    target_group: Expression,
    file_system: Expression,
    task_logs: Expression,
) -> Sub:
    """The dashboard as JSON on one line: a text and its graphs in each row."""
    widgets: list[dict[str, Any]] = []
    for row, (text, graphs) in enumerate(_ROWS):
        widgets.append(_place(0, row, "text", {"markdown": text, "background": "transparent"}, width=4))
        for column, (title, metrics) in enumerate(graphs.items()):
            widgets.append(_graph(4 + 5 * column, row, title, metrics))
    widgets += _use(len(_ROWS))
    burst_credits = _json(_graph(19, len(_ROWS) - 1, *_BURST_CREDITS))
    names: dict[str, Any] = {
        "Cluster": cluster,
        "Service": service,
        "LoadBalancer": load_balancer,
        "TargetGroup": target_group,
        "FileSystem": file_system,
        "TaskLogs": task_logs,
        "BurstCredits": stack.if_(conditions.IS_BURSTING, Sub(f",{burst_credits}", FileSystem=file_system), ""),
    }
    listed = ",".join(map(_json, widgets))
    return Sub(f'{{"widgets":[{listed}${{BurstCredits}}]}}', **names)


def _json(widget: dict[str, Any]) -> str:
    """``widget`` without apostrophes, at which some versions of the AWS CLI break the text in the middle of an escape.

    https://github.com/aws/aws-cli/issues/10156
    """
    return json.dumps(widget, separators=(",", ":")).replace("'", "\\u0027")


def _use(row: int) -> list[dict[str, Any]]:
    """The last row, from the tasks' log."""
    widgets = [_place(0, row, "text", {"markdown": _USE, "background": "transparent"}, width=4)]
    for title, names in _USED.items():
        metrics: list[Metric] = [[log_metrics.NAMESPACE, name, {"stat": "Sum", "label": name}] for name in names]
        widgets.append(_graph(4 + 5 * (len(widgets) - 1), row, title, metrics))
    for asked in _ASKED:
        title, text = log_metrics.QUESTIONS[asked]
        query = f"SOURCE '${{TaskLogs}}' | {text}"
        properties = {"title": title, "region": "${AWS::Region}", "view": "table", "query": query}
        widgets.append(_place(4 + 5 * (len(widgets) - 1), row, "log", properties, width=5))
    return widgets


def _graph(x: int, row: int, title: str, metrics: list[Metric]) -> dict[str, Any]:
    properties = {"title": title, "region": "${AWS::Region}", "view": "timeSeries", "metrics": metrics}
    return _place(x, row, "metric", properties, width=5)


def _place(x: int, row: int, kind: str, properties: dict[str, Any], width: int) -> dict[str, Any]:
    return {"type": kind, "x": x, "y": row * _ROW, "width": width, "height": _ROW, "properties": properties}
