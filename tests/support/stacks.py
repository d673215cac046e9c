"""What the account has of a stack, in this process's moto."""

from __future__ import annotations

from calls import client


def physical_ids(stack_name: str) -> dict[str, str]:
    """By logical ID, of all layers; a nested stack's is its ARN."""
    found: dict[str, str] = {}
    for it in client("cloudformation").list_stack_resources(StackName=stack_name)["StackResourceSummaries"]:
        if it["ResourceType"]:
            found[it["LogicalResourceId"]] = it["PhysicalResourceId"]
        if it["ResourceType"] == "AWS::CloudFormation::Stack":
            found |= physical_ids(it["PhysicalResourceId"])
    return found


def outputs(stack_name: str) -> dict[str, str]:
    (stack,) = client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
