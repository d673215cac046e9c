"""The memory of answers that clients have not taken yet, of one process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from server.wire.connection import Connection


class Unsent:
    """Bytes that many wait for are counted once: pages are shared."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        # The longest-waiting first.
        self._held: dict[Connection, bytes] = {}
        self._holders: dict[int, int] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def hold(self, connection: Connection, content: bytes) -> None:
        with self._lock:
            previous = self._held.get(connection)
            if previous is content:
                return
            if previous is not None:
                self._release(previous)
            self._held[connection] = content
            self._holders[id(content)] = self._holders.get(id(content), 0) + 1
            if self._holders[id(content)] == 1:
                self._bytes += len(content)

    def forget(self, connection: Connection) -> None:
        # Nearly all answers are taken at once. Only the thread that has the connection may hold anything for it.
        if connection not in self._held:
            return
        with self._lock:
            content = self._held.pop(connection, None)
            if content is not None:
                self._release(content)

    def excess(self) -> Iterator[Connection]:
        """Those that have waited longest, until the rest holds no more than the limit."""
        with self._lock:
            held, holders, left = list(self._held.items()), dict(self._holders), self._bytes
        for connection, content in held:
            if left <= self._limit_bytes:
                return
            yield connection
            holders[id(content)] -= 1
            if not holders[id(content)]:
                left -= len(content)

    def _release(self, content: bytes) -> None:
        self._holders[id(content)] -= 1
        if not self._holders[id(content)]:
            del self._holders[id(content)]
            self._bytes -= len(content)
