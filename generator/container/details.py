"""What a listing says about a file's content, computed once per content."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import threading
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

CHUNK_BYTES = 1 << 20
# Core metadata larger than this is not offered (PEP 658 leaves offering it to the index).
METADATA_LIMIT_BYTES = 4 << 20
# Bounds memory: about 500 bytes are held per file.
FILES_REMEMBERED = 200_000

_METADATA_NAME = re.compile(r"[^/]+\.dist-info/METADATA")
_REQUIRES_PYTHON = re.compile(rb"^Requires-Python:[ \t]*([^\r\n]+)", re.MULTILINE)


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
    """Digests are lower-case hexadecimal; the last two are those of a wheel's METADATA, None without one."""

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
        metadata = wheel_metadata(file) if path.endswith(".whl") else None
        metadata_sha256 = requires_python = None
        if metadata is not None:
            metadata_sha256 = hashlib.sha256(metadata).hexdigest()
            headers = re.split(rb"\r?\n\r?\n", metadata, maxsplit=1)[0]
            if found := _REQUIRES_PYTHON.search(headers):
                requires_python = found[1].decode("utf-8", "replace").strip()
        details = Details(identity, sha256, metadata_sha256, requires_python)
        if len(self._known) >= FILES_REMEMBERED:
            self._known.clear()
        self._known[path] = details
        return details


def wheel_metadata(file: IO[bytes]) -> bytes | None:
    """The wheel's METADATA (PEP 658), None if the file is no wheel that has one."""
    try:
        with zipfile.ZipFile(file) as wheel:
            for member in wheel.infolist():
                if _METADATA_NAME.fullmatch(member.filename) and member.file_size <= METADATA_LIMIT_BYTES:
                    return wheel.read(member)
    except OSError as error:
        # What a broken archive points at lies before the file's beginning.
        if error.errno != errno.EINVAL:
            raise
    except Exception:  # it may hold anything, and zipfile raises anything
        pass
    return None
