"""What processes announce to each other, read while it is written, cut off or damaged: a change is explained by whole lines only."""

from __future__ import annotations

import os
import sys
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import pytest

from server.store import changes
from server.store.changes import Announcer, Changes
from server.store.hidden import HIDDEN, hidden
from server.store.stamps import Stamp, open_directory

NAMES = ["first-1.0.tar.gz", "second-1.0.tar.gz"]


def stamp_of(root: Path) -> Stamp:
    descriptor = open_directory(str(root))
    try:
        return Stamp.of(descriptor)
    finally:
        os.close(descriptor)


class World:
    """What was announced of two links, and a reader who knows all that was there before them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        journals = root / HIDDEN / "changes"
        with hidden(root, HIDDEN, "changes", make=True):
            pass
        self.before = stamp_of(root)
        announcer = Announcer(str(root))
        for name in NAMES:
            with announcer.announced(name) as announcement:
                (root / name).write_bytes(b"content")
                # Two links in one tick of the file system's clock would have one bracket between them.
                os.utime(root, ns=(0, stamp_of(root).mtime_ns + 10**9))
                announcement.done()
        self.after = stamp_of(root)
        (written,) = journals.iterdir()
        self.journal = written.read_bytes()
        self._file = written
        self.restart()

    def restart(self, journal: bytes = b"") -> None:
        self._file.write_bytes(b"")
        self.reader = Changes(str(self._root))
        self.reader.read()
        self.reader.trust(self.before)
        self.append(journal)

    def append(self, data: bytes) -> None:
        with self._file.open("ab") as file:
            file.write(data)

    def truncate(self) -> None:
        os.truncate(self._file, 10)

    def remove(self) -> None:
        self._file.unlink()

    def obstruct(self) -> None:
        self._file.parent.rename(self._root / HIDDEN / "elsewhere")
        self._file.parent.touch()

    def is_explained(self) -> bool:
        return self.reader.explain(self.before, self.after)


@pytest.fixture
def world(directory: Path) -> World:
    return World(directory)


def test_a_line_counts_once_its_end_is_there(world: World) -> None:
    assert world.journal
    for at in range(len(world.journal)):
        world.restart(world.journal[:at])
        names = world.reader.read()
        lines = world.journal[:at].count(b"\n")
        assert names == {name: lines >= 2 * number + 2 for number, name in enumerate(NAMES) if lines > 2 * number}, at
        assert not world.is_explained(), at
        assert world.reader.under_way(60) == (lines % 2 == 1)
        world.append(world.journal[at:])
        names |= world.reader.read()
        assert names == dict.fromkeys(NAMES, True), at
        assert world.is_explained(), at


def test_a_line_that_is_missing_or_damaged_explains_nothing(world: World) -> None:
    lines = world.journal.splitlines(keepends=True)
    assert len(lines) > 1
    for at, line in enumerate(lines):
        is_outcome = at % 2 == 1
        for damaged in (b"", line[:-9] + b"\n", line.replace(b'"number"', b'"n"')):
            world.restart(b"".join([*lines[:at], damaged, *lines[at + 1 :]]))
            world.reader.read()
            # Without the line that a link is to come, the one that it was made still tells all.
            assert world.is_explained() == (not damaged and not is_outcome), (at, damaged)
            assert world.reader.doubted == bool(damaged), (at, damaged)


@pytest.mark.parametrize(
    "name",
    [b"elsewhere/first-1.0.tar.gz", b"../first-1.0.tar.gz", b".first-1.0.tar.gz", b"first\\u0000-1.0.tar.gz", b"first"],
)
def test_a_name_that_no_upload_can_have_is_damage(world: World, name: bytes) -> None:
    world.restart(world.journal.replace(NAMES[0].encode(), name))
    assert world.reader.read() == {NAMES[1]: True}
    assert world.reader.doubted
    assert not world.is_explained()


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"\xff", b"1", b"null", b"[]", b'"first"', b"{}", b"[" * 100_000),
        b'{"number": [], "name": "first-1.0.tar.gz"}',
        b'{"number": 1e999, "name": "first-1.0.tar.gz"}',
        b'{"number": NaN, "name": "first-1.0.tar.gz"}',
        b'{"number": 1, "name": ["first-1.0.tar.gz"]}',
        b'{"number": 1, "name": "first-1.0.tar.gz", "done": true}',
        b'{"number": 1, "name": "first-1.0.tar.gz", "done": true, "bracket": 1}',
        b'{"number": 1, "name": "first-1.0.tar.gz", "done": true, "bracket": [1, 2]}',
    ],
)
def test_a_line_that_announces_nothing_is_damage_and_hides_no_other(world: World, line: bytes) -> None:
    world.restart(line + b"\n" + world.journal)
    assert world.reader.read() | {NAMES[0]: True} == dict.fromkeys(NAMES, True)
    assert world.reader.doubted
    assert not world.is_explained()


@pytest.mark.parametrize("harm", [World.truncate, World.remove, World.obstruct])
def test_a_journal_that_shrinks_is_gone_or_cannot_be_read_may_have_told_more(world: World, harm: object) -> None:
    assert callable(harm)
    world.restart(world.journal)
    world.reader.read()
    assert world.is_explained()
    harm(world)
    world.reader.read()
    assert world.reader.doubted
    assert not world.is_explained()


def opened_by(reader: Changes) -> int:
    """How much a look opens that finds nothing new."""
    opened: list[object] = []

    def watch(_: FrameType, event: str, called: object) -> None:
        if event == "c_call" and called is os.open:
            opened.append(called)

    sys.setprofile(watch)
    try:
        assert reader.read() == {}
    finally:
        sys.setprofile(None)
    return len(opened)


def test_what_is_over_is_not_read_again(directory: Path) -> None:
    """However many uploads there were: each look would open every file, and every package announced in one and told of in another."""
    announcer, reader = Announcer(str(directory)), Changes(str(directory))
    names = [f"demo-1.{number}.tar.gz" for number in range(1500)]
    told: dict[str, bool] = {}
    under_way: deque[ExitStack] = deque()
    for name in names:
        under_way.append(ExitStack())
        under_way[-1].enter_context(announcer.announced(name)).done()
        if len(under_way) == 4:
            under_way.popleft().close()
            told |= reader.read()
    while under_way:
        under_way.popleft().close()
    told |= reader.read()
    assert told == dict.fromkeys(names, True)
    assert len(list((directory / HIDDEN / "changes").iterdir())) > 3
    # Two directories, and one file that may grow.
    assert opened_by(reader) == 3
    # Nor by who comes later.
    late = Changes(str(directory))
    assert late.read().keys() == set(names)
    assert late.read() == {}


class Clock:
    """That of this host, as the announcements see it."""

    def __init__(self) -> None:
        self.now = 10_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(changes, "time", clock)
    return clock


def announce(announcer: Announcer, name: str = NAMES[0]) -> None:
    with announcer.announced(name) as announcement:
        announcement.done()


def test_who_was_idle_for_long_begins_another_file(directory: Path, clock: Clock) -> None:
    """Readers may have stopped to look at the one before."""
    announcer, journals = Announcer(str(directory)), directory / HIDDEN / "changes"
    for seconds, files in ((0, 1), (590, 1), (590, 1), (610, 2), (590, 2)):
        clock.now += seconds
        announce(announcer)
        assert len(list(journals.iterdir())) == files


def test_a_file_that_has_not_grown_for_long_is_read_no_more(directory: Path, clock: Clock) -> None:
    """Its process is gone, or writes to another."""
    announcer, reader = Announcer(str(directory)), Changes(str(directory))
    announce(announcer)
    assert reader.read() == {NAMES[0]: True}
    reader.trust(stamp_of(directory))
    (journal,) = (directory / HIDDEN / "changes").iterdir()
    lines = journal.read_bytes()
    for looks, is_read in ((2, True), (2, True), (3, False), (1, False)):
        for _ in range(looks):
            clock.now += 1700
            assert reader.read() == {}
        with journal.open("ab") as file:
            file.write(lines)
        assert bool(reader.read()) is is_read
    assert not reader.doubted
    announce(Announcer(str(directory)))
    assert reader.read() == {NAMES[0]: True}


@pytest.mark.parametrize(("seconds", "doubted"), [(1790, False), (1810, True)])
def test_who_has_not_looked_for_long_may_have_missed_something(
    directory: Path, clock: Clock, seconds: float, doubted: bool
) -> None:
    """A file may have begun, and be over."""
    announce(Announcer(str(directory)))
    reader = Changes(str(directory))
    for _ in range(3):
        reader.read()
        reader.trust(stamp_of(directory))
        clock.now += seconds
    reader.read()
    assert reader.doubted is doubted


@pytest.mark.parametrize(("files", "doubted"), [(1000, False), (1001, True)])
def test_a_look_that_finds_too_many_files_is_doubted(directory: Path, files: int, doubted: bool) -> None:
    journals = directory / HIDDEN / "changes"
    journals.mkdir(parents=True)
    for number in range(files):
        (journals / f"{number:016x}.1").touch()
    reader = Changes(str(directory))
    reader.read()
    reader.trust(stamp_of(directory))
    for name in (f"{0:016x}.2", f"{0:015x}.1", f"{0:017x}.1", "README"):
        (journals / name).write_bytes(b"damage\n")
    assert reader.read() == {}
    assert reader.doubted is doubted


def test_a_line_that_does_not_end_within_what_is_read_at_once_is_doubted(world: World) -> None:
    for more, doubted in (((1 << 20) - 1, False), (1, True)):
        world.append(b"x" * more)
        world.reader.read()
        assert world.reader.doubted is doubted


def test_an_upload_counts_as_under_way_for_some_time(directory: Path, clock: Clock) -> None:
    """Its process may have died."""
    announcer, reader = Announcer(str(directory)), Changes(str(directory))
    with announcer.announced(NAMES[0]):
        assert reader.read() == {NAMES[0]: False}
        for seconds, under_way in ((0, True), (9.9, True), (0.2, False)):
            clock.now += seconds
            assert reader.read() == {NAMES[0]: False}
            assert reader.under_way(10) is under_way
    assert not reader.under_way(60) or reader.read() == {NAMES[0]: False}
    assert not reader.under_way(60)
