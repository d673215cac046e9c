"""Whatever is asked, and however it ends, nothing stays open: a task that lives for months would run out of descriptors."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import requests

from server.store.abilities import lacking
from server.store.changes import Announcer
from server.store.index import Index
from server.store.spent import Spent
from server.store.staging import settle
from server.store.stamps import TICK_SECONDS, flush_directory, open_directory

from .connections import ask
from .faults import ASKING, LINKING, RENAMING, WRITING, Fault
from .tasks import PUBLISHER, Task, sdist, wait_for, wheel

PEOPLE = {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}
# Opened in several steps.
LONG = "/".join(["d" * 250] * 12)


def opened(directory: Path, group: int) -> list[str]:
    """What the processes of a group have open of the directory, and what was in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if os.getpgid(int(process.name)) == group:
                for descriptor in os.listdir(process / "fd"):
                    with suppress(FileNotFoundError):
                        found.append(os.readlink(process / "fd" / descriptor))
    return [path for path in found if path.startswith(str(directory))]


def post(task: Task, action: str, **fields: str) -> None:
    requests.post(task.url, data={":action": action, "name": "life", **fields}, auth=PUBLISHER, timeout=60)


def change(task: Task, number: int) -> None:
    """Whatever changes a release, whether or not it may."""
    name, content = wheel("life", f"1.{number}")
    for sent in (content, wheel("life", f"1.{number}", b"x")[1]):
        for signature in (None, (f"{name}.asc", b"signature")):
            task.upload(name, sent, signature=signature)
    task.upload("life-1.0.zip", b"damaged")
    task.upload(*sdist("life", f"2.{number}"))
    for action in ("yank", "unyank", "yank", "remove_pkg"):
        post(task, action, version=f"1.{number}", reason="broken")
    for state in ("archived", "active"):
        post(task, "status", state=state)


def look(task: Task, number: int) -> None:
    """Whatever may be read, in all forms."""
    for path in (
        *("/", "/?q=life", "/simple/", "/packages/", "/simple/life/", "/life/json", "/project/life/", "/health"),
        *("/simple/absent/", "/packages/absent-1.0.zip", f"/packages/life-1.{number}-py3-none-any.whl.metadata"),
        *("/packages/linked-1.0.zip", "/packages/odd-1.0.zip", f"/packages/{LONG}/deep-1.0.zip", "/simple/deep/"),
    ):
        task.get(path, headers=PEOPLE)
    for name in (f"life-2.{number}.tar.gz", "large-1.0.zip"):
        etag = task.get(f"/packages/{name}").headers.get("ETag", "")
        for headers in ({"If-None-Match": etag}, {"Range": "bytes=1-2"}, {"Range": "bytes=99999999-"}):
            task.get(f"/packages/{name}", headers=headers)
        with task.get(f"/packages/{name}", stream=True):
            pass
    ask(task, b"GET /simple/ HTTP/2.0\r\n\r\n")
    task.begin_upload("life-9.0.zip", 1000)[0].close()


def live(fault: Fault) -> None:
    change(fault.task, 1)
    look(fault.task, 1)
    # What closes with an error is closed.
    for call in {*ASKING, *WRITING, *LINKING, *RENAMING} - {"close"}:
        fault.set(call, errno.EIO)
        name, content = wheel(f"life{call}", "1.0")
        fault.task.upload(name, content, signature=(f"{name}.asc", b"signature"))
        for path in ("/simple/life/", "/packages/life-2.1.tar.gz", "/packages/life-2.1.tar.gz.metadata"):
            fault.task.get(path)
        post(fault.task, "yank", version="2.1")
        fault.end()


def test_no_call_leaves_anything_open(directory: Path) -> None:
    deep, spent = f"{directory}/{LONG}/", Spent(str(directory))
    os.makedirs(deep)
    (directory / "demo-1.0.zip").touch()
    index, announcer = Index(directory), Announcer(str(directory))
    with announcer.announced("demo-1.0.zip"):
        pass
    for _ in range(3):
        index.refresh()
        time.sleep(1.5 * TICK_SECONDS)
    with announcer.announced("demo-2.0.zip") as announcement:
        (directory / "demo-2.0.zip").touch()
        announcement.done()
    index.refresh()
    calls: dict[str, Callable[[], object]] = {
        "what is deep": lambda: os.close(open_directory(deep)),
        "below what is deep": lambda: open_directory(f"{deep}absent/"),
        "below what is absent": lambda: open_directory(f"{directory}/{'d' * 250}/{LONG}/"),
        "flushed": lambda: flush_directory(deep),
        "spent": lambda: spent.spend("0"),
        "looked up": lambda: "0" in spent,
        "tried": lambda: lacking(directory),
        "settled": lambda: settle(directory, "demo-1.0.zip"),
        "looked for": index.verify,
    }
    for name, call in calls.items():
        for _ in range(2):
            with suppress(OSError):
                call()
            assert (name, opened(directory, os.getpgrp())) == (name, [])


def test_a_task_has_nothing_open_once_all_is_answered(mutable: Fault) -> None:
    (mutable.directory / LONG).mkdir(parents=True)
    (mutable.directory / LONG / "deep-1.0.zip").write_bytes(b"deep")
    (mutable.directory / "large-1.0.zip").write_bytes(bytes(1_000_000))
    (mutable.directory / "linked-1.0.zip").symlink_to("large-1.0.zip")
    os.mkfifo(mutable.directory / "odd-1.0.zip")
    live(mutable)
    assert wait_for(lambda: not opened(mutable.directory, mutable.task.process.pid))
