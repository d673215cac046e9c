"""``deploy`` of a stack that is being changed, or that no deployment can change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import botocore.client  # type: ignore[import-untyped] # botocore has no types
import pytest
from emulator import backend
from stacks import DEPLOY, Parameters, give_again
from vitals import vitals

from generator.commands import main
from generator.operations import change_set, status, watch
from generator.operations.invocation import called_as

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def in_state(deployed: Parameters) -> Iterator[Callable[[str], None]]:
    """Puts the stack into a state."""
    found = backend().get_stack("pypi")
    before = found.status

    def put(status: str) -> None:
        found.status = status

    yield put
    found.status = before


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("ROLLBACK_COMPLETE", "can only be deleted: `{program} delete --stack-name pypi --region us-east-1`"),
        ("ROLLBACK_FAILED", "can only be deleted"),
        (
            "UPDATE_ROLLBACK_FAILED",
            "`aws cloudformation continue-update-rollback --stack-name pypi --region us-east-1`",
        ),
    ],
)
def test_states_that_no_deployment_can_change(
    status: str,
    message: str,
    deployed: Parameters,
    in_state: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    give_again(deployed, TaskMinCount="5")
    in_state(status)
    assert main([*DEPLOY]) == 2
    error = capsys.readouterr().err
    assert f"pypi is {status}" in error
    assert message.format(program=called_as()) in error


def test_what_a_roll_back_is_stuck_at_is_named(
    deployed: Parameters,
    in_state: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stuck = ["LoadBalancer", "Monitoring", "Service"]
    call = botocore.client.BaseClient._make_api_call

    def listed(self: Any, operation: str, parameters: Any) -> Any:
        answer = call(self, operation, parameters)
        for it in answer.get("StackResourceSummaries", []):
            if it["LogicalResourceId"] in stuck:
                it["ResourceStatus"] = "UPDATE_FAILED"
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", listed)
    give_again(deployed)
    in_state("UPDATE_ROLLBACK_FAILED")
    assert main([*DEPLOY]) == 2
    named = capsys.readouterr().err.partition("stuck at ")[2].partition(": fix the cause")[0]
    assert set(named.split(", ")) == {"Edge.LoadBalancer", "Compute.Service", "Monitoring"}
    stuck.clear()
    assert main([*DEPLOY]) == 2
    assert "stuck at an unknown resource: fix the cause" in capsys.readouterr().err


def test_a_stack_that_somebody_deletes_meanwhile_is_not_deployed(
    deployed: Parameters, in_state: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    found = backend().get_stack("pypi")
    before = [*found.events]
    give_again(deployed)
    in_state("DELETE_IN_PROGRESS")
    for status_of_it in ("DELETE_IN_PROGRESS", "DELETE_COMPLETE"):
        found._add_stack_event(status_of_it)
    assert main([*DEPLOY]) == 2
    found.events[:] = before
    captured = capsys.readouterr()
    assert "pypi is DELETE_IN_PROGRESS: watching" in captured.out
    assert captured.err == "error: the stack is DELETE_COMPLETE: somebody else has deleted it\n"


def test_running_again_watches_what_is_under_way(
    deployed: Parameters, in_state: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The operation has ended by its events, as the emulator has no other kind."""
    in_state("UPDATE_IN_PROGRESS")
    give_again(deployed, TaskMinCount="6")
    assert main([*DEPLOY]) == 0
    lines = capsys.readouterr().out
    assert "pypi is UPDATE_IN_PROGRESS: watching, nothing new is deployed" in lines
    assert "ScalableTarget" not in lines.partition("watching")[2].partition("TaskMinCount")[2]


def test_interrupting_ends_only_the_watching(
    deployed: Parameters,
    in_state: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = backend().get_stack("pypi")
    end = found.events.pop()
    in_state("UPDATE_IN_PROGRESS")
    give_again(deployed)

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=interrupt))
    assert main([*DEPLOY]) == 130
    assert "Run the same command to watch again." in capsys.readouterr().out
    assert found.status == "UPDATE_IN_PROGRESS"
    found.events.append(end)
    assert main([*DEPLOY]) == 0


def test_what_takes_long_is_asked_for_again_after_a_pause(
    deployed: Parameters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change set, and a detection of drift: the emulator has either at once."""
    give_again(deployed, TaskMinCount="7")
    call = botocore.client.BaseClient._make_api_call
    unfinished = {
        "DescribeChangeSet": {"Status": "CREATE_IN_PROGRESS"},
        "DescribeStackDriftDetectionStatus": {"DetectionStatus": "DETECTION_IN_PROGRESS"},
    }

    def slow(self: Any, operation: str, parameters: Any) -> Any:
        return unfinished.pop(operation, None) or call(self, operation, parameters)

    pauses: list[float] = []
    paused = SimpleNamespace(sleep=pauses.append, time_ns=time.time_ns)
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", slow)
    for module in (change_set, status):
        monkeypatch.setattr(module, "time", paused)
    assert main([*DEPLOY, "--dry-run"]) == 0
    assert "TaskMinCount" in capsys.readouterr().out
    with vitals():
        main(["status", "--detect-drift"])
    assert "drift IN_SYNC" in capsys.readouterr().out
    assert unfinished == {}
    assert [1 <= it <= 30 for it in pauses] == [True, True]
