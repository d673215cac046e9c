"""What the tasks keep in the hidden directory may be torn, missing, wrong or another's: nothing false comes of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from server.store.kept import Details, Identity, Kept

from .conftest import StartTask
from .damages import OF_ANNOUNCEMENTS, UploadKilled, files_of, lie_ahead, replace_by_files, upload_killed
from .tasks import PUBLISHER, sdist, sha256, staged, stock_packages, visible, wheel

NAME, CONTENT = wheel("killed", "1.0")


@pytest.fixture
def killed_uploads(newest_image: Path, tmp_path: Path) -> Iterator[UploadKilled]:
    (tmp_path / NAME).write_bytes(CONTENT)
    with upload_killed(newest_image, tmp_path / NAME) as upload:
        yield upload


@pytest.mark.slow
def test_a_task_killed_at_any_step_of_an_upload_misleads_nobody(
    start_newest: StartTask, killed_uploads: UploadKilled, directory: Path
) -> None:
    task = start_newest(directory)
    assert task.upload(*sdist("first", "1.0", b"content")).status_code == 200
    for step in range(100):
        killed = killed_uploads(directory, step)
        assert killed.returncode in (0, -signal.SIGKILL), killed.stdout
        published = (directory / NAME).exists()
        assert published or killed.stdout != "answered"
        assert files_of(task, "killed") == ({NAME: sha256(CONTENT)} if published else {}), step
        assert task.upload(NAME, CONTENT).status_code in ((200, 400, 409) if published else (200,))
        assert files_of(task, "killed") == {NAME: sha256(CONTENT)}
        # Also what another program does next is at once seen.
        (directory / NAME).unlink()
        assert files_of(task, "killed") == {}
        if killed.returncode == 0:
            break
    assert killed.stdout == "answered"
    assert step > 10
    assert visible(directory) == ["first-1.0.tar.gz"]


# Another program writes between the two looks at the directory that bracket a link.
BESIDE = textwrap.dedent("""
    import sys
    from pathlib import Path
    from server.store.changes import Announcer

    root = Path(sys.argv[1])
    with Announcer(str(root)).announced("ours-1.0.tar.gz") as announcement:
        (root / "theirs-1.0.tar.gz").write_bytes(b"theirs")
        (root / "ours-1.0.tar.gz").write_bytes(b"ours")
        announcement.done()
""")


@pytest.mark.slow
def test_a_change_hidden_by_an_upload_is_found_in_time(
    start_newest: StartTask, newest_image: Path, directory: Path
) -> None:
    task = start_newest(directory)
    assert task.upload(*sdist("first", "1.0")).status_code == 200
    for _ in range(2):
        # Seen twice, clock ticks apart, the directory is trusted.
        assert len(files_of(task, "first")) == 1
        time.sleep(0.1)
    subprocess.run([newest_image, "-c", BESIDE, directory], check=True, cwd=Path(__file__).parents[2])
    assert files_of(task, "ours") == {"ours-1.0.tar.gz": sha256(b"ours")}
    deadline = time.monotonic() + 60
    while not (found := files_of(task, "theirs")) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert found == {"theirs-1.0.tar.gz": sha256(b"theirs")}


@pytest.mark.parametrize("damage", OF_ANNOUNCEMENTS)
def test_damaged_announcements_hide_and_invent_nothing(
    start_newest: StartTask, directory: Path, damage: Callable[[Path], None]
) -> None:
    tasks = [start_newest(directory), start_newest(directory)]
    for task in tasks:
        assert task.upload(*sdist("before", f"1.{task.port}", b"content")).status_code == 200
    assert [len(files_of(task, "before")) for task in tasks] == [2, 2]
    damage(directory)
    for number in range(4):
        answer = tasks[number % 2].upload(*sdist("after", f"1.{number}", b"content"))
        if damage is replace_by_files:
            # Nothing can be announced, so that nothing is stored.
            assert answer.status_code == 503
            (directory / f"after-1.{number}.tar.gz").write_bytes(b"content")
        else:
            assert answer.status_code == 200
        (directory / f"foreign-1.{number}.tar.gz").write_bytes(b"content")
        for task in tasks:
            assert len(files_of(task, "after")) == number + 1
            assert len(files_of(task, "foreign")) == number + 1
            assert len(files_of(task, "before")) == 2
            assert files_of(task, "ahead") == {}
            assert "ahead" not in task.get("/simple/").text
    if damage is lie_ahead:
        assert tasks[0].upload(*sdist("ahead", "1.0", b"content")).status_code == 200
        assert [len(files_of(task, "ahead")) for task in tasks] == [1, 1]
    assert all(task.get("/health", None).status_code == 200 for task in tasks)


def kept(directory: Path) -> Path:
    (path,) = directory.glob(".index/details-1/*")
    return path


def rewrite(directory: Path, change: Callable[[dict[str, list[object]]], None]) -> None:
    document = json.loads(kept(directory).read_bytes().partition(b"\n")[2])
    change(document["files"])
    put(directory, json.dumps(document).encode())


def put(directory: Path, content: bytes) -> None:
    """With a checksum that fits."""
    kept(directory).write_bytes(sha256(content).encode() + b"\n" + content)


def edit(directory: Path) -> None:
    """By hand: the digest of another content."""
    path = kept(directory)
    content = path.read_bytes()
    assert sha256(CONTENT).encode() in content
    path.write_bytes(content.replace(sha256(CONTENT).encode(), b"0" * 64))


def of_another_file(directory: Path) -> None:
    """As a restore brings it along: other inodes, other times."""

    def change(files: dict[str, list[object]]) -> None:
        files[NAME][0] = [1, len(CONTENT), 2, 3]
        files[NAME][1] = "0" * 64

    rewrite(directory, change)


def of_another_form(directory: Path) -> None:
    def change(files: dict[str, list[object]]) -> None:
        files[NAME][1:] = ["no digest", None, None]

    rewrite(directory, change)


def of_other_types(directory: Path) -> None:
    def change(files: dict[str, list[object]]) -> None:
        files[NAME][3] = {"a": 1}

    rewrite(directory, change)


def of_no_number(directory: Path) -> None:
    def change(files: dict[str, list[object]]) -> None:
        files[NAME][0] = [float("inf"), len(CONTENT), 2, 3]

    rewrite(directory, change)


def nested(directory: Path) -> None:
    put(directory, b"[" * 100_000)


def of_no_object(directory: Path) -> None:
    put(directory, b"[]")


def of_a_replaced_file(directory: Path) -> None:
    """The same size and time of modification."""
    status = (directory / NAME).stat()
    (directory / NAME).write_bytes(CONTENT[::-1])
    os.utime(directory / NAME, ns=(status.st_atime_ns, status.st_mtime_ns))


def torn(directory: Path) -> None:
    os.truncate(kept(directory), kept(directory).stat().st_size // 2)


def empty(directory: Path) -> None:
    kept(directory).write_bytes(b"")


def huge(directory: Path) -> None:
    kept(directory).write_bytes(b"x" * (20 << 20))


def absent(directory: Path) -> None:
    kept(directory).unlink()


def a_directory(directory: Path) -> None:
    path = kept(directory)
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        edit,
        of_another_file,
        of_another_form,
        of_other_types,
        of_no_number,
        nested,
        of_no_object,
        of_a_replaced_file,
        torn,
        empty,
        huge,
        absent,
        a_directory,
    ],
)
def test_what_is_kept_of_packages_is_believed_only_of_the_very_file(
    start_newest: StartTask, directory: Path, damage: Callable[[Path], None]
) -> None:
    assert start_newest(directory).upload(NAME, CONTENT).status_code == 200
    damage(directory)
    task = start_newest(directory)
    content = (directory / NAME).read_bytes()
    (file,) = task.project("killed")["files"]
    assert (file["hashes"]["sha256"], file["size"]) == (sha256(content), len(content))
    assert (file.get("requires-python") == ">=3.8") == (content == CONTENT)
    if damage is not a_directory:
        assert sha256(content) in kept(directory).read_text()


def test_what_is_kept_of_projects_that_are_gone_is_removed_once_it_is_much(directory: Path) -> None:
    status = directory.stat()
    details = {"a-1.0.tar.gz": Details(Identity.of(status), "0" * 64, None, None)}
    keeping = Kept(str(directory))
    for project in ("here", "gone"):
        keeping.save(project, details)
    keeping.sweep(["here"])
    assert keeping.load("gone") == details  # somebody may bring it back
    for number in range(2000):
        (directory / ".index" / "details-1" / f"{number:032x}").touch()
    keeping.sweep(["here"])
    assert (keeping.load("here"), keeping.load("gone")) == (details, {})
    assert len(list(directory.glob(".index/details-1/*"))) == 1


def test_a_hidden_directory_that_cannot_be_written_stops_no_listing(start_newest: StartTask, directory: Path) -> None:
    (directory / NAME).write_bytes(CONTENT)
    (directory / ".index").write_bytes(b"")
    task = start_newest(directory)
    assert files_of(task, "killed") == {NAME: sha256(CONTENT)}
    assert task.get("/health", None).status_code == 200
    assert task.upload(*sdist("other", "1.0", b"content")).status_code == 503
    (directory / ".index").unlink()
    assert task.upload(*sdist("other", "1.0", b"content")).status_code == 200


@pytest.mark.parametrize(
    "path", [".index", ".index/staging", ".index/changes", ".index/details-1", ".yanked", ".yanked/killed", ".upstream"]
)
def test_a_link_in_place_of_a_directory_of_ours_leads_nowhere(
    start_newest: StartTask, directory: Path, tmp_path: Path, path: str
) -> None:
    outside = tmp_path / "outside"
    for name in ("staging", "changes", "details-1", "killed"):
        (outside / name).mkdir(parents=True)
    (directory / NAME).write_bytes(CONTENT)
    (directory / path).parent.mkdir(exist_ok=True)
    (directory / path).symlink_to(outside)
    before = sorted(outside.rglob("*"))
    task = start_newest(directory)
    assert files_of(task, "killed") == {NAME: sha256(CONTENT)}
    form = {":action": "yank", "name": "killed", "version": "1.0"}
    yanked = requests.post(task.url, data=form, auth=PUBLISHER, timeout=30)
    uploaded = task.upload(*sdist("other", "1.0"))
    assert sorted(outside.rglob("*")) == before
    # Who is told that it was done finds it done.
    assert yanked.status_code in (200, 503)
    assert (yanked.status_code == 200) == ("yanked" in task.project("killed")["files"][0])
    assert uploaded.status_code in (200, 503)
    assert (uploaded.status_code == 200) == bool(files_of(task, "other"))
    assert (yanked.status_code, uploaded.status_code) != (503, 503) or path in (".index", ".index/changes")
    # Whoever looks for the reason finds it; nothing is kept of another index here.
    assert (path in task.errors.read_text()) == (path != ".upstream")


def test_stock_pypiserver_passes_over_the_hidden_directory(
    start_newest: StartTask, newest_image: Path, directory: Path
) -> None:
    task = start_newest(directory)
    assert task.upload(NAME, CONTENT).status_code == 200
    connection, _ = task.begin_upload("staged-1.0.tar.gz", 1_000_000)
    connection.sendall(bytes(500_000))
    deadline = time.monotonic() + 15
    while not staged(directory) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stock_packages(newest_image, directory) == [NAME]


@pytest.fixture(autouse=True)
def _leave_nothing_odd(directory: Path) -> Iterator[None]:
    yield
    shutil.rmtree(directory, ignore_errors=True)
