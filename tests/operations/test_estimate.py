"""What a deployment is said to cost follows from the values that it is given."""

from __future__ import annotations

import re

import pytest

from generator.commands.options import TEMPLATES
from generator.operations.estimate import Offer, estimate, offers
from generator.operations.form import form
from generator.parts.descriptions import PARENT

FORM = {it.name: it.default for it in form(TEMPLATES / PARENT)}
NETWORK = {"LoadBalancerSubnets": "a,b", "AsgSubnets": "c,d"}
OFFERS = list(offers(TEMPLATES).values())


def month(**given: str) -> int:
    said = re.match(r"about \$(\d+) a month", estimate(TEMPLATES, FORM, {**NETWORK, **given}))
    assert said
    return int(said[1])


def test_the_least_is_offered_first() -> None:
    months = [it.month(2, 2) for it in OFFERS]
    assert months == sorted(months)
    assert [it.capacity for it in OFFERS] == ["fargate", "fargate", "ec2"]


@pytest.mark.parametrize("offer", OFFERS)
def test_what_is_offered_is_what_is_estimated(offer: Offer) -> None:
    assert month(**offer.parameters) == round(offer.month(2, 2))


def test_what_is_given_counts() -> None:
    hosts, arm = OFFERS[-1], OFFERS[0]
    assert month() == round(hosts.month(2, 2)), "the default of the templates"
    assert month(AsgSubnets="c,d,e") == round(hosts.month(3, 2))
    assert month(AsgMinSize="1") == round(hosts.month(1, 2))
    assert month(LoadBalancerSubnets="a,b,c") == round(hosts.month(2, 3))
    assert month(LoadBalancerScheme="internal") == round(hosts.month(2, 0))
    assert month(TaskMinCount="4") == month(), "on hosts tasks cost nothing"
    assert month(**arm.parameters, TaskMinCount="4", AsgSubnets="c,d,e") == round(arm.month(4, 2))


@pytest.mark.parametrize(
    "given",
    [
        {"AsgInstanceType": "m7g.large"},
        {"Capacity": "fargate-spot"},
        {"Capacity": "fargate", "ContainerMemory": "1024"},
    ],
)
def test_what_has_no_price_is_not_guessed(given: dict[str, str]) -> None:
    assert "docs/sizing.md has prices" in estimate(TEMPLATES, FORM, {**NETWORK, **given})
