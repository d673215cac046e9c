"""Roles and policy documents: least privilege, no names, one optional permissions boundary for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from awacs.aws import (
    Action,
    Allow,
    Condition,
    ForAnyValueStringEquals,
    PolicyDocument,
    Principal,
    Statement,
    StringEquals,
)
from awacs.sts import AssumeRole
from troposphere import If, Ref, Select, Split, Sub
from troposphere.iam import Policy, Role

from generator import settings
from generator.conditions import HAS_PERMISSIONS_BOUNDARY, IS_SECRET_KEY_ALIAS
from generator.language.wiring import Expression, Stack, When
from generator.parts.tags import tags

ECS_TASKS = "ecs-tasks.amazonaws.com"
FLOW_LOGS = "vpc-flow-logs.amazonaws.com"


def document(*statements: Statement) -> dict[str, Any]:
    """A policy of ``statements``, as plain data that every policy property accepts."""
    policy: dict[str, Any] = PolicyDocument(Version="2012-10-17", Statement=list(statements)).JSONrepr()
    return policy


def managed(path: str) -> Sub:
    """The ARN of the AWS managed policy at ``path``, in any partition."""
    return Sub(f"arn:${{AWS::Partition}}:iam::aws:policy/{path}")


def may_use_secret_key(stack: Stack, *actions: Action) -> If:
    """A policy for the key of the credentials. A policy cannot name a key by alias: a condition on the key's aliases can.

    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    """
    key = stack.take(settings.SECRET_KMS_KEY_ARN)
    place, name = (Select(index, Split(":alias/", Sub("${Key}:alias/", Key=key))) for index in (0, 1))
    of_alias = Condition(ForAnyValueStringEquals("kms:ResourceAliases", [Sub("alias/${Name}", Name=name)]))

    def use(resource: Expression, **condition: Condition) -> dict[str, Any]:
        return document(Statement(Effect=Allow, Action=list(actions), Resource=[resource], **condition))

    return stack.if_(IS_SECRET_KEY_ALIAS, use(Sub("${Place}:key/*", Place=place), Condition=of_alias), use(key))


def role(
    stack: Stack,
    title: str,
    noun: str,
    *,
    trusted: Expression,
    policies: Sequence[Policy | If] = (),
    managed_policies: object = (),
    condition: When | None = None,
) -> Role:
    """A role that the service ``trusted`` may assume, added to ``stack``; exists only if ``condition`` holds.

    A role of tasks or flow logs can be assumed only for those of this account, which prevents the confused deputy:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    """
    own_account = Condition(StringEquals("aws:SourceAccount", Ref("AWS::AccountId")))
    trust = Statement(
        Effect=Allow,
        Principal=Principal("Service", trusted),
        Action=[AssumeRole],
        **({"Condition": own_account} if trusted in (ECS_TASKS, FLOW_LOGS) else {}),
    )
    properties: dict[str, Any] = {
        "AssumeRolePolicyDocument": document(trust),
        "ManagedPolicyArns": managed_policies or None,
        "PermissionsBoundary": stack.if_(HAS_PERMISSIONS_BOUNDARY, settings.PERMISSIONS_BOUNDARY_ARN),
        "Policies": list(policies) or None,
        "Tags": tags(stack, noun),
        "Condition": stack.when(condition) if condition else None,
    }
    return stack.add(Role(title, **{key: value for key, value in properties.items() if value is not None}))
