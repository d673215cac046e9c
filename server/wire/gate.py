"""How many connections may do one kind of work at once; the others wait in turn, and no thread with them."""

from __future__ import annotations

import threading
from collections import deque

from server.wire.connection import Connection


class Gate:
    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[Connection] = deque()
        self._lock = threading.Lock()

    def enter(self, connection: Connection) -> bool:
        """Whether there is a place; if not, some `leave` returns the connection."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(connection)
            return False

    def leave(self) -> Connection | None:
        """The connection that has the place from now on."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._free += 1
            return None
