"""Whether a directory has changed, judged by the times its file system keeps."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

# A kernel stamps changes at its ticks, at most ten milliseconds apart, however many digits it keeps.
TICK_SECONDS = 0.04
# File systems that keep whole seconds.
COARSE_TICK_SECONDS = 2.0
REACH_CHARACTERS = 1000

OPEN_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_OPEN = partial(os.open, flags=OPEN_FLAGS)

Reached = TypeVar("Reached")


class Stamp(NamedTuple):
    """A directory's: changes with every entry that comes or goes, unless two changes fall into one clock tick."""

    device: int
    inode: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, descriptor: int) -> Stamp:
        status = os.fstat(descriptor)
        return cls(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def tick_seconds(self) -> float:
        """Two changes within this time may leave the same stamp."""
        # A clock that counts in thousandths or coarser leaves zeroes in all its times.
        return TICK_SECONDS if self.ctime_ns % 1_000_000 else COARSE_TICK_SECONDS


def reach(call: Callable[..., Reached], path: str) -> Reached:
    """`call(path)`, with `dir_fd` if the path is too long for the kernel to take at once (PATH_MAX is 4,096 bytes).

    Raises OSError.
    """
    directory: int | None = None
    try:
        # A character has up to four bytes, a name up to 255.
        while len(path) > REACH_CHARACTERS:
            cut = path.rindex("/", 0, REACH_CHARACTERS)
            below = os.open(path[:cut] or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
            if directory is not None:
                os.close(directory)
            path, directory = path[cut + 1 :], below
        return call(path, dir_fd=directory)
    finally:
        if directory is not None:
            os.close(directory)


def open_directory(path: str) -> int:
    """A descriptor whose stamp is the file server's, not a cached one. Raises OSError."""
    # With a slash at its end, the path may be a link: O_NOFOLLOW looks at the last name only.
    # NFS asks the server for a directory's attributes when it is opened; a plain stat may be a minute old.
    return reach(_OPEN, path)


def flush_directory(path: str) -> None:
    """Flush the names in a directory to stable storage. `path` is as for `open_directory`. Raises OSError."""
    descriptor = open_directory(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Watch:
    """One directory's stamp, and whether what was read under it can still be trusted."""

    def __init__(self) -> None:
        self.stamp: Stamp | None = None
        # Whether the last reading started a clock tick or more after its stamp was first seen. A later change then has
        # another stamp, so the same stamp means the same entries.
        self.trusted = False
        self._first_seen = 0.0

    def settled(self, stamp: Stamp) -> bool:
        return self.trusted and stamp == self.stamp

    def saw(self, stamp: Stamp, now: float) -> None:
        """To be called before a reading that starts `now`, on this host's monotonic clock."""
        if stamp != self.stamp:
            self.stamp, self._first_seen, self.trusted = stamp, now, False

    def was_read(self, began: float) -> None:
        """To be called after a reading; `began` is the value passed to `saw`."""
        # Calculated on this host's clock alone, so that the file server's may be wrong.
        assert self.stamp is not None
        self.trusted = began - self._first_seen >= self.stamp.tick_seconds

    def advance(self, stamp: Stamp) -> None:
        """Everything that changed up to this stamp is known without a reading."""
        self.stamp = stamp
