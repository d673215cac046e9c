"""Two tasks of two processes are one index: whatever is done at either, or beside them, every one tells of it at once."""

from __future__ import annotations

import math
import time
from contextlib import suppress

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from .days import Days, UpstreamDays
from .machine import Over
from .trusted import Trusted
from .world import SECONDS, World

pytestmark = pytest.mark.slow


def test_two_tasks_are_like_the_model(world: World) -> None:
    """A few examples that are always the same; others, for MODEL_SECONDS, by `make model`."""
    settings = hypothesis.settings(
        # Of few, half do next to nothing.
        max_examples=200 if SECONDS else 4,
        stateful_step_count=30 if SECONDS else 10,
        derandomize=not SECONDS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # To make an example shorter takes minutes of a test run.
        phases=list(Phase) if SECONDS else [Phase.generate],
    )
    machines = [Days, UpstreamDays, Trusted]
    for machine in machines:
        ends = time.monotonic() + SECONDS / len(machines) if SECONDS else math.inf
        with suppress(Over):
            run_state_machine_as_test(type("Machine", (machine,), {"world": world, "ends": ends}), settings=settings)
