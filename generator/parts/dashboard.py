"""The CloudWatch dashboard: four rows, each with a text that says how to read it.

Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
from typing import Any

from troposphere import If, Sub

from generator.language.wiring import Expression

Metric = list[Any]
_ROW = 6

_TASKS = """## Tasks
**Utilisation** is of the CPU and memory *reserved*; scaling aims at 60 % CPU, and more than 100 % is normal on an
idle host. **Running** below **desired** for long: see the service's events. **Memory** near the limit: raise
ContainerMemory."""
_HOSTS = """## Requests
**p50** is what most clients see, **p99** the worst. **5xx** of the load balancer without the target's: no task
answered. **Healthy** should equal the running tasks."""
_STORAGE = """## Storage
**I/O limit** near 100 %: too many small operations. **Throughput** near 100 %: choose elastic throughput.
**Connections**: one or two for each task."""


def body(
    *,
    cluster: Expression,
    service: Expression,
    load_balancer: Expression,
    target_group: Expression,
    file_system: Expression,
    bursting: str,
) -> Sub:
    """The dashboard as JSON; ``bursting`` names the Condition under which burst credits are shown."""
    ecs = ["ClusterName", "${Cluster}", "ServiceName", "${Service}"]
    balancer = ["LoadBalancer", "${LoadBalancer}"]
    targets = ["TargetGroup", "${TargetGroup}", *balancer]
    files = ["FileSystemId", "${FileSystem}"]

    def ecs_metric(name: str, stat: str) -> Metric:
        return ["AWS/ECS", name, *ecs, {"stat": stat, "label": f"{name} {stat}"}]

    def insight(name: str, stat: str = "Average", **options: object) -> Metric:
        return ["ECS/ContainerInsights", name, *ecs, {"stat": stat, "label": name, **options}]

    def elb(name: str, stat: str, dimensions: list[str] = balancer, **options: object) -> Metric:
        return ["AWS/ApplicationELB", name, *dimensions, {"stat": stat, "label": f"{name} {stat}", **options}]

    def efs(name: str, stat: str, **options: object) -> Metric:
        return ["AWS/EFS", name, *files, {"stat": stat, "label": name, **options}]

    rows: list[tuple[str, dict[str, list[Metric]]]] = [
        (
            _TASKS,
            {
                "CPU and memory (%)": [
                    ecs_metric(name, stat)
                    for name in ("CPUUtilization", "MemoryUtilization")
                    for stat in ("Average", "Maximum")
                ],
                "Tasks": [insight(name) for name in ("DesiredTaskCount", "RunningTaskCount", "PendingTaskCount")],
                "CPU units": [insight("CpuUtilized"), insight("CpuReserved", color="#d62728")],
                "Memory (MiB)": [insight("MemoryUtilized"), insight("MemoryReserved", color="#d62728")],
            },
        ),
        (
            _HOSTS,
            {
                "Response time (s)": [
                    elb("TargetResponseTime", stat, targets) for stat in ("p50", "p95", "p99", "Average")
                ],
                "Requests": [elb("RequestCount", "Sum")]
                + [elb(f"HTTPCode_Target_{n}XX_Count", "Sum", targets) for n in (2, 4, 5)]
                + [elb("HTTPCode_ELB_5XX_Count", "Sum")],
                "Connections": [
                    elb(name, "Sum")
                    for name in ("ActiveConnectionCount", "NewConnectionCount", "RejectedConnectionCount")
                ],
                "Targets": [
                    elb("HealthyHostCount", "Minimum", targets),
                    elb("UnHealthyHostCount", "Maximum", targets),
                ],
            },
        ),
        (
            _STORAGE,
            {
                "I/O limit and throughput (%)": [
                    efs("PercentIOLimit", "Average"),
                    efs("MeteredIOBytes", "Sum", id="metered", visible=False),
                    efs("PermittedThroughput", "Average", id="permitted", visible=False),
                    [{"expression": "100*metered/PERIOD(metered)/permitted", "label": "Throughput used"}],
                ],
                "Client connections": [efs("ClientConnections", "Sum")],
                "Bytes": [efs(name, "Sum") for name in ("DataReadIOBytes", "DataWriteIOBytes", "MetadataIOBytes")],
            },
        ),
    ]
    widgets: list[dict[str, Any]] = []
    for row, (text, graphs) in enumerate(rows):
        widgets.append(_place(0, row, "text", {"markdown": text, "background": "transparent"}, width=4))
        for column, (title, metrics) in enumerate(graphs.items()):
            widgets.append(_graph(4 + 5 * column, row, title, metrics))
    burst_credits = _graph(19, len(rows) - 1, "Burst credits (bytes)", [efs("BurstCreditBalance", "Average")])
    names: dict[str, Any] = {
        "Cluster": cluster,
        "Service": service,
        "LoadBalancer": load_balancer,
        "TargetGroup": target_group,
        "FileSystem": file_system,
    }
    everything = json.dumps({"widgets": widgets}, indent=1).removesuffix("\n ]\n}")
    return Sub(
        everything + "${BurstCredits}\n ]\n}",
        **names,
        BurstCredits=If(bursting, Sub(",\n" + json.dumps(burst_credits, indent=1), FileSystem=file_system), ""),
    )


def _graph(x: int, row: int, title: str, metrics: list[Metric]) -> dict[str, Any]:
    properties = {"title": title, "region": "${AWS::Region}", "view": "timeSeries", "metrics": metrics}
    return _place(x, row, "metric", properties, width=5)


def _place(x: int, row: int, kind: str, properties: dict[str, Any], width: int) -> dict[str, Any]:
    return {"type": kind, "x": x, "y": row * _ROW, "width": width, "height": _ROW, "properties": properties}
