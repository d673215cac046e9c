"""Clients of an index, against a task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..forking import run as forked
from .tasks import PUBLISHER, READER, Task

ENVIRONMENT = {"PATH": os.defpath, "HOME": os.environ.get("HOME", "/"), "PIP_CONFIG_FILE": os.devnull}


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env={**ENVIRONMENT, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def twine(task: Task, *files: Path, account: tuple[str, str] = PUBLISHER) -> subprocess.CompletedProcess[str]:
    words = ["upload", "--non-interactive", "--disable-progress-bar", "--verbose", "--repository-url", task.url]
    return forked("twine", [*words, "-u", account[0], "-p", account[1], *map(str, files)], ENVIRONMENT, Path.cwd())


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
    words = ["install", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--target", str(target)]
    index = f"{task.with_credentials(account)}/simple/"
    return forked("pip", [*words, "--index-url", index, "-r", str(requirements)], ENVIRONMENT, Path.cwd())
