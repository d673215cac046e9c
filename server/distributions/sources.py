"""Files for archive readers, which raise anything, and mistake some storage failures for a broken archive."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import IO, TypeVar

from server.distributions.tarballs import Unfit

Found = TypeVar("Found")

# At most this many archives are read at once by a worker process, which bounds its memory: one more than uploads take
# (publishing/checks.py).
_READERS = threading.BoundedSemaphore(4)


def examine(file: IO[bytes], reader: Callable[[Source], Found]) -> Found:
    """The result of `reader`. Raises Unfit, and OSError if, and only if, the storage fails."""
    source = Source(file)
    try:
        with _READERS:
            return reader(source)
    except MemoryError:
        raise
    except Exception as error:  # an archive may hold anything
        if source.failure:
            raise source.failure from error
        if isinstance(error, Unfit):
            raise
        raise Unfit("it cannot be read as the kind of archive that its name says") from error


class Source:
    """An open file; `failure` is the storage's error, which nobody can swallow."""

    def __init__(self, file: IO[bytes]) -> None:
        self.failure: OSError | None = None
        self._file = file
        self._position = 0
        try:
            self.size = file.seek(0, os.SEEK_END)
        except OSError as error:
            self.failure = error
            raise

    def read(self, size: int) -> bytes:
        """Less only at the end. The caller bounds `size`."""
        content = b""
        try:
            self._file.seek(self._position)
            # An unbuffered file may return less than it has.
            while len(content) < size and (more := self._file.read(size - len(content))):
                content += more
        except OSError as error:
            self.failure = error
            raise
        self._position += len(content)
        return content

    def seek(self, position: int) -> None:
        """Raises Unfit for a position before the beginning."""
        if position < 0:
            raise Unfit("it is damaged")
        self._position = position
