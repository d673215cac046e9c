"""Whether listings can be served, answered in bounded time."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError

from server.store.index import Index
from server.wire.messages import Response, plain

PROBE_SECONDS = 2.0


class Health:
    """Probes in its own thread: a system call on a stuck NFS mount never returns."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._prober = ThreadPoolExecutor(max_workers=1)
        self._probe: Future[None] | None = None

    def respond(self) -> Response:
        if self._probe is None or self._probe.done():
            self._probe = self._prober.submit(self._read)
        try:
            self._probe.result(PROBE_SECONDS)
        except TimeoutError:
            return plain(503, "The package directory does not answer.\n")
        except OSError as error:
            return plain(503, f"The package directory cannot be read: {error.strerror}.\n")
        if not self._index.ready:
            return plain(503, "The package directory is being read for the first time.\n")
        return plain(200, "Ok")

    def _read(self) -> None:
        """Raises OSError."""
        with os.scandir(self._index.root) as entries:
            next(entries, None)
        if self._index.failed:
            # It may be over.
            self._index.refresh()
