"""How often the storage is asked: each call takes a network round trip, and a file system bills for what is read."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace

import pytest

from server.distributions.listed import package_at
from server.distributions.releases import released
from server.publishing.publication import Publication
from server.store import index as indexing
from server.store import upkeep
from server.store.changes import Announcer, Changes
from server.store.index import Index
from server.store.packages import Packages
from server.store.serials import Serials
from server.store.staging import STALE_SECONDS, Staged
from server.store.stamps import TICK_SECONDS
from server.views import listings, summaries
from server.views.listings import Listings

from .tasks import wheel

NAME = "demo-1.0.tar.gz"


@contextmanager
def counted(slow_stat: float = 0.0) -> Iterator[Counter[object]]:
    """This thread's calls of each function in C; that of a file's attributes may take longer."""
    calls: Counter[object] = Counter()

    def watch(_: FrameType, event: str, called: object) -> None:
        if event == "c_call":
            calls[called] += 1
            if called is os.stat:
                time.sleep(slow_stat)

    sys.setprofile(watch)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def settle(index: Index) -> None:
    """Seen twice, clock ticks apart, a directory is trusted."""
    for _ in range(2):
        index.refresh()
        time.sleep(1.5 * TICK_SECONDS)
    index.refresh()


def files_asked(pages: Listings, slow_stat: float = 0.0) -> int:
    """How many files a listing asks for."""
    with counted(slow_stat) as calls:
        assert pages.current("demo", {"server.arrived": time.monotonic()})
    return calls[os.stat]


def test_a_listing_that_is_asked_for_often_does_not_ask_for_its_files_each_time(directory: Path) -> None:
    (directory / NAME).write_bytes(b"content")
    pages = Listings(Packages(directory))
    assert files_asked(pages) > 0
    assert min(files_asked(pages) for _ in range(5)) == 0


def test_a_slow_storage_is_asked_for_files_less_often(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the time, however long it takes."""
    monkeypatch.setattr(listings, "RECHECK_SECONDS", 0.0)
    (directory / NAME).write_bytes(b"content")
    packages = Packages(directory)
    # What is kept of files makes a directory of its own, which changes theirs.
    files_asked(Listings(packages))
    pages = Listings(packages)
    assert files_asked(pages, slow_stat=0.3) == 1
    time.sleep(0.4)
    assert files_asked(pages) == 0


def asked_anew(root: Path) -> tuple[int, int]:
    """How often a process that has just begun reads from packages to list a project, and how much it opens."""
    pages = Listings(Packages(root))
    with counted() as calls:
        assert pages.current("demo", {"server.arrived": time.monotonic()})
    return sum(count for called, count in calls.items() if getattr(called, "__name__", "") == "read"), calls[os.fstat]


def test_what_one_process_has_read_of_packages_no_other_opens(directory: Path) -> None:
    (directory / NAME).write_bytes(b"content")
    assert asked_anew(directory)[0] > 0
    known = asked_anew(directory)
    assert known[0] == 0
    (directory / "demo-2.0.tar.gz").write_bytes(b"more")
    assert asked_anew(directory)[0] > 0
    assert asked_anew(directory) == known
    (directory / NAME).unlink()
    assert asked_anew(directory)[0] == 0


def test_who_publishes_a_package_has_read_it_for_all(directory: Path) -> None:
    publication = Publication(Packages(directory), immutable=True, taken_status=409)
    for name in (NAME, "demo-2.0.tar.gz"):
        with ExitStack() as form:
            staged = Staged(directory, name)
            form.callback(staged.discard)
            staged.write(b"content")
            publication.publish(staged, None, released(name))
    assert asked_anew(directory)[0] == 0


def test_what_is_known_of_a_file_is_told_after_one_question(directory: Path) -> None:
    (directory / NAME).write_bytes(b"content")
    packages = Packages(directory)
    first = packages.details.get(NAME)
    with counted() as calls:
        assert packages.details.get(NAME) == first
    assert (calls[os.stat], calls[os.fstat]) == (1, 0)


def test_summaries_are_read_of_new_files_alone_and_take_a_share_of_the_time(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed, slept = 0.0, []

    def monotonic() -> float:
        nonlocal passed
        passed += 1
        return passed

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if seconds == summaries.LOOK_SECONDS:
            raise Over

    def learn() -> tuple[bool, list[float]]:
        """Whether any file was read, and the pauses."""
        slept.clear()
        packages.index.refresh()
        with counted() as calls, pytest.raises(Over):
            known.follow()
        return any(getattr(it, "__name__", "") == "read" for it in calls), slept[:-1]

    for name, version in (("demo", "1.0"), ("other", "1.0")):
        (directory / wheel(name, version)[0]).write_bytes(wheel(name, version, metadata=f"Summary: {name}\n")[1])
    packages = Packages(directory)
    settle(packages.index)
    monkeypatch.setattr(summaries, "time", SimpleNamespace(monotonic=monotonic, sleep=sleep))
    known = summaries.Summaries(packages)
    assert learn() == (True, [4, 4])
    assert {name: it.text for name, it in known.known.items()} == {"demo": "demo", "other": "other"}
    assert learn() == (False, [])
    (directory / wheel("demo", "0.9")[0]).write_bytes(wheel("demo", "0.9")[1])
    assert learn()[0] is False
    (directory / wheel("demo", "2.0")[0]).write_bytes(wheel("demo", "2.0", metadata="Summary: new\n")[1])
    assert learn()[0] is True
    assert known.known["demo"].text == "new"


def test_serials_ask_for_the_files_of_changed_projects_alone(directory: Path) -> None:
    for name in (NAME, "demo-2.0.tar.gz", "other-1.0.tar.gz"):
        (directory / name).write_bytes(b"content")
    packages = Packages(directory)
    settle(packages.index)
    serials = Serials(packages)

    def asked() -> tuple[int, dict[str, int]]:
        with counted() as calls:
            found = serials.of_all()
        return calls[os.stat], {project: it.serial for project, it in found.items()}

    count, first = asked()
    assert (count, asked()) == (3, (0, first))
    packages.yank(package_at("other-1.0.tar.gz"), "broken")
    count, second = asked()
    assert (count, second["demo"]) == (1, first["demo"])
    assert second["other"] > first["other"]
    (directory / "demo-3.0.tar.gz").write_bytes(b"content")
    packages.index.refresh()
    assert asked()[1]["demo"] > first["demo"]
    assert asked()[0] == 0


def test_a_directory_is_read_when_it_changes_and_no_other_with_it(directory: Path) -> None:
    for path in ("one", "two/three"):
        (directory / path).mkdir(parents=True)
    index = Index(directory)
    settle(index)
    for number, changed in enumerate(("", "one", "two", "two/three")):
        with counted() as calls:
            index.refresh()
        assert calls[os.scandir] == 0
        (directory / changed / f"demo-1.{number}.tar.gz").write_bytes(b"content")
        with counted() as calls:
            index.refresh()
        assert (len(index.paths("demo")), calls[os.scandir]) == (number + 1, 1), changed
        settle(index)


def test_where_changes_are_announced_is_read_when_a_process_begins_to(directory: Path) -> None:
    announcers = [Announcer(str(directory)) for _ in range(3)]
    reader = Changes(str(directory))
    for number, announcer in enumerate(announcers):
        with announcer.announced(f"demo-1.{number}.tar.gz") as announcement:
            announcement.done()
        assert reader.read() == {f"demo-1.{number}.tar.gz": True}
        time.sleep(1.5 * TICK_SECONDS)
        reader.read()
        with counted() as calls:
            reader.read()
        assert calls[os.scandir] == 0


def test_what_else_changed_beside_an_upload_is_looked_for_after_uploads_alone_and_not_often(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look reads the whole directory."""
    now, step = 1000.0, 0.0

    def monotonic() -> float:
        nonlocal now
        now += step
        return now

    monkeypatch.setattr(indexing, "time", SimpleNamespace(monotonic=monotonic, sleep=time.sleep))
    index, announcer = Index(directory), Announcer(str(directory))

    def upload(name: str) -> None:
        with announcer.announced(name) as announcement:
            (directory / name).write_bytes(b"content")
            announcement.done()
        index.refresh()

    def looks(seconds: float) -> int:
        nonlocal now
        now += seconds
        with counted() as calls:
            index.verify()
        return calls[os.scandir]

    upload("demo-0.tar.gz")
    for _ in range(2):
        now += 1
        index.refresh()
    assert looks(100) == 0
    upload("demo-1.0.tar.gz")
    assert looks(0) == 1
    now += 5
    upload("demo-2.0.tar.gz")
    assert [looks(4), looks(2), looks(9), looks(2)] == [0, 1, 0, 0]
    upload("demo-3.0.tar.gz")
    # What was linked in the same tick of a coarse clock may have escaped the first.
    assert [looks(1), looks(11), looks(11), looks(1000)] == [1, 1, 0, 0]
    step = 1.0
    upload("demo-4.0.tar.gz")
    assert looks(1) == 1
    upload("demo-5.0.tar.gz")
    # As it takes a second, it may be every twenty.
    assert [looks(10), looks(14)] == [0, 1]


def test_a_storage_that_fails_is_tried_now_and_then_until_it_does_not(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directory.rmdir()
    packages = Packages(directory)
    passed = 0.0

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        if passed > 95 and not directory.exists():
            directory.mkdir()
        if packages.index.ready or passed > 150:
            raise Over
        if directory.exists():
            time.sleep(min(seconds, 2 * TICK_SECONDS))

    monkeypatch.setattr(upkeep, "time", SimpleNamespace(monotonic=lambda: passed, sleep=sleep))
    with pytest.raises(Over):
        upkeep.keep_up(packages)
    assert packages.index.ready
    told = [it for it in caplog.messages if "The package directory cannot be read: [Errno 2]" in it]
    assert 5 <= len(told) <= 11


class Over(Exception):
    """The test has seen enough."""


def test_what_killed_tasks_left_is_removed_once_all_is_known_and_then_hourly(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = Packages(directory)
    left = [directory / path for path in (".index/staging/a", ".index/changes/b", ".index/spent/c", ".upload-d")]
    recent = [path.with_name(f"{path.name}-recent") for path in left]
    removed: list[tuple[list[str], float, bool]] = []
    passed = 0.0

    def leave() -> None:
        for path in left:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (time.time() - STALE_SECONDS - 60,) * 2)

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        gone = [path.name for path in left if not path.exists()]
        if gone:
            removed.append((gone, passed // 60, packages.index.ready))
            leave()
        if passed > 2.5 * 3600 or len(removed) > 5:
            raise Over
        if seconds < 1:
            time.sleep(seconds)

    leave()
    for path in recent:
        path.touch()
    monkeypatch.setattr(upkeep, "time", SimpleNamespace(monotonic=lambda: passed, sleep=sleep))
    with pytest.raises(Over):
        upkeep.keep_up(packages)
    assert removed == [([path.name for path in left], minute, True) for minute in (0, 60, 120)]
    assert all(path.exists() for path in recent)
