"""Health at a glance: stacks and drift, tasks, targets, alarms, backups."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from generator.operations.aws import Account, BotoCoreError, Client, ClientError, explain
from generator.operations.stacks import STACK, Resource, get, outputs, resources
from generator.operations.terminal import Terminal

_STABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


@dataclass(frozen=True)
class Line:
    """One fact. ``good`` is ``None`` where there is nothing to judge."""

    subject: str
    text: str
    good: bool | None


def status(account: Account, terminal: Terminal, *, stack_name: str, detect_drift: bool) -> int:
    """Print a line for each fact; the exit code: 0 if none is bad, else 1.

    What these credentials may not read is a line of its own. Raises Problem where there is no stack.
    """
    stack = get(account, stack_name)
    cloudformation = account.client("cloudformation")
    has = list(resources(cloudformation, stack["StackId"]))
    stack_ids = {stack_name: stack["StackId"], **{it.name: it.physical_id for it in has if it.kind == STACK}}
    if detect_drift:
        _detect_drift(cloudformation, terminal, stack_ids)
    checks: list[tuple[str, Callable[[], list[Line]]]] = [
        ("stacks", lambda: [_stack(cloudformation, name, stack_id) for name, stack_id in stack_ids.items()]),
        ("tasks", lambda: _tasks(account, outputs(stack))),
        ("targets", lambda: _targets(account, has)),
        ("alarms", lambda: _alarms(account, outputs(stack))),
        ("backups", lambda: _backups(account, stack["StackId"], outputs(stack))),
    ]
    good = True
    for subject, check in checks:
        try:
            lines = check()
        except (ClientError, BotoCoreError) as error:
            lines = [Line(subject, explain(error), False)]
        for line in lines:
            sign = {True: "ok", False: "BAD", None: ""}[line.good]
            text = terminal.cut(f"{sign:4}{line.subject:14}{line.text}")
            terminal.line(terminal.bold(text) if line.good is False else text)
            good = good and line.good is not False
    return 0 if good else 1


def _stack(cloudformation: Client, name: str, stack_id: str) -> Line:
    stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
    drift = stack.get("DriftInformation", {})
    drifted = drift.get("StackDriftStatus", "NOT_CHECKED")
    checked = f" at {_time(drift['LastCheckTimestamp'])}" if "LastCheckTimestamp" in drift else ""
    good = stack["StackStatus"] in _STABLE and drifted != "DRIFTED"
    return Line(name, f"{stack['StackStatus']}, drift {drifted}{checked}", good)


def _detect_drift(cloudformation: Client, terminal: Terminal, stack_ids: dict[str, str]) -> None:
    """Of each stack: CloudFormation does not look into nested ones by itself."""
    for name, stack_id in stack_ids.items():
        terminal.line(f"detecting drift of {name} …")
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


def _targets(account: Account, has: list[Resource]) -> list[Line]:
    elb = account.client("elbv2")
    lines = []
    for group in (it for it in has if it.kind == "AWS::ElasticLoadBalancingV2::TargetGroup"):
        found = elb.describe_target_health(TargetGroupArn=group.physical_id)["TargetHealthDescriptions"]
        states = [it["TargetHealth"]["State"] for it in found]
        healthy = states.count("healthy")
        others = ", ".join(sorted({state for state in states if state != "healthy"}))
        lines.append(Line("targets", f"{healthy} of {len(states)} healthy {others}".rstrip(), healthy > 0))
    return lines


def _alarms(account: Account, given: dict[str, str]) -> list[Line]:
    names = [arn.partition(":alarm:")[2] for arn in given["CloudwatchAlarmArns"].split(",") if arn]
    found = account.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    ringing = [it["AlarmName"] for it in found if it["StateValue"] == "ALARM"]
    text = f"in ALARM: {', '.join(ringing)}" if ringing else f"none of {len(found)} in ALARM"
    return [Line("alarms", text, not ringing)]


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
