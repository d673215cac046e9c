"""The actions needed to deploy a template: those of its resource types' handlers, and what services require besides.

Handlers' actions are declared in the registry's schemas, which cfn-lint carries. Excluded are listing, which no
deployment does, and services needed only for properties that the templates never set.
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html#schema-properties-handlers
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from troposphere import Template

SERVICES = {
    "Network": ("acm", "ec2", "elasticloadbalancing", "route53", "wafv2"),
    "Data": ("backup", "backup-storage", "elasticfilesystem", "kms", "s3", "secretsmanager"),
    "Compute": ("application-autoscaling", "autoscaling", "ecs", "iam", "lambda"),
    "Monitoring": ("cloudwatch", "events", "logs", "sns"),
}
"""Services by policy: a managed policy has room for 6,144 characters, and all actions need about twice as many."""


@dataclass(frozen=True)
class Asked:
    """``actions`` that the service of ``calls`` requires of the caller in addition to the calls, according to ``source``."""

    calls: tuple[str, ...]
    actions: tuple[str, ...]
    source: str


CALLERS_ACTIONS = (
    Asked(
        ("elasticfilesystem:CreateMountTarget",),
        ("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
        "https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html",
    ),
    Asked(
        ("elasticfilesystem:DeleteMountTarget",),
        ("ec2:DeleteNetworkInterface",),
        "https://docs.aws.amazon.com/efs/latest/ug/API_DeleteMountTarget.html",
    ),
    Asked(
        ("elasticfilesystem:DescribeMountTargetSecurityGroups",),
        ("ec2:DescribeNetworkInterfaceAttribute",),
        "https://docs.aws.amazon.com/efs/latest/ug/API_DescribeMountTargetSecurityGroups.html",
    ),
    Asked(
        ("elasticfilesystem:ModifyMountTargetSecurityGroups",),
        ("ec2:ModifyNetworkInterfaceAttribute",),
        "https://docs.aws.amazon.com/efs/latest/ug/API_ModifyMountTargetSecurityGroups.html",
    ),
    Asked(
        ("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:SetSecurityGroups"),
        ("ec2:GetSecurityGroupsForVpc",),
        "https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/3917",
    ),
    Asked(
        ("elasticloadbalancing:CreateLoadBalancer",),
        (
            "ec2:DescribeAccountAttributes",
            "ec2:DescribeAddresses",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "iam:CreateServiceLinkedRole",
        ),
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html",
    ),
    Asked(
        (
            "autoscaling:CreateAutoScalingGroup",
            "autoscaling:UpdateAutoScalingGroup",
            "autoscaling:StartInstanceRefresh",
        ),
        ("ec2:CreateTags", "ec2:RunInstances", "iam:PassRole"),
        "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html",
    ),
    Asked(
        ("ec2:CreateVpcEndpoint",),
        ("route53:AssociateVPCWithHostedZone",),
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html",
    ),
    Asked(
        ("application-autoscaling:PutScalingPolicy", "application-autoscaling:RegisterScalableTarget"),
        (
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DescribeAlarms",
            "cloudwatch:PutMetricAlarm",
            "ecs:DescribeServices",
            "ecs:UpdateService",
            "iam:CreateServiceLinkedRole",
        ),
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/auto-scaling-IAM.html",
    ),
)
_WITHOUT_HANDLERS = {
    "AWS::CloudFormation::CustomResource": ("lambda:InvokeFunction",),
    "AWS::CloudFormation::Stack": (),
    "AWS::Route53::RecordSet": (
        "route53:ChangeResourceRecordSets",
        "route53:GetChange",
        "route53:GetHostedZone",
        "route53:ListResourceRecordSets",
    ),
}
_WITHOUT_HANDLERS["AWS::Route53::RecordSetGroup"] = _WITHOUT_HANDLERS["AWS::Route53::RecordSet"]
"""Actions for the types whose schema declares none."""
_REFUSED = {"iam:DeleteRolePermissionsBoundary"}
"""Actions of handlers for what no update of the product may do."""
_REGION = "us-east-1"
"""Where the schemas are complete; others lack what is not there yet."""
_KNOWN: dict[str, Any] = load_resource(AdditionalSpecs, "Policies.json")
"""IAM's own list of actions by service; handlers name some that do not exist, which would grant nothing."""


def actions(templates: Iterable[Template]) -> set[str]:
    """What is called to create, read, update and delete the resources of ``templates``, and asked for those calls."""
    kinds = {str(resource.resource_type) for template in templates for resource in template.resources.values()}
    known = {service for services in SERVICES.values() for service in services}
    called = {action.partition(":") for kind in kinds for action in _handlers(kind)}
    found = {f"{service}:{name}" for service, _, name in called if service in known and _exists(service, name)}
    asked = {action for it in CALLERS_ACTIONS if found & {*it.calls} for action in it.actions}
    described = tuple(it.removesuffix("*") for it in found if it.endswith(":Describe*"))
    return {it for it in found | asked if it.endswith("*") or not it.startswith(described)} - _REFUSED


def _exists(service: str, name: str) -> bool:
    """Of the wildcards only ``Describe*``: others read data too."""
    return name == "Describe*" or name.lower() in _KNOWN[service]["Actions"]


def _handlers(kind: str) -> Iterable[str]:
    if kind in _WITHOUT_HANDLERS:
        return _WITHOUT_HANDLERS[kind]
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, kind).schema["handlers"]
    return [action for name, it in handlers.items() if name != "list" for action in it["permissions"]]
