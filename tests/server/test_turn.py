"""When one of the server's threads lets another take requests."""

from __future__ import annotations

import threading
import time

import pytest

from server.wire import turn


@pytest.mark.parametrize(
    ("storage", "client", "is_passed_on"),
    [pytest.param(0.3, 0.0, True, id="slow storage"), pytest.param(0.0, 0.3, False, id="long answers")],
)
def test_the_turn_is_passed_on_before_a_slow_storage_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, storage: float, client: float, is_passed_on: bool
) -> None:
    """To send a megabyte takes as long as an answer of a network's; to change threads for it costs more than it gives."""
    monkeypatch.setattr(turn, "QUICK_SECONDS", 0.1)
    monkeypatch.setattr(turn, "SLOW_STEPS", 3)
    mine = turn.Turn()
    for _ in range(turn.SLOW_STEPS):
        mine.take()
        mine.begin()
        mine.ask_storage()
        time.sleep(storage)
        mine.storage_answered()
        time.sleep(client)
    mine.take()
    mine.begin()
    mine.ask_storage()
    other = threading.Thread(target=mine.take, daemon=True)
    other.start()
    other.join(0.5)
    assert other.is_alive() is not is_passed_on


def test_a_busy_processor_is_no_slow_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program has it, about ten steps in a row take long."""
    monkeypatch.setattr(turn, "QUICK_SECONDS", 0.0)
    mine = turn.Turn()
    for _ in range(10):
        mine.take()
        mine.begin()
        mine.ask_storage()
        mine.storage_answered()
    other = threading.Thread(target=mine.take, daemon=True)
    other.start()
    mine.begin()
    mine.ask_storage()
    other.join(0.5)
    assert other.is_alive()
