"""Two tasks, each with a mount of its own that knows of the other's changes only what close-to-open consistency tells."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from .conftest import StartTask
from .mounts import asked, missing, mounts
from .tasks import PUBLISHER, Task, sdist, sha256, wheel

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture
def hosts(directory: Path, tmp_path: Path) -> Iterator[list[Path]]:
    with mounts(directory, tmp_path, count=3) as paths:
        yield paths


@pytest.fixture
def tasks(start_newest: StartTask, hosts: list[Path]) -> list[Task]:
    """On the first two; the third is another program's."""
    return [start_newest(host) for host in hosts[:2]]


def versions(task: Task, project: str) -> int:
    response = task.get(f"/simple/{project}/")
    assert response.status_code in (200, 404)
    return response.text.count("<a ")


def test_an_answered_upload_is_at_once_there_without_a_reading(tasks: list[Task], hosts: list[Path]) -> None:
    """In a series of uploads at both hosts, several at a time, the package directory is not read."""
    for task in tasks:
        # The first upload makes the hidden directory.
        task.upload(*sdist("first", f"1.{task.port}", b"content"))
    assert [versions(task, "first") for task in tasks] == [2, 2]
    before, began = [asked(host, "readdir /") for host in hosts[:2]], time.monotonic()

    def upload_and_look(number: int) -> None:
        writer, reader = tasks[number % 2], tasks[1 - number % 2]
        name, content = wheel(f"demo{number % 7}", f"1.{number}")
        assert writer.upload(name, content).status_code == 200
        for task in (reader, writer):
            files = {it["filename"]: it["hashes"]["sha256"] for it in task.project(f"demo{number % 7}")["files"]}
            assert files[name] == sha256(content)
        assert reader.get(f"/packages/{name}").content == content
        assert reader.upload(name, wheel("other", "1.0")[1]).status_code in (400, 409)

    for number in range(10):
        upload_and_look(number)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upload_and_look, range(10, 74)))
    after = [asked(host, "readdir /") for host in hosts[:2]]
    # Beside requests, what other programs may have done is looked for every ten seconds, by each of two processes.
    looks = 2 * (2 + (time.monotonic() - began) // 10)
    assert all(there - then <= looks for there, then in zip(after, before, strict=True)), (before, after)


def test_what_was_absent_is_at_once_there_where_nothing_was_listed(tasks: list[Task]) -> None:
    """A listing opens the package directory; a locked installation only downloads."""
    here, there = tasks
    name, content = wheel("demo", "1.0")
    assert there.get(f"/packages/{name}").status_code == 404
    assert here.upload(name, content).status_code == 200
    assert there.get(f"/packages/{name}").content == content


def test_a_status_holds_at_once_at_another_host(tasks: list[Task]) -> None:
    """The first one of any project, the first one of another, and the next ones of both."""
    here, there = tasks
    for state, answer in (("quarantined", 403), ("active", 200), ("quarantined", 403)):
        for project in ("demo", "other"):
            name, content = wheel(project, "1.0")
            here.upload(name, content)
            before = there.get(f"/packages/{name}").status_code
            form = {":action": "status", "name": project, "status": state}
            assert requests.post(here.url, data=form, auth=PUBLISHER, timeout=60).status_code == 200
            assert (before, there.get(f"/packages/{name}").status_code) == (403 if state == "active" else 200, answer)
        assert there.upload(*wheel("demo", f"1.{answer}")).status_code == (200 if state == "active" else 403)


def test_what_other_programs_change_is_at_once_there(tasks: list[Task], hosts: list[Path]) -> None:
    """`cp`, `rm` and `mv` between uploads."""
    other = hosts[2]
    for number in range(12):
        assert tasks[number % 2].upload(*sdist("ours", f"1.{number}", b"content")).status_code == 200
        (other / f"theirs-1.{number}.tar.gz").write_bytes(b"content")
        assert [versions(task, "theirs") for task in tasks] == [number + 1] * 2
        assert [versions(task, "ours") for task in tasks] == [number + 1] * 2
    for number in range(12):
        assert tasks[number % 2].upload(*sdist("later", f"1.{number}", b"content")).status_code == 200
        (other / f"theirs-1.{number}.tar.gz").unlink()
        assert [versions(task, "theirs") for task in tasks] == [11 - number] * 2
        (other / f"ours-1.{number}.tar.gz").rename(other / f"moved-1.{number}.tar.gz")
        assert [versions(task, "moved") for task in tasks] == [number + 1] * 2
        assert [versions(task, "ours") for task in tasks] == [11 - number] * 2
        assert [versions(task, "later") for task in tasks] == [number + 1] * 2


def test_a_stream_of_changes_of_all_kinds_ends_in_the_truth(tasks: list[Task], hosts: list[Path]) -> None:
    """Other programs write in the very moments in which packages are linked: what falls there is found by itself."""
    stop = threading.Event()

    def copy() -> None:
        number = 0
        while not stop.wait(random.uniform(0, 0.02)):
            (hosts[2] / f"theirs-1.{number}.tar.gz").write_bytes(b"content")
            number += 1

    other = threading.Thread(target=copy)
    other.start()
    for number in range(60):
        assert tasks[number % 2].upload(*sdist("ours", f"1.{number}", b"content")).status_code == 200
        assert [versions(task, "ours") for task in tasks] == [number + 1] * 2
    stop.set()
    other.join()
    there = len(list(hosts[2].glob("theirs-*")))
    deadline = 60
    while [versions(task, "theirs") for task in tasks] != [there] * 2:
        deadline -= 1
        assert deadline, "a file stays hidden"
        stop.clear()
        stop.wait(1)


def test_a_restored_directory_is_read_anew(tasks: list[Task], hosts: list[Path], tmp_path: Path) -> None:
    for number in range(4):
        assert tasks[number % 2].upload(*sdist("demo", f"1.{number}", b"before")).status_code == 200
    shutil.copytree(hosts[2], tmp_path / "backup")
    for number in range(4, 8):
        assert tasks[number % 2].upload(*sdist("demo", f"1.{number}", b"after")).status_code == 200
    for entry in hosts[2].iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert [versions(task, "demo") for task in tasks] == [0, 0]
    shutil.copytree(tmp_path / "backup", hosts[2], dirs_exist_ok=True)
    assert [versions(task, "demo") for task in tasks] == [4, 4]
    for number in range(4, 8):
        assert tasks[number % 2].upload(*sdist("demo", f"1.{number}", b"again")).status_code == 200
        assert [versions(task, "demo") for task in tasks] == [number + 1] * 2


def test_a_new_task_does_not_read_packages_again(start_newest: StartTask, hosts: list[Path], directory: Path) -> None:
    """Neither those that were uploaded nor those that a task has once listed."""
    name, content = wheel("demo", "1.1")
    (directory / name).write_bytes(content)
    first = start_newest(hosts[0])
    name, content = wheel("demo", "1.2")
    assert first.upload(name, content).status_code == 200
    # Nor does who has taken it in read it where it was published.
    assert not asked(hosts[0], f"read /{name}")
    expected = first.project("demo")
    assert len(expected["files"]) == 2
    second = start_newest(hosts[1])
    # Ready is who has read the directory.
    readings = asked(hosts[1], "readdir /")
    assert second.project("demo") == expected
    assert asked(hosts[1], "readdir /") == readings
    assert not [it["filename"] for it in expected["files"] if asked(hosts[1], f"read /{it['filename']}")]


def test_many_uploads_at_once_are_all_there(tasks: list[Task]) -> None:
    def upload(number: int) -> int:
        return tasks[number % 2].upload(*sdist("many", f"1.{number}", os.urandom(100_000))).status_code

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(upload, range(128))) == {200}
    assert [versions(task, "many") for task in tasks] == [128, 128]
