"""Whether the package directory can be read, answered in bounded time."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from pathlib import Path

from .http import Response, plain

PROBE_SECONDS = 2.0


class Health:
    """Probes in one thread of its own: a system call on a stuck NFS mount never returns."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._prober = ThreadPoolExecutor(max_workers=1)
        self._probe: Future[None] | None = None

    def respond(self) -> Response:
        if self._probe is None or self._probe.done():
            self._probe = self._prober.submit(_read_one_entry, self._directory)
        try:
            self._probe.result(PROBE_SECONDS)
        except TimeoutError:
            return plain(503, "The package directory does not answer.\n")
        except OSError as error:
            return plain(503, f"The package directory cannot be read: {error.strerror}.\n")
        return plain(200, "Ok")


def _read_one_entry(directory: Path) -> None:
    with os.scandir(directory) as entries:
        next(entries, None)
