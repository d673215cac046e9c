"""What CloudFormation tells of change sets beside their changes: those of a stack, their template, what is wrong with them.

For the server of ``emulator``. What its own validation finds, a test puts into ``early``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from calls import Json
from moto.core.responses import ActionResult

EARLY = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::PropertyValidation]. To troubleshoot Early Validation "
    "errors, use the DescribeEvents API for detailed failure information."
)
"""https://github.com/aws/aws-cdk-cli/issues/1000"""


@dataclass
class Early:
    """What CloudFormation's own validation finds: members of OperationEvent, by nested stack's logical ID, ``""`` the root."""

    found: dict[str, list[Json]] = field(default_factory=dict)

    def fails(self, layer: str) -> bool:
        return any(it.get("ValidationFailureMode") != "WARN" for it in self.found.get(layer, []))


early = Early()
"""Of the server that is open."""


def describe_events(self: Any) -> ActionResult:
    """DescribeEvents of a change set, as botocore's model and AWS's page on validation have it; two to a page."""
    identity = self._get_param("ChangeSetName")
    assert identity.startswith("arn:"), "https://github.com/aws-cloudformation/cloudformation-cli/issues/1116"
    change_set = self.cloudformation_backend.change_sets[identity]
    common = {"OperationId": "1a2b", "OperationType": "CREATE_CHANGESET", "Timestamp": datetime.now(UTC)}
    begun = {"EventId": "begun", "EventType": "STACK_EVENT", "OperationStatus": "IN_PROGRESS"}
    wrong = [
        {"EventId": f"wrong-{at}", "EventType": "VALIDATION_ERROR", "ValidationStatus": "FAILED", **it}
        for at, it in enumerate(early.found.get(getattr(change_set, "layer", ""), []))
    ]
    events = [{**common, **it} for it in [begun, *wrong]]
    begin = int(self._get_param("NextToken") or 0)
    token = str(begin + 2) if events[begin + 2 :] else None
    return ActionResult({"OperationEvents": events[begin : begin + 2], "NextToken": token})


def list_change_sets(self: Any) -> ActionResult:
    name = self._get_param("StackName")
    found = [
        it
        for it in self.cloudformation_backend.change_sets.values()
        if name in (it.stack_name, getattr(it, "stack_id", ""))
    ]
    return ActionResult({"Summaries": found})


def with_templates(get: Any) -> Any:
    def getting(self: Any) -> Any:
        identity = self._get_param("ChangeSetName")
        return (
            ActionResult({"TemplateBody": self.cloudformation_backend.change_sets[identity].template})
            if identity
            else get(self)
        )

    return getting
