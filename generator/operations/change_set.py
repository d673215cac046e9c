"""A change set, from creation to execution or end; one that is not executed leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from generator.operations.aws import Client
from generator.operations.changes import Change, read
from generator.operations.errors import AWS_ERRORS, ClientError, explain
from generator.operations.exits import Problem
from generator.operations.identity import Stack
from generator.operations.terminal import Terminal
from generator.operations.validation import Finding, findings, nested, said

_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


@dataclass
class ChangeSet:
    """``changes`` is empty if the stack matches the template; ``stack_id`` and ``arn`` are ARNs; ``warnings`` do not
    prevent its execution.
    """

    cloudformation: Client
    arn: str
    stack_id: str
    changes: list[Change] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    executed: bool = False

    def execute(self) -> None:
        # It may have run even if the answer is lost, and the request that is sent again then may be refused for it.
        self.executed = True
        try:
            self.cloudformation.execute_change_set(ChangeSetName=self.arn, ClientRequestToken=self.arn.split("/")[1])
        except ClientError as error:
            self.executed = error.response["Error"]["Code"] == "InvalidChangeSetStatus"
            raise


@contextmanager
def change_set(
    cloudformation: Client, terminal: Terminal, stack: Stack | None, request: Mapping[str, Any]
) -> Iterator[ChangeSet]:
    """The changes from ``stack`` (``None``: there is none) to ``request``: members of CreateChangeSet.

    Raises Problem if CloudFormation cannot compare, or refuses the result.
    """
    is_new = stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    name = f"deploy-{time.time_ns()}"
    try:
        created = cloudformation.create_change_set(
            ChangeSetName=name,
            ClientToken=name,  # of one that is asked for again, since its answer was lost
            ChangeSetType="CREATE" if is_new else "UPDATE",
            Capabilities=["CAPABILITY_IAM"],
            IncludeNestedStacks=True,
            **request,
        )
    except ClientError:
        raise
    except BaseException:
        _remove_unanswered(cloudformation, request["StackName"], name, is_new=stack is None)
        raise
    made = ChangeSet(cloudformation, created["Id"], created["StackId"])
    try:
        with terminal.waiting(f"comparing {request['StackName']} with {request['TemplateURL']} …"):
            if _has_changes(terminal, made):
                made.changes = list(read(cloudformation, made.arn))
                made.warnings = _findings(terminal, made)
        yield made
    finally:
        if not made.executed:
            cloudformation.delete_change_set(ChangeSetName=made.arn)
            if stack is None:
                # A change set for a new stack has created an empty stack.
                cloudformation.delete_stack(StackName=made.stack_id)


def _remove_unanswered(cloudformation: Client, stack_name: str, name: str, *, is_new: bool) -> None:
    """What a request created, if anything, whose answer did not arrive."""
    with suppress(*AWS_ERRORS):
        cloudformation.delete_change_set(StackName=stack_name, ChangeSetName=name)
        (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
        if is_new and stack["StackStatus"] == "REVIEW_IN_PROGRESS":
            cloudformation.delete_stack(StackName=stack["StackId"])


def _has_changes(terminal: Terminal, made: ChangeSet) -> bool:
    """Wait until the change set exists. Raises Problem if CloudFormation cannot create it, or finds it wrong."""
    while True:
        described = made.cloudformation.describe_change_set(ChangeSetName=made.arn)
        match described["Status"]:
            case "CREATE_COMPLETE":
                return True
            case "FAILED":
                if _is_unchanged(described):
                    return False
                found = said([it for it in _findings(terminal, made) if it.fails])
                if found:
                    raise Problem("\n".join(["CloudFormation refuses it before it changes anything:", *found]))
                raise Problem(f"CloudFormation cannot compare: {_reason(made.cloudformation, made.arn)}")
        time.sleep(2)


def _is_unchanged(described: dict[str, Any]) -> bool:
    return any(text in described.get("StatusReason", "") for text in _NO_CHANGES)


def _findings(terminal: Terminal, made: ChangeSet) -> list[Finding]:
    try:
        return list(findings(made.cloudformation, made.arn))
    except AWS_ERRORS as error:
        terminal.line(f"what CloudFormation's own validation found was not read: {explain(error)}")
        return []


def _reason(cloudformation: Client, arn: str) -> str:
    """Why a change set failed; if a nested one did, the parent's own reason says only that."""
    for name, within in nested(cloudformation, arn):
        described = cloudformation.describe_change_set(ChangeSetName=within)
        if described["Status"] == "FAILED" and not _is_unchanged(described):
            return f"{name}: {_reason(cloudformation, within)}"
    return str(cloudformation.describe_change_set(ChangeSetName=arn).get("StatusReason", "no reason is given"))
