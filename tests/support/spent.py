"""Where the time of a run of pytest goes: ``make spent`` writes the table of tests/README.md.

CPU time is that of the worker, of every process that it started and waited for, and of servers that were forked.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from generator.build.documents import update
from tests import forking

TESTS = Path(__file__).parents[1]


@dataclass
class Spent:
    """Seconds, and the tests that they went to."""

    cpu: float = 0
    wall: float = 0
    tests: set[str] = field(default_factory=set)


_spent: dict[str, Spent] = defaultdict(Spent)
_before = 0.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Give each report of a phase, which crosses from a worker to its controller, the CPU time since the one before."""
    global _before
    report = yield
    now = sum(os.times()[:4]) + forking.cpu_seconds
    report.cpu, _before = now - _before, now
    return report


def pytest_runtest_logreport(report: Any) -> None:
    file = Path(report.nodeid.partition("::")[0])
    spent = _spent["/".join(file.parts[1:-1]) or file.name]
    spent.cpu += report.cpu
    spent.wall += report.duration
    spent.tests.add(report.nodeid)


def pytest_sessionfinish() -> None:
    rows = sorted(_spent.items(), key=lambda it: -it[1].cpu)
    lines = [f"| `{name}` | {len(it.tests)} | {it.cpu:.0f} | {it.wall:.0f} |" for name, it in rows if it.cpu >= 0.5]
    total = f"| all | {sum(len(it.tests) for _, it in rows)} | {sum(it.cpu for _, it in rows):.0f} | {sum(it.wall for _, it in rows):.0f} |"
    table = "\n".join(
        ["| In `tests/` | Tests | CPU seconds | Seconds of a worker |", "|---|---|---|---|", *lines, total]
    )
    update(TESTS / "README.md", {"spent": table})
