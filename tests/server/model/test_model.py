"""Two tasks of two processes are one index: whatever is done at either, or beside them, every one tells of it at once."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from ..mounts import missing, mounts
from ..tasks import Task
from .machine import WORKERS, Model, World

SECONDS = float(os.environ.get("MODEL_SECONDS", "0"))
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("immutable", [True, False], ids=["immutable", "mutable"])
@pytest.mark.parametrize(
    "network",
    [
        pytest.param(False, id="local"),
        pytest.param(True, id="network", marks=pytest.mark.skipif(bool(missing()), reason=missing())),
    ],
)
def test_two_tasks_are_like_the_model(
    newest_image: Path, directory: Path, tmp_path: Path, immutable: bool, network: bool
) -> None:
    """A few examples that are always the same; others, for MODEL_SECONDS, by `make model`."""
    homes = itertools.count()
    with ExitStack() as stack:

        def start(_: int, path: Path) -> Task:
            environment = {"GUNICORN_WORKERS": str(WORKERS), "IMMUTABLE_PACKAGES": str(immutable).lower()}
            task = Task(newest_image, path, tmp_path / f"task{next(homes)}", environment)
            stack.callback(task.kill)
            task.wait_until_ready()
            return task

        paths = stack.enter_context(mounts(directory, tmp_path)) if network else [directory, directory]
        world = World(paths, start, immutable=immutable)
        machine = type("Machine", (Model,), {"world": world})
        settings = hypothesis.settings(
            max_examples=8,
            stateful_step_count=16,
            derandomize=not SECONDS,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # To make an example shorter takes minutes of a test run.
            phases=list(Phase) if SECONDS else [Phase.generate],
        )
        began = time.monotonic()
        while True:
            run_state_machine_as_test(machine, settings=settings)
            if time.monotonic() - began >= SECONDS:
                break
