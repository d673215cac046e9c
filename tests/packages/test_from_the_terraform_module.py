"""What the Terraform module leaves on its file system is served and imported, after the step of docs/migrating.md.

Its server is the image's own, with `simple-dir`, at the root of the file system: files have the umask of another user, and the
time of their upload. Beside packages there is what people put there, and what NFS and a killed upload leave.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ..server.clients import pip_install
from ..server.conftest import StartTask
from ..server.tasks import READER, sdist, sha256, visible, wheel
from .conftest import Import

UPLOADED = datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)
PACKAGES = dict([wheel("acme", "1.0"), wheel("acme", "1.1"), sdist("acme", "1.1"), sdist("other", "2.0")])
SIGNED = next(name for name in PACKAGES if name.startswith("other"))
HALF, WHOLE = sdist("half", "1.0", b"content" * 1000)
BESIDE = {
    f"{SIGNED}.asc": b"a signature",
    HALF: WHOLE[: len(WHOLE) // 2],
    ".nfs00000000000000010000002a": b"deleted while it was open",
    "README.txt": b"ask the platform team",
    "backup.sql.gz": b"of another program",
}
OTHERS = 1000
"""Another user than the tasks'."""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """`/packages` of the module's file system, where its files were moved to; they are the tasks' only if root made them."""
    root = tmp_path / "file-system"
    (root / "old").mkdir(parents=True)
    (root / "old" / wheel("acme", "0.9")[0]).write_bytes(wheel("acme", "0.9")[1])
    for name, content in {**PACKAGES, **BESIDE}.items():
        (root / name).write_bytes(content)
    for path in root.rglob("*"):
        os.utime(path, (UPLOADED.timestamp(),) * 2)
        path.chmod(0o755 if path.is_dir() else 0o644)
        if os.geteuid() == 0:
            os.chown(path, OTHERS, OTHERS)
    moved = root / "packages"
    moved.mkdir()
    for path in [it for it in root.iterdir() if it != moved]:
        shutil.move(path, moved)
    if os.geteuid() == 0:
        os.chown(moved, OTHERS, OTHERS)
    for path in [moved, *moved.rglob("*")]:
        os.chown(path, os.geteuid(), os.getegid())
    return moved


def test_it_is_served_and_imported(
    packages: Path,
    start_newest: StartTask,
    bring: Import,
    directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropped = "setpriv --inh-caps=-all --bounding-set=-all" if os.geteuid() == 0 and shutil.which("setpriv") else ""
    task = start_newest(packages, wrapper=dropped)
    found = {file["filename"]: file for project in ("acme", "other") for file in task.project(project)["files"]}
    older = wheel("acme", "0.9")
    assert found.keys() == PACKAGES.keys() | {older[0]}
    assert {file["hashes"]["sha256"] for file in found.values()} == {*map(sha256, PACKAGES.values()), sha256(older[1])}
    assert {file["upload-time"] for file in found.values()} == {f"{UPLOADED:%Y-%m-%dT%H:%M:%S}.000000Z"}
    assert found[SIGNED]["gpg-sig"]
    assert [
        it["name"]
        for it in task.get("/simple/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}).json()["projects"]
    ] == ["acme", "half", "other"]
    assert pip_install(task, tmp_path / "installed", "acme").returncode == 0
    assert (tmp_path / "installed" / "acme-1.1.dist-info").is_dir()
    assert task.upload(*wheel("acme", "2.0")).status_code == 200
    again, content = next(iter(PACKAGES.items()))
    assert task.upload(again, content).status_code == 200
    assert task.upload(again, wheel("acme", "1.0", b"other")[1]).status_code == 409

    monkeypatch.setenv("IMPORT_USERNAME", READER[0])
    monkeypatch.setenv("IMPORT_PASSWORD", READER[1])
    assert bring(task.url + "/simple/") == 1
    printed = capsys.readouterr().out
    assert HALF in printed
    assert {*PACKAGES, f"{SIGNED}.asc", older[0], wheel("acme", "2.0")[0]} == set(visible(directory))
    assert (directory / again).read_bytes() == content
    assert (directory / again).stat().st_mtime == UPLOADED.timestamp()
