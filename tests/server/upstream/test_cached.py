"""What is kept here of another index: which files are removed, when their last use is noted, and which pages are believed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from server.distributions.names import Patterns
from server.proxy import upstream
from server.proxy.cached import Files
from server.proxy.policy import Policy
from server.proxy.remote import Answered, KeptPages
from server.proxy.upstream import Upstream, UpstreamSettings
from server.store.index import Index
from server.wire.outbound import Outbound

from ..tasks import sha256

DAY = 86400
NAMES = [digit * 64 for digit in "0123456789"]


@pytest.fixture
def files(directory: Path) -> Files:
    (directory / ".upstream/files").mkdir(parents=True)
    return Files(directory, Outbound("https://pypi.test/simple", []), 1000)


def keep(directory: Path, name: str, size: int, unused_days: float) -> Path:
    file = directory / ".upstream/files" / name
    file.write_bytes(bytes(size))
    os.utime(file, (time.time() - unused_days * DAY,) * 2)
    return file


@pytest.mark.parametrize(
    ("sizes", "stay"),
    [
        ((400, 400, 200), 3),
        ((400, 400, 201), 2),
        ((999, 1, 1), 2),
        # Their order is that of use, whatever their sizes and names.
        ((1, 2, 999), 2),
        ((1001, 1, 1), 0),
        ((), 0),
    ],
)
def test_the_longest_unused_are_removed_until_the_rest_fits(
    directory: Path, files: Files, sizes: tuple[int, ...], stay: int
) -> None:
    names = [*reversed(NAMES[: len(sizes)])]
    kept = [keep(directory, name, size, day) for day, (name, size) in enumerate(zip(names, sizes, strict=True))]
    files.evict()
    assert [file.exists() for file in kept] == [number < stay for number in range(len(sizes))]


def test_what_nobody_used_for_long_is_removed_however_small(directory: Path, files: Files) -> None:
    recent, old = keep(directory, NAMES[0], 1, 89), keep(directory, NAMES[1], 1, 91)
    files.evict()
    assert (recent.exists(), old.exists()) == (True, False)


def test_what_killed_fetches_left_and_pages_that_nobody_asks_for_are_removed(directory: Path, files: Files) -> None:
    """Locks are old after hours, and pages after months; neither has a limit to its size."""
    ages = {"fetching": {"recent": 0.2, "old": 0.3}, "pages": {"recent": 89.0, "old": 91.0}}
    for home, days in ages.items():
        (directory / ".upstream" / home).mkdir()
        for name, age in zip(NAMES, days.values(), strict=False):
            keep(directory, f"../{home}/{name}", 5000, age)
    files.evict()
    assert [os.listdir(directory / ".upstream" / home) for home in ages] == [NAMES[:1], NAMES[:1]]


def test_a_directory_with_nothing_kept_stays_empty(directory: Path) -> None:
    Files(directory, Outbound("https://pypi.test/simple", []), 1000).evict()
    assert os.listdir(directory) == []


def test_what_is_kept_is_cleaned_at_the_start_and_then_hourly(
    directory: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed, cleaned, over = 0.0, [], Event()
    index = Index(directory)

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        if not (directory / ".upstream/files" / NAMES[0]).exists():
            cleaned.append(passed // 60)
            keep(directory, NAMES[0], 1, 91)
        if passed > 2.5 * 3600 or len(cleaned) > 5:
            over.set()
            Event().wait()

    keep(directory, NAMES[0], 1, 91)
    policy = Policy(least_age_days=0, exempt=Patterns(""), blocked="")
    monkeypatch.setattr(upstream, "time", SimpleNamespace(monotonic=lambda: passed, sleep=sleep))
    outbound = Outbound("https://pypi.test/simple", [])
    Upstream(
        UpstreamSettings(url="", outbound=outbound, private_names=Patterns(""), policy=policy, cache_bytes=1000), index
    )
    assert over.wait(30)
    assert cleaned == [0, 60, 120]


def test_only_files_of_such_a_name_are_removed(directory: Path, files: Files) -> None:
    others = [keep(directory, name, 2000, 100) for name in ("mine-1.0.tar.gz", "0" * 63, "0" * 65, "G" * 64)]
    (directory / ".upstream/files" / NAMES[0]).mkdir()
    (directory / ".upstream/files" / NAMES[1]).symlink_to(others[0])
    files.evict()
    assert all(file.exists() for file in others)
    assert (directory / ".upstream/files" / NAMES[0]).is_dir()


def test_a_use_is_noted_once_a_day(directory: Path, files: Files) -> None:
    """Requests that write would cost more than they read."""
    today, before = keep(directory, NAMES[0], 1, 0.9), keep(directory, NAMES[1], 1, 1.1)
    noted = today.stat().st_mtime_ns
    for name in NAMES[:2]:
        opened = files.open(name)
        assert opened is not None
        opened.close()
    assert today.stat().st_mtime_ns == noted
    assert time.time() - before.stat().st_mtime < DAY / 2
    assert files.open(NAMES[2]) is None


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"1",
        b"null",
        b"[]",
        b'["outer"]',
        b"[" * 100_000,
        b'["inner", "u", "b", "e"]',
        b'["outer", "u", "b"]',
        b'["outer", "u", "b", "e", "e"]',
        b'["outer", 1, "b", "e"]',
        b'["outer", "u", null, "e"]',
        b'["outer", "u", "b", ["e"]]',
        b'{"a": 1, "b": 2}',
        b"\xff",
    ],
)
def test_a_kept_page_that_is_damaged_is_none(directory: Path, head: bytes) -> None:
    """Whatever its checksum says."""
    pages = KeptPages(directory)
    answered = Answered("https://pypi.test/simple/outer/", "https://pypi.test/", '"tag"', b"{}\n")
    pages.keep("outer", None, answered)
    kept = pages.load("outer")
    assert kept is not None
    assert kept[0] == answered
    (file,) = (directory / ".upstream/pages").iterdir()
    rest = head + b"\n{}\n"
    file.write_bytes(sha256(rest).encode() + b"\n" + rest)
    assert pages.load("outer") is None
