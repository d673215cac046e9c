"""A plugin of pytest: tells ``follow/sitecustomize.py`` which test runs, also in processes with an environment of their own.

The directory named by FOLLOW_INTO gets ``tests.json``: of each test that passes, the seconds that it takes, its number
in the notes, and the numbers of the fixtures that it shares with others.
"""

from __future__ import annotations

import json
import mmap
import os
import subprocess
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

_INTO = Path(os.environ["FOLLOW_INTO"])
_numbers = count(1)
_of_tests: dict[str, list[int]] = {}
_of_fixtures: dict[Any, list[int]] = {}
_seconds: Counter[str] = Counter()
_did_not_pass: set[str] = set()

with (_INTO / "now").open("r+b") as _file:
    _now = mmap.mmap(_file.fileno(), 4)


@contextmanager
def _numbered() -> Iterator[int]:
    """What runs meanwhile is noted under a number of its own."""
    before = _now[:4]
    _now[:4] = (number := next(_numbers)).to_bytes(4, "big")
    try:
        yield number
    finally:
        _now[:4] = before


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    if fixturedef.scope == "function":
        return (yield)
    with _numbered() as number:
        _of_fixtures.setdefault(fixturedef, []).append(number)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: Any) -> Generator[None, Any, Any]:
    with _numbered() as number:
        outcome = yield
    fixtures = (it for several in item._fixtureinfo.name2fixturedefs.values() for it in several)
    _of_tests[item.nodeid] = [number, *(shared for it in fixtures for shared in _of_fixtures.get(it, ()))]
    return outcome


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] += report.duration  # type: ignore[assignment]  # typeshed's Counter counts whole numbers
    if not report.passed:
        _did_not_pass.add(report.nodeid)


def pytest_sessionfinish() -> None:
    passed = {it: [round(_seconds[it], 3), numbers] for it, numbers in _of_tests.items() if it not in _did_not_pass}
    (_INTO / "tests.json").write_text(json.dumps(passed))


_start = subprocess.Popen.__init__


def _start_followed(process: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
    environment = options.get("env")
    if environment is not None:
        path = os.pathsep.join(filter(None, [os.environ["PYTHONPATH"], environment.get("PYTHONPATH")]))
        options["env"] = {**environment, "PYTHONPATH": path, "FOLLOW_INTO": os.environ["FOLLOW_INTO"]}
    _start(process, *arguments, **options)


subprocess.Popen.__init__ = _start_followed  # type: ignore[method-assign, assignment]  # what a plugin of pytest can do
