"""Calls that are made once for all who wait: what is kept of those that failed, for how long, and of how many."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from server.wire.calls import TICK_SECONDS, Calls, TakesLong


class Listing: ...


# For how long a failure stands, whether its call is made again and succeeds, and whether it is kept.
STANDING = [(0.0, False, False), (60.0, False, True), (0.01, True, False)]


def test_a_failure_holds_nothing_that_nobody_asks_for_again() -> None:
    left = []
    every = [Calls(1, seconds) for seconds, _, _ in STANDING]

    def fail() -> None:
        listing = Listing()
        left.append(weakref.ref(listing))
        raise ValueError(listing)

    for calls, (seconds, succeeds, _) in zip(every, STANDING, strict=True):
        key = object()
        with pytest.raises(ValueError, match="Listing"):
            calls.wait(key, fail, 10.0).result()
        time.sleep(2 * seconds if succeeds else 0)
        # The pool's thread drops a call when it takes the next, and the clock those that are over.
        calls.wait(key if succeeds else object(), lambda: None, 10.0).result()
    time.sleep(3 * TICK_SECONDS)
    gc.collect(1)  # of all that the tests have imported, none is theirs
    assert [it() is not None for it in left] == [kept for _, _, kept in STANDING]


def test_who_has_waited_long_is_told_so_and_who_has_not_waits_on() -> None:
    calls, proceed = Calls(1), threading.Event()

    def call() -> None:
        proceed.wait()

    short, long = (calls.wait("key", call, seconds) for seconds in (1.5 * TICK_SECONDS, 60.0))
    assert isinstance(short.exception(10.0), TakesLong)
    assert not long.done()
    proceed.set()
    assert long.exception(10.0) is None


@pytest.fixture
def made() -> list[int]:
    return []


@pytest.fixture
def fail(made: list[int]) -> Callable[[int], Callable[[], None]]:
    def failing(key: int) -> Callable[[], None]:
        def call() -> None:
            made.append(key)
            raise ValueError(key)

        return call

    return failing


def test_what_failed_is_not_tried_again_for_a_while_and_each_who_asks_is_told_why(
    made: list[int], fail: Callable[[int], Callable[[], None]]
) -> None:
    calls = Calls(1, 60.0)
    for _ in range(2):
        told = [str(calls.wait(key, fail(key), 10.0).exception(10.0)) for key in range(3)]
        assert told == ["0", "1", "2"]
    assert made == [0, 1, 2]
    assert calls.wait(3, lambda: None, 10.0).exception(10.0) is None


def test_what_failed_is_tried_again_once_that_is_over(
    made: list[int], fail: Callable[[int], Callable[[], None]]
) -> None:
    calls = Calls(1, 0.01)
    for _ in range(2):
        assert str(calls.wait(0, fail(0), 10.0).exception(10.0)) == "0"
        time.sleep(0.02)
    assert made == [0, 0]


def test_of_so_many_failures_and_no_more_it_is_known_that_they_failed(
    fail: Callable[[int], Callable[[], None]],
) -> None:
    """A client can ask for any number of names."""
    calls = Calls(1, 600.0)
    tried_again: list[int] = []
    for key in range(1001):
        calls.wait(key, fail(key), 10.0).exception(10.0)
    for key in range(1001):
        calls.wait(key, partial(tried_again.append, key), 10.0).exception(10.0)
    assert len(tried_again) > 0
    assert 1000 not in tried_again
