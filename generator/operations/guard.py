"""What keeps an update from losing data: a refusal before it, and the stack policy while it runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from generator.operations.aws import Client
from generator.operations.changes import Change, is_data
from generator.operations.errors import DENIED, ClientError, code
from generator.operations.exits import Problem
from generator.operations.form import Parameter
from generator.operations.stacks import Resource, resources
from generator.parts.data_bearing import DATA_BEARING, LOCATION, holds_data, stack_policy

_SECOND = (
    "Deploy a second stack with it on the same file system, then move the names: docs/runbooks/another-capacity.md"
)
OUTAGES = {
    "Capacity": _SECOND,
    "LoadBalancerScheme": _SECOND,
    "VpcId": "A file system has mount targets in one VPC: restore a backup into another for a second stack there: docs/runbooks/restore.md",
}
"""Parameters whose change replaces the target group, each with what to do instead."""


def refuse_loss(changes: list[Change], deployed: list[Resource], allowed: Collection[str]) -> None:
    """Raises Problem if a resource with data would leave the stack, except the logical IDs ``allowed``."""
    holders = {it.layer for it in deployed if holds_data(it.name, it.kind)}
    lost = [it for it in changes if it.loses and is_data(it, holders) and it.name not in allowed]
    if lost:
        names = ", ".join(f"{it.name} ({it.action})" for it in lost)
        options = " ".join(f"--allow-data-loss {it.name}" for it in lost)
        raise Problem(
            f"refused: this would remove resources that hold data from the stack: {names}. If you mean it: {options}"
        )


def refuse_move(
    form: list[Parameter], given: Mapping[str, str], previous: Mapping[str, str], allowed: Collection[str]
) -> None:
    """Raises Problem if the server would serve another directory, except for the parameters ``allowed``.

    ``previous`` are the values that the stack has, none for a new one. A stack that leaves its own file system for an
    existing one is not checked here: FileSystem would leave the stack, which ``refuse_loss`` finds.
    """
    values = {it.name: previous.get(it.name, it.default or "") for it in form if previous}
    wrong = []
    for name in LOCATION:
        before = values.get(name, "")
        after = given.get(name, before)
        if before and after != before and name not in allowed:
            new = after or "a new, empty file system"
            wrong.append(
                f"refused: the server would serve from {new} instead of {before} ({name}), whose packages it would neither "
                f"serve nor back up. If you mean it: --allow-data-loss {name}"
            )
    if wrong:
        raise Problem("\n".join(wrong))


def refuse_outage(
    stack_name: str, form: list[Parameter], given: Mapping[str, str], previous: Mapping[str, str]
) -> None:
    """Raises Problem if a running stack would get a target group without tasks; empty ``previous`` is a new stack.

    Names, listeners and load balancer move to it at once, the service follows. FARGATE and FARGATE_SPOT are exchanged in
    place: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    defaults = {it.name: it.default or "" for it in form}
    for name, way in OUTAGES.items():
        before = previous.get(name, defaults.get(name, ""))
        after = given.get(name, before)
        if previous and after != before and not {before, after} <= {"fargate", "fargate-spot"}:
            raise Problem(
                f"refused: {name}={after} in {stack_name}, which has {before}, takes the server down: its target group is "
                f"replaced by an empty one before there are new tasks. {way}"
            )


def refuse_exposure(given: Mapping[str, str], previous: Mapping[str, str]) -> None:
    """Raises Problem if one web ACL would take another's place.

    CloudFormation associates the new one, then removes the old association: that of the load balancer, which has only one.
    https://docs.aws.amazon.com/waf/latest/APIReference/API_DisassociateWebACL.html
    """
    before, after = previous.get("WebAclArn", ""), given.get("WebAclArn", "")
    if before and after not in ("", before):
        raise Problem(
            f"refused: with WebAclArn={after} in place of {before} the load balancer would end up without any: empty it in one "
            "deployment, and give the other in the next"
        )


def unguarded(cloudformation: Client, stack_id: str, has: list[Resource]) -> list[str]:
    """The names of the stacks that hold data and lack the stack policy, or have another."""
    return [
        name
        for name, guarded in _guarded(stack_id, has).items()
        if not _has_policy(cloudformation, guarded, stack_policy())
    ]


def _guarded(stack_id: str, has: list[Resource]) -> dict[str, str]:
    """ARN by name of each stack that needs a policy, as one covers only its own resources; nested ones by logical ID."""
    holders = {it.layer for it in has if it.name in DATA_BEARING and it.layer}
    return {
        stack_id.split("/")[1]: stack_id,
        **{it.name: it.physical_id for it in has if not it.layer and it.name in holders},
    }


def _has_policy(cloudformation: Client, stack_id: str, policy: str) -> bool:
    found = cloudformation.get_stack_policy(StackName=stack_id).get("StackPolicyBody") or "null"
    return bool(json.loads(found) == json.loads(policy))


def guard(cloudformation: Client, stack_id: str, allowed: Collection[str] = ()) -> list[str]:
    """Set the stack policy wherever it is missing or different; returns the names of those stacks."""
    policy, mended = stack_policy(allowed), []
    for name, guarded in _guarded(stack_id, list(resources(cloudformation, stack_id))).items():
        try:
            right = _has_policy(cloudformation, guarded, policy)
        except ClientError as error:
            if code(error) not in DENIED:
                raise
            right = False
        if not right:
            cloudformation.set_stack_policy(StackName=guarded, StackPolicyBody=policy)
            mended.append(name)
    return mended
