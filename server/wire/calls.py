"""Slow calls, each made once for all who wait for it, without a thread for any of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress

TICK_SECONDS = 0.5
FAILURES_REMEMBERED = 1000
# Different calls, in progress or waiting for a thread: a client can request any number of names.
CALLS_LIMIT = 1000


class TakesLong(Exception):
    """A call is not done yet, or there are too many."""


class Calls:
    def __init__(self, threads: int, failed_seconds: float = 0.0) -> None:
        """A failed call is not tried again for `failed_seconds`."""
        self._failed_seconds = failed_seconds
        self._pool = ThreadPoolExecutor(threads)
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[None]] = {}
        self._failed: dict[Hashable, tuple[float, BaseException]] = {}
        self._waiting: list[tuple[float, Future[None]]] = []
        threading.Thread(target=self._tick, daemon=True).start()

    def wait(self, key: Hashable, call: Callable[[], None], seconds: float) -> Future[None]:
        """Done when `call`, or another one with the same key, is, with its result. Fails with TakesLong after `seconds`, or at once with too many calls."""
        waiter: Future[None] = Future()
        with self._lock:
            until, error = self._failed.get(key, (0.0, None))
            if error is not None and time.monotonic() < until:
                waiter.set_exception(error)
                return waiter
            call_under_way = self._under_way.get(key)
            if call_under_way is None and len(self._under_way) >= CALLS_LIMIT:
                waiter.set_exception(TakesLong("the server is too busy"))
                return waiter
            if begins := call_under_way is None:
                call_under_way = self._under_way[key] = self._pool.submit(call)
            self._waiting.append((time.monotonic() + seconds, waiter))
        assert call_under_way is not None
        if begins:
            call_under_way.add_done_callback(lambda done: self._over(key, done.exception()))
        call_under_way.add_done_callback(lambda done: _settle(waiter, done.exception()))
        return waiter

    def _over(self, key: Hashable, error: BaseException | None) -> None:
        with self._lock:
            del self._under_way[key]
            self._failed.pop(key, None)
            if error is not None and self._failed_seconds:
                if len(self._failed) >= FAILURES_REMEMBERED:
                    self._failed.clear()
                self._failed[key] = time.monotonic() + self._failed_seconds, error

    def _tick(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            now = time.monotonic()
            with self._lock:
                overdue = [waiter for deadline, waiter in self._waiting if deadline <= now]
                self._waiting = [it for it in self._waiting if it[0] > now and not it[1].done()]
            for waiter in overdue:
                _settle(waiter, TakesLong("it takes long"))


def _settle(waiter: Future[None], error: BaseException | None) -> None:
    # It may be done already: overdue, or just before it would have been.
    with suppress(InvalidStateError):
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
