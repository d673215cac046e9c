"""Clients of an index, against a task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .tasks import PUBLISHER, READER, Task


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env={
            "PATH": os.defpath,
            "HOME": os.environ.get("HOME", "/"),
            "PIP_CONFIG_FILE": os.devnull,
            **environment,
        },
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def twine(task: Task, *files: Path, account: tuple[str, str] = PUBLISHER) -> subprocess.CompletedProcess[str]:
    return run(
        sys.executable,
        "-m",
        "twine",
        "upload",
        "--non-interactive",
        "--disable-progress-bar",
        "--verbose",
        "--repository-url",
        task.url,
        "-u",
        account[0],
        "-p",
        account[1],
        *files,
    )


def uv_publish(task: Task, file: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """With `check`, uv first looks in the listing."""
    address = ["--check-url", f"{task.url}/simple/"] if check else []
    return run(
        sys.executable,
        "-m",
        "uv",
        "publish",
        "--publish-url",
        task.url,
        *address,
        "--username",
        PUBLISHER[0],
        "--password",
        PUBLISHER[1],
        file,
    )


def pip_install(
    task: Task, target: Path, requirement: str, account: tuple[str, str] = READER
) -> subprocess.CompletedProcess[str]:
    requirements = target.with_suffix(".txt")
    requirements.write_text(requirement)
    return run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--no-cache-dir",
        "--target",
        target,
        "--index-url",
        f"{task.with_credentials(account)}/simple/",
        "-r",
        requirements,
    )
