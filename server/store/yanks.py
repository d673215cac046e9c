"""Yanked releases (PEP 592), which installers skip unless their exact version is requested; and projects with a status
(PEP 792).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from packaging.utils import canonicalize_version

from server.store.entries import report
from server.store.hidden import flush_hidden, hidden, open_hidden, place_link
from server.store.statuses import UNSAID, Status, status_of

# This program's own files of this kind, in the package directory: a dot-name, like hidden.HIDDEN. A promise depends on them.
YANKED = ".yanked"
# A link needs a target, and a reason can be empty.
_PREFIX = b"yanked: "
# Next to the releases, none of which has this name; programs that do not know it take it for one.
_STATUS = ".status"


class Withdrawn(NamedTuple):
    """What `reason_of` looks in; when that changed, or a file of the project was last missed, in ns since 1970."""

    reasons: Mapping[str, str]
    changed_ns: int
    status: Status = UNSAID


NONE = Withdrawn({}, 0)


class Yanks:
    """A directory for each project. In it, a link for each yanked release, named like the version without trailing zeros,
    to the reason; and one to the project's status, unless it is active.

    It marks a release, not a file: files uploaded to it later, or again, are yanked too. Methods raise OSError.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def of(self, project: str) -> Withdrawn:
        try:
            with hidden(self._root, YANKED, project) as directory:
                found = {version: _read(version, directory) for version in os.listdir(directory)}
                reasons = {version: reason for version, reason in found.items() if reason is not None}
                said = reasons.pop(_STATUS, None)
                status = UNSAID if said is None else status_of(said)
                return Withdrawn(reasons, os.fstat(directory).st_ctime_ns, status)
        except FileNotFoundError:
            return NONE
        except NotADirectoryError as error:
            report(f"{YANKED}/{project}", str(error.strerror))
            return NONE

    def status(self, project: str) -> Status:
        """As `of` has it, for callers that need nothing else. Every download asks."""
        try:
            directory = open_hidden(self._root, YANKED, project)
        except (FileNotFoundError, NotADirectoryError):
            return UNSAID
        try:
            said = _read(_STATUS, directory) if _STATUS in os.listdir(directory) else None
        finally:
            os.close(directory)
        return UNSAID if said is None else status_of(said)

    def marked(self) -> dict[str, int]:
        """When each project was last marked, or a release of it yanked, in ns. Raises OSError."""
        try:
            with hidden(self._root, YANKED) as directory, os.scandir(directory) as entries:
                return {entry.name: entry.stat(follow_symlinks=False).st_ctime_ns for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def mark(self, project: str) -> int:
        """Set the time of the project's directory to now, which is returned, in ns. Raises OSError."""
        with hidden(self._root, YANKED, project, make=True) as directory:
            os.utime(directory)
            return os.fstat(directory).st_ctime_ns

    def change(self, project: str, version: str, reason: str | None) -> None:
        """Yank the release, or with None undo that."""
        self._link(project, canonicalize_version(version), None if reason is None else _PREFIX + reason.encode())

    def change_status(self, project: str, status: Status) -> None:
        self._link(project, _STATUS, None if status == UNSAID else str(status).encode())

    def _link(self, project: str, name: str, target: bytes | None) -> None:
        with hidden(self._root, YANKED, project, make=True) as directory:
            if target is None:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)
            else:
                place_link(directory, name, target)
        flush_hidden(self._root, YANKED, project)


def reason_of(yanks: Mapping[str, str], version: str) -> str | None:
    """Why the release is yanked, which may be empty; None if it is not."""
    return yanks.get(canonicalize_version(version)) if yanks else None


def _read(version: str, directory: int) -> str | None:
    """None if there is no such link, or no longer."""
    try:
        target = os.readlink(os.fsencode(version), dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        # Anything but a link, made by another program, also yanks.
        if error.errno != errno.EINVAL:
            raise
        return ""
    return target.removeprefix(_PREFIX).decode("utf-8", "replace")
