"""What a deployment will cost a month, by the prices that come with the templates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PRICES = "costs.json"
"""In the folder of the templates; the generator's ``build.costs`` says where its prices are from."""
_NAMES = {"fargate": "Fargate, {}: no hosts to patch", "ec2": "hosts of yours, 2 t3.small"}


@dataclass(frozen=True)
class Offer:
    """Dollars a month: of ``each`` task or host, of each ``subnet`` of a public load balancer, and ``besides``."""

    capacity: str
    architecture: str
    each: float
    subnet: float
    besides: float

    @property
    def parameters(self) -> dict[str, str]:
        return {"Capacity": self.capacity} | ({} if self.capacity == "ec2" else {"CpuArchitecture": self.architecture})

    def month(self, number: int, subnets: int) -> float:
        return number * self.each + subnets * self.subnet + self.besides


def offers(templates: Path) -> dict[str, Offer]:
    """What can be chosen, the least first, by what is shown of it: for two tasks or hosts in two subnets."""
    found = [
        Offer(it["Capacity"], it["CpuArchitecture"], it["each"], it["subnet"], it["besides"])
        for it in json.loads((templates / PRICES).read_text())
    ]
    return {f"{_NAMES[it.capacity].format(it.architecture)}, about ${it.month(2, 2):.0f} a month": it for it in found}


def estimate(templates: Path, form: Mapping[str, str | None], given: Mapping[str, str]) -> str:
    """A sentence for a stack with the values ``given``, and otherwise with the defaults of ``form``."""
    values = {**form, **given}
    # What the prices are for; of other sizes the page says what to reckon with.
    sized = ("AsgInstanceType", "AsgInstanceTypeOverride", "ContainerMemory", "ContainerCpu")
    known = [it for it in offers(templates).values() if it.parameters.items() <= values.items()]
    if not known or any(values[name] != form[name] for name in sized):
        return "not known for these sizes, docs/sizing.md has prices; billed from its creation on"
    subnets, placed = (len((values[name] or "").split(",")) for name in ("LoadBalancerSubnets", "AsgSubnets"))
    hosts = int(values["AsgMinSize"] or 0) or placed
    number = hosts if values["Capacity"] == "ec2" else int(values["TaskMinCount"] or 0)
    month = known[0].month(number, subnets if values["LoadBalancerScheme"] != "internal" else 0)
    return (
        f"about ${month:.0f} a month at list prices of us-east-1, from its creation on; packages, backups, logs and traffic "
        "come by use"
    )
