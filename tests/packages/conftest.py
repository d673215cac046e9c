"""Other indexes to import from, and the command that does it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from generator.commands import main

from ..server.conftest import newest_image, start_newest
from ..server.tasks import PUBLISHER, Task
from .sources import Scripted

__all__ = ["newest_image", "start_newest"]

Import = Callable[..., int]


@pytest.fixture(scope="module")
def server(newest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    home = tmp_path_factory.mktemp("target")
    (home / "packages").mkdir()
    task = Task(newest_image, home / "packages", home / "task", {})
    task.wait_until_ready()
    yield task
    task.kill()


@pytest.fixture
def directory(server: Task) -> Path:
    """The target's, empty."""
    for path in server.directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return server.directory


@pytest.fixture
def target(server: Task, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Our server, without packages; the publisher's credentials are in the environment."""
    monkeypatch.setenv("TWINE_USERNAME", PUBLISHER[0])
    monkeypatch.setenv("TWINE_PASSWORD", PUBLISHER[1])
    # Nobody's own .netrc.
    monkeypatch.setenv("NETRC", "/nonexistent")
    return server


@pytest.fixture
def bring(target: Task) -> Import:
    """``bring(URL, words)``: the command's exit code, with ``target`` as the target."""
    return lambda source, *words: main(["import", source, *words, "--to", target.url, "--yes"])


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with Scripted() as source:
        yield source


@pytest.fixture
def elsewhere() -> Iterator[Scripted]:
    """Another origin."""
    with ExitStack() as stack:
        yield stack.enter_context(Scripted())
