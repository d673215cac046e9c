"""What counts as a package file in a directory that may hold anything, and how to open one."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Container
from functools import partial
from io import FileIO
from typing import IO, NamedTuple

from server.distributions.listed import project_of
from server.distributions.releases import projects_meant
from server.store.hidden import hidden
from server.store.stamps import reach

log = logging.getLogger("gunicorn.error")

# Where former versions wrote unfinished uploads: in the package directory itself.
FORMER_PREFIX = ".upload-"

# To read a file, whatever lies under its name: a pipe without a writer would block its reader for ever.
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ = partial(os.open, flags=READ_FLAGS)
# The errors of opening when there is no such file, or something other than a file: ENXIO is a socket's.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EISDIR)
_REPORTS = 1000

_reported: set[tuple[str, str]] = set()


class Contents(NamedTuple):
    """The names in one directory; each added file with its project; projects that skipped files may belong to."""

    known: set[str]
    added: dict[str, str]
    children: set[str]
    leftovers: set[str]
    passed_over: set[str]


def read(descriptor: int, root: str, path: str, known: Container[str]) -> Contents:
    """The entries of the open directory at `path`; names in `known` are not checked again.

    Entries that cannot be served are skipped, and reported once. Raises OSError if the directory
    cannot be read to its end.
    """
    reading = Contents(set(), {}, set(), set(), set())
    with os.scandir(descriptor) as entries:
        for entry in entries:
            name = entry.name
            if name in known:
                reading.known.add(name)
            elif not name.startswith("."):
                _classify(entry, root, path, reading)
            elif not name.startswith(FORMER_PREFIX):
                # Unfinished files of other programs.
                reading.passed_over.update(projects_meant(name))
            elif not path:
                reading.leftovers.add(name)
    return reading


def _classify(entry: os.DirEntry[str], root: str, path: str, reading: Contents) -> None:
    """Add `entry`, of the directory at `path`, to `reading`, or report why it is skipped."""
    name = entry.name
    # request.py refuses these, and the patterns of listed.py take minutes on names of many lines.
    if not (path + name).isprintable() or "\\" in path + name:
        report(path + name, "no URL can name it")
        if entry.is_dir(follow_symlinks=False):
            reading.children.add(name)
        else:
            reading.passed_over.update(projects_meant(name))
        return
    project = project_of(name)
    try:
        if entry.is_file(follow_symlinks=False):
            if project:
                reading.added[name] = project
        elif entry.is_dir(follow_symlinks=False):
            reading.children.add(name)
        elif not entry.is_symlink():
            report(path + name, "it is neither a file nor a directory")
        else:
            # A link counts if a download could open it: opening decides, with the same checks.
            open_file(root, path + name).close()
            if project:
                reading.added[name] = project
    except FileNotFoundError:
        report(path + name, "it is a link that leads to no file of the package directory")
    except PermissionError as error:
        if project:
            # Like an unreadable file: whoever opens it gets the error.
            reading.added[name] = project
        else:
            report(path + name, str(error.strerror))
    if name not in reading.added and (project or name not in reading.children):
        reading.passed_over.update(projects_meant(name))


def open_file(root: str, path: str) -> IO[bytes]:
    """The regular file at `path`, relative to `root`, unbuffered.

    Raises FileNotFoundError for anything else, including links out of `root`; OSError if it cannot be read.
    """
    try:
        try:
            descriptor = reach(_READ, f"{root}/{path}")
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            descriptor = os.open(_inner_target(root, path), READ_FLAGS)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise FileNotFoundError(errno.ENOENT, error.strerror, path) from error
        raise
    return _regular(descriptor, path)


def open_hidden_file(root: str, *names: str) -> IO[bytes]:
    """As `open_file`, in one of our own directories, without following links."""
    *directories, name = names
    try:
        with hidden(root, *directories) as directory:
            descriptor = os.open(name, READ_FLAGS, dir_fd=directory)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise FileNotFoundError(errno.ENOENT, error.strerror, "/".join(names)) from error
        raise
    return _regular(descriptor, "/".join(names))


def _regular(descriptor: int, path: str) -> IO[bytes]:
    """Raises FileNotFoundError for anything else."""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    except OSError:
        os.close(descriptor)
        raise
    return FileIO(descriptor)


def _inner_target(root: str, path: str) -> str:
    """The target of a link within `root`. Raises FileNotFoundError if it leads out of `root`, and OSError."""
    link, inside = f"{root}/{path}", os.path.realpath(root) + "/"
    try:
        # Strict, as a target that cannot be checked would otherwise pass for no link.
        target = os.path.realpath(link, strict=True)
    except PermissionError:
        # Unless it leads out at the last step that may be followed.
        target = os.path.realpath(link)
        if target.startswith(inside):
            raise
    if not target.startswith(inside):
        raise FileNotFoundError(errno.ENOENT, "a link that leads out", path)
    return target


def report(path: str, reason: str) -> None:
    """Log that the entry at `path` is skipped, once per process for each reason."""
    if (path, reason) not in _reported and len(_reported) < _REPORTS:
        _reported.add((path, reason))
        log.warning("Passed over in the package directory: %s: %s.", ascii(path), reason)
