"""Two tasks on one directory, or on mounts of it that behave like two hosts'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..mounts import missing, mounts
from .world import World


@pytest.fixture(params=[True, False], ids=["immutable", "mutable"])
def immutable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(
    params=[
        pytest.param(False, id="local"),
        pytest.param(True, id="network", marks=pytest.mark.skipif(bool(missing()), reason=missing())),
    ]
)
def world(
    request: pytest.FixtureRequest, newest_image: Path, directory: Path, tmp_path: Path, immutable: bool
) -> Iterator[World]:
    with ExitStack() as stack:
        # Else what is replaced may be absent for a moment: docs/server.md, Limits.
        network = mounts(directory, tmp_path, IN_ONE_STEP="1")
        paths = stack.enter_context(network) if request.param else [directory, directory]
        yield stack.enter_context(World(newest_image, paths, tmp_path, immutable=immutable))
