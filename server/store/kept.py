"""What was computed from packages' contents, kept next to them for later processes.

One file for each project, because a listing is of a project: one read, where a file for each package would
take thousands. It is replaced whole. If two processes add to one file at once, what one of them added may be
lost and computed again; a file for each package would avoid that, but nothing depends on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from server.distributions.digests import is_sha256
from server.store.entries import READ_FLAGS, report
from server.store.hidden import DAMAGE, HIDDEN, STAGING, hidden

# Identifies the form of the files, and what is computed: a version of this program that computes something else
# uses another name.
DIRECTORY = "details-1"
# Bytes of one project's file: room for some 50,000 packages.
FILE_BYTES = 16 << 20
# The files of projects that are gone are removed once they exceed those in use by this much.
SPARE_FILES = 1000


class Identity(NamedTuple):
    """Files of equal identity have equal content."""

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


class Kept:
    """Never fails: what cannot be read is computed, and what cannot be written is not kept."""

    def __init__(self, root: str) -> None:
        self._root = root

    def load(self, project: str) -> dict[str, Details]:
        """Details by path; empty if none are kept. A file may have changed since: compare its Identity."""
        try:
            with hidden(self._root, HIDDEN, DIRECTORY) as directory:
                descriptor = os.open(_name(project), READ_FLAGS, dir_fd=directory)
            try:
                # In one call, as each takes a network round trip; if it returns less, the digest does not match.
                data = os.read(descriptor, FILE_BYTES + 1)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return {}
        except OSError as error:
            report(f"{HIDDEN}/{DIRECTORY}", str(error.strerror))
            return {}
        digest, _, content = data.partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return {}
        try:
            document = json.loads(content)
            if document["project"] != project:
                return {}
            return {path: _details(*fields) for path, fields in document["files"].items()}
        except DAMAGE:
            return {}

    def save(self, project: str, details: Mapping[str, Details]) -> None:
        """Keep `details`, by path, in place of everything that was kept of the project."""
        document = {
            "project": project,
            "files": {
                path: [[*it.identity], it.sha256, it.metadata_sha256, it.requires_python]
                for path, it in details.items()
            },
        }
        content = json.dumps(document, separators=(",", ":")).encode()
        if len(content) > FILE_BYTES - 65:
            return
        data = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
        try:
            self._replace(project, data)
        except OSError as error:
            report(f"{HIDDEN}/{DIRECTORY}", str(error.strerror))

    def _replace(self, project: str, data: bytes) -> None:
        """Raises OSError."""
        temporary, flags = secrets.token_hex(16), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with (
            hidden(self._root, HIDDEN, DIRECTORY, make=True) as directory,
            hidden(self._root, HIDDEN, STAGING, make=True) as staging,
        ):
            try:
                with os.fdopen(os.open(temporary, flags, 0o666, dir_fd=staging), "wb") as file:
                    file.write(data)
                os.replace(temporary, _name(project), src_dir_fd=staging, dst_dir_fd=directory)
            except OSError:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=staging)
                raise

    def sweep(self, projects: Iterable[str]) -> None:
        """Remove the files of projects that are gone. Raises OSError."""
        used = set(map(_name, projects))
        with suppress(FileNotFoundError), hidden(self._root, HIDDEN, DIRECTORY) as directory:
            names = os.listdir(directory)
            if len(names) > len(used) + SPARE_FILES:
                for name in set(names) - used:
                    os.unlink(name, dir_fd=directory)


def _name(project: str) -> str:
    # Hashed, because a project's name may be longer than the 255 bytes of a file name.
    return hashlib.sha256(project.encode()).hexdigest()[:32]


def _details(identity: list[int], sha256: str, metadata_sha256: str | None, requires_python: str | None) -> Details:
    """Raises one of DAMAGE for anything that `save` did not write."""
    known = Details(Identity(*map(int, identity)), sha256, metadata_sha256, requires_python)
    if not all(map(is_sha256, [sha256] if metadata_sha256 is None else [sha256, metadata_sha256])):
        raise ValueError(known)
    if requires_python is not None and not isinstance(requires_python, str):
        raise TypeError(known)
    return known
