"""Deploy the published parent: change set, table, question, execution, tree of what happens."""

from __future__ import annotations

import time
from typing import Any

from generator.operations import changes as change_sets
from generator.operations.aws import Account, Client, Problem
from generator.operations.changes import Change
from generator.operations.parameters import resolve
from generator.operations.stacks import Resource, find, resources
from generator.operations.terminal import Terminal
from generator.operations.watch import last_event, operation, root_cause, succeeded, watch
from generator.parts.data_bearing import DATA_BEARING, stack_policy

_NEVER_WORKED = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


def deploy(
    account: Account,
    terminal: Terminal,
    *,
    stack_name: str,
    template_url: str,
    given: dict[str, str],
    allowed: set[str],
    dry_run: bool = False,
    yes: bool = False,
) -> int:
    """Create or update the stack; the exit code: 0 if it is as the template says, 1 if not.

    A stack that something else is changing is only watched. ``allowed`` are logical IDs of data-bearing resources that
    may go. Raises Problem where nothing can or may be done.
    """
    cloudformation = account.client("cloudformation")
    stack = find(cloudformation, stack_name)
    status = stack["StackStatus"] if stack else ""
    if stack and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        terminal.line(f"{stack_name} is {status}: watching, nothing new is deployed")
        return _watch(cloudformation, stack["StackId"], terminal)
    if stack:
        _refuse_broken(cloudformation, stack, terminal)
    if not (yes or dry_run or terminal.live):
        raise Problem("nobody to ask, as this is not a terminal: add --yes, or --dry-run to see the changes only")
    is_new = stack is None or status == "REVIEW_IN_PROGRESS"
    deployed = [] if stack is None or is_new else list(resources(cloudformation, stack["StackId"]))
    previous = set() if stack is None or is_new else {it["ParameterKey"] for it in stack.get("Parameters", [])}
    parameters = resolve(cloudformation, template_url, given, previous)

    terminal.line(f"comparing {stack_name} with {template_url} …")
    created = cloudformation.create_change_set(
        StackName=stack_name,
        ChangeSetName=f"deploy-{time.time_ns()}",
        ChangeSetType="CREATE" if is_new else "UPDATE",
        TemplateURL=template_url,
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM"],
        IncludeNestedStacks=True,
    )
    change_set, stack_id = created["Id"], created["StackId"]
    kept = False
    try:
        if not _has_changes(cloudformation, change_set):
            terminal.line(f"{stack_name} is as the template says: nothing to do")
            return 0
        changes = list(change_sets.read(cloudformation, change_set))
        for line in change_sets.table(changes, terminal):
            terminal.line(line)
        _refuse_loss(changes, deployed, allowed)
        if dry_run or not (yes or terminal.agrees(f"Deploy {stack_name}?")):
            terminal.line("nothing was changed")
            return 0
        kept = True
    finally:
        if not kept:
            cloudformation.delete_change_set(ChangeSetName=change_set)
            if stack is None:
                # A change set for a new stack has made one that is empty.
                cloudformation.delete_stack(StackName=stack_id)
    if allowed:
        _guard(cloudformation, stack_id, allowed)
    before = last_event(cloudformation, stack_id)
    cloudformation.execute_change_set(ChangeSetName=change_set)
    return _watch(cloudformation, stack_id, terminal, before)


def _watch(cloudformation: Client, stack_id: str, terminal: Terminal, after: str = "") -> int:
    events = watch(cloudformation, stack_id, terminal, after)
    status = [event for event in events if not event.path][-1].status
    if status.startswith("DELETE"):
        raise Problem(f"the stack is {status}: somebody else has deleted it")
    if status not in _NEVER_WORKED:
        _guard(cloudformation, stack_id, set())
    for line in root_cause(events):
        terminal.line(line)
    name = stack_id.split("/")[1]
    hint = ""
    if status in _NEVER_WORKED:
        hint = f": mend it, then `python -m generator delete --stack-name {name}` and deploy again"
    terminal.line(terminal.bold(f"{name} is {status}{hint}"))
    return 0 if succeeded(events) else 1


def _refuse_broken(cloudformation: Client, stack: dict[str, Any], terminal: Terminal) -> None:
    """Raises Problem for a stack that no deployment can change, after saying why it got there."""
    name, status = stack["StackName"], stack["StackStatus"]
    if status in _NEVER_WORKED:
        for line in root_cause(operation(cloudformation, stack["StackId"])):
            terminal.line(line)
        raise Problem(f"{name} is {status} and can only be deleted: `python -m generator delete --stack-name {name}`")
    if status == "UPDATE_ROLLBACK_FAILED":
        stuck = [
            f"{it.layer}.{it.name}".strip(".")
            for it in resources(cloudformation, stack["StackId"])
            if it.status == "UPDATE_FAILED"
        ]
        raise Problem(
            f"{name} is {status}, stuck at {', '.join(stuck) or 'an unknown resource'}: mend the cause, then "
            f"`aws cloudformation continue-update-rollback --stack-name {name}`"
        )


def _has_changes(cloudformation: Client, change_set: str) -> bool:
    """Wait until the change set is made. Raises Problem where CloudFormation cannot make it."""
    while True:
        described = cloudformation.describe_change_set(ChangeSetName=change_set)
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


def _refuse_loss(changes: list[Change], deployed: list[Resource], allowed: set[str]) -> None:
    holders = {it.layer for it in deployed if it.name in DATA_BEARING}
    lost = [it for it in changes if it.loses and change_sets.is_data(it, holders) and it.name not in allowed]
    if lost:
        names = ", ".join(f"{it.name} ({it.action})" for it in lost)
        options = " ".join(f"--allow-data-loss {it.name}" for it in lost)
        raise Problem(
            f"refused, as this would take what holds data out of the stack: {names}. If you mean it: {options}"
        )


def _guard(cloudformation: Client, stack_id: str, allowed: set[str]) -> None:
    """Set the stack policy, on the nested stacks too: a policy covers only the resources of its own stack."""
    policy = stack_policy(allowed)
    held = [it for it in resources(cloudformation, stack_id) if it.name in DATA_BEARING]
    ids = {it.name: it.physical_id for it in resources(cloudformation, stack_id) if not it.layer}
    for guarded in [stack_id, *(ids[layer] for layer in {it.layer for it in held} if layer)]:
        cloudformation.set_stack_policy(StackName=guarded, StackPolicyBody=policy)
