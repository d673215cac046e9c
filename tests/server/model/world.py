"""Two tasks of two processes each on one package directory, and what may happen to them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..libraries import library
from ..tasks import PROGRAM, ROOT, Task

# For which `make model` looks.
SECONDS = float(os.environ.get("MODEL_SECONDS", "0"))
WORKERS = 2
# What a release keeps in a form of its own, by its module.
_FORMS = {
    "changes": [('SUFFIX = ".1"', 'SUFFIX = ".99"'), (r"{16}\.1", r"{16}\.99")],
    "kept": [("details-1", "details-99")],
}


class World(ExitStack):
    """Each task is at a path of its own to the directory. Calls of the first fail when they are told to."""

    def __init__(self, python: Path, paths: list[Path], home: Path, *, immutable: bool) -> None:
        super().__init__()
        self.paths, self.immutable = paths, immutable
        self._python, self._home, self._started = python, home, 0
        self._control, self._clock = home / "control", home / "clock"
        self._libraries = [library(name) for name in ("fault", "clock")]
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
        self._clock.write_text(str(seconds))

    @contextmanager
    def failing(self, call: str, number: int) -> Iterator[None]:
        """Calls of this name end in this error; see fault.c."""
        self._control.write_text(f"{call} {number}")
        try:
            yield
        finally:
            self._control.unlink()

    def _start(self, number: int, program: Path) -> Task:
        environment = {"GUNICORN_WORKERS": str(WORKERS), "IMMUTABLE_PACKAGES": str(self.immutable).lower()}
        if not number:
            environment |= {
                "LD_PRELOAD": " ".join(map(str, self._libraries)),
                "FAULT_DIRECTORY": str(self.paths[number]),
                "FAULT_CONTROL": str(self._control),
                "CLOCK": str(self._clock),
            }
        code = (
            f"import runpy, sys; sys.path.insert(0, {str(program)!r}); runpy.run_module('server', run_name='__main__')"
        )
        command = PROGRAM if program == ROOT else ("-c", code)
        self._started += 1
        task = Task(self._python, self.paths[number], self._home / f"task{self._started}", environment, command=command)
        self.callback(task.kill)
        task.wait_until_ready()
        return task


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
