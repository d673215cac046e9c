"""Health at a glance: stacks and drift, stack policies, tasks, targets, alarms, backups."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from generator.operations import next_steps
from generator.operations.aws import Account, Client
from generator.operations.errors import AWS_ERRORS, explain
from generator.operations.exits import DONE, FAILED
from generator.operations.file_systems import file_system
from generator.operations.guard import unguarded
from generator.operations.stacks import STACK, Resource, get, outputs, resources
from generator.operations.terminal import Terminal

_STABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


@dataclass(frozen=True)
class Line:
    """One fact. ``good`` is ``None`` if there is nothing to judge."""

    subject: str
    text: str
    good: bool | None


def status(account: Account, terminal: Terminal, *, stack_name: str, detect_drift: bool, as_json: bool = False) -> int:
    """A line for each fact, and the next steps; DONE if nothing is bad, otherwise FAILED.

    What these credentials may not read gets its own line. ``as_json``: an object on standard output instead, as
    docs/commands.md describes it. Raises Problem if there is no stack.
    """
    stack = get(account, stack_name)
    lines = list(_lines(account, terminal, stack, detect_drift=detect_drift))
    good = all(line.good is not False for line in lines)
    if as_json:
        urls = next_steps.urls(stack)
        facts = [asdict(line) for line in lines]
        print(json.dumps({"stack": stack_name, "good": good, "urls": urls, "facts": facts}, indent=2))
    else:
        terminal.show(_table(lines))
        next_steps.show(account, terminal, stack)
    return DONE if good else FAILED


def _lines(account: Account, terminal: Terminal, stack: dict[str, Any], *, detect_drift: bool) -> Iterator[Line]:
    cloudformation = account.client("cloudformation")
    has = list(resources(cloudformation, stack["StackId"]))
    stack_ids = {stack["StackName"]: stack["StackId"], **{it.name: it.physical_id for it in has if it.kind == STACK}}
    if detect_drift:
        _detect_drift(cloudformation, terminal, stack_ids)
    checks: dict[str, Callable[[], list[Line]]] = {
        "stacks": lambda: [_stack(cloudformation, name, stack_id) for name, stack_id in stack_ids.items()],
        "protection": lambda: [_protection(cloudformation, stack["StackId"], has)],
        "tasks": lambda: _tasks(account, outputs(stack)),
        "targets": lambda: _targets(account, has, outputs(stack)),
        "alarms": lambda: _alarms(account, outputs(stack)),
        "file system": lambda: _file_system(account, outputs(stack)),
        "backups": lambda: _backups(account, stack["StackId"], outputs(stack)),
    }
    for subject, check in terminal.steps("asking for", checks):
        try:
            yield from check()
        except AWS_ERRORS as error:
            yield Line(subject, explain(error), False)
        except KeyError as error:
            yield Line(subject, f"not deployed yet: the stack has no output {error.args[0]}", False)


def _table(lines: list[Line]) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(min_width=3)
    grid.add_column(min_width=13, overflow="fold")
    grid.add_column(overflow="fold")
    for line in lines:
        style = "bold red" if line.good is False else ""
        sign = {True: "ok", False: "BAD", None: ""}[line.good]
        grid.add_row(Text(sign, style or "green"), Text(line.subject, style), Text(line.text, style))
    return grid


def _stack(cloudformation: Client, name: str, stack_id: str) -> Line:
    stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
    drift = stack.get("DriftInformation", {})
    drifted = drift.get("StackDriftStatus", "NOT_CHECKED")
    checked = f" at {_time(drift['LastCheckTimestamp'])}" if "LastCheckTimestamp" in drift else ""
    good = stack["StackStatus"] in _STABLE and drifted != "DRIFTED"
    return Line(name, f"{stack['StackStatus']}, drift {drifted}{checked}", good)


def _protection(cloudformation: Client, stack_id: str, has: list[Resource]) -> Line:
    wrong = unguarded(cloudformation, stack_id, has)
    if wrong:
        return Line(
            "protection", f"the stack policy of {', '.join(wrong)} is missing or relaxed: `deploy` restores it", False
        )
    return Line("protection", "the stack policies protect resources that hold data", True)


def _detect_drift(cloudformation: Client, terminal: Terminal, stack_ids: dict[str, str]) -> None:
    """For each stack: CloudFormation does not look into nested ones itself."""
    for _, stack_id in terminal.steps("detecting drift of", stack_ids):
        detection = cloudformation.detect_stack_drift(StackName=stack_id)["StackDriftDetectionId"]
        while _detection(cloudformation, detection) == "DETECTION_IN_PROGRESS":
            time.sleep(3)


def _detection(cloudformation: Client, detection: str) -> str:
    described = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    return str(described["DetectionStatus"])


def _tasks(account: Account, given: dict[str, str]) -> list[Line]:
    found = account.client("ecs").describe_services(cluster=given["EcsClusterName"], services=[given["EcsServiceArn"]])
    return [
        Line("tasks", f"{it['runningCount']} of {it['desiredCount']} running", it["runningCount"] >= it["desiredCount"])
        for it in found["services"]
    ]


def _targets(account: Account, has: list[Resource], given: dict[str, str]) -> list[Line]:
    elb = account.client("elbv2")
    turned_off = given["TaskMinCount"] == "0"
    lines = []
    for group in (it for it in has if it.kind == "AWS::ElasticLoadBalancingV2::TargetGroup"):
        found = elb.describe_target_health(TargetGroupArn=group.physical_id)["TargetHealthDescriptions"]
        states = [it["TargetHealth"]["State"] for it in found]
        healthy = states.count("healthy")
        others = ", ".join(sorted({state for state in states if state != "healthy"}))
        lines.append(
            Line("targets", f"{healthy} of {len(states)} healthy {others}".rstrip(), healthy > 0 or turned_off)
        )
    return lines


def _alarms(account: Account, given: dict[str, str]) -> list[Line]:
    names = [arn.partition(":alarm:")[2] for arn in given["CloudwatchAlarmArns"].split(",") if arn]
    found = account.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    ringing = [it["AlarmName"] for it in found if it["StateValue"] == "ALARM"]
    text = f"in ALARM: {', '.join(ringing)}" if ringing else f"none of {len(found)} in ALARM"
    return [Line("alarms", text, not ringing)]


def _file_system(account: Account, given: dict[str, str]) -> list[Line]:
    """Nothing while it exists: whether it can be mounted, the tasks show."""
    identity = given["FileSystemId"]
    gone = f"{identity} is gone, with the packages: `restore` brings back a backup (docs/runbooks/restore.md)"
    return [] if file_system(account, identity) else [Line("file system", gone, False)]


def _backups(account: Account, stack_id: str, given: dict[str, str]) -> list[Line]:
    backup = account.client("backup")
    arn = f"arn:{account.partition}:elasticfilesystem:{account.region}:{stack_id.split(':')[4]}"
    file_system = f"{arn}:file-system/{given['FileSystemId']}"
    try:
        last = backup.describe_protected_resource(ResourceArn=file_system).get("LastBackupTime")
    except backup.exceptions.ResourceNotFoundException:
        last = None
    lines = [Line("last backup", _time(last) if last else "none yet", None)]
    jobs = backup.list_restore_jobs_by_protected_resource(ResourceArn=file_system, ByStatus="COMPLETED")["RestoreJobs"]
    ended: list[Any] = [it["CompletionDate"] for it in jobs if "CompletionDate" in it]
    return [*lines, Line("last restore", _time(max(ended)) if ended else "none yet", None)]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"
