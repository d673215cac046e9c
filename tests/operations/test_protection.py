"""Stack policies are as they should be, whatever interrupted a deployment, or whoever changed them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import botocore.client  # type: ignore[import-untyped] # botocore has no types
import botocore.exceptions  # type: ignore[import-untyped] # see above
import pytest
from calls import client
from emulator import backend
from stacks import DEPLOY, Parameters, give_again, physical_ids

from generator.commands import main
from generator.operations.guard import guard
from generator.parts.data_bearing import DATA_BEARING, stack_policy

pytestmark = pytest.mark.usefixtures("here")
HOLDERS = ("Security", "Storage", "Edge", "Compute")


def policies(stack_name: str = "pypi") -> dict[str, Any]:
    ids = physical_ids(stack_name)
    found = {name: client("cloudformation").get_stack_policy(StackName=ids[name]) for name in HOLDERS}
    found[stack_name] = client("cloudformation").get_stack_policy(StackName=stack_name)
    return {name: json.loads(it.get("StackPolicyBody") or "null") for name, it in found.items()}


def as_they_should_be(stack_name: str = "pypi") -> dict[str, Any]:
    return dict.fromkeys([*HOLDERS, stack_name], json.loads(stack_policy()))


def relax() -> None:
    guard(client("cloudformation"), backend().get_stack("pypi").stack_id, ["FileSystem"])


def remove() -> None:
    for stack in [backend().get_stack("pypi"), backend().get_stack(physical_ids()["Storage"])]:
        stack.policy = ""


def rewrite() -> None:
    """As the console shows it: the same policy in other blanks is the same."""
    for stack in backend().stacks.values():
        stack.policy = stack.policy and json.dumps(json.loads(stack.policy))


@pytest.mark.parametrize(("spoil", "wrong"), [(relax, "Compute"), (remove, "Storage")])
def test_what_is_missing_or_relaxed_is_reported_and_mended(
    deployed: Parameters, spoil: Callable[[], None], wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    give_again(deployed)
    spoil()
    assert main(["status"]) == 1
    (line,) = [it for it in capsys.readouterr().out.splitlines() if "protection" in it]
    assert line.startswith("BAD")
    assert wrong in line
    assert main([*DEPLOY]) == 0
    said = capsys.readouterr().out
    assert "nothing to do" in said
    assert "has been restored" in said
    assert policies() == as_they_should_be()
    rewrite()
    main(["status"])
    assert re.search("^ok +protection", capsys.readouterr().out, re.MULTILINE)
    assert main([*DEPLOY]) == 0
    assert "has been restored" not in capsys.readouterr().out


def test_a_dry_run_sets_nothing(deployed: Parameters) -> None:
    give_again(deployed)
    remove()
    assert main([*DEPLOY, "--dry-run"]) == 0
    assert policies()["Storage"] is None
    assert main([*DEPLOY]) == 0


def test_a_relaxed_policy_does_not_last_into_the_next_update(deployed: Parameters) -> None:
    """Which would else run under it."""
    relax()
    give_again(deployed, TaskMinCount="3")
    seen: list[dict[str, Any]] = []
    execute = botocore.client.BaseClient._make_api_call

    def looked(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "ExecuteChangeSet":
            seen.append(policies())
        return execute(self, operation, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", looked)
        assert main([*DEPLOY]) == 0
    assert seen == [as_they_should_be()]


def test_a_policy_that_may_not_be_read_is_no_reason_to_fail(deployed: Parameters) -> None:
    """A role that may only set them, as it could before they were compared."""
    give_again(deployed)
    relax()
    call = botocore.client.BaseClient._make_api_call

    def denied(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "GetStackPolicy":
            raise botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        return call(self, operation, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", denied)
        assert main([*DEPLOY]) == 0
    assert policies() == as_they_should_be()


@pytest.mark.parametrize(("has_run", "code"), [(True, "InvalidChangeSetStatus"), (False, "AccessDenied")])
def test_a_creation_that_has_begun_is_not_deleted(deployed: Parameters, *, has_run: bool, code: str) -> None:
    """The answer to ExecuteChangeSet was lost, and the call that botocore repeats is refused, as the first has run."""
    give_again(deployed, ServiceName="begun")
    tokens: list[str] = []
    call = botocore.client.BaseClient._make_api_call

    def refused(self: Any, operation: str, parameters: Any) -> Any:
        if operation != "ExecuteChangeSet":
            return call(self, operation, parameters)
        tokens.append(parameters["ClientRequestToken"])
        if has_run:
            call(self, operation, parameters)
        raise botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, operation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", refused)
        assert main([*DEPLOY, "--stack-name", "begun"]) != 0
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ExecuteChangeSet.html
    assert [bool(re.fullmatch("[a-zA-Z0-9][-a-zA-Z0-9]{0,127}", it)) for it in tokens] == [True]
    left = {it.name: it.status for it in backend().stacks.values()}
    assert left.get("begun") == ("CREATE_COMPLETE" if has_run else None)
    if has_run:
        assert main(["delete", "--stack-name", "begun", "--yes"]) == 0


class Interrupts:
    """Ends the command after its call number ``at`` to AWS that may change something; ``None``: never."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at: int | None = None
        self.calls: list[str] = []
        self._depth = 0
        self._call = botocore.client.BaseClient._make_api_call
        patch.setattr(botocore.client.BaseClient, "_make_api_call", lambda *given: self._counted(*given))

    def _counted(self, api: Any, operation: str, parameters: Any) -> Any:
        self._depth += 1
        try:
            answer = self._call(api, operation, parameters)
        finally:
            self._depth -= 1
        changes = not operation.startswith(("Describe", "List", "Get", "Head"))
        # moto makes calls of its own while it answers.
        if changes and not self._depth:
            self.calls.append(operation)
            if len(self.calls) == self.at:
                raise KeyboardInterrupt
        return answer


def change_sets() -> set[str]:
    """Change sets, those that moto keeps when they are executed among them, and stacks that are nothing but one."""
    empty = {it.stack_id for it in backend().stacks.values() if it.status == "REVIEW_IN_PROGRESS"}
    return empty | {it.change_set_id for it in backend().change_sets.values() if hasattr(it, "change_set_id")}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["creation", "update", "allowed"])
def test_interrupted_after_each_call_and_run_again(
    case: str, deployed: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after one run: what the stack has and its parameters, its policies, and no change set of ours is left."""
    cloudformation = client("cloudformation")
    interrupts = Interrupts(monkeypatch)
    name = "pypi" if case != "creation" else "made"
    words = [*DEPLOY, "--stack-name", name, *(["--allow-data-loss", "PackagesPath"] if case == "allowed" else [])]

    turn, interrupted = 0, True
    while interrupted:
        turn += 1
        # Another deployment at every turn.
        changed = {"PackagesPath": f"/packages{turn}"} if case == "allowed" else {"TaskMinCount": str(turn % 5 + 3)}
        give_again(deployed, **changed, **({"ServiceName": "made"} if case == "creation" else {}))
        before = change_sets()
        interrupts.calls, interrupts.at = [], turn
        interrupted = main(words) == 130
        interrupts.at = None
        if interrupted and "ExecuteChangeSet" not in interrupts.calls:
            assert change_sets() == before, interrupts.calls
        assert main(words) == 0, interrupts.calls
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        has = {it["ParameterKey"]: it["ParameterValue"] for it in stack["Parameters"]}
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        assert {key: has[key] for key in changed} == changed
        assert set(DATA_BEARING) - {"TokensSecret"} <= physical_ids(name).keys()
        assert policies(name) == as_they_should_be(name), interrupts.calls
        if case == "creation":
            assert main(["delete", "--stack-name", name, "--yes"]) == 0
    assert turn > 2
