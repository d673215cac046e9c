"""What ``deploy`` refuses, by every value that a change set may have, on ``emulator`` with change sets made up here.

The values: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import emulator
import pytest
from botocore.session import Session  # type: ignore[import-untyped] # botocore has no types
from calls import client
from commands import command
from emulator import BUCKET, DIRECTLY, STACK, NestedChangeSet, backend, environment, network
from moto.cloudformation.utils import generate_changeset_id

from generator.operations.changes import Change as Read
from generator.operations.changes import read
from generator.operations.exits import Problem
from generator.operations.guard import refuse_loss
from generator.parts.data_bearing import DATA_BEARING

Change = dict[str, Any]
Deploy = Callable[[list[Change]], subprocess.CompletedProcess[str]]

LOSES = [
    {"Action": "Remove"},
    {"Action": "Modify", "Replacement": "True"},
    # May be a replacement, by what only the execution will tell.
    {"Action": "Modify", "Replacement": "Conditional"},
    {"Action": "Dynamic"},
    # Whatever CloudFormation is going to invent.
    {"Action": "Rebuild"},
]
KEEPS = [
    {"Action": "Modify", "Replacement": "False"},
    {"Action": "Modify"},
    {"Action": "Add"},
    {"Action": "Import"},
]
EITHER = [{"Action": "SyncWithActual"}]
"""What the stack knows becomes what there is: refused or not, nothing is lost."""


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Deploy to the stack ``pypi``, while CloudFormation says that these are the changes."""
    directory = tmp_path_factory.mktemp("changes")
    with emulator.emulator() as url, pytest.MonkeyPatch.context() as patch:
        parameters = directory / "parameters.json"
        parameters.write_text(json.dumps([f"{name}={value}" for name, value in network().items()]))
        words = ("deploy", "--bucket", BUCKET, "--yes", "--parameters", str(parameters))

        def run() -> subprocess.CompletedProcess[str]:
            return command(words, {**environment(url, directory), "COLUMNS": "200", DIRECTLY: "true"})

        def deployed(changes: list[Change]) -> subprocess.CompletedProcess[str]:
            patch.setattr(emulator, "planned", lambda *_: changes)
            return run()

        first = run()
        assert first.returncode == 0, first.stderr
        yield deployed


def nested(changes: list[Change]) -> Change:
    """The change of the nested stack Storage that consists of these."""
    identity = generate_changeset_id("nested", "us-east-1", "123456789012")
    backend().change_sets[identity] = NestedChangeSet(changes)
    return {"Action": "Modify", "LogicalResourceId": "Storage", "ResourceType": STACK, "ChangeSetId": identity}


def named(changes: list[Change]) -> list[Change]:
    """Each change as one of another resource that holds data."""
    return [
        {"LogicalResourceId": name, "ResourceType": "AWS::EFS::FileSystem", **change}
        for name, change in zip(DATA_BEARING[: len(changes)], changes, strict=True)
    ]


def refused(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The resources whose loss was refused."""
    return set(re.findall(r"--allow-data-loss (\w+)", done.stderr))


def updates() -> int:
    (stack,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
    return sum(it.resource_status == "UPDATE_COMPLETE" for it in backend().get_stack(stack["StackId"]).events)


def test_every_value_is_one_or_the_other() -> None:
    model = client("cloudformation").meta.service_model
    said = [*LOSES, *KEEPS, *EITHER]
    assert {it["Action"] for it in said} - {"Rebuild"} == set(model.shape_for("ChangeAction").enum)
    assert {it["Replacement"] for it in said if "Replacement" in it} == set(model.shape_for("Replacement").enum)


@pytest.mark.parametrize("within", [list, lambda changes: [nested(changes)]], ids=["parent", "nested"])
def test_what_loses_data_is_refused(deploy: Deploy, within: Callable[[list[Change]], list[Change]]) -> None:
    before = updates()
    changes = named(LOSES)
    done = deploy(within(changes))
    assert done.returncode not in (0, 1), done.stdout
    assert refused(done) == {it["LogicalResourceId"] for it in changes}
    assert updates() == before, "nothing is executed"


def test_a_nested_stack_with_data_is_not_lost_either(deploy: Deploy) -> None:
    changes = [{"LogicalResourceId": name, "ResourceType": STACK} for name in ("Storage", "Monitoring", "Edge")]
    done = deploy([{**it, **how} for it, how in zip(changes, LOSES, strict=False)])
    # Monitoring has none.
    assert refused(done) == {"Storage", "Edge"}


def test_what_keeps_data_is_done(deploy: Deploy) -> None:
    before = updates()
    done = deploy([nested(named(KEEPS))])
    assert (done.returncode, done.stderr) == (0, "")
    assert updates() > before


def test_what_holds_no_data_may_go(deploy: Deploy) -> None:
    changes = [
        {"LogicalResourceId": f"Alarm{index}", "ResourceType": "AWS::CloudWatch::Alarm", **how}
        for index, how in enumerate(LOSES)
    ]
    done = deploy(changes)
    assert (done.returncode, done.stderr) == (0, "")


class Told:
    """CloudFormation's answer to DescribeChangeSet."""

    def __init__(self, changes: list[Change]) -> None:
        self._changes = changes

    def get_paginator(self, operation: str) -> Told:
        assert operation == "describe_change_set"
        return self

    def paginate(self, *, ChangeSetName: str) -> list[Any]:
        assert ChangeSetName
        return [{"Changes": self._changes}]


MEMBERS: list[str] = [*Session().get_service_model("cloudformation").shape_for("ResourceChange").members]


@pytest.mark.parametrize("without", MEMBERS)
def test_members_of_changes_that_are_not_promised(without: str) -> None:
    """None is. A removal of which less is known is refused all the same, as long as it is known to be one."""
    change = {
        "Action": "Remove",
        "LogicalResourceId": "FileSystem",
        "ResourceType": "AWS::EFS::FileSystem",
        "Scope": [],
        "Details": [{}, {"Target": {}}],
    }
    told = {"ResourceChange": {name: value for name, value in change.items() if name != without}}

    (found,) = read(Told([{}, told]), "arn")
    with pytest.raises(Problem, match="refused"):
        refuse_loss([found], [], [])


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"Action": "SyncWithActual"}, "sync"),
        # With --revert-drift what is gone is made anew, and empty.
        ({"Action": "Add", "ResourceDriftStatus": "DELETED"}, "replace"),
        ({"Action": "Modify", "Replacement": "False", "ResourceDriftStatus": "DELETED"}, "replace"),
        ({"Action": "Modify", "Replacement": "False", "ResourceDriftStatus": "MODIFIED"}, "modify"),
    ],
)
def test_drift_that_is_reverted(change: Change, action: str) -> None:
    assert [it.action for it in read(Told([{"ResourceChange": change}]), "arn")] == [action]


def test_what_may_go_is_what_was_named() -> None:
    """Whoever lets the file system go, as after a restore, has said nothing of the passwords."""
    lost = [
        Read(layer="Storage", name=name, kind="AWS::EFS::FileSystem", action="remove", causes=(), retained=True)
        for name in ("FileSystem", "PublisherSecret")
    ]
    refuse_loss(lost[:1], [], {"FileSystem"})
    with pytest.raises(Problem, match=r"hold data from the stack: PublisherSecret \(remove\)\. "):
        refuse_loss(lost, [], {"FileSystem"})


def test_it_is_said_what_stays_in_the_account(deploy: Deploy) -> None:
    policies: list[str] = client("cloudformation").meta.service_model.shape_for("PolicyAction").enum
    removed = {"ResourceType": "AWS::CloudWatch::Alarm", "Action": "Remove"}
    done = deploy([{"LogicalResourceId": f"By{policy}", "PolicyAction": policy, **removed} for policy in policies])
    said = re.split(r"\bBy(\w+)", done.stdout)
    assert {policy for policy, text in zip(said[1::2], said[2::2], strict=True) if "stays" in text} == {
        "Retain",
        "ReplaceAndRetain",
    }
