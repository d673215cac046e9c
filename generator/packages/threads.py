"""Several things at once, in limited number."""

from __future__ import annotations

import _thread
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from generator.packages.simple import SimpleIndex

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE = 4
"""Pages read, and files in transfer: each of these is in a temporary file meanwhile."""
_AWAKE_SECONDS = 0.5


def at_once(call: Callable[[T], U], items: Iterable[T], indexes: Sequence[SimpleIndex]) -> Iterator[tuple[T, U]]:
    """Each item with the result of ``call``, as they are done; on any exception the others end soon."""
    # No pool, and nobody waits for a thread, its start or a future: Ctrl-C in the midst of that leaves a lock taken for ever.
    waiting: SimpleQueue[tuple[T] | None] = SimpleQueue()
    done: SimpleQueue[tuple[T, Future[U]]] = SimpleQueue()

    def work() -> None:
        while given := waiting.get():
            result: Future[U] = Future()
            try:
                result.set_result(call(*given))
            except BaseException as error:
                result.set_exception(error)
            done.put((*given, result))

    def following() -> tuple[T, U]:
        # Python forgets to wake whoever begins to wait just when Ctrl-C comes.
        while True:
            with suppress(Empty):
                item, result = done.get(timeout=_AWAKE_SECONDS)
                return item, result.result()

    under_way = 0
    try:
        for _ in range(AT_ONCE):
            _thread.start_new_thread(work, ())
        for item in items:
            waiting.put((item,))
            under_way += 1
            if under_way > AT_ONCE:
                yield following()
                under_way -= 1
        for _ in range(under_way):
            yield following()
    except BaseException:
        for index in indexes:
            index.stop()
        raise
    finally:
        for _ in range(AT_ONCE):
            waiting.put(None)
