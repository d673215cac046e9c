"""A directory that came back from a backup is served as it is, whatever moment each of its parts is from.

AWS Backup reads a file system while it changes: files, what is announced and what is kept of packages need not be of one
moment. A restored file has another inode; its times may be those of before.
https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html#backup-consistency
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import StartTask
from .damages import files_of
from .tasks import sdist, sha256, wheel

GONE, CHANGED, STAYS, LATE = (sdist(name, "1.0", b"content") for name in ("gone", "changed", "stays", "late"))


@pytest.mark.parametrize("hidden", ["older", "newer", "none"])
@pytest.mark.parametrize("keeps_times", [True, False], ids=["times kept", "times of the restore"])
def test_a_restored_directory_is_served_as_it_is(
    start_newest: StartTask, directory: Path, tmp_path: Path, hidden: str, keeps_times: bool
) -> None:
    """``hidden``: whether what the tasks keep for themselves is from before or after the files, or was lost."""
    task = start_newest(directory)
    for name, content in (GONE, CHANGED, STAYS):
        assert task.upload(name, content).status_code == 200
    assert len(files_of(task, "stays")) == 1
    early = shutil.copytree(directory, tmp_path / "early")
    (directory / GONE[0]).unlink()
    (directory / CHANGED[0]).write_bytes(CHANGED[1][::-1])
    assert task.upload(*LATE).status_code == 200
    assert len(files_of(task, "late")) == 1
    task.kill()

    files, kept = (directory, early) if hidden == "older" else (early, directory)
    copy = shutil.copy2 if keeps_times else shutil.copyfile
    restored = tmp_path / "aws-backup-restore_2026-01-02T03-04-05-678Z" / "packages"
    shutil.copytree(files, restored, copy_function=copy, ignore=shutil.ignore_patterns(".*"))
    for path in [] if hidden == "none" else kept.glob(".*"):
        shutil.copytree(path, restored / path.name, copy_function=copy)

    tasks = [start_newest(restored), start_newest(restored)]
    expected = {path.name: sha256(path.read_bytes()) for path in restored.glob("*.tar.gz")}
    assert len(expected) == 3
    for it in tasks:
        found = {
            name: digest
            for project in ("gone", "changed", "stays", "late")
            for name, digest in files_of(it, project).items()
        }
        assert found == expected
        for name, digest in expected.items():
            assert sha256(it.get(f"/packages/{name}").content) == digest
        assert it.get("/health", None).status_code == 200
    # And goes on from there.
    name, content = wheel("new", "1.0")
    assert tasks[0].upload(name, content).status_code == 200
    assert [files_of(it, "new") for it in tasks] == [{name: sha256(content)}] * 2
