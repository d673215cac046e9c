"""An operation on a stack and its nested stacks, from its first event to its last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from generator.operations.advice import advice
from generator.operations.aws import Client
from generator.operations.stacks import STACK
from generator.operations.terminal import Terminal

POLL_SECONDS = 5
_STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE")
_REFUSED = ("HOOK_COMPLETE_FAILED", "HOOK_FAILED")
_CANCELLED = ("Resource creation cancelled", "Resource update cancelled", "Resource deletion cancelled")
"""Reasons of what failed only because something else had."""


@dataclass(frozen=True)
class Event:
    """``path`` is of logical IDs, ``Compute/Service``, and empty for the root stack itself."""

    path: str
    kind: str
    status: str
    reason: str
    at: datetime
    physical_id: str = ""

    @property
    def depth(self) -> int:
        return self.path.count("/") + 1 if self.path else 0

    @property
    def ended(self) -> bool:
        return not self.status.endswith("_IN_PROGRESS")


def last_event(cloudformation: Client, stack_id: str) -> str:
    """The ID of the newest event; empty if there is none."""
    events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    return str(events[0]["EventId"]) if events else ""


def watch(cloudformation: Client, stack_id: str, terminal: Terminal, after: str = "") -> list[Event]:
    """Show the latest operation until it ends, and return its events, oldest first.

    ``stack_id`` is the ARN, as the name of a deleted stack finds nothing; ``after`` the newest event from before the
    operation. KeyboardInterrupt only ends the watching.
    """
    events = operation(cloudformation, stack_id, after)
    try:
        if terminal.live:
            with terminal.redrawn(lambda: tree(events, datetime.now(UTC))):
                while not _over(events):
                    time.sleep(POLL_SECONDS)
                    events = operation(cloudformation, stack_id, after)
        else:
            shown = 0
            while True:
                for event in events[shown:]:
                    terminal.line(plain(event, events[0].at))
                shown = len(events)
                if _over(events):
                    break
                time.sleep(POLL_SECONDS)
                events = operation(cloudformation, stack_id, after)
    except KeyboardInterrupt:
        terminal.line("CloudFormation continues. Run the same command to watch again.")
        raise
    return events


def _over(events: list[Event]) -> bool:
    own = [event for event in events if not event.path]
    return bool(own) and own[-1].ended


def operation(cloudformation: Client, stack_id: str, after: str = "") -> list[Event]:
    """The events of the latest operation so far, oldest first; empty while the newest event is ``after``."""
    raw = list(_since_start(cloudformation, stack_id, after))
    if not raw:
        return []
    events = list(_with_nested(cloudformation, stack_id, raw, ""))
    return sorted(events, key=lambda event: event.at)


def _since_start(cloudformation: Client, stack_id: str, after: str) -> Iterator[dict[str, Any]]:
    """Newest first, as CloudFormation lists them, back to the one that the operation started with."""
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id):
        for event in page["StackEvents"]:
            if event["EventId"] == after:
                return
            yield event
            if event.get("PhysicalResourceId") == stack_id and event.get("ResourceStatus") in _STARTS:
                return


def _with_nested(cloudformation: Client, stack_id: str, raw: list[dict[str, Any]], path: str) -> Iterator[Event]:
    """Of an event only its IDs, its stack and its time are promised; one with neither name nor status is ignored.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackEvent.html
    """
    begin = raw[-1]["Timestamp"]
    nested: dict[str, str] = {}
    # Oldest first, even among simultaneous events.
    for event in reversed(raw):
        physical, kind = event.get("PhysicalResourceId", ""), event.get("ResourceType", "")
        own, name = physical == stack_id, event.get("LogicalResourceId", "")
        where = path if own else f"{path}/{name}" if path else name
        refused_by_hook = not own and event.get("HookStatus") in _REFUSED and event.get("HookFailureMode") != "WARN"
        status = event["HookStatus"] if refused_by_hook else event.get("ResourceStatus", "")
        reason = event.get("HookStatusReason" if refused_by_hook else "ResourceStatusReason", "")
        # A nested stack's own events repeat what its parent says about it.
        if status and (name or own) and not (own and path):
            yield Event(where, kind, status, reason, event["Timestamp"], physical)
        if kind == STACK and not own and physical:
            nested[physical] = where
    for child_id, where in nested.items():
        pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=child_id)
        found = []
        for event in (it for page in pages for it in page["StackEvents"]):
            if event["Timestamp"] < begin:
                break
            found.append(event)
        if found:
            yield from _with_nested(cloudformation, child_id, found, where)


def succeeded(events: list[Event]) -> bool:
    return [event for event in events if not event.path][-1].status in _DONE


def root_cause(events: list[Event]) -> list[str]:
    """The first failure that no other explains, why, and what to do; empty if nothing failed."""
    failed = [event for event in events if event.status.endswith("_FAILED")]
    real = [event for event in failed if event.kind != STACK and not event.reason.startswith(_CANCELLED)]
    # A nested stack that cannot even be created has no resource to blame.
    for event in (real or [event for event in failed if event.path] or failed)[:1]:
        reason = " ".join(event.reason.split()) or "CloudFormation gives no reason"
        return [
            f"root cause: {event.path or 'the stack'} ({event.kind}), {event.status} after "
            f"{_clock(event.at, events[0].at)}",
            f"  {reason}",
            f"  {advice(reason, event.kind)}",
        ]
    return []


def plain(event: Event, begin: datetime) -> str:
    """One line for a log."""
    reason = f"  {' '.join(event.reason.split())}" if event.reason and event.status.endswith("_FAILED") else ""
    return f"{_clock(event.at, begin):>7}  {event.status:28}  {event.path or 'the stack'}{reason}"


def tree(events: list[Event], now: datetime) -> Table:
    """The stack, its nested stacks, and those resources that are in progress or have failed."""
    by_path: dict[str, list[Event]] = {}
    for event in events:
        by_path.setdefault(event.path, []).append(event)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for path in sorted(by_path, key=lambda path: _order(path, by_path)):
        first, last = by_path[path][0], by_path[path][-1]
        if last.kind != STACK and last.ended and not last.status.endswith("_FAILED"):
            continue
        inside = [history[-1] for other, history in by_path.items() if _parent(other) == path and other != path]
        ended = sum(event.ended for event in inside)
        count = f"{ended} of {len(inside)} so far" if inside and not last.ended else ""
        name = "  " * last.depth + (path.rpartition("/")[2] or "the stack")
        style = "bold red" if last.status.endswith("_FAILED") else "" if last.ended else "cyan"
        state: Text | Spinner = Text(last.status, style)
        if last.kind == STACK and not last.ended:
            # All draw the same frame, as a spinner counts from its own start.
            state = Spinner("dots", text=Text(last.status, style))
            state.start_time = 0
        grid.add_row(Text(name), state, _clock(last.at if last.ended else now, first.at), Text(count))
    return grid


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _order(path: str, by_path: dict[str, list[Event]]) -> tuple[tuple[datetime, str], ...]:
    """Beneath its stack, in order of starting."""
    steps = path.split("/") if path else []
    above = ["/".join(steps[: depth + 1]) for depth in range(len(steps))]
    return tuple((by_path[step][0].at, step) if step in by_path else (datetime.max, step) for step in above)


def _clock(at: datetime, begin: datetime) -> str:
    """Minutes and seconds since ``begin``."""
    seconds = max(0, int((at - begin).total_seconds()))
    return f"{seconds // 60}:{seconds % 60:02}"
