"""Tasks on loopback."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from .faults import Fault
from .libraries import kept
from .tasks import PROGRAM, Task

# The pinned pypiserver on the oldest engine that is supported, and the newest of everything.
IMAGES = {
    "v2.4.2": ["pypiserver==2.4.2", "gunicorn==22.0.0"],
    "newest": ["pypiserver", "gunicorn"],
}
# The images' own versions of Python, taken where they are installed; other environments have that of the tests.
INTERPRETERS = {"v2.4.1": "python3.10", "v2.4.2": "python3.14", "newest": "python3.14"}

StartTask = Callable[..., Task]


def python_with(name: str, requirements: list[str]) -> Path:
    """The interpreter of a virtual environment with just these packages, made on first use."""
    home = kept() / name
    python = home / "bin" / "python"
    with Path(f"{home}.lock").open("w") as lock:
        # Workers of one test run want it at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            interpreter = INTERPRETERS.get(name, sys.executable)
            found = shutil.which(interpreter) and subprocess.run([interpreter, "-c", ""], check=False).returncode == 0
            uv = [sys.executable, "-m", "uv"]
            chosen = interpreter if found else sys.executable
            subprocess.run([*uv, "venv", "-q", "--clear", "--no-python-downloads", "-p", chosen, home], check=True)
            subprocess.run([*uv, "pip", "install", "-q", "-p", python, *requirements], check=True)
            (home / "complete").touch()
    return python


@pytest.fixture(scope="session", params=["v2.4.2", pytest.param("newest", marks=pytest.mark.slow)])
def image(request: pytest.FixtureRequest) -> Path:
    """The interpreter of one image's set of packages."""
    return python_with(request.param, IMAGES[request.param])


@pytest.fixture(scope="session")
def newest_image() -> Path:
    return python_with("newest", IMAGES["newest"])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "packages"
    path.mkdir()
    return path


@pytest.fixture
def start(image: Path, tmp_path: Path) -> Iterator[StartTask]:
    """`start(directory, **environment)`: a running task; all are stopped afterwards."""
    yield from _starter(image, tmp_path)


@pytest.fixture
def start_newest(newest_image: Path, tmp_path: Path) -> Iterator[StartTask]:
    """As `start`, for behaviour that does not depend on the image."""
    yield from _starter(newest_image, tmp_path)


@pytest.fixture(scope="module")
def shared(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    """One task for the tests that leave it as it was or use names of their own."""
    home = tmp_path_factory.mktemp("shared")
    (home / "packages").mkdir()
    task = Task(image, home / "packages", home / "task", {})
    task.wait_until_ready()
    yield task
    task.kill()


def _starter(python: Path, tmp_path: Path) -> Iterator[StartTask]:
    tasks: list[Task] = []

    def start(directory: Path, wrapper: str = "", command: Sequence[str] = PROGRAM, **environment: str) -> Task:
        task = Task(python, directory, tmp_path / f"task{len(tasks)}", environment, wrapper, command)
        tasks.append(task)
        task.wait_until_ready()
        return task

    yield start
    for task in tasks:
        task.kill()


@pytest.fixture
def fault(start_newest: StartTask, directory: Path, tmp_path: Path) -> Fault:
    return Fault(start_newest, directory, tmp_path)


@pytest.fixture
def mutable(start_newest: StartTask, directory: Path, tmp_path: Path) -> Fault:
    return Fault(start_newest, directory, tmp_path, IMMUTABLE_PACKAGES="false")
