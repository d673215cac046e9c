"""Rules and constraints are judged by another's engine as they are by ours.

``refuse`` is ours, and it is what most tests ask. The engine refuses with the first Rule that fails.
"""

from __future__ import annotations

import json
import random

import pytest
from deployments import CATALOG, REQUIRED, everything, extras
from engine import ELSEWHERE, IMAGES, Engine, Templates
from refuse import constraint_violations, refusals
from resolve import Data, Evaluation, Values

from tests.test_rules import EXAMPLES

pytestmark = pytest.mark.slow
BOUNDARY = {"PermissionsBoundaryArn": extras()["PermissionsBoundaryArn"]}


class Subnets(dict[tuple[str, str], str]):
    """What the engine's account has of them."""

    def __missing__(self, key: tuple[str, str]) -> str:
        subnet, attribute = key
        if attribute == "VpcId":
            return "elsewhere" if subnet == ELSEWHERE else REQUIRED["VpcId"]
        return subnet[-1]


def ours(template: Data, values: Values) -> list[str]:
    return refusals(template, REQUIRED | IMAGES | dict(values), Subnets())


def test_the_examples_of_each_rule(account: Engine, committed: Templates) -> None:
    template = committed["pypiserver.yaml"]
    assert committed["pypiserver-single.yaml"]["Rules"] == template["Rules"]
    url = account.upload(committed, "pypiserver.yaml")

    def refused(values: Values) -> str:
        return account.refusal(url, REQUIRED | IMAGES | dict(values))

    for values in ({}, everything() | IMAGES):
        assert refused(values) == "" == "".join(ours(template, values))
    for rule, accepted, wrong, _ in EXAMPLES:
        assert refused(accepted) == "", rule
        (told,) = ours(template, wrong)
        assert f"rule {rule} failed: {told}" in refused(wrong)


def values_of(setting: Data, name: str, some: random.Random) -> str:
    """One that the parameter takes, and that a Rule may be about."""
    if "AllowedValues" in setting:
        return str(some.choice(setting["AllowedValues"]))
    return some.choice([str(setting.get("Default", REQUIRED.get(name))), extras().get(name, REQUIRED.get(name, ""))])


def test_values_that_nobody_chose(account: Engine, committed: Templates) -> None:
    template = committed["pypiserver.yaml"]
    url, some, outcomes = account.upload(committed, "pypiserver.yaml"), random.Random(24), []
    about = {name for name in template["Parameters"] if f'"Ref": "{name}"' in json.dumps(template["Rules"])} - {"VpcId"}
    for _ in range(60):
        # A few at a time, as most Rules would refuse most of everything.
        changed = some.sample(sorted(about), 4)
        values = {name: values_of(template["Parameters"][name], name, some) for name in changed}
        expected = ours(template, values)
        said = account.refusal(url, REQUIRED | IMAGES | values)
        outcomes.append(bool(expected))
        if expected:
            assert any(told in said for told in expected), (values, said)
        else:
            assert said == "", values
    assert {True, False} == set(outcomes)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("HostedZoneId", "z1"),
        ("AsgInstanceType", "t1.micro"),
        ("BackupRetentionDays", "0"),
        ("BackupRetentionDays", "seven"),
        ("IngressCidrs", "10.0.0.1/8"),
        ("ServiceName", "aws-pypi"),
        ("VolumeTags", "a=1,a=2"),
        ("Users", "{}"),
    ],
)
def test_values_that_a_parameter_refuses(account: Engine, committed: Templates, name: str, wrong: str) -> None:
    values = REQUIRED | IMAGES | {name: wrong}
    assert constraint_violations(committed["pypiserver.yaml"], values) == [name]
    assert name in account.refusal(account.upload(committed, "pypiserver.yaml"), values)


def product(committed: Templates, **administrator: str) -> Data:
    """The product with the Rules of its constraint, as Service Catalog judges a launch, and the boundary that they ask for."""
    constraint = Evaluation(committed["service-catalog.yaml"], CATALOG | administrator).resources["TemplateConstraint"]
    rules = constraint["Properties"]["Rules"].replace("<RoleBoundary>", BOUNDARY["PermissionsBoundaryArn"])
    single = committed["pypiserver-single.yaml"]
    return {**single, "Rules": {**single["Rules"], **json.loads(rules)}}


def test_a_launch_with_the_products_own_defaults_and_the_boundary(account: Engine, committed: Templates) -> None:
    launched = product(committed)
    url = account.upload({"product.yaml": launched}, "product.yaml")
    values = REQUIRED | IMAGES | BOUNDARY
    assert ours(launched, BOUNDARY) == []
    assert account.refusal(url, values) == ""
    assert account.create("launched", url, values) == "CREATE_COMPLETE", account.reasons("launched")


@pytest.mark.parametrize(
    "wrong",
    [
        {"PermissionsBoundaryArn": ""},
        {"HostedZoneId": "Z9876543210DEF"},
        {"AsgSubnets": ELSEWHERE},
        {"ContainerImage": "registry.example.com/mine:1"},
        {"BackupVaultLock": "compliance"},
        {"Users": '[{"name": "admin"}]'},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_launch_that_the_portfolio_does_not_admit(account: Engine, committed: Templates, wrong: Values) -> None:
    launched = product(committed)
    expected = ours(launched, BOUNDARY | dict(wrong))
    said = account.refusal(
        account.upload({"product.yaml": launched}, "product.yaml"), REQUIRED | IMAGES | BOUNDARY | dict(wrong)
    )
    assert any(told in said for told in expected), said
