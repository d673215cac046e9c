"""Tokens of a server that asks Secrets Manager for them: taken up, revoked and ended while clients use them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from secrets_manager import SecretsManager, secrets_manager

from .conftest import StartTask
from .entries import SECRET, entry, with_token
from .tasks import PUBLISHER, READER, Task, becomes, sdist, wheel

NUMBERS = count()


@pytest.fixture(scope="module")
def manager() -> Iterator[SecretsManager]:
    with secrets_manager() as manager:
        yield manager


@pytest.fixture
def arn(manager: SecretsManager) -> str:
    return manager.create(f"tokens-{next(NUMBERS)}", "[]")


def with_tokens(start: StartTask, directory: Path, manager: SecretsManager, arn: str, **environment: str) -> Task:
    for name, content in (wheel("acme_one", "1.0"), wheel("other", "1.0")):
        (directory / name).write_bytes(content)
    return start(directory, GUNICORN_WORKERS="2", **manager.environment(TOKENS_SECRET=arn), **environment)


def test_a_token_works_until_it_is_revoked_and_the_log_has_its_name_alone(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str
) -> None:
    task = with_tokens(start_newest, directory, manager, arn)
    assert task.get("/simple/acme-one/", with_token()).status_code == 401
    manager.put(arn, [entry("deploy", may="upload"), entry("other", token="another")])
    becomes(200, lambda: task.get("/simple/acme-one/", with_token()).status_code)
    assert task.get("/simple/other/", with_token()).status_code == 403
    assert task.upload(*wheel("acme_one", "2.0"), account=with_token()).status_code == 200
    assert task.upload(*wheel("other", "2.0"), account=with_token()).status_code == 403
    upload, refusal = task.changes()
    assert (upload["change"], upload["user"], upload["file"]) == (
        "upload",
        "__token__:deploy",
        wheel("acme_one", "2.0")[0],
    )
    assert (refusal["change"], refusal["user"]) == ("refusal", "__token__:deploy")
    # What nobody understands takes nothing away, and adds nothing.
    manager.put(arn, [entry("deploy"), {"name": "x"}])
    becomes(1, lambda: task.errors.read_text().count("its entry 2 is none that docs/tokens.md describes"))
    assert task.upload(*wheel("acme_one", "3.0"), account=with_token()).status_code == 200
    manager.put(arn, [entry("other", token="another")])
    becomes(401, lambda: task.get("/simple/acme-one/", with_token()).status_code)
    assert task.get("/simple/acme-one/", with_token("another")).status_code == 200
    assert task.get("/simple/acme-one/", READER).status_code == 200
    everything = task.log.read_text() + task.errors.read_text()
    assert SECRET not in everything
    assert entry()["sha256"] not in everything


@pytest.mark.slow
def test_a_revoked_token_is_refused_under_load_and_no_other_is(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str
) -> None:
    """By clients that ask one request after another; once the last of the processes knows, no request gets through."""
    manager.put(arn, [entry("leaked"), entry("other", token="another")])
    task = with_tokens(start_newest, directory, manager, arn)
    statuses: dict[str, list[int]] = {SECRET: [], "another": []}
    ends = threading.Event()

    def ask(token: str) -> None:
        while not ends.is_set():
            statuses[token].append(task.get("/simple/acme-one/", with_token(token)).status_code)

    threads = [threading.Thread(target=ask, args=(token,)) for token in statuses for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        becomes(True, lambda: len(statuses[SECRET]) > 50)
        manager.put(arn, [entry("other", token="another")])
        becomes({401}, lambda: set(statuses[SECRET][-100:]))
    finally:
        ends.set()
        for thread in threads:
            thread.join()
    assert set(statuses["another"]) == {200}
    assert set(statuses[SECRET]) == {200, 401}


def test_an_end_needs_nothing_but_the_clock(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str
) -> None:
    manager.put(arn, [entry(hours=6 / 3600)])
    environment = manager.environment(TOKENS_SECRET=arn) | {"POLL_SECONDS": "3600"}
    (directory / wheel("acme_one", "1.0")[0]).write_bytes(wheel("acme_one", "1.0")[1])
    task = start_newest(directory, **environment)
    assert task.get("/simple/acme-one/", with_token()).status_code in (200, 401), "a busy machine may be late"
    becomes(401, lambda: task.get("/simple/acme-one/", with_token()).status_code)
    assert "expired" in task.get("/simple/acme-one/", with_token()).text


def test_as_many_tokens_as_a_secret_holds(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str
) -> None:
    entries = [entry(f"token-{number}", token=f"t{number}") for number in range(320)]
    text = json.dumps(entries, separators=(",", ":"))
    assert 56_000 < len(text) <= 65_536
    manager.put(arn, text)
    task = with_tokens(start_newest, directory, manager, arn)
    assert {task.get("/simple/acme-one/", with_token(f"t{number}")).status_code for number in (0, 160, 319)} == {200}


@pytest.mark.slow
def test_pip_uv_and_twine_take_a_token(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str, tmp_path: Path
) -> None:
    manager.put(arn, [entry("deploy", may="upload"), entry("install", token="reads")])
    task = with_tokens(start_newest, directory, manager, arn)

    def run(*words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
        )
        assert (done.returncode == 0) is (status == 0), done.stdout + done.stderr
        return done.stdout + done.stderr

    name, content = sdist("acme_two", "1.0")
    (tmp_path / name).write_bytes(content)
    twine = ("twine", "upload", "--non-interactive", "--disable-progress-bar", "--repository-url", task.url + "/")
    run(*twine, "-u", "__token__", "-p", SECRET, name)
    assert "may not upload" in run(*twine, "-u", "__token__", "-p", "reads", name, status=1)
    name, content = wheel("other", "5.0")
    (tmp_path / name).write_bytes(content)
    assert "has no access to the project other" in run(*twine, "-u", "__token__", "-p", SECRET, name, status=1)
    name, content = wheel("acme_two", "2.0")
    (tmp_path / name).write_bytes(content)
    run("uv", "publish", "--publish-url", task.url + "/", "--token", SECRET, name)
    index = f"{task.with_credentials(with_token('reads'))}/simple/"
    run("pip", "download", "--no-deps", "--index-url", index, "-d", "by-pip", "acme-one")
    run("pip", "download", "--no-deps", "--index-url", index, "-d", "by-pip", "other", status=1)
    run("uv", "pip", "install", "--no-deps", "--target", "by-uv", "--index-url", index, "acme-two")
    assert (tmp_path / "by-uv" / "acme_two.py").exists()
    assert sorted(path.name for path in (tmp_path / "by-pip").iterdir()) == [wheel("acme_one", "1.0")[0]]
    assert PUBLISHER[1] not in task.log.read_text()
