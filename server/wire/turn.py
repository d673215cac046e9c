"""Whose turn it is to take the next event: one thread's, as threads that run at once only wait for the interpreter."""

from __future__ import annotations

import math
import threading
import time

# A step that takes longer until the storage answers may have waited for it; so many in a row have: a processor that is
# shared, or wakes up, makes about ten in a row long, and passing the turn on then costs a fifth more for nothing.
QUICK_SECONDS = 0.0003
SLOW_STEPS = 16
# After those, the turn is passed on before each step for this long.
SLOW_SECONDS = 1.0
# A thread that does not end its step for this long loses the turn.
STEP_SECONDS = 0.02


class Turn:
    """A thread that has the turn keeps it from step to step.

    It passes the turn on before a step that may wait. If the storage answers at once, passing on would cost more than
    the step, so the turn is kept until steps take long. `watch` bounds what that costs the others.
    """

    def __init__(self) -> None:
        self._free = threading.Lock()
        self._mutex = threading.Lock()
        self._holder: int | None = None
        self._began = math.inf
        self._slow_steps = 0
        self._slow_until = -math.inf

    def take(self) -> None:
        """The calling thread has no step: wait for the turn, unless it still has it."""
        me = threading.get_ident()
        if self._holder != me:
            self._free.acquire()
            self._holder = me
        self._began = math.inf

    def begin(self) -> None:
        """The calling thread starts a step."""
        if self._holder == threading.get_ident():
            self._began = time.monotonic()

    def ask_storage(self) -> None:
        """The calling thread's step is about to ask the storage."""
        if self._began < self._slow_until:
            self.pass_on()

    def storage_answered(self) -> None:
        """The rest of the calling thread's step sends the answer, which may also take long."""
        if self._holder == threading.get_ident():
            now = time.monotonic()
            self._slow_steps = self._slow_steps + 1 if now - self._began > QUICK_SECONDS else 0
            if self._slow_steps == SLOW_STEPS:
                self._slow_steps, self._slow_until = 0, now + SLOW_SECONDS
            self._began = now

    def pass_on(self) -> None:
        """Give the turn to another thread, if the calling thread has it."""
        self._pass_on(threading.get_ident())

    def _pass_on(self, holder: int | None) -> None:
        with self._mutex:
            if holder is not None and self._holder == holder:
                self._holder, self._began = None, math.inf
                self._free.release()

    def watch(self) -> None:
        """Pass on the turn of any thread that keeps it too long; for a daemon thread."""
        while True:
            time.sleep(STEP_SECONDS)
            holder, began, now = self._holder, self._began, time.monotonic()
            if now - began > STEP_SECONDS:
                self._slow_until = now + SLOW_SECONDS
                self._pass_on(holder)
