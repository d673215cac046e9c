"""What CloudFormation finds wrong with a change set before it changes anything, resource by resource.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.operations.advice import advice
from generator.operations.aws import Client

_ARN = re.compile(r"arn:[\w-]+:cloudformation:[\w-]+:\d+:changeSet/[\w/-]+")
_WRONG = ("VALIDATION_ERROR", "HOOK_INVOCATION_ERROR", "PROVISIONING_ERROR")


@dataclass(frozen=True)
class Finding:
    """``path`` is of logical IDs, ``Edge/LoadBalancer``; ``within`` the place in the template; ``fails``: the change set
    cannot be executed, otherwise it is a warning.
    """

    path: str
    kind: str
    reason: str
    within: str
    fails: bool

    def __str__(self) -> str:
        kind = f" ({self.kind})" if self.kind else ""
        within = f", at {self.within}" if self.within else ""
        return f"{self.path or 'the stack'}{kind}: {self.reason.rstrip('.')}{within}"


def findings(cloudformation: Client, change_set: str, layer: str = "") -> Iterator[Finding]:
    """Of the change set (an ARN) and those nested in it. Raises AWS's error if they may not be read.

    All events are requested, as no page says whether warnings are among those that failed.
    """
    for page in cloudformation.get_paginator("describe_events").paginate(ChangeSetName=change_set):
        for event in page["OperationEvents"]:
            if event.get("EventType") in _WRONG and event.get("ValidationStatus") != "SKIPPED":
                yield _finding(event, layer)
    for name, within in nested(cloudformation, change_set):
        yield from findings(cloudformation, within, f"{layer}/{name}" if layer else name)


def said(found: list[Finding]) -> list[str]:
    """A line for each, and what to do about failures."""
    return [line for it in found for line in (str(it), *([f"  {advice(it.reason, it.kind)}"] if it.fails else []))]


def _finding(event: dict[str, Any], layer: str) -> Finding:
    """None of what is read here is promised.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_OperationEvent.html
    """
    name = event.get("LogicalResourceId", "")
    reasons = (event.get(key) for key in ("ValidationStatusReason", "HookStatusReason", "ResourceStatusReason"))
    checks = (event.get("ValidationName") or event.get("HookType") or "CloudFormation") + " gives no reason"
    return Finding(
        path="/".join(filter(None, (layer, name))),
        kind=event.get("ResourceType", ""),
        reason=" ".join((next(filter(None, reasons), None) or checks).split()),
        within=event.get("ValidationPath", ""),
        fails="WARN" not in (event.get("ValidationFailureMode"), event.get("HookFailureMode")),
    )


def nested(cloudformation: Client, change_set: str) -> Iterator[tuple[str, str]]:
    """Logical ID and ARN of each change set directly within. A failed one may be named only in the reason."""
    reason, parent = "", ""
    known: dict[str, str] = {}
    for page in cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=change_set):
        reason, parent = page.get("StatusReason") or "", page.get("StackName", "")
        changes = (it.get("ResourceChange", {}) for it in page.get("Changes", []))
        known |= {it["ChangeSetId"]: it.get("LogicalResourceId", "") for it in changes if it.get("ChangeSetId")}
    for arn in _ARN.findall(reason):
        if arn not in known and arn != change_set:
            stack = cloudformation.describe_change_set(ChangeSetName=arn).get("StackName", "")
            # CloudFormation names a nested stack PARENT-LOGICAL_ID-RANDOM.
            known[arn] = stack.removeprefix(f"{parent}-").rpartition("-")[0] or stack
    yield from ((name, arn) for arn, name in known.items())
