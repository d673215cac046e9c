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
_OF_HOSTS = ("IsEc2", "HasCredits")
"""Conditions of alarms that are there with hosts alone."""
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


def hosts_lines(hosts: int, instance: str) -> list[Line]:
    return [
        Line(f"{hosts} hosts, {instance}", hosts, INSTANCES[instance]),
        Line(f"their volumes, {ROOT_VOLUME_GB} GB each", hosts * ROOT_VOLUME_GB, VOLUME),
    ]


def fargate_lines(tasks: int, architecture: str, memory: int = 512) -> list[Line]:
    cpu, gigabyte = FARGATE[architecture]
    units = fargate_cpu(memory)
    return [
        Line(f"{tasks} tasks of {units / 1024:g} vCPU, {architecture}", tasks * units / 1024, cpu),
        Line(f"their memory, {memory} MiB each", tasks * memory / 1024, gigabyte),
    ]


def shared_lines(templates: dict[str, Template], subnets: int, *, on_hosts: bool) -> Iterator[Line]:
    """What is billed whether or not anybody comes, beside the capacity; the load balancer is in so many ``subnets``."""
    yield Line("load balancer", 1, LOAD_BALANCER)
    yield Line(f"its {subnets} public addresses", subnets, ADDRESS)
    made = [it for template in templates.values() for it in template.resources.values()]
    kinds = [it.resource["Type"] for it in made]
    for what, kind, price in (
        ("secrets", "AWS::SecretsManager::Secret", SECRET),
        ("key of the topic", "AWS::KMS::Key", KEY),
        ("dashboard", "AWS::CloudWatch::Dashboard", DASHBOARD),
        ("composite alarm", "AWS::CloudWatch::CompositeAlarm", COMPOSITE),
    ):
        if number := kinds.count(kind):
            yield Line(what if number == 1 else f"{number} {what}{'' if what.endswith('s') else 's'}", number, price)
    metrics = sum(_metrics(it.to_dict()) for it in made if on_hosts or it.resource.get("Condition") not in _OF_HOSTS)
    yield Line(f"metrics of the alarms, at most {metrics}", metrics, ALARM)


def standing(templates: dict[str, Template], hosts: int = 2, instance: str = "t3.small") -> list[Line]:
    """All that is billed all the time of a deployment on hosts: a subnet for each, as many for the load balancer."""
    return [*hosts_lines(hosts, instance), *shared_lines(templates, max(hosts, 2), on_hosts=True)]


def capacities() -> str:
    """What the tasks of each profile run on costs a month by capacity: two tasks for the first two, three for the last."""
    rows = [
        "| | Tasks | `ec2` | `fargate`, X86_64 | `fargate`, ARM64 | `fargate-spot`, X86_64, about |",
        "|---|---|---|---|---|---|",
    ]
    for it in PROFILES:
        units = fargate_cpu(it.memory)
        hosts = _sum(hosts_lines(it.hosts, it.instance))
        task = {name: _sum(fargate_lines(1, name, it.memory)) for name in FARGATE}
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
    """What two tasks, or two hosts, cost a month: the sum first, then each thing that is billed all the time."""
    fargate = [*fargate_lines(2, "ARM64"), *shared_lines(templates, 2, on_hosts=False)]
    hosts = standing(templates)
    nat = Line("one NAT gateway", 1, NAT).month + Line("its address", 1, ADDRESS).month
    rows = [f"| **A month** | | **${_sum(fargate):.0f}** | **${_sum(hosts):.0f}** |"]
    rows += [_row(it, it.month, None) for it in fargate if it not in hosts and "metrics" not in it.what]
    rows += [_row(it, None, it.month) for it in hosts if it not in fargate and "metrics" not in it.what]
    rows += [_row(it, it.month, it.month) for it in fargate if it in hosts]
    metrics = fargate[-1]._replace(what=f"metrics of the alarms, at most {fargate[-1].amount:g}, {hosts[-1].amount:g}")
    rows.append(_row(metrics, fargate[-1].month, hosts[-1].month))
    rows.append(
        f"| with a NAT gateway, which a private subnet needs | | ${_sum(fargate) + nat:.0f} | ${_sum(hosts) + nat:.0f} |"
    )
    return "\n".join(
        ["| Billed all the time | Price | `fargate`, ARM64 | `ec2`, the default |", "|---|---|---|---|", *rows]
    )


def _sum(lines: list[Line]) -> float:
    return sum(it.month for it in lines)


def _row(line: Line, fargate: float | None, hosts: float | None) -> str:
    price = line.price
    dollars = f"{price.dollars:.2f}" if round(price.dollars, 2) == price.dollars else f"{price.dollars:g}"
    months = [f"${it:.2f}" if it is not None else "" for it in (fargate, hosts)]
    return f"| {line.what} | [${dollars} per {price.unit}]({price.page}) | {' | '.join(months)} |"


def estimates(templates: dict[str, Template]) -> str:
    """What ``deploy`` reads: dollars a month of each capacity, for each task or host, each subnet, and besides."""

    def offer(capacity: str, architecture: str, each: list[Line]) -> dict[str, Any]:
        besides = _sum([*shared_lines(templates, 0, on_hosts=capacity == "ec2")])
        return {
            "Capacity": capacity,
            "CpuArchitecture": architecture,
            "each": round(_sum(each), 2),
            "subnet": round(Line("", 1, ADDRESS).month, 2),
            "besides": round(besides, 2),
        }

    offers = [offer("fargate", it, fargate_lines(1, it)) for it in reversed(FARGATE)]
    return json.dumps([*offers, offer("ec2", "X86_64", hosts_lines(1, "t3.small"))], indent=2) + "\n"


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
        month = _sum(standing(templates, it.hosts, it.instance))
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
