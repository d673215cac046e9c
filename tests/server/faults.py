"""A storage that fails when it is told to."""

from __future__ import annotations

import errno
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .libraries import library
from .tasks import Task

ASKING = ("open", "opendir", "read", "readdir", "stat", "close")
WRITING = ("creat", "mkdir", "write", "fsync", "dirfsync", "unlink")
LINKING = ("link", "linkdone")
RENAMING = ("rename", "renamedone")


ERRORS = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EACCES, errno.ENOSPC, errno.EDQUOT)


class Call(NamedTuple):
    """`path` is absolute, as `other` is: where a link or a renamed file is, but what a symbolic link is to."""

    call: str
    inode: int
    path: str
    other: str


class Fault:
    """Of `task`; `other` has the same directory, and a storage that is well."""

    def __init__(self, start: Callable[..., Task], directory: Path, home: Path, **settings: str) -> None:
        self._control, self.record = home / "control", home / "record"
        self.record.mkdir()
        self.directory = directory
        self.preload = {
            "LD_PRELOAD": str(library("fault")),
            "FAULT_DIRECTORY": str(directory),
            "FAULT_CONTROL": str(self._control),
            "FAULT_RECORD": str(self.record),
        }
        self.task: Task = start(directory, **self.preload, **settings)
        self.other: Task = start(directory, **settings)

    def set(self, call: str, number: int) -> None:
        """Calls of this name fail from now on, and what makes the task call it is there."""
        if call == "mkdir":
            shutil.rmtree(self.directory / ".index", ignore_errors=True)
        if call == "readdir":
            # No task announced it, so the directory is read.
            (self.directory / f"beside-{number}-{time.monotonic_ns()}").touch()
        self._control.write_text(f"{call} {number}")

    def end(self) -> None:
        self._control.unlink(missing_ok=True)

    def cases(self, calls: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
        """Each call with each error, and the name of a project of its own. Each was made, and did fail."""
        for call, number in itertools.product(calls, ERRORS):
            yield call, number, f"p{call}{number}"
        failed = {it.path for it in self.calls() if it.call == "failed"}
        assert failed == set(calls), set(calls) - failed

    def calls(self) -> list[Call]:
        """What fault.c recorded so far."""
        lines = (self.record / "calls").read_text().splitlines()
        return [Call(call, int(inode), path, other) for call, inode, path, other in (it.split("\t") for it in lines)]

    def files(self, task: Task, project: str) -> list[tuple[str, str, str]]:
        return [
            (it["filename"], it["hashes"]["sha256"], it["requires-python"]) for it in task.project(project)["files"]
        ]
