"""This program's own directories in the package directory. Each is a real directory: links in their place are not followed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from server.store.stamps import OPEN_FLAGS

# A dot-name: pypiserver and former versions ignore it.
HIDDEN = ".index"
# In it: uploads in progress.
STAGING = "staging"
# Reading JSON that was damaged, or that another program wrote, may raise any of these.
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
# Opening so asks the file server nothing that is known.
_PASSED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def hidden(root: str | os.PathLike[str], *names: str, make: bool = False) -> Iterator[int]:
    """As `open_hidden`, for as long as it is used."""
    descriptor = open_hidden(root, *names, make=make)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_hidden(root: str | os.PathLike[str], *names: str, make: bool = False) -> int:
    """A descriptor of the directory at `names` below `root`, of `root` itself without any; `make` creates what is missing.

    On NFS, opening a directory asks the server, and a name in one that was not opened may be believed absent for a minute.
    Raises OSError; FileNotFoundError if there is none, NotADirectoryError if one is something else, or a link.
    """
    try:
        # Directories in .index exist nearly always: the server is asked only if one seems to be absent.
        return _walk(os.fspath(root), names, _PASSED if names[:1] == (HIDDEN,) else OPEN_FLAGS, make=False)
    except FileNotFoundError:
        if not make and names[:1] != (HIDDEN,):
            raise
        return _walk(os.fspath(root), names, OPEN_FLAGS, make=make)


def _walk(root: str, names: Sequence[str], passing: int, *, make: bool) -> int:
    """As `hidden`; `passing` are the flags to open what is on the way with."""
    first = 0 if make or not names else 1
    try:
        descriptor = os.open(f"{root}/{names[0] if first else ''}", passing if len(names) > first else OPEN_FLAGS)
    except FileNotFoundError:
        if not first:
            raise
        # It may only be believed absent, as the package directory was not opened.
        first, descriptor = 0, os.open(f"{root}/", OPEN_FLAGS)
    for at in range(first, len(names)):
        flags = OPEN_FLAGS if at + 1 == len(names) else passing
        above = descriptor
        try:
            descriptor = _open(above, names[at], flags, "/".join(names[: at + 1]), make=make)
        finally:
            os.close(above)
    return descriptor


def flush_hidden(root: str | os.PathLike[str], *names: str) -> None:
    """Flush what `hidden` created, and the names in it, to stable storage, whichever task created them. Raises OSError."""
    for depth in range(len(names), -1, -1):
        with hidden(root, *names[:depth]) as directory:
            os.fsync(directory)


def place_link(directory: int, name: str, target: str | bytes) -> None:
    """A symbolic link to `target`, replacing whatever is called `name` there. Raises OSError."""
    temporary = f".{secrets.token_hex(16)}"
    os.symlink(target, temporary, dir_fd=directory)
    os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


def _open(directory: int, name: str, flags: int, path: str, *, make: bool) -> int:
    try:
        try:
            return os.open(name, flags, dir_fd=directory)
        except FileNotFoundError:
            if not make:
                raise
        # FileExistsError must not get out: callers take it to mean that a package's name is taken.
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
        return os.open(name, flags, dir_fd=directory)
    except NotADirectoryError as error:
        raise NotADirectoryError(
            errno.ENOTDIR, f"{path} is not a directory, or is a link, which is not followed"
        ) from error
