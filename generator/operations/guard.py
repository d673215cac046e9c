"""What keeps an update from losing data: a refusal before it, and the stack policy while it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from generator.operations.aws import Client
from generator.operations.changes import Change, is_data
from generator.operations.exits import Problem
from generator.operations.stacks import Resource, resources
from generator.parts.data_bearing import DATA_BEARING, stack_policy

_CAPACITY = "Capacity"


def refuse_loss(changes: list[Change], deployed: list[Resource], allowed: Collection[str]) -> None:
    """Raises Problem where a resource with data would leave the stack, but for the logical IDs ``allowed``."""
    holders = {it.layer for it in deployed if it.name in DATA_BEARING}
    lost = [it for it in changes if it.loses and is_data(it, holders) and it.name not in allowed]
    if lost:
        names = ", ".join(f"{it.name} ({it.action})" for it in lost)
        options = " ".join(f"--allow-data-loss {it.name}" for it in lost)
        raise Problem(
            f"refused, as this would take what holds data out of the stack: {names}. If you mean it: {options}"
        )


def refuse_capacity(stack_name: str, given: Mapping[str, str], previous: Mapping[str, str]) -> None:
    """Raises Problem where a running stack would change between hosts and Fargate; empty ``previous`` is a new stack.

    A stack of a release without the parameter has hosts. FARGATE and FARGATE_SPOT are exchanged in place:
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    before = previous.get(_CAPACITY, "ec2")
    after = given.get(_CAPACITY, before)
    if previous and (before == "ec2") != (after == "ec2"):
        raise Problem(
            f"refused: {_CAPACITY}={after} in {stack_name}, which runs on {before}, takes the server down: its target group "
            "is replaced by an empty one before there are new tasks. Deploy a second stack with it on the same file system, "
            "then move the names: docs/runbooks/another-capacity.md"
        )


def guard(cloudformation: Client, stack_id: str, allowed: Collection[str] = ()) -> None:
    """Set the stack policy, on the nested stacks too: a policy covers only the resources of its own stack."""
    policy = stack_policy(allowed)
    has = list(resources(cloudformation, stack_id))
    holders = {it.layer for it in has if it.name in DATA_BEARING and it.layer}
    nested = [it.physical_id for it in has if not it.layer and it.name in holders]
    for guarded in [stack_id, *nested]:
        cloudformation.set_stack_policy(StackName=guarded, StackPolicyBody=policy)
