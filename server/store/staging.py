"""Files written out of sight and published whole, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from server.distributions.metadata import Description
from server.store.hidden import HIDDEN, STAGING, hidden
from server.store.stamps import flush_directory

BUFFER_BYTES = 1 << 20
# A live upload is written to at least every STALL_TIMEOUT seconds.
STALE_SECONDS = 6 * 3600


_DIGESTS: dict[str, Callable[[], Any]] = {
    "sha256_digest": hashlib.sha256,
    "blake2_256_digest": lambda: hashlib.blake2b(digest_size=32),
    "md5_digest": lambda: hashlib.md5(usedforsecurity=False),
}


class Uncertain(OSError):
    """A file may or may not have become visible."""


class Staged:
    """A hidden file that is to become `name`, perhaps in one of our own directories; its `digests` have the names of the upload form's fields.

    It lies below the package directory because a link cannot cross file systems, and not directly in it because
    all tasks must learn of every change there.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.size = 0
        # Whether `publish` may have replaced another file.
        self.replaced = False
        # Once it is checked: a long archive is inflated only once.
        self.description: Description | None = None
        # When it was uploaded, in seconds since 1970, if not now: the mtime of the published file.
        self.uploaded: float | None = None
        self.digests = {field: create() for field, create in _DIGESTS.items()}
        self._directory = directory
        *self._home, self._name = name.split("/")
        self._removed = False
        self._temporary = secrets.token_hex(16)
        with hidden(directory, HIDDEN, STAGING, make=True) as staging:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._staging = os.dup(staging)
            try:
                descriptor = os.open(self._temporary, flags, 0o666, dir_fd=staging)
            except OSError:
                os.close(self._staging)
                raise
        # Closed by `discard`.
        self.file = os.fdopen(descriptor, "w+b", buffering=BUFFER_BYTES)

    def write(self, chunk: bytes) -> None:
        """Raises OSError."""
        self.size += len(chunk)
        self.file.write(chunk)
        for digest in self.digests.values():
            digest.update(chunk)

    @property
    def sha256(self) -> str:
        return str(self.digests["sha256_digest"].hexdigest())

    def flush(self) -> None:
        """Flush the content to stable storage. Raises OSError."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def publish(self, *, replace: bool) -> None:
        """Make the flushed content visible under its name.

        Raises FileExistsError if the name is taken and `replace` is false; if two hosts publish one name at once, one of
        them raises. Raises OSError if nothing became visible, and Uncertain if that is unknown.
        """
        with hidden(self._directory, *self._home, make=True) as home:
            try:
                # Not earlier: files here with an old mtime were left by a killed task.
                if self.uploaded is not None:
                    os.utime(self.file.fileno(), (self.uploaded, self.uploaded))
                    os.fsync(self.file.fileno())
                try:
                    os.link(self._temporary, self._name, src_dir_fd=self._staging, dst_dir_fd=home)
                except FileExistsError:
                    if not replace:
                        raise
                    self.replaced = True
                    os.replace(self._temporary, self._name, src_dir_fd=self._staging, dst_dir_fd=home)
            except OSError as error:
                # A file server may carry out a call and still report a failure, as when its answer is lost.
                if not self._is_at(home, error):
                    raise

    def _is_at(self, home: int, error: OSError) -> bool:
        try:
            there = os.stat(self._name, dir_fd=home, follow_symlinks=False)
            return os.path.samestat(os.fstat(self.file.fileno()), there)
        except FileNotFoundError:
            return False
        except OSError:
            raise Uncertain(error.errno, error.strerror) from error

    def withdraw(self) -> None:
        """Undo `publish`, unless another has taken its place. Raises OSError."""
        with contextlib.suppress(FileNotFoundError), hidden(self._directory, *self._home) as home:
            there = os.stat(self._name, dir_fd=home, follow_symlinks=False)
            if os.path.samestat(os.fstat(self.file.fileno()), there):
                os.unlink(self._name, dir_fd=home)

    def settle(self) -> None:
        """After `publish`: leave only the published name, and flush it to stable storage. Raises OSError."""
        self._remove()
        flush_directory(f"{self._directory}/")

    def discard(self) -> None:
        """Close the file, and remove it unless it was published."""
        # What could not be written to a full disk cannot be flushed either.
        with contextlib.suppress(OSError):
            self.file.close()
        self._remove()

    def _remove(self) -> None:
        """Once, as that takes a network round trip: whatever remains is swept."""
        if not self._removed:
            self._removed = True
            with contextlib.suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._staging)
            os.close(self._staging)


def settle(root: Path, path: str) -> None:
    """Flush a visible file, and its name, to stable storage, whoever published it. Raises OSError."""
    file = root / path
    for settled in (file, file.parent):
        descriptor = os.open(settled, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(directory: int, names: Iterable[str] | None = None) -> None:
    """Remove files that killed tasks left in a directory, with these names or any. Raises OSError if it cannot be read."""
    # The times are the file server's, whose clock is at least at the directory's last change.
    now = os.fstat(directory).st_ctime
    for name in os.listdir(directory) if names is None else names:
        # It is gone, or not a file.
        with contextlib.suppress(OSError):
            if now - os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime > STALE_SECONDS:
                os.unlink(name, dir_fd=directory)
