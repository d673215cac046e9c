"""What a deployment will cost a month, at the documents' prices."""

from __future__ import annotations

from collections.abc import Mapping

from generator.build import costs

_OFFERS = {
    "Fargate, ARM64: no hosts to patch": {"Capacity": "fargate", "CpuArchitecture": "ARM64"},
    "Fargate, X86_64": {"Capacity": "fargate", "CpuArchitecture": "X86_64"},
    "your own hosts, 2 t3.small": {"Capacity": "ec2"},
}
"""Values of parameters by what is shown of them, the least first."""


def offers() -> dict[str, dict[str, str]]:
    """As ``_OFFERS``, with what the defaults cost."""
    size = costs.PROFILES[0]
    return {
        f"{shown}, about ${costs.month(it['Capacity'], it.get('CpuArchitecture', 'X86_64'), size):.0f} a month": it
        for shown, it in _OFFERS.items()
    }


def estimate(form: Mapping[str, str | None], given: Mapping[str, str], region: str) -> str:
    """A sentence for a stack in ``region`` with the values ``given``, and otherwise with the defaults of ``form``."""
    values = {name: given.get(name) or default or "" for name, default in form.items()}
    # The form of 1.0.0 has none.
    size = _size(values) if "Capacity" in form else None
    if size is None:
        return "no estimate for these sizes, docs/sizing.md has prices; billed from the moment it is created"
    balancer = values["LoadBalancerSubnets"].split(",") if values["LoadBalancerScheme"] != "internal" else []
    month = costs.month(values["Capacity"], values["CpuArchitecture"], size, len(balancer))
    there = "" if region == costs.REGION else f" (not of {region}, whose prices are in https://calculator.aws/)"
    return (
        f"about ${month:.0f} a month at list prices of {costs.REGION}{there}, from its creation on; packages, backups, logs and "
        "traffic are billed by use"
    )


def _size(values: Mapping[str, str]) -> costs.Profile | None:
    """The cost of the minimum that runs; ``None`` if there are no prices for it."""
    instance, memory = values["AsgInstanceType"], int(values["ContainerMemory"])
    hosts = int(values["AsgMinSize"]) or len(values["AsgSubnets"].split(","))
    if values["Capacity"] == "ec2":
        has = instance in costs.INSTANCES and not values["AsgInstanceTypeOverride"]
        return costs.PROFILES[0]._replace(tasks=hosts, instance=instance) if has else None
    has = values["Capacity"] == "fargate" and values["ContainerCpu"] == "0"
    return costs.PROFILES[0]._replace(tasks=int(values["TaskMinCount"]), memory=memory) if has else None
