"""What may befall the hidden directory of a package directory: killed uploads, and announcements that are not true."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from forked import forked

from .tasks import JSON_TYPE, Task

ROOT = Path(__file__).parents[2]
# Kills itself before the given one of the calls that change a file system or make a change visible.
UPLOAD = """
import signal
from pathlib import Path

from server.store.packages import Packages
from server.store.staging import Staged

def main(words):
    left, directory, name, content = int(words[0]), Path(words[1]), words[2], Path(words[3]).read_bytes()

    def counted(call):
        def count(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)
        return count

    packages = Packages(directory)
    for call in ("mkdir", "open", "close", "fsync", "link", "unlink", "pwrite", "replace"):
        setattr(os, call, counted(getattr(os, call)))
    staged = Staged(directory, name)
    staged.write(content)
    staged.flush()
    packages.publish(staged, replace=False)
    staged.settle()
    packages.details.learn(staged.name, staged.file, staged.sha256, None)
    staged.discard()
    os.write(1, b"answered")
    os._exit(0)
"""
UploadKilled: TypeAlias = Callable[[Path, int], subprocess.CompletedProcess[str]]
"""Given a directory and a number: an upload by a process that is killed before that call; if it has fewer, it says that it answered."""


@contextmanager
def upload_killed(python: Path, content: Path) -> Iterator[UploadKilled]:
    """``content`` is the file that is uploaded, under its name."""
    with forked(UPLOAD, ROOT, os.environ, python) as run:
        yield lambda directory, step: run(step, directory, content.name, content)


def files_of(task: Task, project: str) -> dict[str, str]:
    """Digests by file name, as a listing has them."""
    response = task.get(f"/simple/{project}/", headers={"Accept": JSON_TYPE})
    if response.status_code == 404:
        return {}
    response.raise_for_status()
    return {it["filename"]: it["hashes"]["sha256"] for it in response.json()["files"]}


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


OF_ANNOUNCEMENTS: list[Callable[[Path], None]] = [
    remove_everything,
    remove_journals,
    truncate,
    tear,
    garble,
    lie_ahead,
    clutter,
    replace_by_files,
]
