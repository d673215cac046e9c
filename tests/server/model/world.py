"""Two tasks of two processes each on one package directory, and what may happen to them."""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from ..libraries import library
from ..tasks import PROGRAM, PUBLISHER, ROOT, Task
from .beyond import Beyond

# For which `make model` looks.
SECONDS = float(os.environ.get("MODEL_SECONDS", "0"))
WORKERS = 2
# What a release keeps in a form of its own, by its module.
_FORMS = {
    "changes": [('SUFFIX = ".1"', 'SUFFIX = ".99"'), (r"{16}\.1", r"{16}\.99")],
    "kept": [("details-1", "details-99")],
}


class Patient(Task):
    """A process that has just started may not have read the directory yet: it says so, and asks nobody outside."""

    def get(self, path: str, account: tuple[str, str] | None = PUBLISHER, **options: Any) -> requests.Response:
        ends = time.monotonic() + 60
        while (answer := super().get(path, account, **options)).status_code == 503 and time.monotonic() < ends:
            if "for the first time" not in answer.text:
                break
            time.sleep(0.1)
        return answer


class World(ExitStack):
    """Each task is at a path of its own to the directory. Calls of the first fail when they are told to."""

    def __init__(self, python: Path, paths: list[Path], home: Path, *, immutable: bool) -> None:
        super().__init__()
        self.paths, self.immutable = paths, immutable
        self._python, self._home, self._started = python, home, 0
        self._control, self._clocks = home / "control", [home / f"clock{number}" for number in range(len(paths))]
        self._ahead, self._passed = 0, 0
        self._set_clocks()
        self.beyond = self.enter_context(Beyond(home))
        self._programs = [ROOT, _next_release(home / "next")]
        self.tasks = [self._start(number, ROOT) for number in range(len(paths))]

    @property
    def is_local(self) -> bool:
        return len(set(self.paths)) == 1

    def kill(self, number: int) -> None:
        """As when a host dies; another takes its place."""
        self.tasks[number].kill()
        self.tasks[number] = self._start(number, self._programs[0])

    def deploy(self, number: int) -> None:
        """Stop the task, and start the next release of the program in its place, or go back to the one before."""
        self._programs.reverse()
        self.tasks[number].terminate()
        self.tasks[number].process.wait()
        self.tasks[number] = self._start(number, self._programs[0])

    def step(self, seconds: int) -> None:
        """Set the first task's clock, as seen from the real one."""
        self._ahead = seconds
        self._set_clocks()

    def at(self, number: int) -> float:
        """The time by the task's clock, in seconds since 1970."""
        return time.time() + (0 if number else self._ahead)

    @property
    def now(self) -> float:
        """In seconds since some moment: those that everybody waits for, and those of `wait`."""
        return time.monotonic() + self._passed

    def wait(self, seconds: int) -> None:
        """So much time passes at once, for every task and for what they keep of the index outside."""
        self._passed += seconds
        self._set_clocks()
        for path in self.paths[0].glob(".upstream/[pf]*/*"):
            with suppress(FileNotFoundError):
                status = path.lstat()
                os.utime(path, (status.st_atime, status.st_mtime - seconds), follow_symlinks=False)

    @contextmanager
    def failing(self, call: str, number: int) -> Iterator[None]:
        """Calls of this name end in this error; see fault.c."""
        self._control.write_text(f"{call} {number}")
        try:
            yield
        finally:
            self._control.unlink()

    def _start(self, number: int, program: Path) -> Task:
        environment = {
            "GUNICORN_WORKERS": str(WORKERS),
            "IMMUTABLE_PACKAGES": str(self.immutable).lower(),
            "CLOCK": str(self._clocks[number]),
            **self.beyond.environment,
        }
        libraries = ["clock", "outside"]
        if not number:
            libraries.insert(0, "fault")
            environment |= {"FAULT_DIRECTORY": str(self.paths[number]), "FAULT_CONTROL": str(self._control)}
        environment["LD_PRELOAD"] = " ".join(str(library(it)) for it in libraries)
        code = (
            f"import runpy, sys; sys.path.insert(0, {str(program)!r}); runpy.run_module('server', run_name='__main__')"
        )
        command = PROGRAM if program == ROOT else ("-c", code)
        self._started += 1
        task = Patient(
            self._python, self.paths[number], self._home / f"task{self._started}", environment, command=command
        )
        self.callback(task.kill)
        task.wait_until_ready()
        return task

    def _set_clocks(self) -> None:
        """In place, where clock.c sees it at once."""
        for number, path in enumerate(self._clocks):
            path.touch()
            with path.open("r+b") as file:
                file.write(struct.pack("qq", 0 if number else self._ahead, self._passed))


def _next_release(home: Path) -> Path:
    """One that keeps and announces in another form than ours, as a later release may."""
    shutil.copytree(ROOT / "server", home / "server", ignore=shutil.ignore_patterns("__pycache__"))
    for module, forms in _FORMS.items():
        path = home / "server" / "store" / f"{module}.py"
        text = path.read_text()
        for ours, theirs in forms:
            assert ours in text, ours
            text = text.replace(ours, theirs)
        path.write_text(text)
    return home
