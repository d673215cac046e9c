"""Which actions a deployment of the templates needs, and on what.

The actions are those that the resource types' own handlers declare in the registry's schemas, which cfn-lint carries,
but for listing, which no deployment does, and for services that only properties ask for which the templates never set.
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html#schema-properties-handlers

A scope narrows them to what is ours: Service Catalog names a stack ``SC-ACCOUNT-pp-…``, and CloudFormation begins the
names of roles, functions and buckets with their stack's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from troposphere import Sub, Template

from generator.parts import container_program
from generator.parts.tags import PROJECT

SERVICES = {
    "Network": ("acm", "ec2", "elasticloadbalancing", "route53", "wafv2"),
    "Data": ("backup", "backup-storage", "elasticfilesystem", "kms", "s3", "secretsmanager"),
    "Compute": ("application-autoscaling", "autoscaling", "ecs", "iam", "lambda"),
    "Monitoring": ("cloudwatch", "events", "logs", "sns"),
}
"""Services by policy: a managed policy has room for 6,144 characters, and all actions need about twice as many."""
_WITHOUT_HANDLERS = {
    "AWS::CloudFormation::CustomResource": ("lambda:InvokeFunction",),
    "AWS::Route53::RecordSetGroup": (
        "route53:ChangeResourceRecordSets",
        "route53:GetChange",
        "route53:GetHostedZone",
        "route53:ListResourceRecordSets",
    ),
}
"""Actions for the types whose schema declares none."""
_REFUSED = {"iam:DeleteRolePermissionsBoundary"}
"""Actions of handlers for what no update of the product may do."""
_REGION = "us-east-1"
"""Where the schemas are complete; others lack what is not there yet."""
_KNOWN: dict[str, Any] = load_resource(AdditionalSpecs, "Policies.json")
"""IAM's own list of actions by service; handlers name some that do not exist, which would grant nothing."""

_STACK = "SC-${AWS::AccountId}-pp-*"
_ROLES = Sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{_STACK}")

_SECRET = "arn:${{AWS::Partition}}:secretsmanager:*:${{AWS::AccountId}}:secret:{}*"
"""CloudFormation begins the name of a secret with its logical ID, unlike other names."""


@dataclass(frozen=True)
class Scope:
    """What an action that ``pattern`` matches from its start may act on."""

    pattern: str
    resources: tuple[object, ...]
    condition: dict[str, Any] | None = None


def _scopes(template: Template, boundary: object) -> list[Scope]:
    """The first that matches an action is its scope.

    What gives a role permissions needs the ``boundary``, an ARN, on that role:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    bounded = {"ArnEquals": {"iam:PermissionsBoundary": boundary}}
    titles = [title for title, it in template.resources.items() if it.resource_type == "AWS::SecretsManager::Secret"]
    # The program's by what its IDs have in common: an update of the product makes another, and removes this one.
    program = container_program.SECRET
    secrets = [program if title.startswith(program) else f"{title}-" for title in titles]
    bucket = "arn:${AWS::Partition}:s3:::sc-${AWS::AccountId}-pp-*"
    attached = {"ArnLike": {"iam:PolicyARN": [Sub(arn) for arn in managed_policies(template)]}}
    passed = {"StringEquals": {"iam:PassedToService": _trusted(template)}}
    return [
        Scope("iam:CreateServiceLinkedRole", (Sub("arn:${AWS::Partition}:iam::*:role/aws-service-role/*"),)),
        Scope(
            "iam:.*InstanceProfile",
            (Sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:instance-profile/{_STACK}"), _ROLES),
        ),
        Scope("iam:AttachRolePolicy", (_ROLES,), {**attached, **bounded}),
        Scope("iam:(CreateRole|PutRolePolicy|PutRolePermissionsBoundary)$", (_ROLES,), bounded),
        Scope("iam:PassRole", (_ROLES,), passed),
        Scope("iam:", (_ROLES,)),
        # These name something else than a function, and change nothing.
        Scope("lambda:(List|GetLayerVersion|GetCodeSigningConfig|PassCapacityProvider)", ("*",)),
        Scope("lambda:", (Sub(f"arn:${{AWS::Partition}}:lambda:*:${{AWS::AccountId}}:function:{_STACK}"),)),
        Scope("s3:.*Object(Acl|Version)?$", (Sub(f"{bucket}/*"),)),
        Scope("s3:", (Sub(bucket),)),
        Scope("secretsmanager:GetRandomPassword", ("*",)),
        Scope("secretsmanager:", tuple(Sub(_SECRET.format(title)) for title in secrets)),
        Scope("kms:(Disable|PutKeyPolicy|Schedule)", ("*",), {"StringEquals": {"aws:ResourceTag/created_by": PROJECT}}),
        Scope("kms:(Decrypt|Encrypt|Generate|CreateGrant|RetireGrant)", ("*",), {"Null": {"kms:ViaService": "false"}}),
        Scope("", ("*",)),
    ]


def statements(template: Template, services: Iterable[str], boundary: object) -> list[dict[str, Any]]:
    """The ``actions`` of ``services`` as statements of a policy; roles get permissions within ``boundary``, an ARN."""
    wanted = sorted(it for it in actions(template) if it.split(":")[0] in services)
    by_scope: dict[int, list[str]] = {}
    scopes = _scopes(template, boundary)
    for action in wanted:
        index = next(index for index, scope in enumerate(scopes) if re.match(scope.pattern, action))
        by_scope.setdefault(index, []).append(action)
    return [
        {
            "Effect": "Allow",
            "Action": named,
            "Resource": list(scopes[index].resources),
            **({"Condition": scopes[index].condition} if scopes[index].condition else {}),
        }
        for index, named in by_scope.items()
    ]


def actions(template: Template) -> set[str]:
    """What CloudFormation calls to create, read, update and delete the resources of ``template``."""
    kinds = {str(resource.resource_type) for resource in template.resources.values()}
    known = {service for services in SERVICES.values() for service in services}
    asked = {action.partition(":") for kind in kinds for action in _handlers(kind)}
    found = {f"{service}:{name}" for service, _, name in asked if service in known and _exists(service, name)}
    return found - _REFUSED


def _exists(service: str, name: str) -> bool:
    """Of the wildcards only ``Describe*``: others read data too."""
    return name == "Describe*" or name.lower() in _KNOWN[service]["Actions"]


def managed_policies(template: Template) -> list[str]:
    """ARNs, as ``Fn::Sub`` has them, of the AWS managed policies that the template's roles have."""
    return sorted(set(re.findall(r"arn:\$\{AWS::Partition\}:iam::aws:policy/[\w/-]+", template.to_json())))


def _trusted(template: Template) -> list[str]:
    """The services that may assume the template's roles, by all names under which roles are passed to them.

    In China roles are passed to EC2 under two: https://github.com/terraform-aws-modules/terraform-aws-eks/pull/3422.
    """
    roles = [it.to_dict()["Properties"] for it in template.resources.values() if it.resource_type == "AWS::IAM::Role"]
    services = {it["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] for it in roles}
    return sorted(services | {f"{it}.cn" for it in services if it == "ec2.amazonaws.com"})


def _handlers(kind: str) -> Iterable[str]:
    if kind in _WITHOUT_HANDLERS:
        return _WITHOUT_HANDLERS[kind]
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, kind).schema["handlers"]
    return [action for name, it in handlers.items() if name != "list" for action in it["permissions"]]
