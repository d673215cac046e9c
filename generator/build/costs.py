"""What a deployment costs a month in us-east-1, at list prices: the tables of README.md and docs/sizing.md.

Dollars, without usage charges and an account's free tier. Each price links to AWS's own page, which is authoritative;
docs/sizing.md says where the figures were read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from generator.sizing import fargate_cpu

REGION = "us-east-1"
"""The region of these prices. Most others are more expensive."""
HOURS = 730
"""Of a month, as AWS's calculator has it."""
ROOT_VOLUME_GB = 30
"""Of the ECS-optimised image, whose size the hosts' volumes keep."""
SPOT = 0.3
"""Share of the on-demand price, roughly: AWS varies it, and says up to 70 % less."""


class Price(NamedTuple):
    """``page`` is AWS's, below https://aws.amazon.com/."""

    dollars: float
    unit: str
    page: str


INSTANCES = {
    name: Price(dollars, "hour", "ec2/pricing/on-demand")
    for name, dollars in {"t3.small": 0.0208, "t3.medium": 0.0416}.items()
}
VCPU = {"ARM64": Price(0.03238, "hour", "fargate/pricing"), "X86_64": Price(0.04048, "hour", "fargate/pricing")}
MEMORY = {"ARM64": Price(0.00356, "hour", "fargate/pricing"), "X86_64": Price(0.004445, "hour", "fargate/pricing")}
VOLUME = Price(0.08, "GB", "ebs/pricing")
LOAD_BALANCER = Price(0.0225, "hour", "elasticloadbalancing/pricing")
ADDRESS = Price(0.005, "hour", "vpc/pricing")
NAT = Price(0.045 + ADDRESS.dollars, "hour", "vpc/pricing")
SECRET = Price(0.40, "secret", "secrets-manager/pricing")
KEY = Price(1.00, "key", "kms/pricing")
METRIC = Price(0.30, "metric", "cloudwatch/pricing")
ALARM = Price(0.10, "metric", "cloudwatch/pricing")
COMPOSITE = Price(0.50, "alarm", "cloudwatch/pricing")
DASHBOARD = Price(3.00, "dashboard", "cloudwatch/pricing")
STORAGE = Price(0.30, "GB", "efs/pricing")
EFS_READ = Price(0.03, "GB", "efs/pricing")
BACKUP = Price(0.05, "GB", "backup/pricing")
CODEARTIFACT = Price(0.05, "GB, and for 10,000 requests", "codeartifact/pricing")


class Line(NamedTuple):
    """So much of something at ``price``, with tasks on Fargate and with hosts; for all hours where it is by the hour.

    ``what`` may have ``{}`` for how much.
    """

    what: str
    price: Price
    fargate: float
    hosts: float

    @property
    def months(self) -> tuple[float, float]:
        each = self.price.dollars * (HOURS if self.price.unit == "hour" else 1)
        return self.fargate * each, self.hosts * each


COUNTED = (
    Line("{} secrets", SECRET, 3, 3),
    Line("key of the topic, in its first year", KEY, 1, 1),
    Line("dashboard", DASHBOARD, 1, 1),
    Line("about {} metrics: Container Insights, and the tasks' log", METRIC, 43, 58),
    Line("{} metrics that alarms watch, those of the scaling too", ALARM, 24, 30),
    Line("composite alarm", COMPOSITE, 1, 1),
)
"""What the defaults create; tests/build/test_costs.py counts it in the templates."""


class Profile(NamedTuple):
    """A deployment to size: GB stored, and GB downloaded in a month; ``files`` is one of docs/benchmark.json's numbers."""

    name: str
    files: int
    stored: int
    downloaded: int
    tasks: int
    instance: str
    memory: int


PROFILES = (
    Profile("A team", 300, 2, 20, 2, "t3.small", 512),
    Profile("A company", 10_000, 50, 500, 2, "t3.small", 512),
    Profile("A large company", 50_000, 500, 5_000, 3, "t3.medium", 1024),
)


def _task(memory: int, architecture: str) -> Price:
    """A task of ``memory`` MiB and automatic CPU on Fargate."""
    dollars = fargate_cpu(memory) * VCPU[architecture].dollars + memory * MEMORY[architecture].dollars
    return Price(dollars / 1024, "hour", VCPU[architecture].page)


def standing(size: Profile, zones: int | None = None, architecture: str = "ARM64") -> list[Line]:
    """What is billed without any use, with one task on each host.

    ``zones``: of a load balancer with public addresses; by default one for each task, and at least two. ``architecture``: of
    tasks on Fargate.
    """
    zones = max(size.tasks, 2) if zones is None else zones
    shape = f"{fargate_cpu(size.memory) / 1024:g} vCPU, {size.memory / 1024:g} GB"
    return [
        Line(f"{size.tasks} tasks of {shape}", _task(size.memory, architecture), size.tasks, 0),
        Line(f"{size.tasks} hosts, {size.instance}", INSTANCES[size.instance], 0, size.tasks),
        Line(f"their volumes, {ROOT_VOLUME_GB} GB each", VOLUME, 0, size.tasks * ROOT_VOLUME_GB),
        Line("load balancer", LOAD_BALANCER, 1, 1),
        Line(f"its {zones} public addresses", ADDRESS, zones, zones),
        *COUNTED,
    ]


def _total(lines: list[Line]) -> tuple[float, float]:
    fargate, hosts = zip(*(it.months for it in lines), strict=True)
    return sum(fargate), sum(hosts)


def month(capacity: str, architecture: str, size: Profile, zones: int | None = None) -> float:
    """Everything in ``standing``, for one of the two capacities."""
    fargate, hosts = _total(standing(size, zones, architecture))
    return hosts if capacity == "ec2" else fargate


def table() -> str:
    """The bill of the defaults on Fargate and on hosts: totals, then a line for each permanent charge."""
    lines = standing(PROFILES[0])
    nat = Line("one NAT gateway, with its address", NAT, 1, 1)
    return "\n".join(
        [
            "| A month in us-east-1 | `fargate`, ARM64 | `ec2`, the default | [Price](docs/sizing.md#prices) |",
            "|---|---|---|---|",
            "| **together** | **${:.0f}** | **${:.0f}** | |".format(*_total(lines)),
            "| **with NAT** | **${:.0f}** | **${:.0f}** | |".format(*_total([*lines, nat])),
            *(_row(it) for it in [*lines, nat]),
        ]
    )


def _row(line: Line) -> str:
    price = line.price
    number = " or ".join(f"{it:g}" for it in sorted({line.fargate, line.hosts}))
    dollars = f"{price.dollars:.2f}" if round(price.dollars, 2) == price.dollars else f"{price.dollars:.4g}"
    months = " | ".join(f"${it:.2f}" if it else "" for it in line.months)
    return f"| {line.what.format(number)} | {months} | [${dollars} per {price.unit}](https://aws.amazon.com/{price.page}/) |"


def capacities() -> str:
    """The monthly cost of what runs each profile's tasks, by capacity."""
    rows = [
        "| | Tasks | `ec2` | `fargate`, X86_64 | `fargate`, ARM64 | `fargate-spot`, X86_64, about |",
        "|---|---|---|---|---|---|",
    ]
    for it in PROFILES:
        units = fargate_cpu(it.memory) / 1024
        hosts = it.tasks * (INSTANCES[it.instance].dollars * HOURS + ROOT_VOLUME_GB * VOLUME.dollars)
        task = {architecture: HOURS * _task(it.memory, architecture).dollars for architecture in VCPU}
        spot = task["X86_64"] * (1 + (it.tasks - 1) * SPOT)
        rows.append(
            f"| {it.name} | {it.tasks} of {units:g} vCPU, {it.memory} MiB | {it.tasks} {it.instance}: ${hosts:.0f} "
            f"| ${it.tasks * task['X86_64']:.0f} | ${it.tasks * task['ARM64']:.0f} | ${spot:.0f} |"
        )
    return "\n".join(rows)


def profiles(benchmark: Path) -> str:
    """A row for each profile: its size, its parameters, what one core answers by ``benchmark``, its cost."""
    measured = json.loads(benchmark.read_text())
    rows = [
        "| | Files | Stored | Downloads a month | Hosts | `ContainerMemory` | Small listings a second, one core "
        "| with an upload a second | Memory of a process | A month on Fargate ARM64 | on hosts | CodeArtifact |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for it in PROFILES:
        ours = measured[f"ours {it.files}"]
        # 10,000 requests for a megabyte each are 10 GB.
        cloud = CODEARTIFACT.dollars * (it.stored + it.downloaded / 10)
        use = it.stored * (STORAGE.dollars + BACKUP.dollars) + it.downloaded * EFS_READ.dollars
        months = " | ".join(f"${month + use:,.0f}" for month in _total(standing(it)))
        rows.append(
            f"| {it.name} | {it.files:,} | {it.stored} GB | {it.downloaded:,} GB | {it.tasks} {it.instance} | {it.memory} "
            f"| {_round(ours['small listing']):,} | {_round(ours['mixed, 1 upload/s']):,} "
            f"| {_round(ours['resident MiB'])} MiB | {months} | ${cloud:,.0f} |"
        )
    return "\n".join(rows)


def _round(number: float) -> int:
    """To two digits: the figures of a shared machine are no more precise."""
    digits = len(str(int(number))) - 2
    return round(number / 10**digits) * 10**digits if digits > 0 else round(number)
