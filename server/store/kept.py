"""
What was computed of packages' contents, kept beside them for the processes that come after.

One file for each project, because a listing is of a project: one read, where a file for each package would
take thousands. It is replaced whole. Two processes that add to one file at once may lose what one of them
added, which is then computed again; a file for each package would not, but nothing rests on it.
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
from server.store.entries import HIDDEN, READ_FLAGS, STAGING, make_hidden, report

# Names the form of the files, and what is computed: a version of this program that computes another thing
# uses another name.
DIRECTORY = "details-1"
# Bytes of one project's file: room for some 50,000 packages.
FILE_BYTES = 16 << 20
# What projects that are gone leave behind is removed once it is this much more than what is used.
SPARE_FILES = 1000


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


class Kept:
    """Nothing in it fails: what cannot be read is computed, and what cannot be written is not kept."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._directory = f"{root}/{HIDDEN}/{DIRECTORY}"

    def load(self, project: str) -> dict[str, Details]:
        """Details by path; empty where none are kept. A file may have changed since: compare its Identity."""
        try:
            descriptor = os.open(self._path(project), READ_FLAGS)
            try:
                # In one call, as each takes a network's time; if less than all comes of it, the digest does not fit.
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
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}

    def save(self, project: str, details: Mapping[str, Details]) -> None:
        """Keep `details`, by path, in place of all that was kept of the project."""
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
            try:
                self._replace(project, data)
            except FileNotFoundError:
                # Not before: to ask whether they are there takes a network's time.
                for name in (DIRECTORY, STAGING):
                    make_hidden(self._root, name)
                self._replace(project, data)
        except OSError as error:
            report(f"{HIDDEN}/{DIRECTORY}", str(error.strerror))

    def _replace(self, project: str, data: bytes) -> None:
        """Raises OSError."""
        temporary = f"{self._root}/{HIDDEN}/{STAGING}/{secrets.token_hex(16)}"
        try:
            with open(temporary, "xb") as file:
                file.write(data)
            os.replace(temporary, self._path(project))
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def sweep(self, projects: Iterable[str]) -> None:
        """Remove what projects that are gone left behind. Raises OSError."""
        used = {os.path.basename(self._path(project)) for project in projects}
        with suppress(FileNotFoundError):
            names = os.listdir(self._directory)
            if len(names) > len(used) + SPARE_FILES:
                for name in set(names) - used:
                    os.unlink(f"{self._directory}/{name}")

    def _path(self, project: str) -> str:
        # Hashed, because a project's name may be longer than the 255 bytes that a file's may have.
        return f"{self._directory}/{hashlib.sha256(project.encode()).hexdigest()[:32]}"


def _details(identity: list[int], sha256: str, metadata_sha256: str | None, requires_python: str | None) -> Details:
    """Raises ValueError or TypeError for what `save` did not write."""
    known = Details(Identity(*map(int, identity)), sha256, metadata_sha256, requires_python)
    if not all(map(is_sha256, [sha256] if metadata_sha256 is None else [sha256, metadata_sha256])):
        raise ValueError(known)
    if requires_python is not None and not isinstance(requires_python, str):
        raise TypeError(known)
    return known
