"""Files written beside their destination and published whole, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# A dot-file: neither pypiserver nor this program lists it.
PREFIX = ".upload-"
BUFFER_BYTES = 1 << 20
# A live upload is written to at least every STALL_TIMEOUT seconds.
STALE_SECONDS = 6 * 3600
SWEEP_SECONDS = 3600


_DIGESTS: dict[str, Callable[[], Any]] = {
    "sha256_digest": hashlib.sha256,
    "blake2_256_digest": lambda: hashlib.blake2b(digest_size=32),
    "md5_digest": lambda: hashlib.md5(usedforsecurity=False),
}


class Uncertain(OSError):
    """A file may have become visible, or not."""


class Staged:
    """
    A hidden file that is to become `name`; its `digests` go by the names of the upload form's fields.

    It lies in the destination's directory because a link cannot leave its file system.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.size = 0
        self.digests = {field: create() for field, create in _DIGESTS.items()}
        self._directory = directory
        self._path = directory / f"{PREFIX}{secrets.token_hex(16)}"
        self.file = open(self._path, "x+b", buffering=BUFFER_BYTES)  # noqa: SIM115  # closed by `discard`

    def write(self, chunk: bytes) -> None:
        """Raises OSError."""
        self.size += len(chunk)
        self.file.write(chunk)
        for digest in self.digests.values():
            digest.update(chunk)

    @property
    def sha256(self) -> str:
        return str(self.digests["sha256_digest"].hexdigest())

    def store(self) -> None:
        """Put the content on stable storage, still hidden. Raises OSError."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def publish(self, *, replace: bool) -> None:
        """
        Make the stored content visible under its name; that it stays so is for `settle` to say.

        Raises FileExistsError if the name is taken and `replace` is false; of two hosts publishing one
        name at once, one raises. Raises OSError if nothing became visible, and Uncertain if that cannot be told.
        """
        target = self._directory / self.name
        try:
            (os.replace if replace else os.link)(self._path, target)
        except OSError as error:
            # A network file system may report failure for what it did: an answer was lost, and the call repeated.
            if not self._is_at(target, error):
                raise
        # What is left of it is swept.
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def withdraw(self) -> None:
        """Undo `publish`. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._directory / self.name)

    def _is_at(self, target: Path, error: OSError) -> bool:
        try:
            return os.path.samestat(os.lstat(target), os.fstat(self.file.fileno()))
        except FileNotFoundError:
            return False
        except OSError:
            raise Uncertain(error.errno, error.strerror) from error

    def discard(self) -> None:
        """Close the file, and remove it unless it was published. What cannot be removed is swept."""
        # What could not be written to a full disk cannot be flushed either.
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def settle(directory: Path, *names: str) -> None:
    """Put the names' entries and contents on stable storage, whoever made them. Raises OSError."""
    for path in (*(directory / name for name in names), directory):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(directory: Path) -> None:
    """Remove what killed tasks left behind. Raises OSError."""
    reference = Staged(directory, "")
    # Compared with a file made now, so that only the file server's clock counts.
    now = os.fstat(reference.file.fileno()).st_mtime
    reference.discard()
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with contextlib.suppress(FileNotFoundError):
                    if now - entry.stat(follow_symlinks=False).st_mtime > STALE_SECONDS:
                        os.unlink(entry.path)


def sweep_forever(directory: Path) -> None:
    """Meant for a daemon thread."""
    while True:
        with contextlib.suppress(OSError):
            sweep(directory)
        time.sleep(SWEEP_SECONDS)
