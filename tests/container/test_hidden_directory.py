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

from .conftest import StartTask
from .tasks import Task, sdist, sha256, staged, visible, wheel

NAME, CONTENT = wheel("killed", "1.0")
# Kills itself before the given one of the calls that change a file system or make a change visible.
UPLOAD = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path

    left = int(sys.argv[1])

    def counted(call):
        def count(*arguments, **options):
            global left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)
        return count

    from pypiserver.config import Config
    from generator.container.backend import IndexedBackend
    from generator.container.staging import Staged

    config = Config.default_with_overrides(roots=[Path(sys.argv[2])], backend_arg="simple-dir", overwrite=False)
    backend = IndexedBackend(config)
    for name in ("mkdir", "open", "close", "fsync", "link", "unlink", "pwrite", "replace"):
        setattr(os, name, counted(getattr(os, name)))
    staged = Staged(Path(sys.argv[2]), sys.argv[3])
    staged.write(sys.stdin.buffer.read())
    staged.flush()
    backend.publish(staged, replace=False)
    staged.settle()
    backend.details.learn(staged.name, staged.file, staged.sha256)
    staged.discard()
    os.write(1, b"answered")
""")

STOCK = textwrap.dedent("""
    import sys
    from pathlib import Path
    from pypiserver.backend import SimpleFileBackend
    from pypiserver.config import Config

    config = Config.default_with_overrides(roots=[Path(sys.argv[1])], backend_arg="simple-dir")
    print(*(package.relfn for package in SimpleFileBackend(config).get_all_packages()))
""")


def files_of(task: Task, project: str) -> dict[str, str]:
    response = task.get(f"/simple/{project}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    if response.status_code == 404:
        return {}
    return {it["filename"]: it["hashes"]["sha256"] for it in response.json()["files"]}


@pytest.mark.slow
def test_a_task_killed_at_any_step_of_an_upload_misleads_nobody(
    start_newest: StartTask, newest_image: Path, directory: Path
) -> None:
    task = start_newest(directory)
    assert task.upload(*sdist("first", "1.0", b"content")).status_code == 200
    for step in range(100):
        killed = subprocess.run(
            [newest_image, "-c", UPLOAD, str(step), directory, NAME],
            input=CONTENT,
            capture_output=True,
            cwd=Path(__file__).parents[2],
            check=False,
        )
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr.decode()
        published = (directory / NAME).exists()
        assert published or killed.stdout != b"answered"
        assert files_of(task, "killed") == ({NAME: sha256(CONTENT)} if published else {}), step
        assert task.upload(NAME, CONTENT).status_code in ((200, 400, 409) if published else (200,))
        assert files_of(task, "killed") == {NAME: sha256(CONTENT)}
        # Also what another program does next is at once seen.
        (directory / NAME).unlink()
        assert files_of(task, "killed") == {}
        if killed.returncode == 0:
            break
    assert killed.stdout == b"answered"
    assert step > 10
    assert visible(directory) == ["first-1.0.tar.gz"]


# Another program writes between the two looks at the directory that bracket a link.
BESIDE = textwrap.dedent("""
    import sys
    from pathlib import Path
    from generator.container.changes import Announcer

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


def journals(directory: Path) -> list[Path]:
    return sorted(directory.glob(".index/changes/*"), key=lambda path: path.stat().st_mtime)


def remove_everything(directory: Path) -> None:
    shutil.rmtree(directory / ".index")


def remove_journals(directory: Path) -> None:
    for path in journals(directory):
        path.unlink()


def truncate(directory: Path) -> None:
    for path in journals(directory):
        os.truncate(path, 10)


def tear(directory: Path) -> None:
    with journals(directory)[-1].open("ab") as file:
        file.write(b'{"number": 99, "na')


def garble(directory: Path) -> None:
    for path in journals(directory):
        size = path.stat().st_size
        path.write_bytes(os.urandom(size) + b"\n\xff\n[]\n{}\n")


def lie_ahead(directory: Path) -> None:
    """Of packages that are not there, at times that never were, in names that are none."""
    lines: list[object] = [
        {"number": 1, "name": "ahead-1.0.tar.gz"},
        {"number": 2, "name": "ahead-1.0.tar.gz", "done": True, "bracket": [1, 2, 3]},
        {"number": 3, "name": "../ahead-1.0.tar.gz", "done": True, "bracket": [1, 2, 3]},
        {"number": 4, "name": "ahead", "done": True, "bracket": [directory.stat().st_ino, 0, 1 << 62]},
        {"number": [], "name": {}, "done": True},
        {"number": 5, "name": "ahead-1.1.tar.gz", "done": True, "bracket": ["x"]},
    ]
    (directory / ".index" / "changes" / f"{'0' * 16}.1").write_text("".join(json.dumps(it) + "\n" for it in lines))


def clutter(directory: Path) -> None:
    changes = directory / ".index" / "changes"
    (changes / f"{'1' * 16}.1").mkdir()
    (changes / f"{'2' * 16}.1").symlink_to(f"{'2' * 16}.1")
    os.mkfifo(changes / f"{'3' * 16}.1")
    (changes / f"{'4' * 16}.1").write_bytes(b"x" * (3 << 20))
    (changes / f"{'5' * 16}.2").write_bytes(b"of a later version\n")


def replace_by_files(directory: Path) -> None:
    shutil.rmtree(directory / ".index" / "changes")
    (directory / ".index" / "changes").write_bytes(b"")


@pytest.mark.parametrize(
    "damage", [remove_everything, remove_journals, truncate, tear, garble, lie_ahead, clutter, replace_by_files]
)
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
    """With a checksum that fits."""
    path = kept(directory)
    document = json.loads(path.read_bytes().partition(b"\n")[2])
    change(document["files"])
    content = json.dumps(document).encode()
    path.write_bytes(sha256(content).encode() + b"\n" + content)


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


def test_a_hidden_directory_that_cannot_be_written_stops_no_listing(start_newest: StartTask, directory: Path) -> None:
    (directory / NAME).write_bytes(CONTENT)
    (directory / ".index").write_bytes(b"")
    task = start_newest(directory)
    assert files_of(task, "killed") == {NAME: sha256(CONTENT)}
    assert task.get("/health", None).status_code == 200
    assert task.upload(*sdist("other", "1.0", b"content")).status_code == 503
    (directory / ".index").unlink()
    assert task.upload(*sdist("other", "1.0", b"content")).status_code == 200


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
    assert subprocess.check_output([newest_image, "-c", STOCK, directory], text=True).split() == [NAME]


@pytest.fixture(autouse=True)
def _leave_nothing_odd(directory: Path) -> Iterator[None]:
    yield
    shutil.rmtree(directory, ignore_errors=True)
