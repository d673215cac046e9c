"""What a process does besides answering requests."""

from __future__ import annotations

import contextlib
import logging
import time

from server.store.changes import DIRECTORY
from server.store.hidden import HIDDEN, STAGING, hidden
from server.store.packages import Packages
from server.store.spent import SPENT
from server.store.staging import sweep
from server.store.stamps import TICK_SECONDS

log = logging.getLogger("gunicorn.error")

REFRESH_SECONDS = 10.0
SWEEP_SECONDS = 3600.0


def keep_up(packages: Packages) -> None:
    """Read the package directory at once, and keep up with it; for a daemon thread."""
    swept = float("-inf")
    while True:
        try:
            packages.index.refresh()
            packages.index.verify()
            if packages.index.ready and time.monotonic() - swept > SWEEP_SECONDS:
                swept = time.monotonic()
                _sweep(packages)
        except OSError as error:
            log.error("The package directory cannot be read: %s", error)
            time.sleep(REFRESH_SECONDS)
        except Exception:
            # The thread must not end: nothing else reports a task that never becomes ready.
            log.exception("The package directory could not be read.")
            time.sleep(REFRESH_SECONDS)
        time.sleep(REFRESH_SECONDS if packages.index.ready else TICK_SECONDS)


def _sweep(packages: Packages) -> None:
    root = packages.index.root
    for name in (STAGING, DIRECTORY, SPENT):
        with contextlib.suppress(FileNotFoundError), hidden(root, HIDDEN, name) as directory:
            sweep(directory)
    if packages.index.leftovers:
        with hidden(root) as directory:
            sweep(directory, packages.index.leftovers)
    packages.details.sweep(packages.index.projects())
