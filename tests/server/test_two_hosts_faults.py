"""What befalls uploads and their announcements on one host, as a task on another sees it: see mounts.py."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.store.index import VERIFY_SECONDS

from .conftest import StartTask
from .damages import OF_ANNOUNCEMENTS, UploadKilled, files_of, journals, lie_ahead, replace_by_files, upload_killed
from .mounts import asked, missing, mounts
from .tasks import sdist, sha256, visible, wheel

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

NAME, CONTENT = wheel("killed", "1.0")


@pytest.fixture
def hosts(directory: Path, tmp_path: Path) -> Iterator[list[Path]]:
    with mounts(directory, tmp_path) as paths:
        yield paths


@pytest.fixture
def killed_uploads(newest_image: Path, tmp_path: Path) -> Iterator[UploadKilled]:
    (tmp_path / NAME).write_bytes(CONTENT)
    with upload_killed(newest_image, tmp_path / NAME) as upload:
        yield upload


def test_an_upload_killed_at_any_step_is_there_or_not_for_another_host(
    start_newest: StartTask, killed_uploads: UploadKilled, hosts: list[Path], directory: Path
) -> None:
    """One host's process is killed while the other's task is asked all the time; then the file is uploaded again."""
    reader = start_newest(hosts[1])
    assert reader.upload(*sdist("first", "1.0", b"content")).status_code == 200
    stop = threading.Event()

    def watch() -> set[tuple[int, str]]:
        """What there ever was to see: listings and downloads."""
        seen = set()
        while not stop.is_set():
            download = reader.get(f"/packages/{NAME}")
            seen.add((download.status_code, sha256(download.content) if download.ok else ""))
            seen.update((200, digest) for digest in files_of(reader, "killed").values())
        return seen

    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(watch)
        try:
            for step in range(100):
                killed = killed_uploads(hosts[0], step)
                assert killed.returncode in (0, -signal.SIGKILL), killed.stdout
                published = (directory / NAME).exists()
                assert published or killed.stdout != "answered"
                assert files_of(reader, "killed") == ({NAME: sha256(CONTENT)} if published else {}), step
                assert reader.upload(NAME, CONTENT).status_code == 200
                assert files_of(reader, "killed") == {NAME: sha256(CONTENT)}
                # Another program's removal is seen, too, whatever the killed process left announced.
                (directory / NAME).unlink()
                assert files_of(reader, "killed") == {}
                if killed.returncode == 0:
                    break
        finally:
            stop.set()
    assert killed.stdout == "answered"
    assert step > 10
    assert watched.result() == {(404, ""), (200, sha256(CONTENT))}
    assert visible(directory) == ["first-1.0.tar.gz"]


@pytest.mark.parametrize("damage", OF_ANNOUNCEMENTS)
def test_damaged_announcements_mislead_no_host(
    start_newest: StartTask, hosts: list[Path], directory: Path, damage: Callable[[Path], None]
) -> None:
    """A third host does the damage. What is uploaded at either of the two is at once there at the other."""
    tasks = [start_newest(host) for host in hosts]
    for task in tasks:
        assert task.upload(*sdist("before", f"1.{task.port}", b"content")).status_code == 200
    assert [len(files_of(task, "before")) for task in tasks] == [2, 2]
    damage(directory)
    for number in range(6):
        name, content = sdist("after", f"1.{number}", b"content")
        answer = tasks[number % 2].upload(name, content)
        if damage is replace_by_files:
            assert answer.status_code == 503
            (directory / name).write_bytes(content)
        else:
            assert answer.status_code == 200
        (directory / f"foreign-1.{number}.tar.gz").write_bytes(b"content")
        # The other host's first: the uploader's own index knows.
        for task in (tasks[1 - number % 2], tasks[number % 2]):
            assert files_of(task, "after")[name] == sha256(content)
            assert len(files_of(task, "after")) == number + 1
            assert len(files_of(task, "foreign")) == number + 1
            assert len(files_of(task, "before")) == 2
            assert files_of(task, "ahead") == {}
    if damage is lie_ahead:
        assert tasks[0].upload(*sdist("ahead", "1.0", b"content")).status_code == 200
        assert [len(files_of(task, "ahead")) for task in reversed(tasks)] == [1, 1]
    assert all(task.get("/health", None).status_code == 200 for task in tasks)


def test_another_host_follows_into_the_next_file_of_announcements(
    start_newest: StartTask, hosts: list[Path], directory: Path
) -> None:
    """Names as long as names can be fill a file of 64 KiB with some hundred uploads; no reading is needed."""
    writer, reader = (start_newest(host) for host in hosts)
    assert writer.upload(*sdist("long", "1.0", b"content")).status_code == 200
    assert len(files_of(reader, "long")) == 1
    readings, began = asked(hosts[1], "readdir /"), time.monotonic()
    stop = threading.Event()

    def watch() -> list[int]:
        counts = []
        while not stop.is_set():
            counts.append(len(files_of(reader, "long")))
        return counts

    def upload(number: int) -> None:
        name, content = sdist("long", f"1.{number}+{'x' * 200}", b"content")
        assert writer.upload(name, content).status_code == 200
        assert files_of(reader, "long")[name] == sha256(content)

    with ThreadPoolExecutor(9) as pool:
        watched = pool.submit(watch)
        try:
            list(pool.map(upload, range(1, 161)))
        finally:
            stop.set()
    assert len(journals(directory)) > 1
    assert watched.result() == sorted(watched.result())
    assert len(files_of(reader, "long")) == 161
    # Beside requests, what other programs may have done is looked for; the directory takes a dozen calls then.
    assert asked(hosts[1], "readdir /") - readings <= 16 * (1 + (time.monotonic() - began) / VERIFY_SECONDS)
