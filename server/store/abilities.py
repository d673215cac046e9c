"""What the index relies on and not every storage can do, tested by doing it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress

from server.store.hidden import HIDDEN, STAGING, hidden

# A storage may lack a call, or refuse it. Any other error says nothing about its abilities.
_CANNOT = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM, errno.EINVAL, errno.EMLINK}
_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC


def lacking(root: str | os.PathLike[str]) -> list[str]:
    """What the storage of the package directory `root` cannot do; the test leaves nothing there. Raises OSError."""
    path = f"{os.fspath(root)}/{HIDDEN}"
    made = [it for it in (f"{path}/{STAGING}", path) if not os.path.lexists(it)]
    try:
        return _tried(root)
    finally:
        for it in made:
            with suppress(OSError):
                os.rmdir(it)


def _tried(root: str | os.PathLike[str]) -> list[str]:
    with hidden(root, HIDDEN, STAGING, make=True) as directory:
        prefix = f".able-{secrets.token_hex(8)}"
        names = [f"{prefix}-a", f"{prefix}-b", f"{prefix}-A"]
        try:
            os.close(os.open(names[0], _CREATE, 0o600, dir_fd=directory))
            return list(_missing(directory, *names))
        finally:
            for name in names:
                with suppress(OSError):
                    os.unlink(name, dir_fd=directory)


def _missing(directory: int, first: str, second: str, upper: str) -> Iterator[str]:
    """`first` is a file there."""

    def create() -> None:
        os.close(os.open(first, _CREATE, 0o600, dir_fd=directory))

    def link() -> None:
        os.link(first, second, src_dir_fd=directory, dst_dir_fd=directory)

    if not _is_refused(create):
        yield "create a file only if there is none of its name (O_EXCL)"
    if not _works(link):
        yield "hard links"
    else:
        if not _is_refused(link):
            yield "hard links that never replace a file"
        # Renaming onto a link to the same file would do nothing.
        os.unlink(second, dir_fd=directory)
    os.close(os.open(second, _CREATE, 0o600, dir_fd=directory))
    if not _works(lambda: os.rename(first, second, src_dir_fd=directory, dst_dir_fd=directory)):
        yield "rename a file over another"
    if not _works(lambda: os.close(os.open(upper, _CREATE, 0o600, dir_fd=directory)), errno.EEXIST):
        yield "tell names that differ in case"
    os.utime(second, ns=(0, 1_500_000_000_123_456_000), dir_fd=directory)
    if os.stat(second, dir_fd=directory).st_mtime_ns % 1_000_000_000 == 0:
        yield "keep times finer than a second"


def _works(call: Callable[[], object], *errors: int) -> bool:
    """False for errors, `errors` among them, that show what a storage cannot do. Raises OSError for others."""
    try:
        call()
    except OSError as error:
        if error.errno in _CANNOT or error.errno in errors:
            return False
        raise
    return True


def _is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except FileExistsError:
        return True
    return False
