"""Copies of the checkout to plant defects in, and what their tests say."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

from tests.mutants.defects import Defect
from tests.mutants.runner import Runner


class Planted(NamedTuple):
    module: str
    defect: Defect


class Checkout:
    """A copy at ``home`` that one defect at a time is planted in."""

    _seconds = count(1)

    def __init__(self, root: Path, home: Path) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (root / name).is_file():
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / name, home / name)
        (home / ".venv").symlink_to((root / ".venv").resolve())
        subprocess.run(["git", "init", "-q"], cwd=home, check=True)
        self.home = home
        self.runner = Runner(home)

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
            yield queue
        finally:
            for it in made:
                it.runner.close()


class Judge:
    """Runs a defect's tests until one fails: those first that caught others of its module.

    ``tests_of`` gives the test files that may see a defect, the most telling first. Before a file judges anything, it has
    to pass with nothing planted; otherwise it is one of ``broken``, and judges nothing. A run of tests may take ``seconds``, and all end at ``end`` of the monotonic clock.
    """

    def __init__(self, tests_of: Callable[[Planted], Sequence[str]], seconds: float, end: float) -> None:
        self._tests_of = tests_of
        self._seconds = seconds
        self._end = end
        self._caught: Counter[tuple[str, str]] = Counter()
        self._sound: set[str] = set()
        self.broken: set[str] = set()
        self._lock = Lock()

    def is_caught(self, checkout: Checkout, it: Planted) -> bool:
        """Raises TimeoutError at the end."""
        tests = sorted(self._tests_of(it), key=lambda test: -self._caught[it.module, test])
        for some in _in_growing_parts(tests):
            sound = self._sound_of(checkout, some)
            with checkout.planted(it):
                passes = not sound or self._passes(checkout, sound)
            if not passes:
                self._caught[it.module, sound[0]] += 1
                return True
        return False

    def _sound_of(self, checkout: Checkout, tests: Sequence[str]) -> Sequence[str]:
        with self._lock:
            unknown = [test for test in tests if test not in self._sound | self.broken]
        if unknown and not self._passes(checkout, unknown):
            # Once more and alone: a busy machine may have failed one.
            broken = {test for test in unknown if not self._passes(checkout, [test])}
        else:
            broken = set()
        with self._lock:
            self.broken |= broken
            self._sound |= {*unknown} - broken
            return [test for test in tests if test not in self.broken]

    def _passes(self, checkout: Checkout, tests: Sequence[str]) -> bool:
        passes = checkout.runner.passes(tests, max(0.0, min(self._seconds, self._end - time.monotonic())))
        if time.monotonic() > self._end:
            raise TimeoutError
        return passes


def _in_growing_parts(tests: Sequence[str]) -> Iterable[Sequence[str]]:
    """One, one, two, four, eight: the first ones find most, and the last are not worth a start of pytest each."""
    at, size = 0, 1
    while at < len(tests):
        yield tests[at : at + size]
        at, size = at + size, max(at, 1)
