"""Deploy the templates: what would change, a question, the change, and its events until the end."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from generator import durations
from generator.operations import changes as change_sets
from generator.operations import leftovers, next_steps, tags
from generator.operations.aws import Account
from generator.operations.bucket import own_bucket
from generator.operations.change_set import ChangeSet, change_set
from generator.operations.estimate import estimate, offers
from generator.operations.exits import DONE, FAILED, Problem
from generator.operations.form import Parameter, form
from generator.operations.guard import guard, refuse_exposure, refuse_loss, refuse_move, refuse_outage
from generator.operations.identity import Stack, is_of
from generator.operations.invocation import called_as
from generator.operations.keys import refuse_keys
from generator.operations.network import refuse_mount_targets, refuse_network
from generator.operations.parameters import (
    arguments,
    check,
    check_kept,
    missing,
    read,
    refuse_unwritable,
    tidied,
    write,
)
from generator.operations.places import refuse_places
from generator.operations.publish import publish
from generator.operations.questions import ask
from generator.operations.retention import refuse_retention
from generator.operations.stacks import STACK, find, get, parameters, resources
from generator.operations.terminal import Terminal
from generator.operations.watch import last_event, operation, root_cause, succeeded, watch
from generator.parts.data_bearing import DATA_BEARING, holds_data
from generator.parts.descriptions import PARENT, SINGLE

_NEVER_WORKED = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
"""States of a stack whose creation or deletion has failed: CloudFormation only allows deleting it."""

_CREATION, _UPDATE = "creation of a stack", "update of a stack"
"""Steps of ``generator.durations``."""


@dataclass(frozen=True)
class Deployment:
    """The operator's request.

    ``allowed``: logical IDs of resources with data that may go, and parameters that may move the packages elsewhere.
    ``as_json``: the changes of a dry run as JSON on standard output. ``bucket`` ``None``: the account's own. ``tags`` of the
    stack, in addition to those that it has. ``revert_drift``: undo what was done to resources without CloudFormation.
    """

    stack_name: str
    templates: Path
    parameters: Path
    bucket: str | None
    prefix: str
    allowed: frozenset[str] = frozenset()
    dry_run: bool = False
    yes: bool = False
    verbose: bool = False
    as_json: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    revert_drift: bool = False


def deploy(account: Account, terminal: Terminal, request: Deployment) -> int:
    """Create or update the stack; DONE if it matches the templates, otherwise FAILED.

    A stack that something else is changing is only watched. Raises Problem if nothing can or may be done, and
    Declined if the operator says No.
    """
    cloudformation = account.client("cloudformation")
    stack = find(account, request.stack_name)
    status = stack["StackStatus"] if stack else "new"
    if stack and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        terminal.line(f"{request.stack_name} is {status}: watching, nothing new is deployed")
        return _watch(account, terminal, stack["StackId"])
    if stack:
        refuse_single(account, stack)
        _refuse_broken(account, stack, terminal)
    is_new = status in ("new", "REVIEW_IN_PROGRESS")
    if is_new and request.revert_drift:
        raise Problem(f"--revert-drift: {request.stack_name} is not deployed yet, so nothing has drifted")
    previous = parameters(stack)
    if not (request.yes or request.dry_run):
        terminal.must_be_live("add --yes, or --dry-run to see the changes only")
    declared = form(request.templates / PARENT)
    given = _given(account, terminal, request, declared, previous)
    refuse_outage(request.stack_name, declared, given, previous)
    refuse_move(declared, given, previous, request.allowed)
    refuse_retention(declared, given, previous)
    refuse_exposure(given, previous)
    refuse_places(account, given, previous)
    refuse_keys(account, terminal, given, previous)
    if is_new:
        refuse_network(account, terminal, given)
    else:
        refuse_mount_targets(account, terminal, given, previous)

    bucket = request.bucket or own_bucket(account, terminal, make=not request.dry_run, yes=request.yes)
    published = publish(account, terminal, request.templates, bucket, request.prefix)
    url = published.publisher.url(published.parent)
    deployed = [] if stack is None or is_new else list(resources(cloudformation, stack["StackId"]))
    with change_set(
        cloudformation, terminal, stack, _request(request, stack, url, arguments(declared, given, previous))
    ) as made:
        if request.as_json:
            print(json.dumps(_plan(account, request, status, url, made), indent=2))
        for warning in made.warnings:
            terminal.line(f"warning: {warning}", "yellow")
        if not made.changes:
            terminal.line(f"{request.stack_name} is as the template says: nothing to do")
            if not request.dry_run:
                _protect(account, terminal, made.stack_id)
            next_steps.show(account, terminal, get(account, made.stack_id))
            return DONE
        terminal.show(change_sets.table(made.changes, verbose=request.verbose))
        costs = estimate({it.name: it.default for it in declared}, given, account.region) if is_new else ""
        terminal.show(_consequences(account, request, status, made, costs))
        refuse_loss(made.changes, deployed, request.allowed)
        if request.dry_run:
            terminal.line("nothing was changed")
            return DONE
        terminal.must_agree(f"Deploy {request.stack_name}?", yes=request.yes)
        if not is_new:
            guard(cloudformation, made.stack_id, request.allowed)
        before = last_event(cloudformation, made.stack_id)
        made.execute()
    if took := durations.last(_CREATION if is_new else _UPDATE):
        terminal.line(f"the last {_CREATION if is_new else _UPDATE} from here took {took}")
    return _watch(account, terminal, made.stack_id, before)


def refuse_single(account: Account, stack: Stack) -> None:
    """Raises Problem for a stack of the single file, in which the nested edition would create everything again."""
    if is_of(account.client("cloudformation"), stack, SINGLE):
        words = ["--template-file", f"templates/{SINGLE}", "--s3-bucket", "BUCKET", "--capabilities", "CAPABILITY_IAM"]
        command = shlex.join(["--stack-name", stack["StackName"], *words, *account.options])
        raise Problem(
            f"{stack['StackName']} is of {SINGLE}, and this deploys {PARENT}, which would make anew what it has. Update it in "
            f"the console, in Service Catalog if it is from there, or by `aws cloudformation deploy {command}`"
        )


def _request(request: Deployment, stack: Stack | None, url: str, values: list[dict[str, Any]]) -> dict[str, Any]:
    """The request to CreateChangeSet."""
    has = tags.merged(stack, request.tags)
    return {
        "StackName": request.stack_name,
        "TemplateURL": url,
        "Parameters": values,
        **({"Tags": has} if has else {}),
        **({"DeploymentMode": "REVERT_DRIFT"} if request.revert_drift else {}),
    }


def _protect(account: Account, terminal: Terminal, stack_id: str) -> None:
    """Corrects the stack policies after an interrupted deployment, or somebody else's changes."""
    if mended := guard(account.client("cloudformation"), stack_id):
        terminal.line(f"the stack policy of {', '.join(mended)} was missing or relaxed, and has been restored")


def _given(
    account: Account, terminal: Terminal, request: Deployment, declared: list[Parameter], previous: dict[str, str]
) -> dict[str, str]:
    """The values of the file, completed by answers if somebody can be asked.

    ``previous`` are the values that the stack has. Raises Problem, also for one that would be kept but is refused now.
    """
    given = read(request.parameters) if request.parameters.exists() or not terminal.live else {}
    given = tidied(declared, given)
    check(declared, given)
    check_kept(declared, given, previous)
    lacking = missing(declared, given, previous)
    if not lacking:
        return given
    if request.yes or not terminal.live:
        raise Problem(f"{request.parameters} lacks {', '.join(it.name for it in lacking)}")
    refuse_unwritable(request.parameters)
    try:
        capacities = {} if previous else offers()
        for answered in ask(account, terminal, declared, lacking, given, capacities):
            given = answered
            write(request.parameters, given)
    except KeyboardInterrupt:
        if request.parameters.exists():
            terminal.line(f"{request.parameters} has the answers so far: the same command asks for the rest")
        raise
    terminal.line(f"{request.parameters} has these values; what it does not name keeps its default")
    return given


def _consequences(account: Account, request: Deployment, status: str, made: ChangeSet, costs: str) -> Table:
    """What answering Yes means; ``costs`` is empty if it adds none."""
    held = [it for it in made.changes if it.kind != STACK and holds_data(it.name, it.kind)]
    lost = [it for it in held if it.loses]
    added = [it.name for it in held if it.action == "add" and it.name in DATA_BEARING]
    data = ["what holds data is neither replaced nor removed"] if not lost else []
    data = [f"{', '.join(added)}: they outlive the stack"] if added else data
    data += [f"{it.name} ({it.action}){', the old one stays in the account' if it.retained else ''}" for it in lost]
    grid = Table.grid(padding=(0, 2))
    grid.add_row()
    for name, text in {
        "account": made.stack_id.split(":")[4],
        "region": account.region,
        "stack": f"{request.stack_name} ({status})",
        "changes": change_sets.count(made.changes),
        "data": "; ".join(data),
        **({"costs": costs} if costs else {}),
    }.items():
        grid.add_row(Text(name, "bold"), Text(text))
    return grid


def _plan(account: Account, request: Deployment, status: str, url: str, made: ChangeSet) -> dict[str, Any]:
    """``deploy --dry-run --json``: see docs/commands.md."""
    changes = [{**asdict(it), "data": holds_data(it.name, it.kind)} for it in change_sets.shown(made.changes)]
    return {
        "account": made.stack_id.split(":")[4],
        "region": account.region,
        "stack": request.stack_name,
        "status": status,
        "template": url,
        "changes": changes,
        "warnings": [str(it) for it in made.warnings],
    }


def _watch(account: Account, terminal: Terminal, stack_id: str, after: str = "") -> int:
    cloudformation = account.client("cloudformation")
    events = watch(cloudformation, stack_id, terminal, after)
    status = [event for event in events if not event.path][-1].status
    if status.startswith("DELETE"):
        raise Problem(f"the stack is {status}: somebody else has deleted it")
    if status not in _NEVER_WORKED:
        guard(cloudformation, stack_id)
    for line in root_cause(events):
        terminal.line(line)
    name = stack_id.split("/")[1]
    hint = ""
    if status in _NEVER_WORKED:
        hint = f": fix it, then `{_delete(account, name)}` and deploy again"
    leftovers.show(account, terminal, leftovers.left(events))
    if status in _NEVER_WORKED:
        leftovers.show_bucket(account, terminal)
    terminal.line(f"{name} is {status}{hint}", "bold")
    if not succeeded(events):
        return FAILED
    step = _CREATION if status.startswith("CREATE") else _UPDATE
    durations.remember({step: (events[-1].at - events[0].at).total_seconds()})
    next_steps.show(account, terminal, get(account, stack_id))
    return DONE


def _delete(account: Account, stack_name: str) -> str:
    return f"{called_as()} delete {shlex.join(['--stack-name', stack_name, *account.options])}"


def _refuse_broken(account: Account, stack: Stack, terminal: Terminal) -> None:
    """Raises Problem for a stack that no deployment can change, after saying why it got there."""
    cloudformation = account.client("cloudformation")
    name, status = stack["StackName"], stack["StackStatus"]
    if status in _NEVER_WORKED:
        events = operation(cloudformation, stack["StackId"])
        for line in root_cause(events):
            terminal.line(line)
        leftovers.show(account, terminal, leftovers.left(events))
        raise Problem(f"{name} is {status} and can only be deleted: `{_delete(account, name)}`")
    if status == "UPDATE_ROLLBACK_FAILED":
        stuck = [
            f"{it.layer}.{it.name}".strip(".")
            for it in resources(cloudformation, stack["StackId"])
            if it.status == "UPDATE_FAILED"
        ]
        raise Problem(
            f"{name} is {status}, stuck at {', '.join(stuck) or 'an unknown resource'}: fix the cause, then "
            f"`{shlex.join(['aws', 'cloudformation', 'continue-update-rollback', '--stack-name', name, *account.options])}`"
        )
