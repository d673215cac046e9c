"""``token`` and ``rotate`` against a deployed stack."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from calls import client
from custom_resource import module
from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse

from generator.access import rotate as rotation
from generator.access.tokens import create as create_token
from generator.commands import main
from generator.operations.aws import Account
from generator.operations.exits import Problem
from server.accounts.tokens import entries_of

pytestmark = pytest.mark.usefixtures("here", "labels_move", "one_call_at_a_time")
HANDLER = Path(__file__).parents[2] / "functions" / "rotation.py"
CI = ("acme-ci", "--project", "acme-*")


@pytest.fixture
def one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is whole, as AWS's are: moto's threads would change a secret's versions while another reads them."""
    call, lock = SecretsManagerResponse.call_action, threading.RLock()

    def alone(self: Any) -> Any:
        with lock:
            return call(self)

    monkeypatch.setattr(SecretsManagerResponse, "call_action", alone)


@pytest.fixture
def arn(with_tokens: dict[str, str]) -> str:
    """The secret of the tokens, without any."""
    client("secretsmanager").put_secret_value(SecretId=with_tokens["TokensSecret"], SecretString="[]")
    return with_tokens["TokensSecret"]


def stored(arn: str) -> str:
    return str(client("secretsmanager").get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"])


def labels(arn: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = client("secretsmanager").describe_secret(SecretId=arn)["VersionIdsToStages"]
    return {version: its for version, its in found.items() if its}


def test_a_token_is_printed_once_and_its_digest_is_stored(arn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", *CI, "--may", "upload", "--project", "Other", "--expires", "12h"]) == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith("pypiserver-")
    assert len(token) > 50
    assert token not in stored(arn)
    ((digest, known),) = entries_of(stored(arn)).tokens.items()
    assert digest == hashlib.sha256(token.encode()).hexdigest()
    assert (known.grant.name, known.grant.may_upload) == ("__token__:acme-ci", True)
    assert known.grant.projects is not None
    assert [it in known.grant.projects for it in ("acme-one", "other", "another")] == [True, True, False]
    until = datetime.fromtimestamp(known.until, UTC) - datetime.now(UTC)
    assert timedelta(hours=11, minutes=50) < until <= timedelta(hours=12)
    assert main(["token", "list"]) == 0
    assert token not in capsys.readouterr().out
    assert {label for its in labels(arn).values() for label in its} <= {"AWSCURRENT", "AWSPREVIOUS"}


def test_tokens_are_listed_and_revoked_one_by_one(arn: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, expires in (("one", "never"), ("two", "90d"), ("three", "1h")):
        assert main(["token", "create", name, "--project", "*", "--expires", expires]) == 0
    entries = json.loads(stored(arn))
    entries[2]["expires"] = "2020-01-01T00:00:00+00:00"
    client("secretsmanager").put_secret_value(SecretId=arn, SecretString=json.dumps(entries))
    capsys.readouterr()
    assert main(["token", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(it["name"], it["may"], it["projects"], it["expired"]) for it in found] == [
        (name, "read", ["*"], name == "three") for name in ("one", "two", "three")
    ]
    assert main(["token", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "one    read  *  never expires",
        f"two    read  *  until {entries[1]['expires']}",
        "three  read  *  expired 2020-01-01T00:00:00+00:00",
    ]
    assert main(["token", "revoke", "two"]) == 0
    assert capsys.readouterr().out.startswith("two is revoked.")
    assert [it["name"] for it in json.loads(stored(arn))] == ["one", "three"]
    assert main(["token", "revoke", "two"]) == 2
    captured = capsys.readouterr()
    assert ("there is no token two" in captured.err, captured.out) == (True, "")
    for name in ("one", "three"):
        assert main(["token", "revoke", name]) == 0
    capsys.readouterr()
    assert main(["token", "list"]) == 0
    assert capsys.readouterr().out == "There are no tokens.\n"


def test_without_more_words_a_token_reads_for_90_days(arn: str) -> None:
    assert main(["token", "create", "x" * 63, "--project", "x"]) == 0
    (entry,) = json.loads(stored(arn))
    assert (entry["name"], entry["may"]) == ("x" * 63, "read")
    until = datetime.fromisoformat(entry["expires"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < until <= timedelta(days=90)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a b", "--project", "x"], "cannot be a name"),
        (["x" * 64, "--project", "x"], "cannot be a name"),
        (["ok"], "add --project"),
        (["ok", "--project", "a,b"], "not the name of a project"),
        (["ok", "--project", "a b"], "not the name of a project"),
        (["ok", "--project", ""], "not the name of a project"),
        (["ok", "--project", "x", "--expires", "soon"], "--expires soon"),
        (["ok", "--project", "x", "--expires", "0d"], "--expires 0d"),
        (["ok", "--project", "x", "--may", "admin"], "--may"),
        (["taken", "--project", "x"], "there is a token taken already"),
    ],
)
def test_what_no_task_would_take_is_refused_and_changes_nothing(
    arn: str, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["token", "create", "taken", "--project", "x"]) == 0
    before = stored(arn)
    capsys.readouterr()
    assert main(["token", "create", *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "shown only once" not in captured.err, "there is nothing to keep"
    assert captured.out == ""
    assert stored(arn) == before


@pytest.mark.parametrize("junk", ["", "no json", "{}x", '["a"]', '[{"name": "a"}]', "7"])
def test_a_secret_that_somebody_broke_is_left_alone(arn: str, capsys: pytest.CaptureFixture[str], junk: str) -> None:
    client("secretsmanager").put_secret_value(SecretId=arn, SecretString=junk or " ")
    assert main(["token", "create", *CI]) == 2
    assert "tasks reject the list" in capsys.readouterr().err
    assert stored(arn) == (junk or " ")


@pytest.mark.parametrize(
    "wrong", [{"note": "mine"}, {"expires": "2027-01-31T12:00:00"}, {"may": "delete"}, {"sha256": "0" * 64}]
)
def test_no_token_is_said_to_be_revoked_from_a_list_that_the_tasks_refuse(
    arn: str, capsys: pytest.CaptureFixture[str], wrong: dict[str, str]
) -> None:
    entry = {"name": "leaked", "sha256": "0" * 64, "may": "read", "projects": ["*"], "expires": None}
    text = json.dumps([entry, entry | {"name": "other", "sha256": "1" * 64} | wrong])
    client("secretsmanager").put_secret_value(SecretId=arn, SecretString=text)
    for command in (["revoke", "leaked"], ["list"]):
        assert main(["token", *command]) == 2
        captured = capsys.readouterr()
        assert (captured.out, "its entry 2" in captured.err) == ("", True)
    assert stored(arn) == text


def test_a_secret_takes_tokens_until_it_is_full_and_says_so_before_it_writes(
    arn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"may": "read", "projects": ["acme-*"], "expires": "2027-01-31T12:00:00+00:00"}
    entries = [entry | {"name": f"token-{n}", "sha256": f"{n:064x}"} for n in range(500)]
    fitting = next(n for n in range(500) if len(json.dumps(entries[: n + 1], separators=(",", ":"))) > 65_536)
    assert fitting > 300, "docs/tokens.md says how many"
    text = json.dumps(entries[:fitting], separators=(",", ":"))
    client("secretsmanager").put_secret_value(SecretId=arn, SecretString=text)
    assert main(["token", "create", *CI]) == 2
    assert "revoke those that have expired" in capsys.readouterr().err
    assert stored(arn) == text
    assert main(["token", "revoke", "token-0"]) == 0
    assert main(["token", "create", *CI]) == 0
    assert len(entries_of(stored(arn)).tokens) == fitting


def test_two_who_change_the_list_at_once_lose_nothing(arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one's change comes between reading and writing, twice."""
    write = SecretsManagerBackend.update_secret_version_stage
    others = ["first", "second"]

    def after_another(self: Any, secret_id: str, version_stage: str, **more: Any) -> Any:
        if version_stage == "AWSCURRENT" and others:
            entries = json.loads(stored(arn))
            name = others.pop()
            entries.append(
                {"name": name, "sha256": f"{len(name):064x}", "may": "read", "projects": ["*"], "expires": None}
            )
            self.put_secret_value(arn, json.dumps(entries), None, str(uuid.uuid4()), ["AWSCURRENT"])
        return write(self, secret_id, version_stage, **more)

    monkeypatch.setattr(SecretsManagerBackend, "update_secret_version_stage", after_another)
    assert main(["token", "create", *CI]) == 0
    assert {it["name"] for it in json.loads(stored(arn))} == {"first", "second", "acme-ci"}
    assert {label for its in labels(arn).values() for label in its} <= {"AWSCURRENT", "AWSPREVIOUS"}


def test_whoever_never_gets_a_turn_gives_up_and_says_so(
    arn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = SecretsManagerBackend.update_secret_version_stage

    def after_another(self: Any, secret_id: str, version_stage: str, **more: Any) -> Any:
        if version_stage == "AWSCURRENT":
            self.put_secret_value(arn, "[]", None, str(uuid.uuid4()), ["AWSCURRENT"])
        return write(self, secret_id, version_stage, **more)

    monkeypatch.setattr(SecretsManagerBackend, "update_secret_version_stage", after_another)
    assert main(["token", "create", *CI]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (
        "",
        "error: somebody else keeps changing the tokens, and nothing was changed: try again\n",
    )
    assert stored(arn) == "[]"
    assert {label for its in labels(arn).values() for label in its} <= {"AWSCURRENT", "AWSPREVIOUS"}


def test_many_at_once_lose_nothing(arn: str) -> None:
    """Whoever gives up after some tries says so, and has changed nothing."""

    def create(name: str) -> str | None:
        try:
            # Not the command: its parser is for one thread.
            create_token(Account(), "pypi", name, "read", ["x"], "never")
        except Problem:
            return None
        return name

    with ThreadPoolExecutor(4) as pool:
        created = {*filter(None, pool.map(create, ["t0", "t1", "t2", "t3"]))}
    assert {it["name"] for it in json.loads(stored(arn))} == created != set()


def test_without_tokens_the_command_says_how_to_have_them(
    arn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("generator.access.entries.outputs", lambda stack: {"TokensSecretArn": ""})
    assert main(["token", "list"]) == 2
    assert "deploy it with Tokens=true" in capsys.readouterr().err


@pytest.fixture
def function(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("GRACE_HOURS", "72")
    monkeypatch.setenv("WAIT_SECONDS", "0")
    monkeypatch.setattr(rotation, "SECONDS_BETWEEN", 0.05)
    monkeypatch.setattr(rotation, "LONGEST_SECONDS", 30)
    return module(HANDLER.read_text())


def noted(arn: str) -> Any:
    """moto's own record of a secret."""
    return next(it.secrets[arn] for it in secretsmanager_backends["123456789012"].values() if arn in it.secrets)


def rotating(patch: pytest.MonkeyPatch, index: Any, arn: str, *steps: str) -> list[threading.Thread]:
    """Secrets Manager calls the function with these steps; moto would start a container for it."""
    noted(arn).rotation_requested = noted(arn).rotation_enabled = True
    threads: list[threading.Thread] = []

    def rotate_secret(self: Any, secret_id: str, **_: Any) -> str:
        token = str(uuid.uuid4())

        def run() -> None:
            for step in steps:
                index.handler({"Step": step, "SecretId": secret_id, "ClientRequestToken": token}, None)
            if len(steps) < 4:
                # The command has to have seen that it began.
                time.sleep(1)
                call = client("secretsmanager").update_secret_version_stage
                call(SecretId=secret_id, VersionStage="AWSPENDING", RemoveFromVersionId=token)

        threads.append(threading.Thread(target=run))
        threads[0].start()
        return str(self.secrets[secret_id].to_short_dict(version_id=token))

    patch.setattr(SecretsManagerBackend, "rotate_secret", rotate_secret)
    return threads


def test_rotate_gives_a_new_password_and_waits_for_it(
    with_tokens: dict[str, str], function: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = with_tokens["ReaderSecret"]
    before = json.loads(stored(arn))
    # Of a rotation that has ended the label may be there still: beside the current one it keeps nothing from beginning.
    manager = client("secretsmanager")
    (current,) = [
        it
        for it, labels in manager.describe_secret(SecretId=arn)["VersionIdsToStages"].items()
        if "AWSCURRENT" in labels
    ]
    manager.update_secret_version_stage(SecretId=arn, VersionStage="AWSPENDING", MoveToVersionId=current)
    threads = rotating(monkeypatch, function, arn, "createSecret", "setSecret", "testSecret", "finishSecret")
    assert main(["rotate", "reader"]) == 0
    after = json.loads(stored(arn))
    assert (after["username"], after["previous"]) == ("reader", before["password"])
    printed = capsys.readouterr().out
    assert "The new password of the reader is the current one" in printed
    assert after["password"] not in printed
    for thread in threads:
        thread.join()


def test_a_rotation_that_is_given_up_is_told_and_leaves_the_old_password(
    with_tokens: dict[str, str], function: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = with_tokens["PublisherSecret"]
    before = stored(arn)
    threads = rotating(monkeypatch, function, arn, "createSecret", "setSecret")
    assert main(["rotate", "publisher"]) == 1
    for thread in threads:
        thread.join()
    assert stored(arn) == before
    assert "the old one still works" in capsys.readouterr().out


def test_rotate_says_what_keeps_it_from_beginning(
    with_tokens: dict[str, str], function: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = with_tokens["PublisherSecret"]
    rotating(monkeypatch, function, arn)
    left = str(uuid.uuid4())
    call = client("secretsmanager")
    call.put_secret_value(SecretId=arn, SecretString="{}", ClientRequestToken=left, VersionStages=["AWSPENDING"])
    assert main(["rotate", "publisher"]) == 2
    assert f"--remove-from-version-id {left}" in capsys.readouterr().err
    call.update_secret_version_stage(SecretId=arn, VersionStage="AWSPENDING", RemoveFromVersionId=left)
    noted(arn).rotation_enabled = False
    assert main(["rotate", "publisher"]) == 2
    assert "deploy with PasswordRotationDays" in capsys.readouterr().err
