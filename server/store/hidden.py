"""This program's own directories in the package directory. Each is a real directory: links in their place are not followed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from server.store.stamps import OPEN_FLAGS, open_directory

# A dot-name: pypiserver and former versions ignore it.
HIDDEN = ".index"
# In it: uploads in progress.
STAGING = "staging"


@contextmanager
def hidden(root: str | os.PathLike[str], *names: str, make: bool = False) -> Iterator[int]:
    """A descriptor of the directory at `names` below `root`, of `root` itself without any; `make` creates what is missing.

    On NFS, opening asks the server for each: otherwise a name may be believed absent for a minute. Raises OSError;
    FileNotFoundError if there is none, NotADirectoryError if one is something else, or a link.
    """
    descriptor = open_directory(f"{os.fspath(root)}/{'' if make or not names else names[0]}")
    try:
        for at in range(0 if make else 1, len(names)):
            below = _open(descriptor, names[at], "/".join(names[: at + 1]), make=make)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


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


def _open(directory: int, name: str, path: str, *, make: bool) -> int:
    try:
        try:
            return os.open(name, OPEN_FLAGS, dir_fd=directory)
        except FileNotFoundError:
            if not make:
                raise
        # FileExistsError must not get out: callers take it to mean that a package's name is taken.
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
        return os.open(name, OPEN_FLAGS, dir_fd=directory)
    except NotADirectoryError as error:
        raise NotADirectoryError(
            errno.ENOTDIR, f"{path} is not a directory, or is a link, which is not followed"
        ) from error
