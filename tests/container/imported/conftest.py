"""Other indexes to import from, and the command that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from generator.commands import main

from ..conftest import StartTask
from ..tasks import PUBLISHER, Task
from .sources import Scripted

Import = Callable[..., int]


@pytest.fixture
def target(start_newest: StartTask, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Our server, without packages; the publisher's credentials are in the environment."""
    monkeypatch.setenv("TWINE_USERNAME", PUBLISHER[0])
    monkeypatch.setenv("TWINE_PASSWORD", PUBLISHER[1])
    # Nobody's own .netrc.
    monkeypatch.setenv("NETRC", "/nonexistent")
    return start_newest(directory)


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
