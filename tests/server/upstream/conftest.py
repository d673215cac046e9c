"""Tasks with an index outside, which is on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conftest import StartTask
from ..tasks import Task
from .playing import CONTENT, NAME, Index, World, certificate_below, environment

StartUpstream = Callable[..., Task]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate_below(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def pypi(certificate: tuple[Path, Path]) -> Iterator[Index]:
    index = Index(certificate)
    yield index
    index.stop()


@pytest.fixture
def world(pypi: Index, tmp_path: Path) -> World:
    return World(tmp_path / "outside", pypi.port)


@pytest.fixture
def start_upstream(start_newest: StartTask, world: World, certificate: tuple[Path, Path]) -> StartUpstream:
    """`start_upstream(directory, **environment)`: a task that takes from the index what it does not have."""

    def start(directory: Path, **settings: str) -> Task:
        return start_newest(directory, **{**environment(world, certificate[0]), **settings})

    return start


@pytest.fixture
def outer(pypi: Index) -> str:
    return pypi.add("outer", NAME, CONTENT)
