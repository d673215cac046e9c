"""Several things at once, in limited number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from generator.packages.simple import SimpleIndex

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE = 4
"""Pages read, and files in transfer: each of these is in a temporary file meanwhile."""


def at_once(call: Callable[[T], U], items: Iterable[T], indexes: Sequence[SimpleIndex]) -> Iterator[tuple[T, U]]:
    """Each item with the result of ``call``, as they are done; on any exception the others end soon."""
    pool = ThreadPoolExecutor(AT_ONCE)
    waiting: dict[Future[U], T] = {}
    try:
        for item in items:
            waiting[pool.submit(call, item)] = item
            if len(waiting) > AT_ONCE:
                yield from _next(waiting)
        while waiting:
            yield from _next(waiting)
    except BaseException:
        for index in indexes:
            index.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _next(waiting: dict[Future[U], T]) -> Iterator[tuple[T, U]]:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        item = waiting.pop(future)
        yield item, future.result()
