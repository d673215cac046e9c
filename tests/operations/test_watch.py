"""What an operator sees of a deployment: the tree, the plain lines, the root cause, the table of changes."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.session import Session  # type: ignore[import-untyped] # botocore has no types
from rich.console import RenderableType

from generator.operations import watch as watching
from generator.operations.advice import advice
from generator.operations.changes import Change, count, is_data, table
from generator.operations.stacks import STACK
from generator.operations.terminal import Terminal
from generator.operations.watch import Event, last_event, operation, plain, root_cause, succeeded, tree

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def event(seconds: int, path: str, status: str, kind: str = "AWS::X::Y", reason: str = "") -> Event:
    return Event(path, kind, status, reason, BEGIN + timedelta(seconds=seconds))


FAILURE = [
    event(0, "", "CREATE_IN_PROGRESS", STACK),
    event(2, "Storage", "CREATE_IN_PROGRESS", STACK),
    event(2, "Edge", "CREATE_IN_PROGRESS", STACK),
    event(2, "Storage/FileSystem", "CREATE_IN_PROGRESS"),
    event(3, "Edge/LoadBalancer", "CREATE_IN_PROGRESS"),
    event(30, "Storage/FileSystem", "CREATE_COMPLETE"),
    event(31, "Storage/MountTarget1", "CREATE_IN_PROGRESS"),
    event(74, "Edge/Records", "CREATE_FAILED", reason="Resource creation cancelled"),
    event(75, "Edge/LoadBalancer", "CREATE_FAILED", reason="Access Denied for bucket:\n logs"),
    event(77, "Storage/MountTarget1", "CREATE_FAILED", reason="Resource creation cancelled"),
    event(78, "Edge", "CREATE_FAILED", STACK, "Embedded stack was not successfully created"),
    event(79, "", "ROLLBACK_IN_PROGRESS", STACK, "The following resource(s) failed to create: [Edge]"),
]


def test_root_cause_is_what_failed_by_itself() -> None:
    assert root_cause(FAILURE) == [
        "root cause: Edge/LoadBalancer (AWS::X::Y), CREATE_FAILED after 1:15",
        "  Access Denied for bucket: logs",
        "  to do: give the deploying role the action that the reason names",
    ]


def test_root_cause_of_a_nested_stack_without_events() -> None:
    failed = [*FAILURE[:3], event(5, "Edge", "CREATE_FAILED", STACK, "S3 error: Access Denied")]
    assert root_cause(failed)[0].startswith("root cause: Edge (AWS::CloudFormation::Stack)")


def test_root_cause_of_the_stack_itself() -> None:
    failed = [FAILURE[0], event(5, "", "UPDATE_ROLLBACK_FAILED", STACK, "No permission")]
    assert root_cause(failed)[0].startswith("root cause: the stack ")


def test_a_root_cause_without_a_reason() -> None:
    what, why, to_do = root_cause([FAILURE[0], event(5, "Edge/Records", "CREATE_FAILED")])
    assert what == "root cause: Edge/Records (AWS::X::Y), CREATE_FAILED after 0:05"
    assert why == "  CloudFormation gives no reason"
    assert to_do.startswith("  to do: ")


def test_nothing_failed() -> None:
    assert root_cause(FAILURE[:6]) == []


@pytest.mark.parametrize("what", ["creation", "update", "deletion"])
def test_what_was_cancelled_is_no_cause(what: str) -> None:
    cancelled = event(4, "Edge/Records", "UPDATE_FAILED", reason=f"Resource {what} cancelled")
    failed = event(5, "Edge/LoadBalancer", "UPDATE_FAILED", reason="Access Denied")
    assert root_cause([*FAILURE[:3], cancelled, failed])[0].startswith("root cause: Edge/LoadBalancer")


def test_an_operation_succeeds_by_its_last_event() -> None:
    assert not succeeded(FAILURE)
    for status in ("ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "DELETE_FAILED", "UPDATE_IN_PROGRESS"):
        assert not succeeded([*FAILURE, event(90, "", status, STACK)])
    for status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"):
        assert succeeded([*FAILURE[:6], event(90, "", status, STACK)])


class Told:
    """CloudFormation's answers to DescribeStackEvents, by stack; the newest event first."""

    def __init__(self, **events: list[dict[str, Any]]) -> None:
        self._events = events
        self._asked = 0

    def describe_stack_events(self, *, StackName: str) -> dict[str, Any]:
        return {"StackEvents": self._events[StackName][::-1]}

    def get_paginator(self, operation: str) -> Told:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, *, StackName: str) -> list[dict[str, Any]]:
        self._asked += 1
        assert self._asked < 20, "it asks without a pause"
        return [self.describe_stack_events(StackName=StackName)]


def told(seconds: int, **members: str) -> dict[str, Any]:
    at = BEGIN + timedelta(seconds=seconds)
    return {"StackId": "root", "StackName": "pypi", "EventId": str(seconds), "Timestamp": at, **members}


OWN = {"PhysicalResourceId": "root", "LogicalResourceId": "pypi", "ResourceType": STACK}


@pytest.mark.parametrize("what", ["CREATE", "UPDATE", "DELETE"])
def test_an_operation_is_what_came_after_the_newest_event_before_it(what: str) -> None:
    """Else the end of the one before would be taken for its own."""
    events = [
        told(0, **OWN, ResourceStatus=f"{what}_IN_PROGRESS"),
        told(3, LogicalResourceId="Topic", ResourceStatus=f"{what}_FAILED"),
        told(5, **OWN, ResourceStatus="UPDATE_ROLLBACK_COMPLETE"),
    ]
    assert last_event(Told(root=[]), "root") == ""
    newest = last_event(Told(root=events), "root")
    assert operation(Told(root=events), "root", newest) == []
    events.append(told(9, **OWN, ResourceStatus=f"{what}_IN_PROGRESS"))
    for after in (newest, ""):
        assert [it.status for it in operation(Told(root=events), "root", after)] == [f"{what}_IN_PROGRESS"]


@pytest.mark.parametrize("live", [True, False])
def test_it_watches_to_the_end_with_pauses(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [told(0, **OWN, ResourceStatus="UPDATE_IN_PROGRESS")]
    to_come = [
        told(3, LogicalResourceId="Topic", ResourceStatus="UPDATE_IN_PROGRESS"),
        told(5, LogicalResourceId="Topic", ResourceStatus="UPDATE_COMPLETE"),
        told(7, **OWN, ResourceStatus="UPDATE_COMPLETE"),
    ]

    def sleep(seconds: float) -> None:
        assert 1 <= seconds <= 30
        events.append(to_come.pop(0))

    monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=sleep))
    stream = io.StringIO()
    found = watching.watch(Told(root=events), "root", Terminal(stream, live, 120, 40))
    assert [it.status for it in found if not it.path] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    if not live:
        assert stream.getvalue().splitlines() == [plain(it, found[0].at) for it in found]


REFUSED = {
    "LogicalResourceId": "Topic",
    "PhysicalResourceId": "arn:topic",
    "ResourceType": "AWS::SNS::Topic",
    "ResourceStatus": "CREATE_IN_PROGRESS",
    "ResourceStatusReason": "Hook failed",
    "HookType": "Ours::Encryption::Hook",
    "HookStatus": "HOOK_COMPLETE_FAILED",
    "HookStatusReason": "the topic has no key",
    "HookFailureMode": "FAIL",
}


def refused(*without: str, **other: str) -> list[Event]:
    """A creation that a Hook refuses, told without some members of the event."""
    middle = told(5, **{name: value for name, value in {**REFUSED, **other}.items() if name not in without})
    failed = told(6, LogicalResourceId="Topic", ResourceStatus="CREATE_FAILED", ResourceStatusReason="a Hook failed")
    ends = told(0, **OWN, ResourceStatus="CREATE_IN_PROGRESS"), told(9, **OWN, ResourceStatus="ROLLBACK_COMPLETE")
    return operation(Told(root=[ends[0], middle, failed, ends[1]]), "root")


@pytest.mark.parametrize("without", [*([name] for name in REFUSED), [*REFUSED]])
def test_members_of_events_that_are_not_promised(without: list[str]) -> None:
    """Only EventId, StackId, StackName and Timestamp are."""
    promised = set(Session().get_service_model("cloudformation").shape_for("StackEvent").required_members)
    assert promised == {"EventId", "StackId", "StackName", "Timestamp"}
    events = refused(*without)
    assert not succeeded(events)
    assert root_cause(events)[0].startswith("root cause: Topic")
    assert drawn(tree(events, BEGIN))
    assert [plain(event, BEGIN) for event in events]


@pytest.mark.parametrize("status", ["HOOK_COMPLETE_FAILED", "HOOK_FAILED"])
def test_a_hook_says_why(status: str) -> None:
    what, why, _ = root_cause(refused(HookStatus=status))
    assert what.startswith(f"root cause: Topic (AWS::SNS::Topic), {status}")
    assert why == "  the topic has no key"


def test_tree_shows_what_is_under_way() -> None:
    lines = drawn(tree(FAILURE[:7], BEGIN + timedelta(seconds=62)))
    assert [re.sub("[\u2800-\u28ff] ", "", line) for line in lines] == [
        "the stack         CREATE_IN_PROGRESS  1:02  0 of 2 so far",
        "  Edge            CREATE_IN_PROGRESS  1:00  0 of 1 so far",
        "    LoadBalancer  CREATE_IN_PROGRESS    0:59",
        "  Storage         CREATE_IN_PROGRESS  1:00  1 of 2 so far",
        "    MountTarget1  CREATE_IN_PROGRESS    0:31",
    ]


def test_tree_keeps_to_its_columns_in_a_narrow_terminal() -> None:
    """Times end below one another, and what is said of a stack goes on in its own column; else a line is cut."""
    begun = [event(90, "Edge/Short", "CREATE_IN_PROGRESS"), event(3, f"Edge/{'Name' * 8}", "CREATE_IN_PROGRESS")]
    narrow, narrower = (drawn(tree([*FAILURE[:3], *begun], BEGIN + timedelta(seconds=660)), it) for it in (74, 60))
    assert [re.sub("[\u2800-\u28ff] ", "", line) for line in narrow] == [
        "the stack                             CREATE_IN_PROGRESS  11:00  0 of 2",
        "                                                                   so far",
        "  Edge                                CREATE_IN_PROGRESS  10:58  0 of 2",
        "                                                                   so far",
        "    NameNameNameNameNameNameNameName  CREATE_IN_PROGRESS    10:57",
        "    Short                             CREATE_IN_PROGRESS     9:30",
        "  Storage                             CREATE_IN_PROGRESS  10:58",
    ]
    assert len(narrower) == 5


def test_tree_keeps_failures() -> None:
    lines = drawn(tree(FAILURE, BEGIN + timedelta(seconds=80)))
    assert any(re.fullmatch(r"    LoadBalancer +CREATE_FAILED +1:12", line) for line in lines)
    assert any(re.fullmatch(r"  Edge +CREATE_FAILED +\d:\d\d", line) for line in lines), "it turns no more"
    assert not any("FileSystem" in line for line in lines)


def test_plain_line_gives_the_reason_of_a_failure_only() -> None:
    assert plain(FAILURE[8], BEGIN) == (
        "   1:15  CREATE_FAILED                 Edge/LoadBalancer  Access Denied for bucket: logs"
    )
    assert plain(FAILURE[11], BEGIN) == "   1:19  ROLLBACK_IN_PROGRESS          the stack"


def drawn(shown: RenderableType, width: int = 120) -> list[str]:
    """The lines of a terminal of that width, without styles and the blanks at their ends."""
    stream = io.StringIO()
    Terminal(stream, True, width, 40).show(shown)
    plain_text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    return [line.rstrip() for line in plain_text.splitlines()]


CHANGES = [
    Change("", "Storage", STACK, "modify", (), False),
    Change("Storage", "FileSystem", "AWS::EFS::FileSystem", "replace", ("Encrypted", "KmsKeyId (Key)"), True),
    Change(
        "Compute", "AutoScalingGroup", "AWS::AutoScaling::AutoScalingGroup", "modify", ("MaxSize (AsgMaxSize)",), False
    ),
    Change("Compute", "GroupCleaner", "AWS::CloudFormation::CustomResource", "add", (), False),
    Change("", "Monitoring", STACK, "remove", (), False),
]


def test_table_of_changes() -> None:
    assert drawn(table(CHANGES, verbose=True)) == [
        "Storage",
        "  ! replace  FileSystem            AWS::EFS::FileSystem; by Encrypted, KmsKeyId (Key); the old one stays in the account",
        "Compute",
        "  ~ modify   AutoScalingGroup      AWS::AutoScaling::AutoScalingGroup; MaxSize (AsgMaxSize)",
        "  + add      GroupCleaner          AWS::CloudFormation::CustomResource",
        "Parent",
        "  - remove   Monitoring            AWS::CloudFormation::Stack",
    ]
    assert count(CHANGES) == "1 to add, 1 to modify, 1 to replace, 1 to remove"


def test_what_is_added_is_one_line_for_each_layer() -> None:
    added = [Change("Edge", name, "AWS::X::Y", "add", (), False) for name in ("One", "Two", "Three")]
    assert drawn(table([*added, CHANGES[1]], verbose=False))[:2] == ["Edge", "  + add      3 resources"]


@pytest.mark.parametrize("width", [60, 80, 160])
def test_nothing_is_cut_in_a_narrow_terminal(width: int) -> None:
    lines = drawn(table(CHANGES, verbose=True), width)
    assert max(map(len, lines)) <= width
    whole = drawn(table(CHANGES, verbose=True), 1000)
    assert sorted("".join(lines).replace(" ", "")) == sorted("".join(whole).replace(" ", ""))


@pytest.mark.parametrize(
    ("change", "endangers"),
    [
        (Change("Storage", "FileSystem", "AWS::EFS::FileSystem", "maybe replace", (), True), True),
        (Change("Storage", "FileSystem", "AWS::EFS::FileSystem", "modify", (), True), False),
        (Change("", "Storage", STACK, "remove", (), False), True),
        (Change("", "Compute", STACK, "remove", (), False), False),
        (Change("Compute", "Service", "AWS::ECS::Service", "replace", (), False), False),
    ],
)
def test_what_endangers_data(change: Change, endangers: bool) -> None:
    assert (change.loses and is_data(change, {"Storage"})) is endangers


@pytest.mark.parametrize(
    ("reason", "kind", "to_do"),
    [
        ("User: x is not authorized to perform: efs:CreateFileSystem", "AWS::EFS::FileSystem", "the action that the reason names"),
        ("Access Denied. (Service: S3)", "AWS::S3::Bucket", "the action that the reason names"),
        ("AccessDeniedException", "AWS::ECS::Service", "the action that the reason names"),
        ("Unable to assume the service linked role", "AWS::ECS::Service", "docs/troubleshooting.md"),
        ("LimitExceeded", "AWS::IAM::Role", "Service Quotas"),
        ("The vCPU quota is used up", "AWS::AutoScaling::AutoScalingGroup", "Service Quotas"),
        ("You have reached the maximum number of addresses", "AWS::EC2::EIP", "Service Quotas"),
        ('409 Conflict: {"message": "mount target already exists in this AZ"}', "AWS::EFS::MountTarget", "the order of AsgSubnets"),
        ("logs already exists in stack arn:x", "AWS::S3::Bucket", "delete or adopt"),
        ("RepositoryAlreadyExistsException", "AWS::ECR::Repository", "delete or adopt"),
        ("CAA_ERROR", "AWS::CertificateManager::Certificate", "the hosted zone is the one"),
        ("One or more domain names have a CAA record", "AWS::CertificateManager::Certificate", "admit amazon.com"),
        ("We currently do not have sufficient t3.small: InsufficientInstanceCapacity", "AWS::AutoScaling::AutoScalingGroup", "choose another AsgInstanceType"),
        ("resource sg-1 has a dependent object", "AWS::EC2::SecurityGroup", "remove what still uses it"),
        ("The bucket you tried to delete is not empty", "AWS::S3::Bucket", "remove what still uses it"),
        ("Certificate is in use", "AWS::CertificateManager::Certificate", "remove what still uses it"),
        ("Resource timed out waiting for completion", "AWS::ECS::Service", "`aws ecs describe-services`"),
        ("Group did not stabilize", "AWS::AutoScaling::AutoScalingGroup", "`aws autoscaling describe-scaling-activities`"),
        ("Exceeded attempts to wait", "AWS::EFS::MountTarget", "one subnet in each Availability Zone"),
    ],
)  # fmt: skip
def test_advice_by_reason_then_by_type(reason: str, kind: str, to_do: str) -> None:
    assert advice(reason, kind).startswith("to do: ")
    assert to_do in advice(reason, kind)


def test_advice_for_what_nobody_foresaw() -> None:
    assert advice("Something new", "AWS::X::Y") == "to do: fix what the reason names, then run this again"
