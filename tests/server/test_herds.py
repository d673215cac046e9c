"""Many who ask for the same at once: the work is done once, and those who ask for something else don't wait for it."""

from __future__ import annotations

import os
import re
import subprocess
import time
import weakref
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import ReferenceType

import pytest

from server.store.packages import Packages
from server.views import listings as making
from server.views.all_files import AllFiles
from server.views.listings import FEW_BYTES, FEW_FILES, Body, Listing, Listings
from server.wire.messages import Awaited, Environ

from .conftest import StartTask
from .connections import head
from .tasks import PUBLISHER, READER, Task, beside, wheel, zipped


def arrival() -> Environ:
    return {"server.arrived": time.monotonic()}


def in_the_end(call: Callable[[], Listing | None]) -> tuple[Listing, int]:
    """What it gives, and how often it had to be awaited."""
    for times in range(5):
        try:
            listing = call()
            assert listing is not None
            return listing, times
        except Awaited as awaited:
            awaited.ready.result(60)
    raise AssertionError("it is awaited for ever")


@pytest.fixture
def listings(directory: Path) -> Listings:
    for number in range(FEW_FILES + 1):
        (directory / f"many-1.{number}.tar.gz").write_bytes(b"%d" % number)
    (directory / "few-1.0.tar.gz").write_bytes(b"few")
    return Listings(Packages(directory))


def test_a_large_listing_is_made_once_for_all_who_wait(listings: Listings, directory: Path) -> None:
    crowd = [arrival() for _ in range(20)]
    with pytest.raises(Awaited) as first:
        listings.current("many", crowd[0])
    first.value.ready.result(60)
    found = [listings.current("many", environ) for environ in crowd]
    assert found[0]
    assert all(listing is found[0] for listing in found)
    # Who asks after a file came is told of it, whatever was made before.
    (directory / "many-2.0.tar.gz").write_bytes(b"new")
    later = arrival()
    listing, _ = in_the_end(lambda: listings.current("many", later))
    assert "many-2.0.tar.gz" in [path for path, _ in listing.files]


def test_few_files_are_listed_at_once(listings: Listings) -> None:
    environ = arrival()
    assert in_the_end(lambda: listings.current("few", environ))[1] == 0


def test_a_large_project_that_is_gone_is_gone(listings: Listings, directory: Path) -> None:
    environ = arrival()
    in_the_end(lambda: listings.current("many", environ))
    for path in directory.glob("many-*"):
        path.unlink()
    assert listings.current("many", arrival()) is None


def test_every_file_is_listed_in_one_page_for_all_who_wait(listings: Listings, directory: Path) -> None:
    pages = AllFiles(Packages(directory))
    crowd = [arrival() for _ in range(3)]
    with pytest.raises(Awaited) as awaited:
        pages.respond(crowd[0])
    awaited.value.ready.result(60)
    assert len({id(next(iter(pages.respond(it).body))) for it in crowd}) == 1
    with pytest.raises(Awaited):
        pages.respond(arrival())


def test_every_file_is_listed_by_directory_project_version_and_name(directory: Path) -> None:
    expected = [
        "acme-1.9-py3-none-any.whl",
        "acme-1.9.tar.gz",
        "acme-1.10.tar.gz",
        "beta-1.0.tar.gz",
        "one/acme-2.0.tar.gz",
        "two/acme-0.1.tar.gz",
        "two/beta-0.1.tar.gz",
    ]
    packages = Packages(directory)
    for path in reversed(expected):
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_bytes(b"content")
        packages.index.refresh()
    pages, environ = AllFiles(packages), arrival()
    with pytest.raises(Awaited) as awaited:
        pages.respond(environ)
    awaited.value.ready.result(60)
    assert re.findall(">(.*)</a>", b"".join(pages.respond(environ).body).decode()) == expected


def listed(pages: Listings, project: str) -> ReferenceType[Body]:
    listing = pages.current(project, arrival())
    assert listing is not None
    return weakref.ref(listing.json)


def test_the_oldest_listings_make_room_for_others(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for project in ("a", "b", "c"):
        (directory / f"{project}-1.0.tar.gz").write_bytes(b"content")
    packages = Packages(directory)
    first = Listings(packages).current("a", arrival())
    assert first is not None
    monkeypatch.setattr(making, "LISTINGS_BYTES", int(2.5 * first.size))
    pages = Listings(packages)
    held = [listed(pages, project) for project in ("a", "b")]
    assert all(it() for it in held)
    held.append(listed(pages, "c"))
    assert [it() is not None for it in held] == [False, True, True]
    # One that is made again takes no more room, and is the newest.
    for text in (b"other content", b"another"):
        (directory / "b-1.0.tar.gz").unlink()
        (directory / "b-1.0.tar.gz").write_bytes(text)
        again = listed(pages, "b")
    assert [it() is not None for it in (*held, again)] == [False, False, True, True]
    last = listed(pages, "a")
    assert [it() is not None for it in (*held, again, last)] == [False, False, False, True, True]


def test_a_listing_larger_than_all_the_room_is_kept_alone(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "LISTINGS_BYTES", 1)
    for project in ("a", "b"):
        (directory / f"{project}-1.0.tar.gz").write_bytes(b"content")
    pages = Listings(Packages(directory))
    held = [listed(pages, project) for project in ("a", "b")]
    assert [it() is not None for it in held] == [False, True]


def test_files_that_nobody_has_read_yet_hold_up_nobody_else(start_newest: StartTask, directory: Path) -> None:
    """More clients than may use the storage at once ask for a project that was copied in."""
    name, content = wheel("demo", "1.0")
    (directory / name).write_bytes(content)
    task = start_newest(directory)
    with (directory / "large-1.0.tar.gz").open("wb") as file:
        os.truncate(file.fileno(), 500 * FEW_BYTES)
    for _ in range(100):
        task.connect().sendall(head("GET /simple/large/ HTTP/1.1", READER))
    assert task.project("demo")["files"]
    assert task.get(f"/packages/{name}").content == content
    assert task.upload(*wheel("other", "1.0")).status_code == 200
    assert task.get("/simple/", PUBLISHER).status_code == 200
    assert "/simple/large/" not in [line["path"] for line in task.access_log()]


def peak_mib(task: Task) -> int:
    """The most memory that any process of the task has taken."""
    found = subprocess.run(
        ["pgrep", "-g", str(os.getpgid(task.process.pid))], capture_output=True, text=True, check=True
    )
    texts = [Path(f"/proc/{number}/status").read_text() for number in found.stdout.split()]
    return max(int(kib) for text in texts for kib in re.findall(r"VmHWM:\s+(\d+)", text)) >> 10


def described(number: int, metadata: str) -> tuple[str, bytes]:
    """A release of `acme` with long metadata."""
    info = f"acme-1.{number}.dist-info"
    text = f"Metadata-Version: 2.1\nName: acme\nVersion: 1.{number}\n{metadata}"
    members = [(f"{info}/METADATA", text.encode()), *beside(info)]
    return f"acme-1.{number}-py3-none-any.whl", zipped(members, zipfile.ZIP_DEFLATED)


@pytest.mark.slow
@pytest.mark.parametrize("metadata", ["\n" + "\x01" * 4_000_000, ("Classifier: " + "\U0001f600" * 20 + "\n") * 40_000])
def test_a_crowd_of_long_descriptions_takes_the_memory_of_one(
    start_newest: StartTask, directory: Path, metadata: str
) -> None:
    """Uploaded at once, and asked for at once by those who take their time."""
    task = start_newest(directory)
    with ThreadPoolExecutor(16) as pool:
        releases = [described(number, metadata) for number in range(16)]
        assert {it.status_code for it in pool.map(lambda it: task.upload(*it), releases)} == {200}
        paths = [f"/pypi/acme/1.{number}/json" for number in range(16)]
        assert {it.status_code for it in pool.map(task.get, paths)} == {200}
    assert peak_mib(task) < 320


@pytest.mark.slow
def test_a_long_record_is_checked_in_little_memory(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory)
    info = "acme-1.0.dist-info"
    record = "\U0001f600" + "a" * 33_000_000
    members = [
        (f"{info}/METADATA", b"Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n"),
        *beside(info, record),
    ]
    response = task.upload("acme-1.0-py3-none-any.whl", zipped(members, zipfile.ZIP_DEFLATED))
    assert (response.status_code, response.text) == (200, "")
    assert peak_mib(task) < 80
