"""A storage that fails when it is told to."""

from __future__ import annotations

import errno
import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from .tasks import Task

ASKING = ("open", "opendir", "read", "readdir", "stat", "lstat", "close")


CHANGING = (
    *("creat", "mkdir", "write", "fsync", "dirfsync", "unlink"),
    *("link", "linkasc", "linkdone", "rename", "renamedone"),
)


ERRORS = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EACCES, errno.ENOSPC, errno.EDQUOT)


class Fault:
    """Of `task`; `other` has the same directory, and a storage that is well."""

    def __init__(self, start: Callable[..., Task], directory: Path, home: Path, **settings: str) -> None:
        library, self._control = home / "fault.so", home / "control"
        source = Path(__file__).with_name("fault.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.directory = directory
        preload = {
            "LD_PRELOAD": str(library),
            "FAULT_DIRECTORY": str(directory),
            "FAULT_CONTROL": str(self._control),
        }
        self.task: Task = start(directory, **preload, **settings)
        self.other: Task = start(directory, **settings)

    def set(self, call: str, number: int) -> None:
        self._control.write_text(f"{call} {number}")

    def end(self) -> None:
        self._control.unlink(missing_ok=True)

    def cases(self, calls: tuple[str, ...] = ASKING + CHANGING) -> Iterator[tuple[str, int, str]]:
        """Each call with each error, and the name of a project of its own."""
        for call, number in itertools.product(calls, ERRORS):
            if call == "mkdir":
                shutil.rmtree(self.directory / ".index", ignore_errors=True)
            yield call, number, f"p{call}{number}"

    def files(self, task: Task, project: str) -> list[tuple[str, str, str]]:
        return [
            (it["filename"], it["hashes"]["sha256"], it["requires-python"]) for it in task.project(project)["files"]
        ]
