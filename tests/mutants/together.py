"""Defects that no chosen test saw, planted together for all fast tests: what fails then judges each of them alone.

A run of all tests costs minutes, so few tests are chosen for each defect; those of what every request runs are too many to
choose from. This takes one such run for all that survive, and another as long as one more is caught.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pytest

from tests.mutants.checkouts import copy
from tests.mutants.chosen import Planted
from tests.mutants.runner import OPTIONS

# Whatever hangs ends with its worker, and another one takes its place.
_HANGS_SECONDS = 120
# What has failed by then judges; the next run is without what it catches.
_MOST_SECONDS = 900


def failing(root: Path, planted: Sequence[Planted], jobs: int) -> set[str]:
    """The fast tests that fail with all of ``planted`` that can be planted beside each other."""
    with tempfile.TemporaryDirectory(prefix="together-") as home:
        checkout, names = Path(home) / "checkout", Path(home) / "failing"
        copy(root, checkout)
        for module, them in groupby(sorted(planted, key=attrgetter("module")), attrgetter("module")):
            path = checkout / module
            source = path.read_bytes()
            for it in reversed(list(_apart(them))):
                source = it.defect.planted(source)
            path.write_bytes(source)
        names.touch()
        # Where no task starts any more, each test waits for one.
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [sys.executable, "-m", "tests.mutants.together", str(names), str(jobs)],
                cwd=checkout,
                env={**os.environ, "PYTHONPATH": str(checkout)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_MOST_SECONDS,
                check=False,
            )
        return {*names.read_text().splitlines()}


def _apart(planted: Iterator[Planted]) -> Iterator[Planted]:
    """Of one module, in the order of its text, without those within another."""
    end = 0
    for it in sorted(planted, key=lambda it: (it.defect.start, it.defect.end)):
        if it.defect.start >= end:
            end = it.defect.end
            yield it


class _Names:
    def __init__(self, into: Path) -> None:
        self._into = into

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            with self._into.open("a") as file:
                file.write(f"{report.nodeid}\n")


if __name__ == "__main__":
    options = [*OPTIONS, "--workers", sys.argv[2], "-o", f"faulthandler_timeout={_HANGS_SECONDS}"]
    pytest.main(options, plugins=[_Names(Path(sys.argv[1]))])
