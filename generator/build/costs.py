"""What a deployment costs a month in us-east-1, by list prices: the tables of README.md and docs/sizing.md.

Dollars. A price is as it was on the page beside it between March and July 2026; AWS's own pages fill in their figures as
they are opened. AWS's price lists are the last word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from troposphere import Template

from generator.sizing import fargate_cpu

HOURS = 730
"""Of a month, as AWS's calculator has it."""
ROOT_VOLUME_GB = 30
"""Of the ECS-optimised image, whose size the hosts' volumes keep."""
_CLOUDWATCH = "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/"
_EFS = "https://www.factualminds.com/blog/amazon-efs-pricing-throughput-modes-storage-classes/"
_NETWORK = "https://www.zacfukuda.com/blog/aws-nat-gateway-vs-vpc-endpoint"


class Price(NamedTuple):
    dollars: float
    unit: str
    page: str


INSTANCES = {
    name: Price(dollars, "hour", f"https://instances.vantage.sh/aws/ec2/{name}")
    for name, dollars in {"t3.small": 0.0208, "t3.medium": 0.0416}.items()
}
_FARGATE = "https://www.vantage.sh/blog/fargate-pricing"
FARGATE = {
    "X86_64": (Price(0.04048, "hour", _FARGATE), Price(0.004445, "hour", _FARGATE)),
    "ARM64": (Price(0.03238, "hour", _FARGATE), Price(0.00356, "hour", _FARGATE)),
}
"""Of a vCPU and of a GB. AWS sets the price of Spot as it goes; it says up to 70 % less."""
SPOT = 0.3
VOLUME = Price(0.08, "GB", "https://c3x.dev/resources/aws/aws_ebs_volume")
LOAD_BALANCER = Price(0.0225, "hour", "https://c3x.dev/resources/aws/aws_lb")
ADDRESS = Price(
    0.005, "hour", "https://pocketlantern.dev/briefs/aws-public-ipv4-charge-avoidance-vpc-and-load-balancer-design-2026"
)
SECRET = Price(
    0.40, "secret", "https://hivebook.wiki/wiki/aws-secrets-manager-rotated-secrets-dynamic-db-credentials-kms"
)
KEY = Price(1.00, "key", "https://cloudburn.io/blog/aws-kms-pricing")
ALARM = Price(0.10, "metric", "https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm")
COMPOSITE = Price(0.50, "alarm", ALARM.page)
DASHBOARD = Price(3.00, "dashboard", _CLOUDWATCH)
NAT = Price(0.045, "hour", _NETWORK)
ENDPOINT = Price(0.01, "hour", _NETWORK)
STORAGE = Price(0.30, "GB", _EFS)
EFS_READ = Price(0.03, "GB", _EFS)
BACKUP = Price(0.05, "GB", "https://www.factualminds.com/blog/aws-backup-pricing-vaults-cross-region-restores/")
CODEARTIFACT = Price(0.05, "GB, and for 10,000 requests", "https://c3x.dev/resources/aws/aws_codeartifact_domain/")


class Line(NamedTuple):
    """``amount`` of something at ``price``, for all hours of the month where it is by the hour."""

    what: str
    amount: float
    price: Price

    @property
    def month(self) -> float:
        return self.amount * self.price.dollars * (HOURS if self.price.unit == "hour" else 1)


class Profile(NamedTuple):
    """A deployment to size: GB stored, and GB downloaded in a month; ``files`` is one of docs/benchmark.json's numbers."""

    name: str
    files: int
    stored: int
    downloaded: int
    hosts: int
    instance: str
    memory: int


PROFILES = (
    Profile("A team", 300, 2, 20, 2, "t3.small", 512),
    Profile("A company", 10_000, 50, 500, 2, "t3.small", 512),
    Profile("A large company", 50_000, 500, 5_000, 3, "t3.medium", 1024),
)


def standing(templates: dict[str, Template], hosts: int = 2, instance: str = "t3.small") -> Iterator[Line]:
    """What is billed whether or not anybody comes; a subnet for each host, as many for the load balancer."""
    yield Line(f"{hosts} hosts, {instance}", hosts, INSTANCES[instance])
    yield Line(f"their volumes, {ROOT_VOLUME_GB} GB each", hosts * ROOT_VOLUME_GB, VOLUME)
    yield Line("load balancer", 1, LOAD_BALANCER)
    addresses = max(hosts, 2)
    yield Line(f"its {addresses} public addresses", addresses, ADDRESS)
    kinds = [it.resource["Type"] for template in templates.values() for it in template.resources.values()]
    for what, kind, price in (
        ("secrets", "AWS::SecretsManager::Secret", SECRET),
        ("key of the topic", "AWS::KMS::Key", KEY),
        ("dashboard", "AWS::CloudWatch::Dashboard", DASHBOARD),
        ("composite alarm", "AWS::CloudWatch::CompositeAlarm", COMPOSITE),
    ):
        if number := kinds.count(kind):
            yield Line(what if number == 1 else f"{number} {what}{'' if what.endswith('s') else 's'}", number, price)
    metrics = sum(_metrics(it.to_dict()) for template in templates.values() for it in template.resources.values())
    yield Line(f"metrics of the alarms, at most {metrics}", metrics, ALARM)


def capacities() -> str:
    """What the tasks of each profile run on costs a month by capacity: two tasks for the first two, three for the last."""
    rows = [
        "| | Tasks | `ec2` | `fargate`, X86_64 | `fargate`, ARM64 | `fargate-spot`, X86_64, about |",
        "|---|---|---|---|---|---|",
    ]
    for it in PROFILES:
        units = fargate_cpu(it.memory)
        hosts = it.hosts * (INSTANCES[it.instance].dollars * HOURS + ROOT_VOLUME_GB * VOLUME.dollars)
        task = {
            name: HOURS * (units / 1024 * cpu.dollars + it.memory / 1024 * memory.dollars)
            for name, (cpu, memory) in FARGATE.items()
        }
        spot = task["X86_64"] * (1 + (it.hosts - 1) * SPOT)
        rows.append(
            f"| {it.name} | {it.hosts} of {units / 1024:g} vCPU, {it.memory} MiB | {it.hosts} {it.instance}: ${hosts:.0f} "
            f"| ${it.hosts * task['X86_64']:.0f} | ${it.hosts * task['ARM64']:.0f} | ${spot:.0f} |"
        )
    return "\n".join(rows)


def _metrics(resource: dict[str, Any]) -> int:
    """Metrics that an alarm reads; each is billed."""
    if resource["Type"] != "AWS::CloudWatch::Alarm":
        return 0
    queries = resource["Properties"].get("Metrics")
    return sum("MetricStat" in it for it in queries) if queries else 1


def table(templates: dict[str, Template]) -> str:
    """A line for each thing that is billed all the time, their sum, and the sum with NAT."""
    rows = [*standing(templates)]
    total = sum(it.month for it in rows)
    nat = [Line("one NAT gateway", 1, NAT), Line("its address", 1, ADDRESS)]
    return "\n".join(
        [
            "| Billed all the time | Price | A month |",
            "|---|---|---|",
            *map(_row, rows),
            f"| **together** | | **${total:.0f}** |",
            *map(_row, nat),
            f"| **with NAT** | | **${total + sum(it.month for it in nat):.0f}** |",
        ]
    )


def _row(line: Line) -> str:
    price = line.price
    dollars = f"{price.dollars:.2f}" if round(price.dollars, 2) == price.dollars else f"{price.dollars:g}"
    return f"| {line.what} | [${dollars} per {price.unit}]({price.page}) | ${line.month:.2f} |"


def profiles(templates: dict[str, Template], benchmark: Path) -> str:
    """A row for each profile: its size, its parameters, what one core answers by ``benchmark``, what it costs."""
    measured = json.loads(benchmark.read_text())
    rows = [
        "| | Files | Stored | Downloads a month | Hosts | `ContainerMemory` | Small listings a second, one core "
        "| with an upload a second | Memory of a process | A month | CodeArtifact |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for it in PROFILES:
        ours = measured[f"ours {it.files}"]
        requests = it.downloaded * 1000  # One for each megabyte.
        cloud = CODEARTIFACT.dollars * (it.stored + requests / 10_000)
        month = sum(line.month for line in standing(templates, it.hosts, it.instance))
        month += it.stored * (STORAGE.dollars + BACKUP.dollars) + it.downloaded * EFS_READ.dollars
        rows.append(
            f"| {it.name} | {it.files:,} | {it.stored} GB | {it.downloaded:,} GB | {it.hosts} {it.instance} | {it.memory} "
            f"| {_round(ours['small listing']):,} | {_round(ours['mixed, 1 upload/s']):,} "
            f"| {_round(ours['resident MiB'])} MiB | ${month:,.0f} | ${cloud:,.0f} |"
        )
    return "\n".join(rows)


def _round(number: float) -> int:
    """To two digits: the figures of a shared machine are no better."""
    digits = len(str(int(number))) - 2
    return round(number / 10**digits) * 10**digits if digits > 0 else round(number)
