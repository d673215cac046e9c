"""The Service Catalog template: a portfolio with the server as its product, and the role that launches it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from awacs.aws import Allow, Principal, Statement
from awacs.sts import AssumeRole
from troposphere import Equals, Not, Ref, Select, Split, Sub, Tags, Template
from troposphere.iam import ManagedPolicy, Policy, Role
from troposphere.servicecatalog import (
    CloudFormationProduct,
    Info,
    LaunchRoleConstraint,
    LaunchTemplateConstraint,
    Portfolio,
    PortfolioPrincipalAssociation,
    PortfolioProductAssociation,
    ProvisioningArtifactProperties,
    TagOption,
    TagOptionAssociation,
)

from generator.catalog import boundary as limits
from generator.catalog import held
from generator.catalog.actions import SERVICES
from generator.catalog.policies import IMAGE_PARAMETERS, Deployer, stack_statements, statements, zone_arn
from generator.language.editions import Form, Single
from generator.language.slots import Slots
from generator.language.wiring import Group, Kind, Setting, Stack, When, Wire, only_if
from generator.parts.descriptions import DESCRIPTIONS, SERVICE_CATALOG
from generator.parts.iam import document
from generator.parts.tags import PROJECT
from generator.settings.values import optional

_MOST = 5
_STACKS = "SC-${AWS::AccountId}-pp-*"
"""Names of the stacks that Service Catalog makes."""
_PRINCIPAL = r"arn:aws[a-z-]*:iam::([0-9]{12}:(role|user|group)/[^\s*?]+|:(role|user|group)/\S+)"
"""With an account's ID one of them, without it every one that the pattern names, in the account of the portfolio.

https://docs.aws.amazon.com/servicecatalog/latest/dg/API_AssociatePrincipalWithPortfolio.html
"""
_TEMPLATE_URL = Setting(
    name="TemplateUrl",
    label="URL of the template",
    description="The single file that `pypiserver-aws publish` prints. Leave it when you add versions.",
    pattern=r"^https://[^?\s]+/[0-9a-f]{32}/pypiserver-single\.yaml$",
    constraint="must be the URL of the single file that `pypiserver-aws publish` prints",
)
_VERSION = Setting(
    name="Version",
    label="Version",
    description="Name of the first version. Leave it when you add versions.",
    pattern=r"^[A-Za-z0-9._-]{1,50}$",
)
_PROVIDER = Setting(
    name="ProviderName",
    label="Provider",
    description="Shown as the owner of portfolio and product.",
    default="Platform",
)
_PRINCIPALS = tuple(
    Setting(
        name=f"PrincipalArn{index}",
        label=f"Who may launch the product ({index})",
        description="ARN of an IAM role, user or group. Without an account's ID it is a pattern with * and ?, e.g. of roles of IAM Identity Center: arn:aws:iam:::role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Developers_*."
        if index == 1
        else "As the first, or empty. An ARN stays in its place: to move one, take it away in one update and enter it in the next.",
        default=None if index == 1 else "",
        pattern=f"^{_PRINCIPAL}$" if index == 1 else optional(_PRINCIPAL),
        constraint="must be the ARN of an IAM role, user or group; wildcards only without an account's ID",
    )
    for index in range(1, _MOST + 1)
)
_COST_CENTERS = tuple(
    Setting(
        name=f"CostCenterValue{index}",
        label=f"Cost center ({index})",
        description="A value of the tag cost-center to choose from at a launch. It may exist once in an account and region. Without any, launches have no such tag."
        if index == 1
        else "As the first.",
        default="",
        pattern=r"^[A-Za-z0-9_.:/=+@ -]{0,256}$",
        constraint="must be a value of a tag, of at most 256 characters, or empty",
    )
    for index in range(1, _MOST + 1)
)


def _distinct(parameters: tuple[Setting, ...]) -> dict[str, Any]:
    """A Rule: no two of ``parameters`` have one value, other than none."""

    def differ(one: Setting, other: Setting) -> dict[str, Any]:
        empty = {"Fn::Equals": [{"Ref": other.name}, ""]}
        return {"Fn::Or": [empty, {"Fn::Not": [{"Fn::Equals": [{"Ref": one.name}, {"Ref": other.name}]}]}]}

    return {
        "Assertions": [
            {"Assert": differ(one, other), "AssertDescription": f"{one.name} and {other.name} must not be the same."}
            for one, other in combinations(parameters, 2)
        ]
    }


_FORM = Form(
    groups=(
        Group("Product", (_PROVIDER, _VERSION, _TEMPLATE_URL)),
        Group("Who may launch it", (*_PRINCIPALS, *_COST_CENTERS)),
        held.GROUP,
    ),
    rules={"Principals": _distinct(_PRINCIPALS)},
)
_DESCRIPTION = (
    f"{DESCRIPTIONS[SERVICE_CATALOG]}. "
    "Not in ap-east-2, ap-southeast-5, ap-southeast-7 and mx-central-1, which lack its resource types"
)


def catalog(product: Template) -> dict[str, Template]:
    """The template around ``product``, the single-file edition, by its file name."""
    edition = Single(SERVICE_CATALOG, _DESCRIPTION, _FORM)
    stack = edition.stack("Catalog", "")
    offer = _product(stack)
    portfolio = stack.add(
        Portfolio(
            "Portfolio",
            DisplayName="Private PyPI",
            ProviderName=stack.take(_PROVIDER),
            Tags=Tags(created_by=PROJECT),
        )
    )
    place: dict[str, Any] = {"PortfolioId": Ref(portfolio), "ProductId": Ref(offer)}
    association = stack.add(PortfolioProductAssociation("PortfolioProduct", **place))
    boundary = stack.add(
        ManagedPolicy(
            "RoleBoundary",
            Description="The most that roles of a private PyPI may do",
            PolicyDocument=limits.boundary(),
        )
    )
    role = _launch_role(stack, product, Ref(boundary))
    stack.add(LaunchRoleConstraint("LaunchConstraint", **place, RoleArn=role, DependsOn=[association.title]))
    stack.add(
        LaunchTemplateConstraint(
            "TemplateConstraint",
            **place,
            Rules=held.rules(stack, product, Ref(boundary)),
            DependsOn=[association.title],
        )
    )
    _principals(stack, portfolio)
    _cost_centers(stack, portfolio)
    product_id: Wire[Kind] = stack.offer("ProductId", Ref(offer), "The product, for `catalog publish`.")
    portfolio_id: Wire[Kind] = stack.offer("PortfolioId", Ref(portfolio), "The portfolio.")
    boundary_arn: Wire[Kind] = stack.offer("RoleBoundaryArn", Ref(boundary), "PermissionsBoundaryArn of every launch.")
    edition.expose(product_id, portfolio_id, boundary_arn)
    return edition.templates()


def _product(stack: Stack) -> CloudFormationProduct:
    return stack.add(
        CloudFormationProduct(
            "Product",
            Name="Private PyPI",
            Description="pypiserver on ECS, EFS and a load balancer",
            Owner=stack.take(_PROVIDER),
            ProvisioningArtifactParameters=[
                ProvisioningArtifactProperties(
                    Name=stack.take(_VERSION), Info=Info(LoadTemplateFromURL=stack.take(_TEMPLATE_URL))
                )
            ],
            # Versions that `catalog publish` has added stay.
            ReplaceProvisioningArtifacts=False,
            Tags=Tags(created_by=PROJECT),
        )
    )


def _principals(stack: Stack, portfolio: Portfolio) -> None:
    """Who may launch what is in ``portfolio``: a parameter for each, as places of a list would shift.

    An association is known by portfolio and principal alone: made anew for one who has it elsewhere, it would be
    deleted with the other in the update's clean-up.
    https://docs.aws.amazon.com/servicecatalog/latest/dg/API_AssociatePrincipalWithPortfolio.html
    """
    for index, setting in enumerate(_PRINCIPALS, 1):
        arn = stack.take(setting)
        stack.add(
            PortfolioPrincipalAssociation(
                f"Principal{index}",
                **only_if(stack.when(held.given(setting)) if setting.default is not None else None),
                PortfolioId=Ref(portfolio),
                PrincipalARN=arn,
                PrincipalType=stack.if_(_has_account(setting), "IAM", "IAM_PATTERN"),
            )
        )


def _has_account(arn: Setting) -> When:
    # Where there is no ARN there would be no fifth part of it.
    account = Select(4, Split(":", Sub(f"${{{arn.name}}}::::")))
    return When(f"HasAccount{arn.name}", lambda _stack: Not(Equals(account, "")))


def _cost_centers(stack: Stack, portfolio: Portfolio) -> None:
    """The values of the tag ``cost-center``, one of which every launch from ``portfolio`` must carry if there are any."""
    for index, setting in enumerate(_COST_CENTERS, 1):
        there = only_if(stack.when(held.given(setting)))
        option = stack.add(TagOption(f"CostCenter{index}", **there, Key="cost-center", Value=stack.take(setting)))
        stack.add(
            TagOptionAssociation(
                f"PortfolioCostCenter{index}", **there, ResourceId=Ref(portfolio), TagOptionId=Ref(option)
            )
        )


def _launch_role(stack: Stack, product: Template, boundary: Ref) -> Any:
    """ARN of the role that Service Catalog launches the product with; it makes roles with ``boundary`` alone.

    https://docs.aws.amazon.com/servicecatalog/latest/adminguide/constraints-launch.html
    """
    trust = Statement(Effect=Allow, Principal=Principal("Service", "servicecatalog.amazonaws.com"), Action=[AssumeRole])
    zones = Slots(held.HOSTED_ZONE_IDS, "HostedZone", held.MAX_ZONES, least=0)
    launcher = Deployer(
        templates=(product,),
        stacks=_STACKS,
        boundary=boundary,
        zones=[slot.only(zone_arn(slot.value)) for slot in zones.of(stack)],
        locks=False,
    )
    policies = [
        stack.add(
            ManagedPolicy(
                f"Launch{name}",
                PolicyDocument={"Version": "2012-10-17", "Statement": statements(launcher, services)},
            )
        )
        for name, services in SERVICES.items()
    ]
    role = stack.add(
        Role(
            "LaunchRole",
            AssumeRolePolicyDocument=document(trust),
            ManagedPolicyArns=[Ref(policy) for policy in policies],
            Policies=[Policy(PolicyName="stacks", PolicyDocument=_stacks())],
            Tags=Tags(created_by=PROJECT),
        )
    )
    return role.get_att("Arn")


def _stacks() -> dict[str, Any]:
    """To run the stack itself, and to read the copy of its template and the images' parameters."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            stack_statements(_STACKS),
            {
                "Effect": "Allow",
                "Action": ["cloudformation:GetTemplateSummary", "cloudformation:ValidateTemplate"],
                "Resource": ["*"],
            },
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": ["*"],
                "Condition": {"StringEquals": {"s3:ExistingObjectTag/servicecatalog:provisioning": "true"}},
            },
            {
                "Effect": "Allow",
                "Action": ["ssm:GetParameters"],
                "Resource": [IMAGE_PARAMETERS],
            },
        ],
    }
