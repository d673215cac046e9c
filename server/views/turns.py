"""Pages that take long to make, or much memory: made one at a time in each process, for accounts in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from server.views.listings import PATIENCE_SECONDS
from server.wire.calls import TakesLong
from server.wire.messages import Environ, Response, Work

# Of projects with thousands of files, or a long description, each has megabytes.
KEPT_BYTES = 16 << 20


class Sized(Protocol):
    @property
    def size(self) -> int:
        """In bytes."""


Made = TypeVar("Made", bound=Sized)


class Last(Generic[Made]):
    """What was made last, for others who want the same. For calls `in_turn` only: one thread at a time uses it."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[object, Made]] = {}

    def get(self, key: Hashable, source: object, make: Callable[[], Made]) -> Made:
        """The result of `make`, now or earlier from this very `source`."""
        made_from, made = self._made.pop(key, (None, None))
        if made is None or made_from is not source:
            made = make()
        self._made[key] = source, made
        while sum(it.size for _, it in self._made.values()) > KEPT_BYTES:
            del self._made[next(iter(self._made))]
        return made


def in_turn(environ: Environ, make: Callable[[], Response]) -> Work:
    """The result of `make`, or what it raises; TakesLong if its turn comes too late for who asked."""

    def call() -> Response:
        if time.monotonic() > environ["server.arrived"] + PATIENCE_SECONDS:
            raise TakesLong("nobody waits for it any longer")
        return make()

    return Work("page", call, environ["REMOTE_USER"])
