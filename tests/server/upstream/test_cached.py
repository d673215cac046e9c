"""What is kept here of another index: which files are removed, when their last use is noted, and which pages are believed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from server.proxy.cached import Files
from server.proxy.remote import Answered, KeptPages
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
