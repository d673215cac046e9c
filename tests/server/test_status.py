"""Projects with a status (PEP 792): what is said where, and what is then refused, at every task at once."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path

import pytest
import requests

from .conftest import StartTask
from .tasks import PUBLISHER, READER, Task, sdist, wheel

REASON = "haunted \"on\" 'win' <b>&amp;</b> \u202e\U0001f4a5"
WHEEL, CONTENT = wheel("demo", "1.0")
FILES = [WHEEL, f"{WHEEL}.metadata", "sub/demo-1.1.tar.gz"]


def mark(
    task: Task, state: str, reason: str = "", account: tuple[str, str] | None = PUBLISHER, name: str = "Demo"
) -> requests.Response:
    form = {":action": "status", "name": name, "status": state, "reason": reason}
    return requests.post(task.url, data=form, auth=account, timeout=60)


def said(task: Task) -> dict[str, str]:
    """What JSON says; that HTML says the same, and that both are of version 1.4, is checked."""
    document = task.project("demo")
    page = task.get("/simple/demo/").text
    metas = {name: html.unescape(it) for name, it in re.findall(r'<meta name="pypi:([^"]*)" content="([^"]*)"', page)}
    assert metas.pop("repository-version") == document["meta"]["api-version"] == "1.4"
    found: dict[str, str] = document.get("project-status", {})
    assert {"project-status": found.get("status"), "project-status-reason": found.get("reason")} == {
        "project-status": None,
        "project-status-reason": None,
        **metas,
    }
    assert len(re.findall("<a ", page)) == len(document["files"])
    return found


def filled(directory: Path) -> None:
    (directory / WHEEL).write_bytes(CONTENT)
    (directory / "sub").mkdir()
    (directory / "sub" / "demo-1.1.tar.gz").write_bytes(sdist("demo", "1.1")[1])
    (directory / "demo_other-1.0.tar.gz").write_bytes(sdist("demo_other", "1.0")[1])


def statuses(task: Task, **headers: str) -> list[int]:
    return [task.get(f"/packages/{path}", READER, headers=headers).status_code for path in FILES]


def test_it_is_said_and_holds_at_every_task_at_once(start: StartTask, directory: Path) -> None:
    filled(directory)
    tasks = [start(directory), start(directory)]
    etag = tasks[0].get(f"/packages/{WHEEL}").headers["ETag"]
    assert [said(task) for task in tasks] == [{}, {}]
    states = [("deprecated", 200, 200), ("archived", 403, 200), ("quarantined", 403, 403), ("active", 200, 200)]
    for number, (state, upload, download) in enumerate(states):
        reason = REASON if state != "active" else ""
        assert mark(tasks[number % 2], state, reason).status_code == 200
        expected = {"status": state, "reason": reason} if reason else {}
        for other, task in enumerate(tasks):
            assert said(task) == expected
            assert set(statuses(task)) == {download}
            assert set(statuses(task, Range="bytes=0-1")) <= {download, 206}
            assert task.get(f"/packages/{WHEEL}", headers={"If-None-Match": etag}).status_code == (
                304 if download == 200 else 403
            )
            # A file that is stored already is no new one, but none is taken.
            answer = task.upload(*wheel("demo", f"2.{number}.{other}"))
            assert answer.status_code == upload
            assert task.upload(WHEEL, CONTENT).status_code == upload
            assert upload == 200 or f"demo takes no files, as it is {state}: haunted" in answer.text
            assert (WHEEL in task.get("/packages/").text) == (download == 200)
            assert (WHEEL in task.get("/project/demo/").text) == (download == 200)
            assert state == "active" or f"<b>{state.capitalize()}</b> haunted" in task.get("/project/demo/").text
            assert task.get("/demo/json").status_code == (200 if download == 200 else 404)
            assert task.get("/packages/demo_other-1.0.tar.gz").status_code == 200
        versions = tasks[0].project("demo")["versions"]
        assert (versions == []) == (download == 403)
    last = [it for task in tasks for it in task.changes() if it["change"] == "status"][-1]
    assert (last["file"], last["reason"], last["user"]) == ("demo", "active", PUBLISHER[0])


def test_only_the_publisher_can_and_only_what_there_is(shared: Task) -> None:
    (shared.directory / WHEEL).write_bytes(CONTENT)
    assert said(shared) == {}
    assert mark(shared, "quarantined", "", READER).status_code == 403
    assert mark(shared, "quarantined", "", None).status_code == 401
    for state, reason, name, status in (
        ("gone", "", "demo", 400),
        ("", "", "demo", 400),
        ("Archived", "", "demo", 400),
        ("archived", "r" * 1025, "demo", 400),
        ("archived", "a\0b", "demo", 400),
        ("active", "why", "demo", 400),
        ("archived", "", "absent", 404),
        ("archived", "", "../demo", 404),
        ("archived", "", "", 404),
    ):
        assert mark(shared, state, reason, name=name).status_code == status, (state, name)
    assert said(shared) == {}


def test_it_outlives_the_files_the_task_and_what_is_kept(start_newest: StartTask, directory: Path) -> None:
    filled(directory)
    task = start_newest(directory)
    assert mark(task, "archived", "r").status_code == 200
    (directory / WHEEL).unlink()
    (directory / "sub" / "demo-1.1.tar.gz").unlink()
    assert task.get("/simple/demo/").status_code == 404
    assert task.upload(WHEEL, CONTENT).status_code == 403
    task.kill()
    subprocess.run(["rm", "-r", directory / ".index"], check=True)
    (directory / WHEEL).write_bytes(CONTENT)
    assert said(start_newest(directory)) == {"status": "archived", "reason": "r"}


@pytest.mark.parametrize("made", ["nonsense", None])
def test_what_something_else_left_in_its_place_is_taken_for_the_worst(
    start_newest: StartTask, directory: Path, made: str | None
) -> None:
    filled(directory)
    place = directory / ".yanked" / "demo" / ".status"
    place.parent.mkdir(parents=True)
    if made:
        place.symlink_to(made)
    else:
        place.touch()
    task = start_newest(directory)
    assert said(task) == {"status": "quarantined"}
    assert set(statuses(task)) == {403}
    assert mark(task, "active").status_code == 200
    assert (said(task), set(statuses(task))) == ({}, {200})
