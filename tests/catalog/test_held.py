"""What a launch is held to: the template constraint's Rules, run together with the product's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from calls import Json
from deployments import CATALOG, REQUIRED, Editions, extras
from refuse import constraint_violations, refusals
from resolve import Data, Evaluation, Values
from updates import waits

ROOT = Path(__file__).parents[2]
# Of the table in the documentation.
DEFAULT_ONLY = [
    name
    for line in (ROOT / "docs/service-catalog.md").read_text().splitlines()
    if "| the default: whoever launches would" in line
    for name in re.findall(r"`(\w+)`", line.split("|")[1])
]


class Subnets(dict[tuple[str, str], str]):
    """All in one zone of the VPC ``vpc``."""

    def __init__(self, vpc: str) -> None:
        self.vpc = vpc

    def __missing__(self, key: tuple[str, str]) -> str:
        return self.vpc if key[1] == "VpcId" else "eu-west-1a"


def constraint(template: Json, administrator: Values) -> Data:
    """The Rules that Service Catalog gets from the stack with these parameters."""
    assert constraint_violations(template, administrator) == []
    assert refusals(template, administrator, {}) == []
    resources = Evaluation(template, administrator).resources
    rules: Data = json.loads(resources["TemplateConstraint"]["Properties"]["Rules"])
    return rules


def refused(editions: Editions, template: Json, values: Values, **administrator: str) -> list[str]:
    """Why a launch with ``values`` over what is required is refused, by the product's parameters, Rules or constraint."""
    product = editions.single_file
    given = REQUIRED | {"PermissionsBoundaryArn": BOUNDARY} | dict(values)
    rules = json.dumps(constraint(template, CATALOG | administrator)).replace("<RoleBoundary>", BOUNDARY)
    assert not json.loads(rules).keys() & product["Rules"].keys(), "one would take the other's place"
    both = {**product, "Rules": {**product["Rules"], **json.loads(rules)}}
    return constraint_violations(product, given) + refusals(both, given, Subnets(given["VpcId"]))


BOUNDARY = "arn:aws:iam::123456789012:policy/pypi-catalog-RoleBoundary-1"
MINE = CATALOG["SubnetIds"].split(",")


def test_the_product_can_be_launched_with_its_own_defaults(editions: Editions, template: Json) -> None:
    assert refused(editions, template, {}) == []
    assert refused(editions, template, {"Capacity": "fargate"}) == []
    without = {"HostedZoneId": "", "CertificateArn": extras()["CertificateArn"]}
    assert refused(editions, template, without, HostedZoneIds="") == []


def test_constraints_wait_until_the_product_is_in_the_portfolio(template: Json) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-servicecatalog-launchroleconstraint.html"""
    kinds = {title: it["Type"] for title, it in template["Resources"].items()}
    (association,) = (title for title, kind in kinds.items() if kind.endswith("::PortfolioProductAssociation"))
    constraints = [title for title, kind in kinds.items() if kind.endswith("Constraint")]
    assert constraints == ["LaunchConstraint", "TemplateConstraint"]
    before = waits(template)
    assert [title for title in constraints if association not in before[title]] == []


COPIES = extras()["BackupCopyVaultArn"]


@pytest.mark.parametrize(
    ("values", "administrator"),
    [
        ({"HostedZoneId": "Z2"}, {"HostedZoneIds": "Z1,Z2,Z3"}),
        ({"CertificateHostedZoneId": "Z3"}, {"HostedZoneIds": "Z0123456789ABC,Z3"}),
        ({"VpcId": "vpc-2"}, {"VpcIds": "vpc-1,vpc-2"}),
        ({"AsgSubnets": "subnet-3"}, {"SubnetIds": f"subnet-3,{CATALOG['SubnetIds']}"}),
        ({"ContainerImage": "mirror/pypiserver:2"}, {"ContainerImages": "mirror/agent:1,mirror/pypiserver:2"}),
        ({"CloudWatchAgentImage": "mirror/agent:1"}, {"ContainerImages": "mirror/agent:1,mirror/pypiserver:2"}),
        ({"BackupRetentionDays": "90", "BackupMonthlyRetentionDays": "365"}, {}),
        ({"BackupRetentionDays": "2555"}, {"BackupDays": "2555"}),
        ({"BackupCopyVaultArn": COPIES}, {"BackupVaultArns": COPIES}),
        ({"BackupVaultLock": "governance"}, {}),
    ],
)
def test_what_the_administrator_lists_can_be_chosen(
    values: Values, administrator: dict[str, str], editions: Editions, template: Json
) -> None:
    assert refused(editions, template, values, **administrator) == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("PermissionsBoundaryArn", ""),
        ("PermissionsBoundaryArn", f"{BOUNDARY}0"),
        ("VpcId", "vpc-2"),
        ("LoadBalancerSubnets", f"{MINE[0]},subnet-0f000000000000001"),
        ("AsgSubnets", "subnet-0f000000000000001"),
        ("HostedZoneId", "Z9"),
        ("CertificateHostedZoneId", "Z9"),
        ("ContainerImage", "docker.io/miner:latest"),
        ("CloudWatchAgentImage", "docker.io/miner:latest"),
        ("BackupVaultLock", "compliance"),
        *((f"Backup{it}RetentionDays", days) for it in ("", "Weekly", "Monthly") for days in ("36500", "366", "6")),
        ("BackupCopyVaultArn", COPIES),
        *((name, extras()[name]) for name in DEFAULT_ONLY),
    ],
)
def test_nothing_else_can_be_chosen(parameter: str, value: str, editions: Editions, template: Json) -> None:
    told = refused(editions, template, {parameter: value})
    assert told, f"{parameter} {value!r} is launched"
    assert all(text.startswith(f"{parameter} ") for text in told)


def test_no_launch_brings_a_command_or_a_policy(editions: Editions, template: Json) -> None:
    """What cannot be chosen is known to the documentation; here it is what the product's own patterns and Rules let through."""
    product = editions.single_file
    hostile = ("$(id)", "; id #", '" id "', "- id", "a,$(id)", "arn:aws:iam::aws:policy/AdministratorAccess", "iam:*")
    free = [
        (name, text)
        for name in product["Parameters"]
        for text in hostile
        if not constraint_violations(product, REQUIRED | {name: text})
    ]
    assert {name for name, _ in free} & {*DEFAULT_ONLY} == {"CloudinitExtraCommands", "ExtraManagedPolicyArns"}
    unheld = {name for name, text in free if not refused(editions, template, {name: text})}
    # Patterns of file names; and names of images in Parameter Store, of which the launch role reads Amazon's alone.
    assert unheld == {"BlockedFiles", "LatestX86AmiId", "LatestArmAmiId"}


def test_an_image_is_not_admitted_by_the_emptiness_of_a_list(editions: Editions, template: Json) -> None:
    assert "CloudWatchAgentImage" in refused(editions, template, {"CloudWatchAgentImage": ""})[0]
    rules = constraint(template, CATALOG | {"HostedZoneIds": ""})
    for assertion in rules["LaunchChoices"]["Assertions"]:
        for allowed, parameter in assertion["Assert"].values():
            if parameter == {"Ref": "CloudWatchAgentImage"}:
                assert allowed == [editions.single_file["Parameters"]["CloudWatchAgentImage"]["Default"]]


@pytest.mark.parametrize(
    ("arn", "kind"),
    [
        ("arn:aws:iam::123456789012:role/team/developers", "IAM"),
        ("arn:aws:iam::123456789012:role/comma,in=name", "IAM"),
        ("arn:aws-cn:iam::123456789012:group/all", "IAM"),
        ("arn:aws:iam:::role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Developers_*", "IAM_PATTERN"),
        ("arn:aws:iam:::role/developers", "IAM_PATTERN"),
    ],
)
def test_whoever_may_launch_is_named_as_service_catalog_takes_it(arn: str, kind: str, template: Json) -> None:
    for name in ("PrincipalArn1", "PrincipalArn5"):
        given = CATALOG | {name: arn}
        assert constraint_violations(template, given) == []
        found = Evaluation(template, given).resources[name.replace("Arn", "")]["Properties"]
        assert (found["PrincipalARN"], found["PrincipalType"]) == (arn, kind)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::123456789012:role/a?",
        "arn:aws:iam::*:role/a",
        "arn:aws:iam:::*/a",
        "arn:aws:iam:::policy/a",
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:assumed-role/a/b",
        "developers",
    ],
)
def test_whom_service_catalog_would_refuse_is_refused_before(arn: str, template: Json) -> None:
    for name in ("PrincipalArn1", "PrincipalArn2"):
        assert constraint_violations(template, CATALOG | {name: arn}) == [name]


def test_who_stays_keeps_the_place_when_another_goes(template: Json) -> None:
    """A list would shift; an association that is made anew in another place is deleted with its old one."""
    arns = {f"PrincipalArn{n}": f"arn:aws:iam::123456789012:role/{n}" for n in (1, 2, 3)}
    values = {f"CostCenterValue{n}": f"{n}" for n in (1, 2, 3)}
    before = Evaluation(template, CATALOG | arns | values).resources
    after = Evaluation(template, CATALOG | arns | values | {"PrincipalArn2": "", "CostCenterValue1": ""}).resources
    assert before.keys() - after.keys() == {"Principal2", "CostCenter1", "PortfolioCostCenter1"}
    assert after == {title: before[title] for title in after}


def test_nobody_is_named_twice(template: Json) -> None:
    twice = CATALOG | {"PrincipalArn4": CATALOG["PrincipalArn1"]}
    assert refusals(template, twice, {}) == ["PrincipalArn1 and PrincipalArn4 must not be the same."]
