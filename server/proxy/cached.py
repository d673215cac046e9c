"""Upstream files on the disk, each named by its SHA-256: fetched once, checked, and removed when nobody uses them."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from server.distributions.digests import is_sha256
from server.proxy.sides import UPSTREAM
from server.store.entries import READ_FLAGS, open_hidden_file
from server.store.hidden import hidden
from server.store.staging import STALE_SECONDS, Staged
from server.wire.outbound import Outbound, Untrue

log = logging.getLogger("gunicorn.error")

FILES = "files"
# Whoever fetches a file creates one of its name here, and touches it.
FETCHING = "fetching"
PAGES = "pages"
TOUCH_SECONDS = 5.0
# A fetch that has not touched it for this long is over.
SILENT_SECONDS = 60.0
POLL_SECONDS = 0.2
# In addition, a file must arrive at this pace.
LEAST_SECONDS = 60.0
LEAST_BYTES_PER_SECOND = 1 << 19
# A file's mtime is its last use, to within a day: no request writes.
USE_SECONDS = 86400.0
UNUSED_SECONDS = 90 * 86400.0


class Files:
    """`limit_bytes` bounds what remains after `evict`. Methods raise OSError if the storage fails."""

    def __init__(self, root: Path, outbound: Outbound, limit_bytes: int) -> None:
        self._root = root
        self._outbound = outbound
        self._limit_bytes = limit_bytes

    def open(self, sha256: str) -> IO[bytes] | None:
        try:
            file = open_hidden_file(str(self._root), UPSTREAM, FILES, sha256)
        except FileNotFoundError:
            return None
        if abs(time.time() - os.fstat(file.fileno()).st_mtime) > USE_SECONDS:
            os.utime(file.fileno())
        return file

    def fetch(self, sha256: str, url: str, size: int | None, limit: int, check: Callable[[], None]) -> None:
        """Make the file available here; it is of `size` bytes if that is known, and at most of `limit`.

        Of all tasks that are asked, one fetches it, after a `check`, which may raise. Raises Unreachable.
        """
        while not self._is_here(sha256):
            with hidden(self._root, UPSTREAM, FETCHING, make=True) as fetching:
                try:
                    os.close(os.open(sha256, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, dir_fd=fetching))
                except FileExistsError:
                    _await(sha256, fetching)
                    continue
                try:
                    check()
                    self._download(sha256, url, size, limit, fetching)
                finally:
                    with suppress(OSError):
                        os.unlink(sha256, dir_fd=fetching)

    def _is_here(self, sha256: str) -> bool:
        file = self.open(sha256)
        if file is not None:
            file.close()
        return file is not None

    def _download(self, sha256: str, url: str, size: int | None, limit: int, fetching: int) -> None:
        staged = Staged(self._root, f"{UPSTREAM}/{FILES}/{sha256}")
        expected = limit if size is None else size
        touched = began = time.monotonic()
        try:
            seconds = LEAST_SECONDS + expected / LEAST_BYTES_PER_SECOND
            with self._outbound.get(url, {}, seconds) as reply:
                if reply.status != 200:
                    raise reply.failure(f"status {reply.status}")
                for chunk in reply.chunks(expected):
                    staged.write(chunk)
                    if time.monotonic() - touched > TOUCH_SECONDS:
                        touched = time.monotonic()
                        with suppress(FileNotFoundError):
                            os.utime(sha256, dir_fd=fetching, follow_symlinks=False)
            if staged.sha256 != sha256 or staged.size != (staged.size if size is None else size):
                raise Untrue(f"{reply.url} is not the file that its project's page names: {staged.sha256}")
            staged.flush()
            # What is there is the same, or cannot be served.
            staged.publish(replace=True)
        finally:
            staged.discard()
        log.info("Fetched %s: %d bytes in %.1f s.", url, staged.size, time.monotonic() - began)

    def evict(self) -> None:
        """Remove files that are long unused, then the least recently used until the others are within the limit.

        If another task removes a file during its transfer, the transfer breaks off, and its client repeats it.
        """
        self._remove(FILES, UNUSED_SECONDS, self._limit_bytes)
        self._remove(FETCHING, STALE_SECONDS, math.inf)
        self._remove(PAGES, UNUSED_SECONDS, math.inf)

    def _remove(self, name: str, seconds: float, limit_bytes: float) -> None:
        """Only in this directory, and only names that this program gives, which no package has."""
        with suppress(FileNotFoundError), hidden(self._root, UPSTREAM, name) as directory:
            # The file server's clock is at least at the directory's last change.
            now = max(time.time(), os.fstat(directory).st_ctime)
            files: list[tuple[float, int, str]] = []
            with os.scandir(directory) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if is_sha256(entry.name):
                            status = entry.stat(follow_symlinks=False)
                            files.append((status.st_mtime, status.st_size, entry.name))
            left = sum(size for _, size, _ in files)
            for used, size, file in sorted(files):
                if left <= limit_bytes and now - used <= seconds:
                    break
                left -= size
                with suppress(OSError):
                    os.unlink(file, dir_fd=directory)


def _await(lock: str, fetching: int) -> None:
    """Until the fetching task is done, or seems dead: then the lock is removed. Raises OSError."""
    seen, since = _touched(lock, fetching), time.monotonic()
    while seen is not None:
        time.sleep(POLL_SECONDS)
        now = _touched(lock, fetching)
        if now != seen:
            # Another time means another fetch.
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > SILENT_SECONDS:
            with suppress(FileNotFoundError):
                os.unlink(lock, dir_fd=fetching)
            return


def _touched(lock: str, fetching: int) -> tuple[int, int] | None:
    """The lock's time at the file server, which opening asks for; None if it is gone."""
    try:
        descriptor = os.open(lock, READ_FLAGS, dir_fd=fetching)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        return status.st_ino, status.st_mtime_ns
    finally:
        os.close(descriptor)
