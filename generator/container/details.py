"""What a listing says about a file's content, computed once per content."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import IO, NamedTuple

from .metadata import describe

CHUNK_BYTES = 1 << 20
# Bounds memory: about 500 bytes are held per file.
FILES_REMEMBERED = 200_000


class Identity(NamedTuple):
    """Two files of equal identity have equal content."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Details(NamedTuple):
    """Digests are lower-case hexadecimal; the last two are those of metadata.Description."""

    identity: Identity
    sha256: str
    metadata_sha256: str | None
    requires_python: str | None


class DetailsCache:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Details] = {}
        # Two requests for one file hash it once; requests for different files seldom wait for each other.
        self._locks = [threading.Lock() for _ in range(64)]

    def get(self, path: str) -> Details:
        """`path` is relative to the root. Raises OSError."""
        if details := self._current(path, os.stat(f"{self._root}/{path}")):
            return details
        with self._locks[hash(path) % len(self._locks)], open(f"{self._root}/{path}", "rb") as file:
            if details := self._current(path, os.fstat(file.fileno())):
                return details
            digest = hashlib.sha256()
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
            return self.learn(path, file, digest.hexdigest())

    def _current(self, path: str, status: os.stat_result) -> Details | None:
        details = self._known.get(path)
        return details if details is not None and details.identity == Identity.of(status) else None

    def learn(self, path: str, file: IO[bytes], sha256: str) -> Details:
        """Take over the digest of the open `file`, whoever may have replaced it meanwhile. Raises OSError."""
        identity = Identity.of(os.fstat(file.fileno()))
        details = Details(identity, sha256, *describe(path, file))
        if len(self._known) >= FILES_REMEMBERED:
            self._known.clear()
        self._known[path] = details
        return details
