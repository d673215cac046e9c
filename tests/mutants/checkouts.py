"""Copies of the checkout to plant defects in, and what their tests say."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from tests.mutants.chosen import Planted, Test
from tests.mutants.runner import NotSwapped, Runner


def copy(root: Path, home: Path) -> None:
    """What is not ignored at ``root``, and its environment, in the new directory ``home``."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, home / name)
    (home / ".venv").symlink_to((root / ".venv").resolve())
    subprocess.run(["git", "init", "-q"], cwd=home, check=True)


class Checkout:
    """A copy at ``home`` that one defect at a time is planted in."""

    _seconds = count(1)

    def __init__(self, root: Path, home: Path) -> None:
        copy(root, home)
        self.home = home
        self.runner = Runner(home)
        self.collected = Runner(home, collected=True)

    @contextmanager
    def planted(self, it: Planted) -> Iterator[None]:
        path = self.home / it.module
        source = path.read_bytes()
        self._write(path, it.defect.planted(source))
        try:
            yield
        finally:
            self._write(path, source)

    def _write(self, path: Path, source: bytes) -> None:
        """With a time of its own: bytecode is told from newer source by seconds and size, which a defect need not change."""
        path.write_bytes(source)
        os.utime(path, (moment := next(self._seconds), moment))


@contextmanager
def checkouts(root: Path, number: int) -> Iterator[SimpleQueue[Checkout]]:
    with tempfile.TemporaryDirectory(prefix="mutants-") as home:
        made = [Checkout(root, Path(home) / str(it)) for it in range(number)]
        queue: SimpleQueue[Checkout] = SimpleQueue()
        for it in made:
            queue.put(it)
        try:
            for it in made:
                it.collected.ready()
            yield queue
        finally:
            for it in made:
                it.runner.close()
                it.collected.close()


class Judge:
    """Runs a defect's tests until one fails: those first that caught others of its module.

    ``tests_of`` gives the tests that may see a defect, the most telling first. They are run by a process that has collected all
    tests and gets the defect; by one that imports it only if that is not possible, or nothing fails and the function may have
    run at import (``runs_at_import``). What fails has to pass with nothing planted; otherwise it is one of ``broken``, and
    judges nothing. A run of tests may take ``seconds``, of tests whose time is known ten times that if it is less, and all end
    at ``end`` of the monotonic clock.
    """

    def __init__(
        self,
        tests_of: Callable[[Planted], Sequence[Test]],
        runs_at_import: Callable[[Planted], bool],
        seconds: float,
        end: float,
    ) -> None:
        self._tests_of = tests_of
        self._runs_at_import = runs_at_import
        self._seconds = seconds
        self._end = end
        self._caught: Counter[tuple[str, str]] = Counter()
        self._sound: set[str] = set()
        self.broken: set[str] = set()
        self._lock = Lock()

    def caught_by(self, checkout: Checkout, it: Planted) -> str | None:
        """A test, or "several" if they take too long; None if there is none. Raises TimeoutError at the end."""
        tests = sorted(
            self._tests_of(it),
            key=lambda test: (-self._caught[it.module, test.name], -self._caught[it.module, test.function]),
        )
        with suppress(NotSwapped):
            caught = self._caught_by(checkout, it, [tests], it.module)
            if caught or not self._runs_at_import(it):
                return caught
        return self._caught_by(checkout, it, _handfuls(tests), None)

    def _caught_by(
        self, checkout: Checkout, it: Planted, handfuls: Iterable[Sequence[Test]], swapped: str | None
    ) -> str | None:
        """Raises NotSwapped, and TimeoutError."""
        for handful in handfuls:
            while sound := [test for test in handful if test.name not in self.broken]:
                with checkout.planted(it):
                    failing = self._first_failing(checkout, sound, swapped)
                if failing is None:
                    break
                if self._is_sound(checkout, failing, sound):
                    with self._lock:
                        self._caught.update([(it.module, failing), (it.module, failing.partition("[")[0])])
                    return failing or "several"
        return None

    def _is_sound(self, checkout: Checkout, failing: str, handful: Sequence[Test]) -> bool:
        """Whether it passes with nothing planted. What does not judges nothing from now on."""
        suspects = _called(failing, handful)
        checked = [Test(failing, None)] if "::" in failing else suspects
        names = {it.name for it in checked}
        if names <= self._sound:
            return True
        again = self._first_failing(checkout, checked, None)
        with self._lock:
            if again is None:
                self._sound |= names
            else:
                self.broken |= {it.name for it in _called(again, suspects)}
        return again is None

    def _first_failing(self, checkout: Checkout, tests: Sequence[Test], swapped: str | None) -> str | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        known = sum(self._seconds if it.seconds is None else it.seconds * 10 for it in tests)
        runner = checkout.collected if swapped else checkout.runner
        failing = runner.first_failing([it.name for it in tests], min(self._seconds, known + 30, left), swapped)
        if time.monotonic() > self._end:
            raise TimeoutError
        return failing


def _called(failing: str, tests: Sequence[Test]) -> Sequence[Test]:
    """Those that a name which pytest reports stands for; all, if it stands for none."""
    file = failing.partition("::")[0]
    return [it for it in tests if it.name == failing] or [it for it in tests if it.file == file] or tests


def _handfuls(tests: Sequence[Test]) -> Iterator[Sequence[Test]]:
    """Of two seconds, four, eight: the first tests find most, and the last are not worth a start of pytest each."""
    handful: list[Test] = []
    size, taken = 2.0, 0.0
    for test in tests:
        seconds = 2.0 if test.seconds is None else test.seconds
        if handful and taken + seconds > size:
            yield handful
            handful, size, taken = [], size * 2, 0.0
        handful.append(test)
        taken += seconds
    if handful:
        yield handful
