"""A storage that cannot do what the index relies on is refused before anything is served."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from generator.commands import main
from server.store.abilities import lacking

from .conftest import StartTask
from .faults import Fault
from .tasks import free_port


def test_an_ordinary_directory_lacks_nothing_and_keeps_nothing(directory: Path) -> None:
    assert lacking(directory) == []
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "number", "missing"),
    [
        ("link", errno.EOPNOTSUPP, "hard links"),
        ("link", errno.EPERM, "hard links"),
        ("rename", errno.ENOSYS, "rename a file over another"),
    ],
)
def test_a_storage_without_it_is_refused_in_one_line(
    fault: Fault, start_newest: StartTask, call: str, number: int, missing: str
) -> None:
    fault.set(call, number)
    with pytest.raises(AssertionError, match="did not start") as refused:
        start_newest(fault.directory, **fault.preload)
    lines = [line for line in str(refused.value).splitlines() if "cannot do what the index relies on" in line]
    assert len(lines) == 1
    assert missing in lines[0]


def test_a_storage_that_fails_for_now_is_served_once_it_is_well(fault: Fault, start_newest: StartTask) -> None:
    fault.set("link", errno.EIO)
    task = start_newest(fault.directory, **fault.preload)
    fault.end()
    assert task.get("/simple/").status_code == 200


@pytest.fixture
def whole_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a storage answers that keeps no more of a time."""
    keep = os.utime

    def keep_whole(path: str, ns: tuple[int, int], dir_fd: int) -> None:
        keep(path, ns=(0, ns[1] // 10**9 * 10**9), dir_fd=dir_fd)

    monkeypatch.setattr(os, "utime", keep_whole)


@pytest.mark.usefixtures("whole_seconds")
def test_whole_seconds_are_told(directory: Path) -> None:
    assert lacking(directory) == ["keep times finer than a second"]


def test_a_storage_that_is_checked_is_well(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-storage", str(directory)]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{directory}: nothing is missing\n", "")


@pytest.mark.usefixtures("whole_seconds")
def test_a_storage_that_is_checked_lacks_something(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The server that would run on it is not started."""
    missing = "keep times finer than a second"
    assert main(["check-storage", str(directory)]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{directory} cannot: {missing}\n")
    words = ["local", "--python", "/nowhere", "--port", str(free_port()), "--directory", str(directory)]
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"error: {directory} is on a storage that cannot: {missing}: give another --directory\n"


def test_a_storage_that_fails_is_named(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / ".index").touch()
    assert main(["check-storage", str(directory)]) == 2
    assert capsys.readouterr().err == f"error: {directory} cannot be tested: Not a directory\n"


def test_names_that_are_taken_for_the_same_are_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a storage answers that takes "A" for "b"."""
    create = os.open

    def create_folded(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        return create(path.replace("-A", "-b"), flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", create_folded)
    assert lacking(directory) == ["tell names that differ in case"]
