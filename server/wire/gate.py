"""How many may do one kind of work at once; the others wait their turn, without a thread.

If accounts share the places, one takes another place only while more are free than it has: whatever it sends, the next
account finds half of what it left.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Gate(Generic[Waiting]):
    def __init__(self, places: int) -> None:
        self._free = places
        # By account; those without are only in `_free`.
        self._taken: dict[str, int] = {}
        # In order of arrival, by account; accounts that wait for nothing are not there.
        self._waiting: dict[str, deque[Waiting]] = {}
        self._lock = threading.Lock()

    def enter(self, waiting: Waiting, account: str = "") -> bool:
        """Whether there is a place; if not, some `leave` returns `waiting`. Without an account it shares with nobody."""
        with self._lock:
            if account not in self._waiting and self._admits(account):
                self._take(account)
                return True
            self._waiting.setdefault(account, deque()).append(waiting)
            return False

    def leave(self, account: str = "") -> Waiting | None:
        """Who has a place from now on, as one of the account's is free."""
        with self._lock:
            self._free += 1
            if account:
                self._taken[account] -= 1
                if not self._taken[account]:
                    # Names of tokens come and go.
                    del self._taken[account]
            for other in self._waiting:
                if self._admits(other):
                    self._take(other)
                    return self._next_of(other)
            return None

    def _admits(self, account: str) -> bool:
        return self._free > self._taken.get(account, 0)

    def _take(self, account: str) -> None:
        self._free -= 1
        if account:
            self._taken[account] = self._taken.get(account, 0) + 1

    def _next_of(self, account: str) -> Waiting:
        """Its others come after those of all waiting accounts."""
        queue = self._waiting.pop(account)
        following = queue.popleft()
        if queue:
            self._waiting[account] = queue
        return following
