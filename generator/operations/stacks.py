"""Stacks as they are deployed: the one that the operator named, and those nested in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.operations.aws import Account, Client
from generator.operations.errors import ClientError, code
from generator.operations.exits import Problem

STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Resource:
    """A resource of a deployed stack; ``layer`` is the nested stack's logical ID, empty for the root."""

    layer: str
    name: str
    kind: str
    physical_id: str
    status: str


def find(cloudformation: Client, stack_name: str) -> dict[str, Any] | None:
    """The stack's description, ``None`` where there is none."""
    try:
        stacks = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    found: dict[str, Any] = stacks[0]
    return found


def get(account: Account, stack_name: str) -> dict[str, Any]:
    """The stack's description. Raises Problem where there is none."""
    found = find(account.client("cloudformation"), stack_name)
    if found is None:
        raise Problem(f"there is no stack {stack_name} in {account.region}: look at the name and the region")
    return found


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def resources(cloudformation: Client, stack_id: str, layer: str = "") -> Iterator[Resource]:
    """Every resource, those of the nested stacks behind their own."""
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id):
        for it in page["StackResourceSummaries"]:
            name, kind, physical = it["LogicalResourceId"], it["ResourceType"], it.get("PhysicalResourceId", "")
            yield Resource(layer, name, kind, physical, it["ResourceStatus"])
            if kind == STACK and physical:
                yield from resources(cloudformation, physical, f"{layer}/{name}" if layer else name)
