"""``who`` on the log that a real server wrote, by ``log_insights`` in the place of CloudWatch Logs Insights."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from calls import client
from log_insights import answering
from moto.logs.models import LogQuery
from secrets_manager import secrets_manager
from stacks import Parameters

from generator.commands import main
from generator.operations.aws import Account
from generator.operations.exits import DONE, FAILED, REFUSED
from generator.operations.terminal import Terminal
from generator.packages.who import Project, ask
from tests.server.tasks import PUBLISHER, READER, Task, sdist, wait_for, wheel

pytestmark = pytest.mark.usefixtures("lines", "log", "here")
TOKEN = "pypiserver-of-ci"
CI = ("__token__", TOKEN)
OFFICE, JOB = "203.0.113.7", "198.51.100.9"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    home = tmp_path_factory.mktemp("who")
    (home / "packages").mkdir()
    entry = {"name": "ci", "may": "read", "projects": ["*"], "expires": None}
    with secrets_manager() as manager:
        arn = manager.create("tokens", [{**entry, "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}])
        task = Task(Path(sys.executable), home / "packages", home / "task", manager.environment(TOKENS_SECRET=arn))
        task.wait_until_ready()

    def take(path: str, account: tuple[str, str] | None, address: str, agent: str) -> None:
        # What precedes the last address is the client's word.
        headers = {"X-Forwarded-For": f"127.0.0.9, {address}", "User-Agent": agent}
        requests.get(f"{task.url}{path}", auth=account, headers=headers, timeout=60)

    try:
        files = {version: wheel("acme_core", version)[0] for version in ("1.0", "1.2")}
        for version in files:
            assert task.upload(*wheel("acme_core", version)).status_code == 200
        assert task.upload(*sdist("acme_core_extra", "1.2")).status_code == 200
        for forged in range(3):
            take(f"/packages/{files['1.2']}", READER, f"10.0.0.{forged}, {OFFICE}", "pip/26.0 {}")
        take(f"/packages/{files['1.2']}.metadata", READER, "192.0.2.1", "pip/26.0 {}")
        take(f"/packages/{files['1.2']}", READER, JOB, "uv/0.11 {}")
        take(f"/packages/{files['1.0']}", CI, JOB, "uv/0.11 {}")
        take(f"/packages/{files['1.2']}", None, "192.0.2.2", "stranger")
        take("/packages/acme_core_extra-1.2.tar.gz", READER, "192.0.2.3", "pip/26.0 {}")
        take("/simple/acme-core/", READER, "192.0.2.4", "pip/26.0 {}")
        fields = {":action": "yank", "name": "acme-core", "version": "1.2.0", "reason": "evil"}
        requests.post(task.url, data=fields, auth=PUBLISHER, timeout=60)
        assert wait_for(lambda: len(task.access_log()) >= 13)
        return task.log.read_text().splitlines()
    finally:
        task.kill()


@pytest.fixture(scope="module")
def log(deployed: Parameters, lines: list[str]) -> Iterator[None]:
    (stack,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
    group = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}["TaskLogGroup"]
    client("logs").create_log_stream(logGroupName=group, logStreamName="task")
    events = [
        {"timestamp": int(datetime.fromisoformat(json.loads(line)["time"]).timestamp() * 1000), "message": line}
        for line in lines
    ]
    client("logs").put_log_events(logGroupName=group, logStreamName="task", logEvents=events)
    with answering():
        yield


def who(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["who", *words, "--json"]) == DONE
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def told(found: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {(it["what"], it["release"], it["user"], it["address"], it["agent"], it["times"]) for it in found}


DOWNLOADS = {
    ("download", "1.2", "reader", OFFICE, "pip/26.0 {}", 3),
    ("download", "1.2", "reader", JOB, "uv/0.11 {}", 1),
}
OLDER = ("download", "1.0", "__token__:ci", JOB, "uv/0.11 {}", 1)
CHANGES = {(change, "1.2", "publisher", "127.0.0.1", "", 1) for change in ("upload", "yank")}


def test_a_release_was_taken_by_these_and_no_others(lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for spelled in ("acme-core==1.2", "Acme_Core==1.2.0"):
        assert told(who(capsys, spelled)) == DOWNLOADS | CHANGES
    everything = DOWNLOADS | CHANGES | {OLDER, ("upload", "1.0", "publisher", "127.0.0.1", "", 1)}
    found = who(capsys, "acme.core")
    assert told(found) == everything
    assert [it["last"] for it in found] == sorted((it["last"] for it in found), reverse=True)
    assert all(it["first"] <= it["last"] for it in found)
    assert who(capsys, "acme") == []
    (office,) = (it for it in found if it["address"] == OFFICE)
    times = sorted(datetime.fromisoformat(json.loads(line)["time"]) for line in lines if OFFICE in line)
    shown = [datetime.fromisoformat(office[it]) for it in ("first", "last")]
    assert times[0] < times[-1]
    assert shown == pytest.approx([times[0], times[-1]], abs=timedelta(milliseconds=1))


def test_a_name_did_this_and_from_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(who(capsys, "--user", "ci")) == {("request", "", "__token__:ci", JOB, "uv/0.11 {}", 1)}
    changed = {it[:2] for it in told(who(capsys, "--user", "publisher")) if it[0] != "request"}
    names = [wheel("acme_core", version)[0] for version in ("1.0", "1.2")]
    assert changed == {("upload", it) for it in (*names, "acme_core_extra-1.2.tar.gz")} | {("yank", "acme-core==1.2")}
    assert who(capsys, "--user", "nobody-known") == []


def test_a_person_sees_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "acme-core==1.2"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    (office,) = [line for line in lines if OFFICE in line]
    assert lines[1].split() == ["last", "first", "times", "what", "release", "user", "address", "agent"]
    assert office.split()[4:] == ["3", "download", "1.2", "reader", OFFICE, "pip/26.0"]
    assert main(["who", "absent"]) == DONE
    assert "nobody: the log has nothing of it since" in capsys.readouterr().out


def test_a_narrow_terminal_shows_all_of_it() -> None:
    """Where a word is longer than its column, on several lines."""

    def letters(width: int) -> list[str]:
        stream = StringIO()
        assert (
            ask(Account(), Terminal(stream, live=True, width=width), "pypi", Project("acme-core"), "1d", as_json=False)
            == DONE
        )
        (*_, table) = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()).partition("UTC …")
        return sorted("".join(table.split()))

    assert letters(60) == letters(200)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["acme", "--user", "x"],
        ["acme core"],
        ["acme==new"],
        ["--user", 'x" or user = "y'],
        ["acme", "--since", "1y"],
    ],
)
def test_what_cannot_be_asked_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", *words]) == REFUSED
    assert capsys.readouterr().err.startswith("error: ")


def _answered(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Logs Insights answers with what ``change`` makes of the answer."""
    given = LogQuery.to_result_json
    monkeypatch.setattr(LogQuery, "to_result_json", lambda query: change(given(query)))
    monkeypatch.setattr("generator.packages.who.POLL_SECONDS", 0)


def test_an_answer_is_waited_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = ["Scheduled", "Running", "Unknown"]
    _answered(monkeypatch, lambda it: {"status": statuses.pop(0), "results": []} if statuses else it)
    assert told(who(capsys, "acme-core==1.2")) == DOWNLOADS | CHANGES
    assert statuses == []


@pytest.mark.parametrize("status", ["Cancelled", "Failed", "Timeout"])
def test_no_answer_is_not_nobody(
    status: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _answered(monkeypatch, lambda it: {**it, "status": status})
    assert main(["who", "acme-core"]) == FAILED
    told = capsys.readouterr().out
    assert f"is {status}: ask for less by --since" in told
    assert "nobody" not in told


def test_moments_are_read_in_both_forms(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = who(capsys, "acme-core")

    def shown(value: str) -> str:
        return f"{datetime.fromtimestamp(float(value) / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]

    def otherwise(answer: dict[str, Any]) -> dict[str, Any]:
        for field in (field for row in answer["results"] for field in row if field["field"] in ("first", "last")):
            field["value"] = shown(field["value"])
        return answer

    _answered(monkeypatch, otherwise)
    assert who(capsys, "acme-core") == before


def test_an_answer_that_is_cut_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.packages.who.MOST_ROWS", 3)
    assert main(["who", "acme-core"]) == DONE
    assert "the answer is cut at 3 rows, the newest: ask for less by --since" in capsys.readouterr().out


@pytest.mark.parametrize(("since", "before"), [("2d", timedelta(days=2)), ("50h", timedelta(hours=50))])
def test_it_is_asked_since_then(since: str, before: timedelta, capsys: pytest.CaptureFixture[str]) -> None:
    began = datetime.now(UTC) - before
    assert main(["who", "absent", "--since", since]) == DONE
    printed = capsys.readouterr().out
    assert any(f"since {it:%Y-%m-%d %H:%M} UTC" in printed for it in (began, began + timedelta(minutes=1)))


def test_what_happens_now_is_told(capsys: pytest.CaptureFixture[str], lines: list[str]) -> None:
    line = next(it for it in lines if '"change":' in it.replace(" ", "") and "extra" in it)
    (stack,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
    group = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}["TaskLogGroup"]
    assert len(who(capsys, "acme-core-extra==9.9")) == 0
    event = {"timestamp": int(time.time() * 1000), "message": line.replace("-1.2", "-9.9")}
    client("logs").put_log_events(logGroupName=group, logStreamName="task", logEvents=[event])
    assert len(who(capsys, "acme-core-extra==9.9")) == 1
