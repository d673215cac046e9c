"""Removals beside uploads: nobody takes one for a part of what an upload announces, or takes back what is another's."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.distributions.releases import released
from server.publishing.publication import Publication
from server.store import upkeep
from server.store.changes import Announcer
from server.store.packages import Packages
from server.store.staging import Staged
from server.wire.messages import Refusal

OLD, NEW = "old-1.0.tar.gz", "new-1.0.tar.gz"


@pytest.fixture
def reader(directory: Path) -> Packages:
    """Who knows all that there is, and that nothing has changed since."""
    (directory / OLD).write_bytes(b"old")
    (directory / NEW).write_bytes(b"new")
    (directory / ".index").mkdir()
    reader = Packages(directory)
    for _ in range(3):
        time.sleep(0.1)
        reader.index.refresh()
    assert reader.index.paths("old") == [OLD]
    return reader


@pytest.mark.parametrize("name", [NEW, OLD], ids=["another", "the same"])
def test_a_removal_in_the_moment_of_an_announced_change_is_seen(reader: Packages, directory: Path, name: str) -> None:
    """The times around a withdrawal, or an upload, are around the removal as well."""
    with Announcer(str(directory)).announced(name) as announcement:
        Packages(directory).remove(OLD)
        announcement.done()
    reader.index.refresh()
    assert reader.index.paths("old") == []


def test_a_reading_in_the_background_does_not_hide_what_is_uploaded_again_meanwhile(
    reader: Packages, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins while the file is removed, and ends after a request has seen the upload."""
    announcer, scandir = Announcer(str(directory)), os.scandir
    with announcer.announced("first-1.0.tar.gz") as first:
        (directory / "first-1.0.tar.gz").write_bytes(b"first")
        first.done()
    reader.index.refresh()

    def read_and_wait(descriptor: int) -> AbstractContextManager[object]:
        monkeypatch.undo()
        with scandir(descriptor) as found:
            entries = list(found)
        (directory / OLD).write_bytes(b"again")
        announcement.done()
        upload.close()
        reader.index.refresh()
        assert reader.index.paths("old") == [OLD]
        return nullcontext(iter(entries))

    with ExitStack() as upload:
        announcement = upload.enter_context(announcer.announced(OLD))
        Packages(directory).remove(OLD)
        monkeypatch.setattr(os, "scandir", read_and_wait)
        reader.index.verify()
    reader.index.refresh()
    assert reader.index.paths("old") == [OLD]


def test_what_another_program_brings_in_the_moment_of_an_upload_is_found_soon(
    reader: Packages, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Passed(Exception):
        """A pass over the directory is over."""

    def end(seconds: float) -> None:
        raise Passed

    with Announcer(str(directory)).announced("first-1.0.tar.gz") as announcement:
        (directory / "first-1.0.tar.gz").write_bytes(b"first")
        (directory / "foreign-1.0.tar.gz").write_bytes(b"foreign")
        announcement.done()
    reader.index.refresh()
    assert (reader.index.paths("first"), reader.index.paths("foreign")) == (["first-1.0.tar.gz"], [])
    monkeypatch.setattr(upkeep, "time", SimpleNamespace(monotonic=time.monotonic, sleep=end))
    with pytest.raises(Passed):
        upkeep.keep_up(reader)
    assert reader.index.paths("foreign") == ["foreign-1.0.tar.gz"]


def test_a_directory_that_another_program_makes_in_that_moment_is_found_with_what_is_in_it(
    reader: Packages, directory: Path
) -> None:
    with Announcer(str(directory)).announced("first-1.0.tar.gz") as announcement:
        (directory / "first-1.0.tar.gz").write_bytes(b"first")
        (directory / "inner").mkdir()
        (directory / "inner" / "foreign-1.0.tar.gz").write_bytes(b"foreign")
        announcement.done()
    for _ in range(3):
        reader.index.refresh()
        time.sleep(0.1)
    assert (reader.index.paths("first"), reader.index.paths("foreign")) == (["first-1.0.tar.gz"], [])
    reader.index.verify()
    reader.index.refresh()
    assert reader.index.paths("foreign") == ["inner/foreign-1.0.tar.gz"]


def test_a_removal_that_is_under_way_is_seen(reader: Packages, directory: Path) -> None:
    """However long it takes to be told that it is done."""
    with Announcer(str(directory)).doubted(OLD):
        with Announcer(str(directory)).announced(NEW) as announcement:
            (directory / OLD).unlink()
            announcement.done()
        reader.index.refresh()
        assert reader.index.paths("old") == []


def test_a_removal_needs_no_room(reader: Packages, directory: Path) -> None:
    """It cannot be announced where nothing can be written."""
    (directory / ".index").rmdir()
    (directory / ".index").write_bytes(b"")
    reader.remove(OLD)
    reader.index.refresh()
    assert reader.index.paths("old") == []


@pytest.mark.parametrize("replaced", [False, True])
def test_an_upload_takes_back_its_own_file_alone(directory: Path, replaced: bool) -> None:
    """Where files may be replaced, another upload may have succeeded meanwhile."""
    mine, other = Staged(directory, NEW), Staged(directory, NEW)
    other.write(b"another's")
    for staged in (mine, other)[: 1 + replaced]:
        staged.flush()
        staged.publish(replace=True)
    mine.withdraw()
    assert (directory / NEW).exists() == replaced
    for staged in (mine, other):
        staged.discard()


def test_an_upload_of_a_file_that_is_gone_unnoticed_is_refused_until_that_is_known(
    reader: Packages, directory: Path
) -> None:
    """Another program removed it in the moment of another upload: nobody can say what was stored."""
    with Announcer(str(directory)).announced("first-1.0.tar.gz") as announcement:
        (directory / OLD).unlink()
        (directory / "first-1.0.tar.gz").write_bytes(b"first")
        announcement.done()
    publication = Publication(reader, immutable=True, taken_status=409)
    with ExitStack() as form:
        staged = Staged(directory, OLD)
        form.callback(staged.discard)
        staged.write(b"old")
        with pytest.raises(Refusal, match="Nothing was stored: the package directory failed") as refused:
            publication.publish(staged, None, released(OLD))
        assert refused.value.response.status == 503
        assert not (directory / OLD).exists()
        reader.index.verify()
        publication.publish(staged, None, released(OLD))
    assert (directory / OLD).read_bytes() == b"old"
