"""Runs of pytest that cost no import of libraries: a process that has imported them forks for each.

It reads tests and files of tests from its standard input, a JSON list and the seconds that they have on each line. It
answers with null if all pass, otherwise with the name of the one that did not; with "" if the time was up, or pytest ended.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest

# None of those that pytest would rewrite.
_LIBRARIES = ("awacs", "boto3", "botocore.session", "cfnlint", "moto.server", "packaging", "questionary", "requests", "rich", "troposphere", "typer", "yaml")  # fmt: skip
_GOLDEN = (
    "tests/build/test_docs.py::test_derived_parts_are_current",
    "tests/language/test_editions.py::test_committed_templates_are_what_the_generator_writes",
)
OPTIONS = ("-q", "-p", "no:cacheprovider", "-m", "not slow", *(f"--deselect={it}" for it in _GOLDEN))
_CHOSEN_NONE = 5  # of pytest: all of them are slow
_SET_DEATH_SIGNAL = 1  # of linux/prctl.h: what this process gets when its parent ends


class Runner:
    """For the checkout at ``root``."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.runner"],
            cwd=root,
            # Before the checkout that the environment has installed, for programs that tests start elsewhere.
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def first_failing(self, tests: Sequence[str], seconds: float) -> str | None:
        """None if all of the tests pass in so many seconds; "" if it is not known which one does not."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([list(tests), seconds]) + "\n")
        self._process.stdin.flush()
        failing: str | None = json.loads(self._process.stdout.readline())
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
        items[:] = [it for it in items if {it.nodeid, it.nodeid.partition("::")[0]} & self._tests]

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


def _serve() -> None:
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    for name in _LIBRARIES:
        import_module(name)
    for line in sys.stdin:
        tests, seconds = json.loads(line)
        reads, writes = os.pipe()
        if (pid := os.fork()) == 0:
            _run(tests, writes)
        os.close(writes)
        ends = os.pidfd_open(pid)
        select.select([ends], [], [], seconds)
        os.close(ends)
        # One that has not come as far as its own session is in no group of its own.
        for kill in (os.kill, os.killpg):
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        passes = os.waitstatus_to_exitcode(status) in (0, _CHOSEN_NONE)
        names = os.read(reads, 1 << 16).decode() if select.select([reads], [], [], 0)[0] else ""
        os.close(reads)
        print(json.dumps(None if passes else names.partition("\n")[0]), flush=True)


def _run(tests: list[str], into: int) -> NoReturn:
    os.setsid()
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    status = 1
    try:
        files = dict.fromkeys(it.partition("::")[0] for it in tests)
        status = pytest.main([*OPTIONS, "-x", *files], plugins=[_Plugin(tests, into)])
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve()
