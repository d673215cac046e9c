"""What a deployment is said to cost follows from the values that it is given."""

from __future__ import annotations

import re

import pytest

from generator.commands.options import TEMPLATES
from generator.operations.estimate import estimate, offers
from generator.operations.form import form
from generator.parts.descriptions import PARENT

FORM = {it.name: it.default for it in form(TEMPLATES / PARENT)}
NETWORK = {"LoadBalancerSubnets": "a,b", "AsgSubnets": "c,d"}
FARGATE = {"Capacity": "fargate", "CpuArchitecture": "ARM64"}


def month(given: dict[str, str]) -> int:
    said = re.match(r"about \$(\d+) a month", estimate(FORM, {**NETWORK, **given}, "us-east-1"))
    assert said
    return int(said[1])


def test_what_is_offered_is_what_is_estimated_and_in_readme() -> None:
    offered = {shown: int(re.findall(r"about \$(\d+) a month", shown)[0]) for shown in offers()}
    assert list(offered.values()) == sorted(offered.values()), "the least first"
    assert [month(given) for given in offers().values()] == list(offered.values())
    totals = f"| **together** | **${month(FARGATE)}** | **${month({})}** |"
    assert totals in (TEMPLATES.parent / "README.md").read_text()


def test_an_offer_is_what_its_label_says() -> None:
    values = {shown.partition(", about $")[0].partition(":")[0]: it for shown, it in offers().items()}
    assert values == {
        **{f"Fargate, {it}": {"Capacity": "fargate", "CpuArchitecture": it} for it in ("ARM64", "X86_64")},
        "your own hosts, 2 t3.small": {"Capacity": "ec2"},
    }
    assert FORM["AsgInstanceType"] == "t3.small"


ADDRESS, HOST, TASK = 3.65, 17.58, 7.21


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({"TaskMinCount": "4"}, 0),
        ({"AsgSubnets": "c,d,e"}, HOST),
        ({"AsgMinSize": "1"}, -HOST),
        ({"LoadBalancerSubnets": "a,b,c"}, ADDRESS),
        ({"LoadBalancerScheme": "internal"}, -2 * ADDRESS),
        ({**FARGATE, "TaskMinCount": "4", "AsgSubnets": "c,d,e"}, 2 * TASK),
        # It comes with twice the CPU.
        ({**FARGATE, "ContainerMemory": "1024"}, 2 * TASK),
    ],
)
def test_what_is_given_counts(given: dict[str, str], more: float) -> None:
    usual = month(FARGATE if "Capacity" in given else {})
    assert month(given) == pytest.approx(usual + more, abs=1.5)


@pytest.mark.parametrize(
    "given", [{"AsgInstanceType": "m7g.large"}, {"Capacity": "fargate-spot"}, {**FARGATE, "ContainerCpu": "1024"}]
)
def test_what_has_no_price_is_not_guessed(given: dict[str, str]) -> None:
    assert "docs/sizing.md has prices" in estimate(FORM, {**NETWORK, **given}, "us-east-1")


def test_it_says_whose_prices_these_are() -> None:
    at_home = estimate(FORM, NETWORK, "us-east-1")
    assert "at list prices of us-east-1, from its creation on" in at_home
    assert "at list prices of us-east-1 (not of eu-central-1" in estimate(FORM, NETWORK, "eu-central-1")
