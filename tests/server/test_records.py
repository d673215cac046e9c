"""The lines of the log that say who changed what, and the templates' metric filters and queries on real lines."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from deployments import Editions, of_type
from log_filters import matches
from log_insights import ask

from .conftest import StartTask
from .tasks import PUBLISHER, READER, Task, basic, sha256, status_of, wait_for, wheel

RUNBOOKS = "".join(page.read_text() for page in sorted((Path(__file__).parents[2] / "docs" / "runbooks").glob("*.md")))
NAME, CONTENT = wheel("demo", "1.0")
OTHER_NAME, OTHER = wheel("demo", "1.0", b"other")
REMOVAL = {":action": "remove_pkg", "name": "demo", "version": "1.0"}


def told(line: dict[str, object]) -> tuple[object, ...]:
    return tuple(line[key] for key in ("change", "user", "file", "sha256", "size"))


def test_each_change_is_one_line_with_its_file_and_account(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory, IMMUTABLE_PACKAGES="false")
    assert task.upload(NAME, CONTENT).status_code == 200
    removed = requests.post(task.url, data=REMOVAL, auth=PUBLISHER, timeout=60)
    assert removed.status_code == 200
    # No waiting: a line is there before its answer.
    both = (PUBLISHER[0], NAME, sha256(CONTENT), len(CONTENT))
    assert [told(line) for line in task.changes()] == [("upload", *both), ("removal", *both)]


def test_a_signature_is_a_file_of_its_own(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory)
    assert task.upload(NAME, CONTENT, signature=(f"{NAME}.asc", b"signed")).status_code == 200
    assert [line["file"] for line in task.changes()] == [NAME, f"{NAME}.asc"]


def test_attestations_are_dropped_and_the_log_says_so(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory)
    fields = {"attestations": json.dumps([{"version": 1, "envelope": "x" * 5000}])}
    assert task.upload(NAME, CONTENT, fields).status_code == 200
    assert task.upload(NAME, CONTENT).status_code == 200
    assert [line["reason"] for line in task.changes()] == ["attestations were sent, and are not kept", None]


def test_refusals_say_what_was_refused_and_why(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory)
    task.upload(NAME, CONTENT)
    assert task.upload(OTHER_NAME, OTHER).status_code == 409
    assert task.upload(NAME, CONTENT, account=READER).status_code == 403
    assert task.upload(NAME, CONTENT, account=(PUBLISHER[0], "wrong-secret")).status_code == 401
    assert requests.post(task.url, data=REMOVAL, auth=PUBLISHER, timeout=60).status_code == 403
    _, taken, reader, stranger, removal = task.changes()
    assert told(taken) == ("refusal", PUBLISHER[0], NAME, sha256(OTHER), len(OTHER))
    assert "already exists" in taken["reason"]
    assert told(reader) == ("refusal", READER[0], None, None, None)
    assert told(stranger)[:2] == ("refusal", None)
    assert (removal["user"], "removal is off" in removal["reason"]) == (PUBLISHER[0], True)
    assert "wrong-secret" not in task.log.read_text() + task.errors.read_text()


@pytest.mark.parametrize(
    "name", ['x"}\n{"change": "upload", "user": "admin', "a\r\nb-1.0.tar.gz", "\u2028-1.0.zip", "é" * 400]
)
def test_a_file_name_forges_no_line(start_newest: StartTask, directory: Path, name: str) -> None:
    task = start_newest(directory)
    assert task.upload(name, CONTENT).status_code == 400
    (line,) = task.changes()
    assert (line["change"], line["user"]) == ("refusal", PUBLISHER[0])


@pytest.fixture(scope="module")
def day(image: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The log of a short day at a real server."""
    home = tmp_path_factory.mktemp("day")
    (home / "packages").mkdir()
    task = Task(image, home / "packages", home / "task", {})
    task.wait_until_ready()
    try:
        task.upload(NAME, CONTENT)
        task.upload(OTHER_NAME, OTHER)
        task.upload(NAME, CONTENT, account=READER)
        task.get("/simple/demo/", None)  # as pip asks first
        task.get("/simple/demo/", READER)
        task.get(f"/packages/{NAME}", READER)
        task.get(f"/packages/{NAME}.metadata", READER)
        task.get("/packages/none-1.0.zip", READER)
        task.get("/simple/demo/", (READER[0], "wrong"))
        requests.get(f"{task.url}/simple/", headers={"Authorization": "Bearer x"}, timeout=60)
        assert wait_for(lambda: len(task.access_log()) == 10)
        return task.log.read_text().splitlines()
    finally:
        task.kill()


COUNTED = {"Uploads": 1, "Downloads": 1, "RefusedChanges": 2, "RefusedLogins": 2, "SlowListings": 0}


def test_the_metric_filters_count_what_they_say(editions: Editions, day: list[str]) -> None:
    filters = of_type(editions.nested().resources, "AWS::Logs::MetricFilter")
    found = {
        it["MetricTransformations"][0]["MetricName"]: sum(matches(it["FilterPattern"], line) for line in day)
        for it in filters.values()
    }
    assert found == COUNTED


def questions(editions: Editions) -> dict[str, str]:
    saved = of_type(editions.nested().resources, "AWS::Logs::QueryDefinition").values()
    return {it["Name"].rpartition("/")[2]: it["QueryString"] for it in saved}


def test_the_saved_questions_are_answered(editions: Editions, day: list[str]) -> None:
    asked = questions(editions)
    changed = ask(asked["Who changed what"], day)
    assert sorted((it["change"], it["user"]) for it in changed) == [
        ("refusal", PUBLISHER[0]),
        ("refusal", READER[0]),
        ("upload", PUBLISHER[0]),
    ]
    (upload,) = [it for it in changed if it["change"] == "upload"]
    assert (upload["file"], upload["sha256"], upload["size"]) == (NAME, sha256(CONTENT), len(CONTENT))
    assert all(it["reason"] for it in changed if it["change"] == "refusal")
    assert all(it["client"] for it in changed)
    refused = ask(asked["Refused, by account and status"], day)
    # A server that starts answers 503.
    counted = {(it["status"], it.get("user"), it.get("login")): it["requests"] for it in refused if it["status"] < 500}
    assert counted == {
        (401, None, None): 1,
        (401, None, "refused"): 2,
        (403, READER[0], "accepted"): 1,
        (404, READER[0], "accepted"): 1,
        (409, PUBLISHER[0], "accepted"): 1,
    }


def test_slow_requests_are_those_of_a_second_or_more(editions: Editions, day: list[str]) -> None:
    question = questions(editions)["Slow requests"]
    assert ask(question, day) == []
    slower = [re.sub(r'"seconds": [0-9.]+', f'"seconds": {seconds}', day[-1]) for seconds in ("0.9", "1.5", "30")]
    found = ask(question, [*day, *slower])
    assert [it["seconds"] for it in found] == [30, 1.5]
    assert all({"method", "path", "status"} <= it.keys() for it in found)


def test_the_patterns_of_the_runbooks_find_what_they_are_for(day: list[str]) -> None:
    patterns = re.findall(r"--filter-pattern '([^']+)'", RUNBOOKS)
    found = {pattern: sum(matches(pattern, line) for line in day) for pattern in patterns}
    assert found == {'{ $.change = "upload" && $.user = "publisher" }': 1, '{ $.login = "refused" }': 2}


def test_the_runbook_removes_a_wrong_package(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory, IMMUTABLE_PACKAGES="false")
    assert task.upload(NAME, CONTENT).status_code == 200
    (command,) = re.findall("^curl .*$", RUNBOOKS, re.MULTILINE)
    given = {
        "https://pypi.example.com": task.url,
        "PUBLISHER": ":".join(PUBLISHER),
        "PROJECT": "demo",
        "VERSION": "1.0",
    }
    for word, value in given.items():
        command = command.replace(word, value)
    subprocess.run(shlex.split(command), check=True, timeout=60)
    assert task.get("/simple/demo/").status_code == 404
    assert [line["change"] for line in task.changes()] == ["upload", "removal"]


def test_a_slow_listing_is_one_of_a_second_or_more(editions: Editions, day: list[str]) -> None:
    pattern = editions.nested().resources["SlowListings"]["Properties"]["FilterPattern"]
    (listing,) = [it for it in day if '"/simple/demo/", "status": 200' in it]
    start, _, rest = listing.partition('"seconds": ')
    assert matches(pattern, f'{start}"seconds": 1.5{rest[8:]}')
    assert not matches(pattern, f'{start}"seconds": 0.9{rest[8:]}')
    assert basic(READER)[6:] not in "".join(day)


@pytest.mark.parametrize("text", ['"', "\\", "\xe9", "a"])
def test_no_line_is_longer_than_a_pipe_takes_at_once(start_newest: StartTask, directory: Path, text: str) -> None:
    task = start_newest(directory)
    long = (text * 1500).encode("latin-1")
    fields = [b"Host: x", b"Connection: close", b"Authorization: " + basic(READER).encode()]
    fields += [name + b": " + long for name in (b"User-Agent", b"X-Amzn-Trace-Id")]
    fields += [b"X-Forwarded-For: " + long + b", 192.0.2.7"]
    path = "\U0001f40d" * 200
    with task.connect() as connection:
        connection.sendall(b"\r\n".join([b"GET /packages/" + quote(path).encode() + b" HTTP/1.1", *fields, b"", b""]))
        assert status_of(connection) == 404
    assert wait_for(lambda: b"192.0.2.7" in task.log.read_bytes())
    line = task.log.read_bytes().splitlines()[-1]
    # PIPE_BUF, POSIX's bound of what is written whole beside other writers.
    assert len(line) < 4096
    client, _, peer = json.loads(line)["client"].partition(", 192.0.2.7")
    assert (set(client), peer) == ({"a" if text == "a" else "?"}, "")
