"""Runs of pytest that cost no import of libraries: a process that has imported them forks for each.

It reads test files from its standard input, a JSON list and the seconds that they have on each line, and answers each
with whether they pass. One that waits for what never comes does not.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

# None of those that pytest would rewrite.
_LIBRARIES = ("awacs", "boto3", "botocore.session", "cfnlint", "moto.server", "packaging", "pytest", "questionary", "requests", "rich", "troposphere", "typer", "yaml")  # fmt: skip
_GOLDEN = (
    "tests/build/test_docs.py::test_derived_parts_are_current",
    "tests/language/test_editions.py::test_committed_templates_are_what_the_generator_writes",
)
OPTIONS = ("-q", "-p", "no:cacheprovider", "-m", "not slow", *(f"--deselect={it}" for it in _GOLDEN))
_CHOSEN_NONE = 5  # of pytest: all of them are slow


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

    def passes(self, tests: Sequence[str], seconds: float) -> bool:
        """Whether all of the test files pass in so many seconds. Stops at the first test that does not."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([list(tests), seconds]) + "\n")
        self._process.stdin.flush()
        return bool(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _serve() -> None:
    for name in _LIBRARIES:
        import_module(name)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    for line in sys.stdin:
        tests, seconds = json.loads(line)
        if (pid := os.fork()) == 0:
            _run(tests)
        signal.sigtimedwait([signal.SIGCHLD], seconds)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status) in (0, _CHOSEN_NONE)), flush=True)


def _run(tests: list[str]) -> NoReturn:
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    status = 1
    try:
        import pytest

        status = pytest.main([*OPTIONS, "-x", *tests])
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve()
