"""What tests of the commands share: an account of this module's own, and a stack in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint  # type: ignore[import-untyped] # botocore has no types
import pytest
from emulator import emulator, environment
from moto.secretsmanager.models import SecretsManagerBackend
from stacks import Parameters, deploy_once, physical_ids

from generator.operations import watch


@pytest.fixture(scope="module", autouse=True)
def nothing_is_waited_for() -> Iterator[None]:
    """An operation of the emulator has ended when its request is answered: who waits for it would wait for ever."""

    def sleep(_seconds: float) -> None:
        pytest.fail("watches an operation of which it does not see the end")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "time", SimpleNamespace(sleep=sleep))
        # botocore backs off before it repeats a request.
        patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None))
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture
def here(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, from which the commands reach the server."""
    for name, value in environment(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def stack(server: str, directory: Path, **settings: str) -> Iterator[Parameters]:
    """The stack ``pypi``, which the commands reach from ``directory``."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server, directory).items():
            patch.setenv(name, value)
        patch.chdir(directory)
        yield deploy_once(**settings)


@pytest.fixture(scope="module")
def deployed(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parameters]:
    """The stack ``pypi`` as it is after its creation; its parameters."""
    with stack(server, tmp_path_factory.mktemp("deployed")) as values:
        yield values


@pytest.fixture(scope="module")
def with_tokens(server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Physical IDs of the stack ``pypi``, which has tokens."""
    with stack(server, tmp_path_factory.mktemp("with-tokens"), Tokens="true"):
        return physical_ids()


@pytest.fixture
def labels_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto goes on to take the version that was the current one first for the current one."""
    move = SecretsManagerBackend.update_secret_version_stage

    def remembered(self: Any, secret_id: str, version_stage: str, **versions: Any) -> Any:
        moved = move(self, secret_id, version_stage, **versions)
        if version_stage == "AWSCURRENT":
            self.secrets[secret_id].default_version_id = versions["move_to_version_id"]
        return moved

    monkeypatch.setattr(SecretsManagerBackend, "update_secret_version_stage", remembered)
