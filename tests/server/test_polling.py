"""Passwords that change while the server runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth  # type: ignore[import-untyped] # botocore has no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped] # botocore has no types
from botocore.credentials import Credentials  # type: ignore[import-untyped] # botocore has no types
from hypothesis import given
from hypothesis import strategies as st
from secrets_manager import REGION, SecretsManager, function, secrets_manager

from server.accounts.access import Access
from server.accounts.account import Account
from server.accounts.secrets_manager import SecretsManager as Service
from server.accounts.secrets_manager import signed
from server.wire.outbound import Unreachable

from .conftest import StartTask
from .tasks import PUBLISHER, READER, Task, becomes, free_port
from .upstream.playing import INDEX, Index, certificate_below, send

NAMES = count()


@pytest.fixture(scope="module")
def manager() -> Iterator[SecretsManager]:
    with secrets_manager() as manager:
        yield manager


def account(manager: SecretsManager, user: tuple[str, str] = PUBLISHER, **more: object) -> str:
    """The ARN of a secret of its own."""
    return manager.create(f"{user[0]}-{next(NAMES)}", {"username": user[0], "password": user[1], **more})


def status(task: Task, password: str, user: str = PUBLISHER[0]) -> int:
    return task.get("/simple/", (user, password)).status_code


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def polled(start: StartTask, directory: Path, manager: SecretsManager, **arns: str) -> Task:
    return start(directory, GUNICORN_WORKERS="2", **manager.environment(**arns))


class TestRequestSignature:
    @given(
        host=st.from_regex(r"[a-z0-9.-]{1,40}(:[0-9]{1,5})?", fullmatch=True),
        body=st.binary(max_size=200),
        key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
        token=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
        now=st.datetimes(min_value=datetime(2020, 1, 1)),
    )
    def test_it_is_botocores(self, host: str, body: bytes, key: str, token: str, now: datetime) -> None:
        credentials = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": key, "Token": token}
        ours = signed(host, body, REGION, credentials, now)
        request = AWSRequest(
            "POST",
            f"https://{host}/",
            headers={"Content-Type": ours["content-type"], "X-Amz-Target": ours["x-amz-target"], "Host": host},
            data=body,
        )
        request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
        signer = SigV4Auth(Credentials("ASIAEXAMPLE", key, token), "secretsmanager", REGION)
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        request.headers["X-Amz-Security-Token"] = token
        canonical = signer.canonical_request(request)
        signature = signer.signature(signer.string_to_sign(request, canonical), request)
        assert ours["authorization"].endswith(f"Signature={signature}")
        assert f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(request))}," in ours["authorization"]


def test_a_secret_is_read_only_where_the_service_proves_its_name(
    manager: SecretsManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        send(handler, 200, "application/json", b'{"SecretString": "value"}')

    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest: found("127.0.0.1", *rest))
    certificate = certificate_below(tmp_path)
    service = Index(certificate)
    service.answers["/"] = answer

    def value(name: str) -> str | None:
        endpoint = f"https://{name}:{service.port}"
        return Service(endpoint, manager.credentials_url).get(
            f"arn:aws:secretsmanager:{REGION}:1:secret:x", "AWSCURRENT"
        )

    try:
        with pytest.raises(Unreachable):
            value(INDEX)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        with pytest.raises(Unreachable):
            value("stranger.test")
        assert service.asked == []
        assert value(INDEX) == "value"
    finally:
        service.stop()


def test_a_new_password_is_taken_up_and_the_one_before_is_good_for_as_long_as_it_says(
    start_newest: StartTask, directory: Path, manager: SecretsManager
) -> None:
    arn = account(manager)
    task = polled(start_newest, directory, manager, PUBLISHER_SECRET=arn)
    assert status(task, PUBLISHER[1]) == 200
    two = {"username": PUBLISHER[0], "password": "second", "previous": PUBLISHER[1]}
    manager.put(arn, {**two, "previous_until": in_hours(1)})
    becomes(200, lambda: status(task, "second"))
    assert status(task, PUBLISHER[1]) == 200
    manager.put(arn, {**two, "previous_until": in_hours(5 / 3600)})
    # Nothing is read for this: the clock alone ends it.
    becomes(401, lambda: status(task, PUBLISHER[1]))
    assert status(task, "second") == 200
    manager.put(arn, {"username": PUBLISHER[0], "password": "third"})
    becomes((200, 401), lambda: (status(task, "third"), status(task, "second")))
    assert task.get("/simple/", READER).status_code == 200, "it is not polled, and as it was at the start"


def test_a_task_knows_the_pending_password_before_it_serves_anybody(
    start_newest: StartTask, directory: Path, manager: SecretsManager
) -> None:
    arn = account(manager)
    pending = {"username": PUBLISHER[0], "password": "next", "previous": PUBLISHER[1], "previous_until": in_hours(1)}
    manager.client.put_secret_value(SecretId=arn, SecretString=json.dumps(pending), VersionStages=["AWSPENDING"])
    task = start_newest(directory, **manager.environment(PUBLISHER_SECRET=arn) | {"POLL_SECONDS": "3600"})
    assert (status(task, "next"), status(task, PUBLISHER[1])) == (200, 200)


@pytest.mark.parametrize(
    "left",
    [
        {"username": PUBLISHER[0], "password": "leaked", "previous": "an older one"},
        {"username": "somebody", "password": "leaked", "previous": PUBLISHER[1]},
        {"username": PUBLISHER[0], "password": "leaked"},
        ["leaked"],
        "leaked",
    ],
)
def test_what_an_abandoned_rotation_left_opens_nothing(
    start_newest: StartTask, directory: Path, manager: SecretsManager, left: object
) -> None:
    arn = account(manager)
    manager.client.put_secret_value(SecretId=arn, SecretString=json.dumps(left), VersionStages=["AWSPENDING"])
    task = start_newest(directory, **manager.environment(PUBLISHER_SECRET=arn))
    assert (status(task, "leaked"), status(task, "leaked", "somebody"), status(task, PUBLISHER[1])) == (401, 401, 200)


JUNK: list[object] = [
    "",
    "no-json-hunter2",
    '"hunter2"',
    "[" * 60_000,
    ["hunter2"],
    {"username": "x"},
    {"username": "x", "password": ""},
    {"username": "a:b", "password": "hunter2"},
    {"username": "x", "password": "hunter2\n"},
    {"username": "x", "password": ["hunter2"]},
    {"username": "x", "password": "hunter2", "previous": "hunter3"},
    {"username": "x", "password": "hunter2", "previous": "hunter3", "previous_until": "hunter4"},
    {"username": "x", "password": "hunter2", "previous": "hunter3", "previous_until": "2099-01-01T00:00:00"},
    {"username": "x", "password": "hunter2", "previous": "hunter3", "previous_until": 4e9},
    {"username": "x", "password": "hunter2", "previous": None},
]


@pytest.mark.slow
@pytest.mark.parametrize("junk", JUNK)
def test_what_is_no_account_is_refused_as_a_whole(junk: object) -> None:
    text = junk if isinstance(junk, str) else json.dumps(junk)
    with pytest.raises(ValueError, match=r"^(it is not|what it has|a time)") as raised:
        Access([Account(role="READER", username="x", password="y", may_upload=False)]).take(
            {"READER": {"AWSCURRENT": text}}
        )
    assert "hunter" not in str(raised.value)
    assert raised.value.__context__ is None or raised.value.__suppress_context__


def test_junk_is_reported_once_and_never_printed(
    start_newest: StartTask, directory: Path, manager: SecretsManager
) -> None:
    arns = {"PUBLISHER_SECRET": account(manager), "READER_SECRET": account(manager, READER)}
    task = polled(start_newest, directory, manager, **arns)
    for number, junk in enumerate((JUNK[1], JUNK[-1])):
        manager.put(arns["PUBLISHER_SECRET"], junk)
        manager.put(arns["READER_SECRET"], {"username": "reader", "password": f"good{number}"})
        becomes(200, lambda n=number: status(task, f"good{n}", "reader"))  # type: ignore[misc] # mypy infers no defaults
        assert status(task, PUBLISHER[1]) == 200
    errors = task.errors.read_text()
    assert errors.count("cannot be read; the last known value stays in use") == 1
    assert "hunter" not in errors + task.log.read_text()
    manager.put(arns["PUBLISHER_SECRET"], {"username": "x", "password": "good"})
    becomes(200, lambda: status(task, "good", "x"))
    assert "can be read again" in task.errors.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["SECRETS_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
def test_a_server_starts_and_stays_without_secrets_manager(
    start_newest: StartTask, directory: Path, manager: SecretsManager, broken: str
) -> None:
    environment = manager.environment(PUBLISHER_SECRET=account(manager))
    task = start_newest(directory, **environment | {broken: f"http://127.0.0.1:{free_port()}/"})
    time.sleep(3)
    assert status(task, PUBLISHER[1]) == 200
    assert task.errors.read_text().count("cannot be read") == 1


def test_when_the_process_that_asks_is_killed_another_asks(
    start_newest: StartTask, directory: Path, manager: SecretsManager
) -> None:
    arn = account(manager)
    task = polled(start_newest, directory, manager, PUBLISHER_SECRET=arn)
    for number in range(2):
        children = Path(f"/proc/{task.process.pid}/task/{task.process.pid}/children").read_text().split()
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        leaders = [pid for pid in children if any("POSIX" in it and pid in it for it in locks)]
        if leaders:
            os.kill(int(leaders[0]), signal.SIGKILL)
        manager.put(arn, {"username": PUBLISHER[0], "password": f"after{number}"})
        becomes(200, lambda n=number: status(task, f"after{n}"))  # type: ignore[misc] # mypy infers no defaults


class Load:
    """Clients that ask twenty times a second, each with the password that `password` gives just before."""

    def __init__(self, tasks: list[Task], passwords: list[Callable[[], str]]) -> None:
        self.statuses: list[tuple[int, str]] = []
        self._ends = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(task, index, password))
            for task in tasks
            for index, password in enumerate(passwords)
        ]

    def _run(self, task: Task, index: int, password: Callable[[], str]) -> None:
        while not self._ends.wait(1 / 20):
            self.statuses.append((index, str(status(task, password()))))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
def test_a_rotation_under_load_refuses_neither_password(
    start_newest: StartTask, directory: Path, manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By clients that keep the old one, and clients that read the current one before each request, at two tasks."""
    arn = account(manager)
    tasks = [polled(start_newest, directory, manager, PUBLISHER_SECRET=arn) for _ in range(2)]
    index = function(manager, monkeypatch, grace_hours=1, wait_seconds=8)
    passwords = {PUBLISHER[1]}

    def current() -> str:
        password: str = manager.value(arn)["password"]
        passwords.add(password)
        return password

    with Load(tasks, [lambda: PUBLISHER[1], current]) as load:
        token = str(uuid.uuid4())
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
            index.handler({"Step": step, "SecretId": arn, "ClientRequestToken": token}, None)
        time.sleep(3)
    assert {it for _, it in load.statuses} == {"200"}
    assert {index for index, _ in load.statuses} == {0, 1}
    assert len(passwords) == 2
    assert manager.value(arn)["previous"] == PUBLISHER[1]
