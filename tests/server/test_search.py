"""Search, for people: projects are found by their names and by words of their summaries."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest
import requests

from .browsing import BROWSER, page
from .conftest import StartTask
from .faults import Fault
from .tasks import PUBLISHER, READER, Task, sdist, wheel


@pytest.fixture
def task(start_newest: StartTask, directory: Path) -> Task:
    for name in ("demo", "demonstration", "my_demo", "other"):
        (directory / wheel(name, "1")[0]).write_bytes(wheel(name, "1")[1])
    return start_newest(directory)


def test_projects_are_found_by_any_part_of_their_name(task: Task) -> None:
    found = {
        "": ["demo", "demonstration", "my-demo", "other"],
        "demo": ["demo", "demonstration", "my-demo"],
        " DEMO ": ["demo", "demonstration", "my-demo"],
        "My_De": ["my-demo"],
        "my demo": ["my-demo"],
        "nothing": [],
        "\n": ["demo", "demonstration", "my-demo", "other"],
        "%FF": [],
        "d" * 7000: [],
    }
    for query, projects in found.items():
        assert page(task, f"/?q={query.replace(chr(10), '%0A')}").projects == projects, query
    assert "4 projects" in page(task, "/").text
    assert page(task, "/?other=1").projects == found[""]


def hits(task: Task, query: str, least: int = 0) -> list[str]:
    """What a search finds, once that is `least` projects: summaries are read by and by."""
    deadline = time.monotonic() + 60
    while True:
        shown = page(task, f"/?q={query}")
        done = "still being read" not in shown.text and len(shown.projects) >= least
        if done or time.monotonic() > deadline:
            return shown.projects
        time.sleep(0.2)


def test_projects_are_found_by_words_of_their_summary(start_newest: StartTask, directory: Path) -> None:
    said = {
        "acme_ledger": "Numbers without <gaps>, für Rechnungen",
        "gaps": "",
        "acme_old": "Ledgers of the past",
        "long": "y" * 300 + "tail",
    }
    for name, summary in said.items():
        (directory / wheel(name, "1.0")[0]).write_bytes(wheel(name, "1.0", metadata=f"Summary: {summary}\n")[1])
    for version, summary in (
        ("1.0", "built"),
        ("1.0rc1", "unfinished"),
        ("0.9", "first ideas"),
        ("0.10", "Second thoughts"),
    ):
        (directory / sdist("acme_old", version)[0]).write_bytes(
            sdist("acme_old", version, metadata=f"Summary: {summary}\n")[1]
        )
    task = start_newest(directory)
    # Names first, whatever else has the word.
    assert hits(task, "gaps") == ["gaps", "acme-ledger"]
    for query, found in {
        "NUMBERS": ["acme-ledger"],
        "f%C3%9Cr": ["acme-ledger"],
        "acme+past": ["acme-old"],
        "past+acme": ["acme-old"],
        "acme+nothing": [],
        "ideas": [],
        "built": [],
        "unfinished": [],
        "tail": [],
    }.items():
        assert hits(task, query) == found, query
    assert "Numbers without <gaps>" in page(task, "/").parts["small"][0]
    # What comes, and what is withdrawn, is known soon after.
    assert task.upload(*wheel("acme_old", "2.0", metadata="Summary: Fresh start\n")).status_code == 200
    assert hits(task, "fresh", 1) == ["acme-old"]
    fields = {":action": "yank", "name": "acme-old", "version": "2.0", "reason": ""}
    assert requests.post(task.url, data=fields, auth=PUBLISHER, timeout=60).status_code == 200
    assert hits(task, "past", 1) == ["acme-old"]
    fields = {":action": "status", "name": "acme-ledger", "status": "quarantined", "reason": ""}
    assert requests.post(task.url, data=fields, auth=PUBLISHER, timeout=60).status_code == 200
    deadline = time.monotonic() + 60
    while hits(task, "rechnungen") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert hits(task, "rechnungen") == []
    assert "acme-ledger" in hits(task, "ledger")


def test_summaries_that_cannot_be_read_keep_none_else_away(fault: Fault) -> None:
    task = fault.task
    assert task.upload(*wheel("acme_a", "1.0", metadata="Summary: first\n")).status_code == 200
    assert hits(task, "first", 1) == ["acme-a"]
    fault.set("read", errno.EIO)
    assert task.upload(*sdist("zeta", "1.0", metadata="Summary: last\n")).status_code in (200, 503)
    assert page(task, "/?q=first").projects == ["acme-a"]
    fault.end()
    task.upload(*sdist("zeta", "1.0", metadata="Summary: last\n"))
    assert hits(task, "last", 1) == ["zeta"]


def test_a_query_is_text_again(task: Task) -> None:
    response = task.get("/", READER, params={"q": '"><script>alert(1)</script>\u202e'}, headers=BROWSER)
    assert 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\ufffd"' in response.text
    assert "<script" not in response.text


def test_a_project_is_found_as_soon_as_it_is_uploaded(start: StartTask, directory: Path) -> None:
    task = start(directory)
    for number in range(3):
        assert f"{number} project" in page(task, "/").text
        assert task.upload(*wheel(f"new{number}", "1.0")).status_code == 200
        assert page(task, f"/?q=new{number}").projects == [f"new{number}"]
        assert task.upload(*wheel(f"new{number}", "1.1")).status_code == 200
        assert page(task, f"/project/new{number}/").parts["b"] == ["1.1", "1.0"]


def test_of_many_projects_and_files_the_first_are_shown(start_newest: StartTask, directory: Path) -> None:
    for number in range(500):
        (directory / f"many{number:03}-1.0.tar.gz").write_bytes(b"x")
        (directory / f"nightly-1.{number}.tar.gz").write_bytes(b"x")
    task = start_newest(directory)
    shown = page(task, "/?q=many")
    assert (len(shown.projects), shown.projects[0]) == (60, "many000")
    assert "Page 1 of 9" in shown.text
    # Whoever goes on sees every one of them once.
    seen = list(shown.projects)
    while following := [link for link in shown.links if link.startswith(f"/?q=many&page={len(seen) // 60 + 1}")]:
        shown = page(task, following[0])
        seen += shown.projects
    assert seen == [f"many{number:03}" for number in range(500)]
    for beyond in ("0", "-1", "10", "x", "9" * 400):
        assert page(task, f"/?q=many&page={beyond}").projects[0] in ("many000", "many480")
    shown = page(task, "/?q=99")
    assert (shown.projects, "Page" in shown.text) == ([f"many{n}99" for n in range(5)], False)
    shown = page(task, "/project/nightly/")
    assert shown.parts["b"] == [f"1.{number}" for number in range(499, 299, -1)]
    assert "/simple/nightly/" in shown.links
    assert "Older files" in shown.text
