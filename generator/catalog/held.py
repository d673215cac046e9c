"""Limits on what can be launched: parameters of the portfolio's administrator, and the Rules made from them.

Rules have no prefixes and no sizes, so allowed values are listed. They apply to a launch and to every update of one.
https://docs.aws.amazon.com/servicecatalog/latest/adminguide/reference-template_constraint_rules.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from troposphere import Equals, Join, Not, Ref, Split, Sub, Template

from generator.language.wiring import Expression, Group, Setting, Stack, When
from generator.settings.values import IMAGE, VAULT_ARN, items

MAX_ZONES = 5
_MOST = 10

VPC_IDS = Setting(
    name="VpcIds",
    label="VPCs",
    type="List<AWS::EC2::VPC::Id>",
    description="In one of which a launch has to be.",
)
SUBNET_IDS = Setting(
    name="SubnetIds",
    label="Subnets",
    type="List<AWS::EC2::Subnet::Id>",
    description="To choose from, for the load balancer and for the hosts.",
)
HOSTED_ZONE_IDS = Setting(
    name="HostedZoneIds",
    label="Hosted zones",
    description=f"Up to {MAX_ZONES} IDs of Route 53 zones in which a launch may make any record, separated by commas. Empty: it makes none.",
    default="",
    pattern=items("Z[A-Z0-9]+", MAX_ZONES, least=0),
    constraint=f"must be up to {MAX_ZONES} Route 53 hosted zone IDs, separated by commas, without spaces, or empty",
)
CONTAINER_IMAGES = Setting(
    name="ContainerImages",
    label="Images",
    description=f"Up to {_MOST} image references, such as those of a mirror, that may run in place of the public ones, separated by commas.",
    default="",
    pattern=items(IMAGE, _MOST, least=0),
    constraint=f"must be up to {_MOST} image references, separated by commas, without spaces, or empty",
)
BACKUP_DAYS = Setting(
    name="BackupDays",
    label="Days to keep a backup",
    description="To choose from, separated by commas.",
    default="7,14,30,35,60,90,180,365",
    pattern=items("[1-9][0-9]{0,4}", 20),
    constraint="must be 1 to 20 numbers of days, separated by commas, without spaces",
)
BACKUP_VAULT_ARNS = Setting(
    name="BackupVaultArns",
    label="Vaults for copies of backups",
    description=f"Up to {_MOST} ARNs of vaults in other regions or accounts, separated by commas. Empty: no launch has copies.",
    default="",
    pattern=items(VAULT_ARN, _MOST, least=0),
    constraint=f"must be up to {_MOST} ARNs of backup vaults, separated by commas, without spaces, or empty",
)
GROUP = Group(
    "What a launch may choose",
    (VPC_IDS, SUBNET_IDS, HOSTED_ZONE_IDS, CONTAINER_IMAGES, BACKUP_DAYS, BACKUP_VAULT_ARNS),
)


@dataclass(frozen=True)
class Held:
    """``parameters`` of the product, which take their default, or what the administrator's list ``setting`` has."""

    setting: Setting
    parameters: tuple[str, ...]


LISTED = (
    Held(VPC_IDS, ("VpcId",)),
    Held(SUBNET_IDS, ("LoadBalancerSubnets", "AsgSubnets")),
    Held(HOSTED_ZONE_IDS, ("HostedZoneId", "CertificateHostedZoneId")),
    Held(CONTAINER_IMAGES, ("ContainerImage", "CloudWatchAgentImage")),
    Held(BACKUP_DAYS, ("BackupRetentionDays", "BackupWeeklyRetentionDays", "BackupMonthlyRetentionDays")),
    Held(BACKUP_VAULT_ARNS, ("BackupCopyVaultArn",)),
)
DEFAULT_ONLY = {
    "ExtraManagedPolicyArns": "permissions of the hosts",
    "ExtraInstanceProfilePermissions": "permissions of the hosts",
    "Users": "root on the hosts",
    "ExtraFiles": "root on the hosts",
    "CloudinitExtraCommands": "root on the hosts",
    "AmiId": "root on the hosts",
    "ExistingFileSystemId": "another team's files",
}
"""Parameters that whoever launches could use for more than their own packages, and what for.

What ``LatestX86AmiId`` and ``LatestArmAmiId`` may name is held by what the launch role may read of Parameter Store.
"""
LOCKS = ("none", "governance")
"""Nobody can remove a compliance lock from a vault, whose backups are then billed until they expire."""


def rules(stack: Stack, product: Template, boundary: Ref) -> Sub:
    """More Rules for ``product``, with the roles' ``boundary``, as the JSON that a template constraint is.

    Their names are others than those of the product's own, among which they come.
    """
    by_rule = {
        "LaunchRoles": [_equals("PermissionsBoundaryArn", "${RoleBoundary}", "")],
        "LaunchDefaults": [
            _equals(name, _default(product, name), f", else it gives {use}") for name, use in DEFAULT_ONLY.items()
        ],
        "LaunchChoices": [_choice(product, held.setting, name) for held in LISTED for name in held.parameters],
        "LaunchVaultLock": [
            _assertion(
                "BackupVaultLock", {"Fn::Contains": [LOCKS, {"Ref": "BackupVaultLock"}]}, "must not be compliance"
            )
        ],
    }
    values: dict[str, Any] = {held.setting.name: _items(stack, held.setting) for held in LISTED}
    text = {rule: {"Assertions": assertions} for rule, assertions in by_rule.items()}
    return Sub(json.dumps(text), {"RoleBoundary": boundary, **values})


def _assertion(parameter: str, test: dict[str, Any], text: str) -> dict[str, Any]:
    return {"Assert": test, "AssertDescription": f"{parameter} {text}."}


def _equals(parameter: str, value: str, why: str) -> dict[str, Any]:
    return _assertion(parameter, {"Fn::Equals": [{"Ref": parameter}, value]}, f"must be {value or 'empty'}{why}")


def _choice(product: Template, setting: Setting, parameter: str) -> dict[str, Any]:
    """That ``parameter`` is its default, if it has one, or an item of ``setting``; a list, that every item of it is."""
    listed = [f"{_default(product, parameter)}${{{setting.name}}}"]
    text = f"must be one of {setting.name}, which the portfolio's administrator gave"
    if product.parameters[parameter].Type.startswith("List<"):
        return _assertion(parameter, {"Fn::EachMemberIn": [{"Ref": parameter}, listed]}, text)
    return _assertion(parameter, {"Fn::Contains": [listed, {"Ref": parameter}]}, text)


def _default(product: Template, parameter: str) -> str:
    default: str = product.parameters[parameter].properties.get("Default", "")
    return default


def _items(stack: Stack, setting: Setting) -> Expression:
    """The items of ``setting`` as they stand in a JSON list of texts, between its first quote and its last.

    Those of an optional one continue a list.
    """
    value = stack.take(setting)
    if setting.default is None:
        return Join('","', value)
    continued = Join('","', Split(",", Sub(f",${{{setting.name}}}")))
    return stack.if_(given(setting), continued, "")


def given(setting: Setting) -> When:
    return When(f"Has{setting.name}", lambda stack: Not(Equals(stack.take(setting), "")))
