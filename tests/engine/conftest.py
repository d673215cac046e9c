"""The templates as they are committed, and an engine for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from engine import Engine, Templates, engine
from moto_bridge import Loader

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def committed() -> Templates:
    return {path.name: yaml.load(path.read_text(), Loader) for path in (ROOT / "templates").glob("*.yaml")}


@pytest.fixture(scope="session")
def released() -> dict[str, Templates]:
    """The templates of every release, by its version."""
    found = {}
    for path in sorted((ROOT / "tests/releases").glob("*.zip")):
        with ZipFile(path) as files:
            found[path.stem] = {name: yaml.load(files.read(name), Loader) for name in files.namelist()}
    return found


@pytest.fixture(scope="session")
def running(
    committed: Templates, released: dict[str, Templates], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    everything = [template for it in (committed, *released.values()) for template in it.values()]
    with engine(tmp_path_factory.mktemp("engine"), everything) as started:
        yield started


@pytest.fixture
def account(running: Engine) -> Engine:
    """With nothing in it."""
    running.forget()
    return running
