"""What is valid once, or no longer: exchanged identity tokens, and burnt minted tokens."""

from __future__ import annotations

import os

from server.store.hidden import HIDDEN, hidden

# In hidden.HIDDEN; swept like abandoned uploads (upkeep.py), long after each has expired.
SPENT = "spent"


class Spent:
    """An empty file for each, which the file server creates once, whichever task asks. Methods raise OSError."""

    def __init__(self, root: str) -> None:
        self._root = root

    def spend(self, name: str) -> bool:
        """Whether this was the first time. `name` consists of hexadecimal digits."""
        try:
            with hidden(self._root, HIDDEN, SPENT, make=True) as directory:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory))
        except FileExistsError:
            return False
        return True

    def __contains__(self, name: str) -> bool:
        try:
            with hidden(self._root, HIDDEN, SPENT) as directory:
                os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True
