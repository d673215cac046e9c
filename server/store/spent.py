"""What is good once, or no more: identity tokens that were exchanged, and minted tokens that were burnt."""

from __future__ import annotations

import os
from contextlib import suppress

from server.store.entries import HIDDEN, make_hidden
from server.store.stamps import open_directory

# In HIDDEN; swept as uploads that were left behind are (upkeep.py), long after each has expired.
SPENT = "spent"


class Spent:
    """An empty file for each, which the file server makes once, whichever task asks. Methods raise OSError."""

    def __init__(self, root: str) -> None:
        self._root = root

    def spend(self, name: str) -> bool:
        """Whether this was the first time. `name` is one of hexadecimal digits."""
        directory = make_hidden(self._root, SPENT)
        try:
            os.close(os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return False
        return True

    def __contains__(self, name: str) -> bool:
        try:
            # On NFS a name may be believed absent for a minute, until its directory is opened.
            directory = open_directory(f"{self._root}/{HIDDEN}/{SPENT}")
        except FileNotFoundError:
            return False
        try:
            with suppress(FileNotFoundError):
                os.stat(name, dir_fd=directory, follow_symlinks=False)
                return True
            return False
        finally:
            os.close(directory)
