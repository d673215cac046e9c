"""What an operator sees of a deployment: the tree, the plain lines, the root cause, the table of changes."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from generator.operations.advice import advice
from generator.operations.changes import Change, is_data, table
from generator.operations.stacks import STACK
from generator.operations.terminal import Terminal
from generator.operations.watch import Event, plain, root_cause, succeeded, tree

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


def test_nothing_failed() -> None:
    assert root_cause(FAILURE[:6]) == []


def test_an_operation_succeeds_by_its_last_event() -> None:
    assert not succeeded(FAILURE)
    assert not succeeded([*FAILURE, event(90, "", "ROLLBACK_COMPLETE", STACK)])
    assert succeeded([*FAILURE[:6], event(90, "", "CREATE_COMPLETE", STACK)])


def test_tree_shows_what_is_under_way() -> None:
    assert tree(FAILURE[:7], BEGIN + timedelta(seconds=62)) == [
        "the stack         CREATE_IN_PROGRESS               1:02  0 of 2 so far",
        "  Edge            CREATE_IN_PROGRESS               1:00  0 of 1 so far",
        "    LoadBalancer  CREATE_IN_PROGRESS               0:59",
        "  Storage         CREATE_IN_PROGRESS               1:00  1 of 2 so far",
        "    MountTarget1  CREATE_IN_PROGRESS               0:31",
    ]


def test_tree_keeps_failures() -> None:
    lines = tree(FAILURE, BEGIN + timedelta(seconds=80))
    assert "    LoadBalancer  CREATE_FAILED                    1:12" in lines
    assert not any("FileSystem" in line for line in lines)


def test_plain_line_gives_the_reason_of_a_failure_only() -> None:
    assert plain(FAILURE[8], BEGIN) == (
        "   1:15  CREATE_FAILED                 Edge/LoadBalancer  Access Denied for bucket: logs"
    )
    assert plain(FAILURE[11], BEGIN) == "   1:19  ROLLBACK_IN_PROGRESS          the stack"


def screen(width: int, height: int = 24) -> Terminal:
    return Terminal(io.StringIO(), True, width, height)


def test_drawing_goes_over_what_it_drew() -> None:
    terminal = screen(20, height=4)
    terminal.draw(["a" * 30, "b"])
    terminal.draw(["1", "2", "3", "4", "5"])
    written = terminal.stream.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert written == f"{'a' * 19}…\nb\n\x1b[2F\x1b[J3\n4\n5\n"


CHANGES = [
    Change("", "Storage", STACK, "modify", (), False),
    Change("Storage", "FileSystem", "AWS::EFS::FileSystem", "replace", ("Encrypted", "KmsKeyId (Key)"), True),
    Change(
        "Compute", "AutoScalingGroup", "AWS::AutoScaling::AutoScalingGroup", "modify", ("MaxSize (AsgMaxSize)",), False
    ),
    Change("Compute", "GroupCleaner", "AWS::CloudFormation::CustomResource", "add", (), False),
    Change("", "Monitoring", STACK, "remove", (), False),
]


def test_wide_table() -> None:
    bold, plain_text = "\033[1m", "\033[0m"
    assert table(CHANGES, screen(120)) == [
        f"{bold}Storage{plain_text}",
        f"{bold}  ! replace        FileSystem        AWS::EFS::FileSystem{plain_text}",
        f"{bold}      by Encrypted, KmsKeyId (Key); the old one stays in the account{plain_text}",
        f"{bold}Compute{plain_text}",
        "  ~ modify         AutoScalingGroup  AWS::AutoScaling::AutoScalingGroup   MaxSize (AsgMaxSize)",
        "  + add            GroupCleaner      AWS::CloudFormation::CustomResource",
        f"{bold}Parent{plain_text}",
        f"{bold}  - remove         Monitoring        AWS::CloudFormation::Stack{plain_text}",
        "1 to add, 1 to modify, 1 to replace, 1 to remove",
    ]


def test_narrow_table_leaves_types_out() -> None:
    lines = table(CHANGES, Terminal(io.StringIO(), False, 50, 24))
    assert lines[1:3] == [
        "  ! replace        FileSystem",
        "      by Encrypted, KmsKeyId (Key); the old one s…",
    ]
    assert max(map(len, lines)) == 50


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


def test_advice_by_reason_then_by_type() -> None:
    assert "Service Quotas" in advice("You have reached the maximum number of addresses", "AWS::EC2::EIP")
    assert "describe-services" in advice("Resource timed out waiting for completion", "AWS::ECS::Service")
    assert advice("Something new", "AWS::X::Y") == "to do: mend what the reason names, then run this again"
