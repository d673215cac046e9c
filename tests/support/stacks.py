"""A file of parameters for a stack on ``emulator``, and what the account has of a stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from calls import client
from emulator import BUCKET, STACK, network, renew
from kept import keep

from generator.commands import main

DEPLOY = ("deploy", "--bucket", BUCKET, "--yes")
Parameters: TypeAlias = dict[str, str]


def give(**settings: str) -> Parameters:
    """Write the file of parameters of a stack in the account's network; what is in it."""
    return give_again(network(), **settings)


def give_again(values: Parameters, **changed: str) -> Parameters:
    """As ``give``, of what ``give`` gave."""
    values = {**values, **changed}
    Path("parameters.json").write_text(json.dumps([f"{name}={value}" for name, value in values.items()]))
    return values


_deployments: dict[str, tuple[Parameters, Callable[[], None]]] = {}


def deploy_once(**settings: str) -> Parameters:
    """An account with nothing but the stack ``pypi``, as the first deployment of this process with ``settings`` left it.

    As ``give``, it writes the file of parameters, and gives what is in it.
    """
    known = json.dumps(settings)
    if known not in _deployments:
        renew()
        values = give(**settings)
        assert main([*DEPLOY]) == 0
        _deployments[known] = values, keep()
    values, bring_back = _deployments[known]
    bring_back()
    return give_again(values)


def physical_ids(stack_name: str = "pypi") -> dict[str, str]:
    """By logical ID, of all layers; a nested stack's is its ARN."""
    found: dict[str, str] = {}
    for it in client("cloudformation").list_stack_resources(StackName=stack_name)["StackResourceSummaries"]:
        found[it["LogicalResourceId"]] = it["PhysicalResourceId"]
        if it["ResourceType"] == STACK:
            found |= physical_ids(it["PhysicalResourceId"])
    return found


def outputs(stack_name: str = "pypi") -> dict[str, str]:
    (stack,) = client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
