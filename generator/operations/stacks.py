"""Deployed stacks: the one that the operator named, if it is of these templates, and those nested in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from generator.operations.aws import Account, Client
from generator.operations.errors import ClientError, code
from generator.operations.exits import Problem
from generator.operations.identity import SERVER, Stack, refuse_other

STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Resource:
    """A resource of a deployed stack; ``layer`` is the nested stack's logical ID, empty for the root."""

    layer: str
    name: str
    kind: str
    physical_id: str
    status: str


def find(account: Account, stack_name: str, templates: Collection[str] = SERVER) -> Stack | None:
    """What DescribeStacks says about the stack; ``None`` if there is none.

    ``templates`` are those that it may be of, by default the server's two editions. Raises Problem if it is of another.
    """
    cloudformation = account.client("cloudformation")
    try:
        stacks = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    found: Stack = stacks[0]
    refuse_other(cloudformation, found, templates)
    return found


def get(account: Account, stack_name: str) -> Stack:
    """What DescribeStacks says about the server's stack. Raises Problem if there is none, or it is of another template."""
    found = find(account, stack_name)
    if found is None:
        raise Problem(f"there is no stack {stack_name} in {account.region}: check the name and the region")
    return found


def outputs(stack: Stack) -> dict[str, str]:
    return {it["OutputKey"]: it.get("OutputValue", "") for it in stack.get("Outputs", [])}


def outputs_of_deployed(stack: Stack) -> dict[str, str]:
    """Raises Problem if it has none, as one in review or whose creation has failed."""
    if not (given := outputs(stack)):
        raise Problem(f"{stack['StackName']} is {stack['StackStatus']} and has no outputs: deploy it first")
    return given


def parameters(stack: Stack | None) -> dict[str, str]:
    """The values that the stack has; none before its creation, when a stack in review has only the change set."""
    if stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return {}
    return {it["ParameterKey"]: it.get("ParameterValue", "") for it in stack.get("Parameters", [])}


def has_reader(stack: Stack) -> bool:
    """Whether the server admits the reader: the secret is kept even while ReaderAccount is false."""
    return bool(outputs(stack).get("ReaderSecretArn")) and parameters(stack).get("ReaderAccount") != "false"


def resources(cloudformation: Client, stack_id: str, layer: str = "") -> Iterator[Resource]:
    """Every resource, those of nested stacks after their own."""
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id):
        for it in page["StackResourceSummaries"]:
            name, kind, physical = it["LogicalResourceId"], it["ResourceType"], it.get("PhysicalResourceId", "")
            yield Resource(layer, name, kind, physical, it["ResourceStatus"])
            if kind == STACK and physical:
                yield from resources(cloudformation, physical, f"{layer}/{name}" if layer else name)
