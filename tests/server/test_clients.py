"""pip, uv, twine and poetry against a running task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .clients import pip_install, run, twine, uv_publish
from .conftest import StartTask
from .tasks import PUBLISHER, READER, Task, sha256, wheel

NAME, CONTENT = wheel("clientdemo", "1.0")


@pytest.fixture
def task(start: StartTask, directory: Path) -> Task:
    return start(directory)


def test_twine_uploads_and_pip_installs_by_hash(task: Task, tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(CONTENT)
    uploaded = twine(task, file)
    assert uploaded.returncode == 0, uploaded.stdout + uploaded.stderr
    installed = pip_install(task, tmp_path / "site", f"clientdemo==1.0 --hash=sha256:{sha256(CONTENT)}")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    assert (tmp_path / "site" / "clientdemo.py").exists()
    wrong = pip_install(task, tmp_path / "other", f"clientdemo==1.0 --hash=sha256:{'0' * 64}")
    assert "DO NOT MATCH" in wrong.stderr
    assert twine(task, file).returncode == 0
    file.write_bytes(wheel("clientdemo", "1.0", b"other")[1])
    again = twine(task, file)
    assert again.returncode != 0
    assert "already exists" in again.stdout + again.stderr
    assert "403" in (result := twine(task, file, account=READER)).stdout + result.stderr
    assert "401" in (result := twine(task, file, account=(PUBLISHER[0], "wrong"))).stdout + result.stderr
    assert (task.directory / NAME).read_bytes() == CONTENT
    refused = pip_install(task, tmp_path / "refused", "clientdemo", account=(READER[0], "wrong"))
    assert refused.returncode != 0


@pytest.mark.slow
def test_uv_publishes_installs_and_excludes_newer(task: Task, tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(CONTENT)
    published = uv_publish(task, file)
    assert published.returncode == 0, published.stderr
    # Without asking the index first, which tells uv that the file is there.
    assert (again := uv_publish(task, file, check=False)).returncode == 0, again.stderr
    file.write_bytes(wheel("clientdemo", "1.0", b"other")[1])
    assert "already exists" in (again := uv_publish(task, file, check=False)).stdout + again.stderr
    assert (task.directory / NAME).read_bytes() == CONTENT
    assert uv_publish(task, tmp_path / wheel("other", "1.0")[0]).returncode != 0

    def install(target: str, *options: str) -> subprocess.CompletedProcess[str]:
        return run(
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "--no-config",
            "--target",
            tmp_path / target,
            "--cache-dir",
            tmp_path / "cache",
            "--index-url",
            f"{task.with_credentials(READER)}/simple/",
            *options,
            "clientdemo",
        )

    first = install("first")
    assert first.returncode == 0, first.stderr
    assert any(entry["path"] == f"/packages/{NAME}.metadata" for entry in task.access_log())
    os.utime(task.directory / NAME, (1_700_000_000,) * 2)
    newer = tmp_path / wheel("clientdemo", "2.0")[0]
    newer.write_bytes(wheel("clientdemo", "2.0")[1])
    assert uv_publish(task, newer).returncode == 0
    assert "clientdemo==2.0" in install("second").stderr
    assert "clientdemo==1.0" in install("third", "--exclude-newer", "2024-01-01").stderr


def test_poetry_publishes(task: Task, tmp_path: Path) -> None:
    pytest.importorskip("poetry")
    project = tmp_path / "project"
    (project / "dist").mkdir(parents=True)
    name, content = wheel("poetrydemo", "1.0")
    (project / "dist" / name).write_bytes(content)
    (project / "pyproject.toml").write_text(
        '[project]\nname = "poetrydemo"\nversion = "1.0"\n[tool.poetry]\npackages = []\n'
    )
    published = run(
        sys.executable,
        "-m",
        "poetry",
        "publish",
        "-r",
        "ours",
        "-u",
        PUBLISHER[0],
        "-p",
        PUBLISHER[1],
        "-n",
        cwd=project,
        POETRY_REPOSITORIES_OURS_URL=f"{task.url}/",
    )
    assert published.returncode == 0, published.stdout + published.stderr
    assert (task.directory / name).read_bytes() == content
