"""What a process does beside answering requests."""

from __future__ import annotations

import contextlib
import logging
import time

from .backend import IndexedBackend
from .changes import DIRECTORY
from .entries import HIDDEN, STAGING
from .staging import sweep
from .stamps import TICK_SECONDS

log = logging.getLogger("gunicorn.error")

REFRESH_SECONDS = 10.0
SWEEP_SECONDS = 3600.0


def keep_up(backend: IndexedBackend) -> None:
    """Read the package directory at once, and stay abreast of it; meant for a daemon thread."""
    swept = float("-inf")
    while True:
        try:
            backend.index.refresh()
            backend.index.verify()
            if backend.index.ready and time.monotonic() - swept > SWEEP_SECONDS:
                swept = time.monotonic()
                _sweep(backend)
        except OSError as error:
            log.error("The package directory cannot be read: %s", error)
            time.sleep(REFRESH_SECONDS)
        except Exception:
            # The thread must not end: a task that never becomes ready says nothing else.
            log.exception("The package directory could not be read.")
            time.sleep(REFRESH_SECONDS)
        time.sleep(REFRESH_SECONDS if backend.index.ready else TICK_SECONDS)


def _sweep(backend: IndexedBackend) -> None:
    root = backend.index.root
    for name in (STAGING, DIRECTORY):
        with contextlib.suppress(FileNotFoundError):
            sweep(root / HIDDEN / name)
    if backend.index.leftovers:
        sweep(root, backend.index.leftovers)
    backend.details.sweep(backend.index.projects())
