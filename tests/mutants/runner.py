"""Runs of pytest that cost no import: a process that has imported what they need forks for each.

The process has imported libraries alone, or it has collected all tests. It reads tests and files of tests from its standard
input: a JSON list, the seconds that they have, and the module that a defect is planted in, on each line. It answers with null
if all pass, otherwise with the name of the one that did not; with "" if the time was up, or pytest ended; with false if it
has collected the tests, and the defect is not in one function's body.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import IO, NoReturn

import pytest

from tests.mutants.swapped import Imported

# None of those that pytest would rewrite.
_LIBRARIES = ("awacs", "boto3", "botocore.session", "cfnlint", "moto.server", "packaging", "questionary", "requests", "rich", "troposphere", "typer", "yaml")  # fmt: skip
_GOLDEN = (
    "tests/build/test_docs.py::test_derived_parts_are_current",
    "tests/language/test_editions.py::test_committed_templates_are_what_the_generator_writes",
)
OPTIONS = ("-q", "-p", "no:cacheprovider", "-m", "not slow", *(f"--deselect={it}" for it in _GOLDEN))
_CHOSEN_NONE = 5  # of pytest: all of them are slow
_NOT_SWAPPED = 77
AREAS = ("generator", "server", "functions")
_SET_DEATH_SIGNAL = 1  # of linux/prctl.h: what this process gets when its parent ends


class NotSwapped(Exception):
    """The defect has to be imported."""


class Runner:
    """For the checkout at ``root``. One that has ``collected`` knows the sources that are there until it is ``ready``."""

    def __init__(self, root: Path, *, collected: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.runner", *(["collected"] if collected else [])],
            cwd=root,
            # Before the checkout that the environment has installed, for programs that tests start elsewhere.
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        """Wait until it is."""
        self.first_failing([], 60)

    def first_failing(self, tests: Sequence[str], seconds: float, module: str | None = None) -> str | None:
        """None if all of the tests pass in so many seconds; "" if it is not known which one does not. Raises NotSwapped."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([list(tests), seconds, module]) + "\n")
        self._process.stdin.flush()
        failing: str | bool | None = json.loads(self._process.stdout.readline())
        if isinstance(failing, bool):
            raise NotSwapped
        return failing

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class _Plugin:
    """Leaves out what is not in ``tests``, and writes into ``into`` what does not pass, a line each."""

    def __init__(self, tests: Sequence[str], into: int) -> None:
        self._tests = set(tests)
        self._into = into

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [it for it in items if _is_of(it, self._tests)]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._write(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._write(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """What pytest does from here on takes as long as a few tests, and nobody reads it."""
        os._exit(exitstatus)

    def _write(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if report.failed:
            os.write(self._into, f"{report.nodeid}\n".encode())


class _Collected:
    """Instead of running what was collected, serves."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        imported = Imported(Path.cwd(), AREAS)
        libraries = os.memfd_create("libraries")

        def learn() -> None:
            """What one run has imported, the next ones would import again."""
            for name in os.pread(libraries, 1 << 20, 0).decode().split():
                with suppress(Exception):
                    import_module(name)
            os.ftruncate(libraries, 0)

        def run(tests: list[str], module: str | None, into: int) -> int:
            if module and not imported.swap(module):
                return _NOT_SWAPPED
            files = list(dict.fromkeys(it.partition("::")[0] for it in tests))
            chosen = [it for it in session.items if _is_of(it, set(tests))]
            chosen.sort(key=lambda it: files.index(it.nodeid.partition("::")[0]))
            session.config.pluginmanager.register(_Plugin(tests, into))
            known = set(sys.modules)
            for it, following in zip_longest(chosen, chosen[1:]):
                session.config.hook.pytest_runtest_protocol(item=it, nextitem=following)
                if session.testsfailed:
                    return 1
            new = [name for name, it in list(sys.modules.items()) if name not in known and _is_library(it)]
            os.pwrite(libraries, "\n".join(new).encode(), 0)
            return 0

        _serve(self._requests, self._answers, run, learn)
        return True


def _is_of(item: pytest.Item, tests: set[str]) -> bool:
    return bool({item.nodeid, item.nodeid.partition("::")[0]} & tests)


# Tests, the module with the defect, where to write what fails: an exit status of pytest's.
Run = Callable[[list[str], str | None, int], int]


def _serve(requests: IO[str], answers: IO[str], run: Run, prepare: Callable[[], None] = lambda: None) -> None:
    """``prepare`` is called before each run."""
    for line in requests:
        tests, seconds, module = json.loads(line)
        prepare()
        reads, writes = os.pipe()
        if (pid := os.fork()) == 0:
            _run(run, tests, module, writes)
        os.close(writes)
        ends = os.pidfd_open(pid)
        select.select([ends], [], [], seconds)
        os.close(ends)
        # One that has not come as far as its own session is in no group of its own.
        for kill in (os.kill, os.killpg):
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        names = os.read(reads, 1 << 16).decode() if select.select([reads], [], [], 0)[0] else ""
        os.close(reads)
        failing = None if code in (0, _CHOSEN_NONE) else code != _NOT_SWAPPED and names.partition("\n")[0]
        answers.write(json.dumps(failing) + "\n")
        answers.flush()


def _run(run: Run, tests: list[str], module: str | None, into: int) -> NoReturn:
    os.setsid()
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    status = 1
    try:
        status = run(tests, module, into)
    finally:
        os._exit(status)


def _is_library(module: ModuleType) -> bool:
    return "/site-packages/" in (getattr(module, "__file__", None) or "")


def _imported(tests: list[str], _module: str | None, into: int) -> int:
    files = dict.fromkeys(it.partition("::")[0] for it in tests)
    return pytest.main([*OPTIONS, "-x", *files], plugins=[_Plugin(tests, into)])


def main(*, collected: bool) -> None:
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    if collected:
        pytest.main([*OPTIONS, "--capture=no"], plugins=[_Collected(requests, answers)])
    else:
        for name in _LIBRARIES:
            import_module(name)
        _serve(requests, answers, _imported)


if __name__ == "__main__":
    main(collected=sys.argv[1:] == ["collected"])
