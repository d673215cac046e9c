"""A change set from its making to its execution or its end; what is not executed leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from generator.operations.aws import Client
from generator.operations.changes import Change, read
from generator.operations.exits import Problem
from generator.operations.terminal import Terminal

_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


@dataclass
class ChangeSet:
    """``changes`` is empty where the stack is as the template says; ``stack_id`` and ``arn`` are ARNs."""

    cloudformation: Client
    arn: str
    stack_id: str
    changes: list[Change]
    executed: bool = False

    def execute(self) -> None:
        self.cloudformation.execute_change_set(ChangeSetName=self.arn)
        self.executed = True


@contextmanager
def change_set(
    cloudformation: Client,
    terminal: Terminal,
    stack: dict[str, Any] | None,
    stack_name: str,
    url: str,
    parameters: list[dict[str, Any]],
) -> Iterator[ChangeSet]:
    """The changes from ``stack`` (``None``: there is none) to the template at ``url``.

    Raises Problem where CloudFormation cannot compare.
    """
    is_new = stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    created = cloudformation.create_change_set(
        StackName=stack_name,
        ChangeSetName=f"deploy-{time.time_ns()}",
        ChangeSetType="CREATE" if is_new else "UPDATE",
        TemplateURL=url,
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM"],
        IncludeNestedStacks=True,
    )
    made = ChangeSet(cloudformation, created["Id"], created["StackId"], [])
    try:
        with terminal.waiting(f"comparing {stack_name} with {url} …"):
            if _has_changes(cloudformation, made.arn):
                made.changes = list(read(cloudformation, made.arn))
        yield made
    finally:
        if not made.executed:
            cloudformation.delete_change_set(ChangeSetName=made.arn)
            if stack is None:
                # A change set for a new stack has made one that is empty.
                cloudformation.delete_stack(StackName=made.stack_id)


def _has_changes(cloudformation: Client, arn: str) -> bool:
    """Wait until the change set is made. Raises Problem where CloudFormation cannot make it."""
    while True:
        described = cloudformation.describe_change_set(ChangeSetName=arn)
        match described["Status"]:
            case "CREATE_COMPLETE":
                return True
            case "FAILED":
                reason = described.get("StatusReason", "")
                if any(text in reason for text in _NO_CHANGES):
                    return False
                raise Problem(f"CloudFormation cannot compare: {_nested_reason(cloudformation, described) or reason}")
        time.sleep(2)


def _nested_reason(cloudformation: Client, described: dict[str, Any]) -> str:
    """Why a nested change set has failed; the parent's own reason is only that it did."""
    for change in (it["ResourceChange"] for it in described.get("Changes", [])):
        if change.get("ChangeSetId"):
            nested = cloudformation.describe_change_set(ChangeSetName=change["ChangeSetId"])
            reason: str = nested.get("StatusReason", "")
            if nested["Status"] == "FAILED" and not any(text in reason for text in _NO_CHANGES):
                return f"{change['LogicalResourceId']}: {_nested_reason(cloudformation, nested) or reason}"
    return ""
