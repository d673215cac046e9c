"""The rotation's function, step by step, as Secrets Manager calls it; Secrets Manager is moto's."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3  # type: ignore[import-untyped] # boto3 has no types
import pytest
from deployments import Editions, of_type
from secrets_manager import SecretsManager, function, secrets_manager

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
OLD = {"username": "publisher", "password": "old", "url": "kept"}


@pytest.fixture(scope="module")
def manager() -> Iterator[SecretsManager]:
    with secrets_manager() as manager:
        yield manager


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def index(manager: SecretsManager, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> ModuleType:
    """The handler, for which waiting takes no time."""
    index = function(manager, monkeypatch, grace_hours=72, wait_seconds=150)
    index.time = SimpleNamespace(sleep=waits.append)  # type: ignore[attr-defined] # the handler's import
    return index


@pytest.fixture
def arn(manager: SecretsManager) -> str:
    return manager.create(f"publisher-{uuid.uuid4()}", OLD)


def run(index: ModuleType, arn: str, token: str, *steps: str) -> None:
    for step in steps:
        index.handler({"Step": step, "SecretId": arn, "ClientRequestToken": token}, None)


def test_a_rotation_makes_a_new_password_beside_which_the_old_one_is_good(
    index: ModuleType, manager: SecretsManager, arn: str, waits: list[float]
) -> None:
    token = str(uuid.uuid4())
    run(index, arn, token, "createSecret")
    assert manager.value(arn) == OLD, "nobody can read the new password before every task knows it"
    run(index, arn, token, *STEPS[1:])
    new = manager.value(arn)
    left = datetime.fromisoformat(new.pop("previous_until")) - datetime.now(UTC)
    assert timedelta(hours=71, minutes=59) < left <= timedelta(hours=72)
    password = new.pop("password")
    assert new == {"username": "publisher", "url": "kept", "previous": "old"}
    assert len(password) == 32
    assert password.isalnum()
    assert manager.labels(arn).pop(token) == ["AWSCURRENT"], "a pending label left behind blocks the next rotation"
    assert len(waits) == 2
    assert 145 < waits[0] <= 150
    assert waits[1] == 150
    again = str(uuid.uuid4())
    run(index, arn, again, *STEPS)
    assert manager.value(arn)["previous"] == password


def test_both_waits_are_while_tasks_may_know_the_new_password_as_pending_alone(
    index: ModuleType, manager: SecretsManager, arn: str
) -> None:
    """They read the current version and the pending one at any moment between: one that has just read neither knows it not."""
    token = str(uuid.uuid4())
    seen: list[list[str]] = []
    index.time = SimpleNamespace(sleep=lambda _: seen.append(sorted(manager.labels(arn)[token])))  # type: ignore[attr-defined] # as above
    run(index, arn, token, *STEPS)
    assert seen == [["AWSPENDING"], ["AWSCURRENT", "AWSPENDING"]]


@pytest.mark.parametrize("spelling", ["createSecret", "create_secret"])
def test_the_steps_are_known_as_either_page_spells_them(
    index: ModuleType, manager: SecretsManager, arn: str, spelling: str
) -> None:
    run(index, arn, str(uuid.uuid4()), spelling)
    assert manager.value(arn, "AWSPENDING")["previous"] == "old"


CALLS = [
    *[(0, "get_secret_value", 1), (0, "get_secret_value", 2), (0, "put_secret_value", 1)],
    (1, "get_secret_value", 1),
    *((2, "get_secret_value", nth) for nth in range(1, 5)),
    *[(3, "describe_secret", 1), (3, "get_secret_value", 1), (3, "get_secret_value", 2)],
    *[(3, "update_secret_version_stage", 1), (3, "update_secret_version_stage", 2)],
]
"""Every call that a rotation makes: the step, and which of the step's calls of that name."""


@pytest.mark.parametrize(("failing", "call", "nth"), CALLS)
def test_whatever_fails_the_old_password_is_good_and_a_retry_of_all_steps_completes_it(
    index: ModuleType, manager: SecretsManager, arn: str, failing: int, call: str, nth: int
) -> None:
    """With every error that the model has for the call, a throttle, a denial, and no answer at all, one after the other."""
    token, new = str(uuid.uuid4()), ""
    run(index, arn, token, *STEPS[:failing])
    if failing:
        new = manager.client.get_secret_value(SecretId=arn, VersionId=token)["SecretString"]
    failed = []
    for error in errors(manager.client, call):
        broken = Failing(manager.client, call, nth, error)
        index.boto3 = SimpleNamespace(client=lambda _name, broken=broken: broken)  # type: ignore[attr-defined] # the handler's import
        with contextlib.suppress(type(error)):
            run(index, arn, token, STEPS[failing])
        failed.append(broken.failed)
        current = manager.value(arn)
        assert "old" in (current["password"], current.get("previous")), error
    assert any(failed), "the step makes no such call"
    index.boto3 = SimpleNamespace(client=lambda _name: manager.client)  # type: ignore[attr-defined] # see above
    run(index, arn, token, *STEPS)
    assert manager.value(arn)["previous"] == "old"
    assert not new or manager.value(arn) == json.loads(new), "a retry makes no other password"
    assert manager.labels(arn)[token] == ["AWSCURRENT"]


def errors(client: Any, call: str) -> list[Exception]:
    operation = client.meta.service_model.operation_model("".join(word.title() for word in call.split("_")))
    codes = [*(shape.name for shape in operation.error_shapes), "ThrottlingException", "AccessDeniedException"]
    return [
        ConnectionError(),
        *(client.exceptions.from_code(code)({"Error": {"Code": code, "Message": ""}}, call) for code in codes),
    ]


class Failing:
    """Secrets Manager, of which the ``nth`` request by the name ``call`` ends in ``error``."""

    def __init__(self, client: Any, call: str, nth: int, error: Exception) -> None:
        self._client, self._call, self._left, self._error = client, call, nth, error

    @property
    def failed(self) -> bool:
        return self._left <= 0

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            self._left -= 1
            if self._left == 0:
                raise self._error
        return getattr(self._client, name)


@pytest.mark.parametrize("changed", [{"password": "by hand"}, {"username": "by-hand", "password": "old"}])
@pytest.mark.parametrize("after", ["createSecret", "setSecret", "testSecret"])
def test_what_somebody_set_meanwhile_is_not_replaced(
    index: ModuleType, manager: SecretsManager, arn: str, after: str, changed: dict[str, str]
) -> None:
    token = str(uuid.uuid4())
    for step in STEPS[: STEPS.index(after) + 1]:
        run(index, arn, token, step)
    by_hand = {"username": "publisher", **changed}
    manager.put(arn, by_hand)
    with pytest.raises(RuntimeError, match="abandoned"):
        run(index, arn, token, *STEPS[STEPS.index(after) + 1 :])
    assert manager.value(arn) == by_hand
    assert token not in manager.labels(arn), "it would keep the next rotation from beginning"
    with pytest.raises(RuntimeError, match="abandoned"):
        run(index, arn, token, *STEPS)
    run(index, arn, str(uuid.uuid4()), *STEPS)
    assert manager.value(arn).items() >= {"username": by_hand["username"], "previous": by_hand["password"]}.items()


def test_a_retry_so_late_that_the_old_password_would_hardly_last_is_given_up(
    index: ModuleType, manager: SecretsManager, arn: str
) -> None:
    token = str(uuid.uuid4())
    late = {**OLD, "password": "new", "previous": "old"}
    late["previous_until"] = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    manager.client.put_secret_value(
        SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(late), VersionStages=["AWSPENDING"]
    )
    with pytest.raises(RuntimeError, match="abandoned"):
        run(index, arn, token, *STEPS)
    assert manager.value(arn) == OLD


@pytest.mark.parametrize("pending", ["none", "copy", "empty"])
def test_the_trial_that_a_new_schedule_makes_changes_nothing(
    index: ModuleType, manager: SecretsManager, arn: str, pending: str
) -> None:
    """``RotateImmediatelyOnUpdate: false`` calls the third step alone."""
    token = str(uuid.uuid4())
    if pending == "copy":
        manager.client.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(OLD), VersionStages=["AWSPENDING"]
        )
    elif pending == "empty":
        manager.client.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretBinary=b"0", VersionStages=["AWSPENDING"]
        )
    before = manager.labels(arn)
    run(index, arn, token, "testSecret")
    assert manager.value(arn) == OLD
    assert manager.labels(arn) == before


@pytest.mark.parametrize("junk", ["no json", '{"username": "publisher"}'])
def test_a_secret_that_is_no_account_is_an_error_that_tells_nothing(
    index: ModuleType, manager: SecretsManager, arn: str, junk: str
) -> None:
    manager.put(arn, junk)
    with pytest.raises((ValueError, KeyError)) as raised:
        run(index, arn, str(uuid.uuid4()), "createSecret")
    assert "no json" not in str(raised.value)


def test_its_role_may_do_what_it_does_and_nothing_else(
    index: ModuleType, manager: SecretsManager, editions: Editions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request needs the action of its name: list_awssecretsmanager.html of the service authorization reference."""
    resources = editions.nested({"PasswordRotationDays": "30"}).resources
    schedules = of_type(resources, "AWS::SecretsManager::RotationSchedule").values()
    arns = {it["SecretId"]: manager.create(it["SecretId"].strip("<>"), OLD) for it in schedules}
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session())
    asked: set[tuple[str, str]] = set()
    boto3.DEFAULT_SESSION.events.register(
        "provide-client-params.secretsmanager",
        lambda params, model, **_: asked.add((f"secretsmanager:{model.name}", params["SecretId"])),
    )
    for arn in arns.values():
        run(index, arn, str(uuid.uuid4()), *STEPS)
    (policy,) = resources["RotationRole"]["Properties"]["Policies"]
    allowed = {
        (action, arns[secret])
        for it in policy["PolicyDocument"]["Statement"]
        for action in it["Action"]
        for secret in it["Resource"]
        if not action.startswith("logs:")
    }
    assert len(arns) == 2
    assert allowed == asked
