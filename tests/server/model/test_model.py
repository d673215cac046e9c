"""Two tasks of two processes are one index: whatever is done at either, or beside them, every one tells of it at once."""

from __future__ import annotations

import time

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from .days import WithDays
from .trusted import WithTokens
from .world import SECONDS, World

pytestmark = pytest.mark.slow


def test_two_tasks_are_like_the_model(world: World) -> None:
    """A few examples that are always the same; others, for MODEL_SECONDS, by `make model`."""
    machines = [type("Machine", (it,), {"world": world}) for it in (WithDays, WithTokens)]
    settings = hypothesis.settings(
        max_examples=5,
        stateful_step_count=30 if SECONDS else 16,
        derandomize=not SECONDS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # To make an example shorter takes minutes of a test run.
        phases=list(Phase) if SECONDS else [Phase.generate],
    )
    began = time.monotonic()
    while True:
        for machine in machines:
            run_state_machine_as_test(machine, settings=settings)
        if time.monotonic() - began >= SECONDS:
            break
