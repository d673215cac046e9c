"""The Service Catalog template: a portfolio with the server as its product, and the role that launches it."""

from __future__ import annotations

import json
from typing import Any

from awacs.aws import Allow, Principal, Statement
from awacs.sts import AssumeRole
from troposphere import Ref, Sub, Tags, Template
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
from generator.catalog.launch_role import SERVICES, statements
from generator.language.editions import Form, Single
from generator.language.slots import Slots
from generator.language.wiring import Group, Kind, Setting, Stack, Wire, only_if
from generator.parts.descriptions import DESCRIPTIONS, SERVICE_CATALOG
from generator.parts.iam import document
from generator.parts.tags import PROJECT

_MOST = 5
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
_PRINCIPAL_ARNS = Setting(
    name="PrincipalArns",
    label="Who may launch the product",
    description=f"1 to {_MOST} ARNs of IAM roles, users or groups, separated by commas.",
    pattern=rf"^arn:[^,\s]+(,arn:[^,\s]+){{0,{_MOST - 1}}}$",
    constraint=f"must be 1 to {_MOST} ARNs, separated by commas, without spaces",
)
_PROVIDER = Setting(
    name="ProviderName",
    label="Provider",
    description="Shown as the owner of portfolio and product.",
    default="Platform",
)
_COST_CENTERS = Setting(
    name="CostCenters",
    label="Cost centers",
    description=f"Up to {_MOST} values of the tag cost-center to choose from at a launch, separated by commas. A value may exist once in an account and region. Empty: no such tag.",
    default="",
    pattern=rf"^([^,\s]+(,[^,\s]+){{0,{_MOST - 1}}})?$",
    constraint=f"must be up to {_MOST} values, separated by commas, without spaces, or empty",
)
_FORM = Form(
    groups=(Group("Product", (_PROVIDER, _VERSION, _TEMPLATE_URL)), Group("Use", (_PRINCIPAL_ARNS, _COST_CENTERS)))
)
_EMPTY = {
    "ExtraManagedPolicyArns": "permissions of the hosts",
    "ExtraInstanceProfilePermissions": "permissions of the hosts",
    "Users": "root on the hosts",
    "ExtraFiles": "root on the hosts",
    "CloudinitExtraCommands": "root on the hosts",
    "AmiId": "root on the hosts",
    "ExistingFileSystemId": "another team's files",
}
"""Parameters that whoever launches could use for more than their own packages, and what for."""


def catalog(product: Template) -> dict[str, Template]:
    """The template around ``product``, the single-file edition, by its file name."""
    edition = Single(SERVICE_CATALOG, DESCRIPTIONS[SERVICE_CATALOG], _FORM)
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
            "TemplateConstraint", **place, Rules=_rules(Ref(boundary)), DependsOn=[association.title]
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
    """Who may launch what is in ``portfolio``."""
    for slot in Slots(_PRINCIPAL_ARNS, "Principal", _MOST).of(stack):
        stack.add(
            PortfolioPrincipalAssociation(
                f"Principal{slot.index}",
                **only_if(slot.filled),
                PortfolioId=Ref(portfolio),
                PrincipalARN=slot.value,
                PrincipalType="IAM",
            )
        )


def _cost_centers(stack: Stack, portfolio: Portfolio) -> None:
    """The values of the tag ``cost-center``, one of which every launch from ``portfolio`` must carry if there are any."""
    slots = Slots(_COST_CENTERS, "CostCenter", _MOST)
    for slot in slots.of(stack):
        there = only_if(slot.filled or stack.when(slots.has(slot.index)))
        option = stack.add(TagOption(f"CostCenter{slot.index}", **there, Key="cost-center", Value=slot.value))
        stack.add(
            TagOptionAssociation(
                f"PortfolioCostCenter{slot.index}", **there, ResourceId=Ref(portfolio), TagOptionId=Ref(option)
            )
        )


def _rules(boundary: Ref) -> Sub:
    """The roles' ``boundary`` is given, and nothing of ``_EMPTY`` is.

    https://docs.aws.amazon.com/servicecatalog/latest/adminguide/reference-template_constraint_rules.html
    """
    assertions = [
        {"Assert": {"Fn::Equals": [{"Ref": name}, ""]}, "AssertDescription": f"{name} must be empty here: {use}."}
        for name, use in _EMPTY.items()
    ]
    bounded = {
        "Assert": {"Fn::Equals": [{"Ref": "PermissionsBoundaryArn"}, "${Boundary}"]},
        "AssertDescription": "PermissionsBoundaryArn must be ${Boundary}.",
    }
    return Sub(json.dumps({"HostPermissions": {"Assertions": [bounded, *assertions]}}), Boundary=boundary)


def _launch_role(stack: Stack, product: Template, boundary: Ref) -> Any:
    """ARN of the role that Service Catalog launches the product with; it makes roles with ``boundary`` alone.

    https://docs.aws.amazon.com/servicecatalog/latest/adminguide/constraints-launch.html
    """
    trust = Statement(Effect=Allow, Principal=Principal("Service", "servicecatalog.amazonaws.com"), Action=[AssumeRole])
    policies = [
        stack.add(
            ManagedPolicy(
                f"Launch{name}",
                PolicyDocument={"Version": "2012-10-17", "Statement": statements(product, services, boundary)},
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
    own = Sub("arn:${AWS::Partition}:cloudformation:*:${AWS::AccountId}:stack/SC-${AWS::AccountId}-pp-*/*")
    images = Sub("arn:${AWS::Partition}:ssm:*:*:parameter/aws/service/ecs/optimized-ami/*")
    changes = ("CreateChangeSet", "DeleteChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "ListChangeSets")
    stacks = ("CreateStack", "DeleteStack", "DescribeStackEvents", "DescribeStacks", "SetStackPolicy", "UpdateStack")
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": [f"cloudformation:{it}" for it in (*changes, *stacks)], "Resource": [own]},
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
                "Resource": [images],
            },
        ],
    }
