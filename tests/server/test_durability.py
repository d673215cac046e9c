"""What was answered outlives a crash of the file server: content is flushed, then linked, then its directory is flushed."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from server.store.packages import Packages
from server.store.yanks import reason_of

from .conftest import StartTask
from .crashes import Storage
from .faults import Call, Fault
from .tasks import PUBLISHER, Task, sdist, sha256, wheel

TIME = "2021-03-04T05:06:07Z"
# UPSTREAM_URL, because a project that is published is then private for good. Nothing is asked of it.
SETTINGS = {"UPSTREAM_URL": "https://127.0.0.1:9/simple/"}
Send = Callable[[Task], requests.Response]


class Stored(NamedTuple):
    """Of a distribution. `uploaded` is None unless it was imported with an upload's time."""

    sha256: str
    signature: bytes | None
    yanked: str | None
    uploaded: float | None


class State(NamedTuple):
    files: dict[str, Stored]
    private: frozenset[str]


def state_of(root: Path) -> State:
    packages = Packages(root)
    packages.index.refresh()
    return State(dict(_stored(root, packages)), frozenset(it.name for it in root.glob(".upstream/sides/[!.]*")))


def _stored(root: Path, packages: Packages) -> Iterator[tuple[str, Stored]]:
    for project in packages.index.projects():
        yanks = packages.yanks.of(project).reasons
        for name in packages.index.paths(project):
            if not name.endswith(".asc"):
                file, signature = root / name, root / f"{name}.asc"
                modified = file.stat().st_mtime
                yield (
                    name,
                    Stored(
                        sha256(file.read_bytes()),
                        signature.read_bytes() if signature.exists() else None,
                        reason_of(yanks, name.split("-")[1].removesuffix(".tar.gz")),
                        modified if modified < 1.7e9 else None,
                    ),
                )


def form(action: str, version: str, **fields: str) -> Send:
    data = {":action": action, "name": "demo", "version": version, **fields}
    return lambda task: requests.post(task.url, data=data, auth=PUBLISHER, timeout=60)


def upload(version: str, extra: bytes = b"", *, signature: bytes = b"", **fields: str) -> Send:
    name, content = wheel("demo", version, extra)
    signed = (f"{name}.asc", signature) if signature else None
    return lambda task: task.upload(name, content, fields, signature=signed)


CHANGES: dict[str, list[Send]] = {
    "true": [
        upload("1.0"),
        upload("1.1", signature=b"signature"),
        upload("1.2", upload_time=TIME),
        lambda task: task.upload(*sdist("other", "1.0")),
        form("yank", "1.0", reason="broken"),
        form("yank", "1.1", reason=""),
        form("yank", "1.0", reason="very broken"),
        form("unyank", "1.0"),
        upload("1.1", signature=b"signature"),
    ],
    "false": [
        upload("1.0"),
        upload("1.0", b"new"),
        upload("1.1", signature=b"signature"),
        upload("1.2", b"new", upload_time=TIME),
        form("remove_pkg", "1.0"),
        form("remove_pkg", "1.2"),
    ],
}


def assert_order(directory: Path, calls: list[Call]) -> int:
    """Of one change's calls: content flushed < name < directory flushed < answer. Gives how many names were changed."""
    unflushed: set[int] = set()
    inodes: dict[str, int] = {}
    changed: list[Path] = []
    pending: set[Path] = set()
    for it in calls:
        name = Path(it.other if it.call in ("link", "rename") else it.path)
        match it.call:
            case "answer":
                assert not pending
                return len(changed)
            case "creat":
                inodes[it.path] = it.inode
            case "write":
                unflushed.add(it.inode)
            case "fsync":
                unflushed.discard(it.inode)
            case "dirfsync":
                pending = {path for path in pending if path.parent != name}
            case "link" | "rename" | "symlink" | "unlink" if is_public(directory, name):
                assert inodes.get(it.path) not in unflushed, name
                changed.append(name)
                pending.add(name)
    raise AssertionError("it was not answered")


def is_public(directory: Path, path: Path) -> bool:
    """Whether an answer rests on what lies there: the rest is an upload under way, or can be computed again."""
    return path.relative_to(directory).parts[0] != ".index" and not path.name.startswith(".")


@pytest.mark.parametrize("immutable", CHANGES)
def test_what_was_answered_outlives_a_crash_after_any_call(
    start_newest: StartTask, directory: Path, tmp_path: Path, immutable: str
) -> None:
    fault = Fault(start_newest, directory, tmp_path, IMMUTABLE_PACKAGES=immutable, **SETTINGS)
    states, answers = [state_of(directory)], []
    for send in CHANGES[immutable]:
        before = len(fault.calls())
        response = send(fault.task)
        assert response.status_code == 200, response.text
        states.append(state_of(directory))
        calls = fault.calls()
        assert (assert_order(directory, calls[before:]) > 0) == (states[-1] != states[-2])
        answers.append(next(at for at, it in enumerate(calls) if at >= before and it.call == "answer"))
    storage = Storage(directory, fault.record)
    for at, call in enumerate(calls):
        storage.take(call)
        answered = sum(answer <= at for answer in answers)
        for names_last in (False, True):
            found = state_of(storage.crash(tmp_path / f"left-{at}-{names_last}", names_last=names_last))
            case = f"after {answered} answers, the {at}th call, {call.call} of {call.path}; names last: {names_last}"
            assert found.files in [it.files for it in states[answered : answered + 2]], case
            assert found.private >= states[answered].private, case
    # A crash was tried at each kind of call there is.
    assert {it.call for it in calls} >= {"creat", "write", "fsync", "link", "unlink", "dirfsync", "mkdir", "answer"}


def test_a_project_that_becomes_private_is_so_before_its_upload_is_answered(
    start_newest: StartTask, directory: Path, tmp_path: Path
) -> None:
    """Otherwise a crash, and a removal, would let its name out to the index outside."""
    side = directory / ".upstream" / "sides" / "moved"
    side.parent.mkdir(parents=True)
    side.symlink_to("upstream")
    fault = Fault(start_newest, directory, tmp_path, PRIVATE_NAMES="moved", **SETTINGS)
    before = len(fault.calls())
    assert fault.task.upload(*wheel("moved", "1.0")).status_code == 200
    assert str(side.readlink()) == "private"
    # The file, and the link.
    assert assert_order(directory, fault.calls()[before:]) == 2


def test_an_upload_that_failed_late_lasts_once_its_repetition_is_answered(fault: Fault, tmp_path: Path) -> None:
    name, content = wheel("late", "1.0")
    fault.set("dirfsync", errno.EIO)
    assert fault.task.upload(name, content).status_code == 503
    fault.end()
    assert fault.task.upload(name, content).status_code == 200
    storage = Storage(fault.directory, fault.record)
    for call in fault.calls():
        storage.take(call)
    assert (storage.crash(tmp_path / "left", names_last=False) / name).read_bytes() == content
