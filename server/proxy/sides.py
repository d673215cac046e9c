"""Which side a project is on: private, or taken from upstream. No project is on both, and none changes on its own."""

from __future__ import annotations

import errno
import logging
import os
import threading
from contextlib import suppress

from server.distributions.listed import project_of
from server.distributions.names import Patterns, is_name
from server.distributions.releases import BadName, released
from server.store.hidden import flush_hidden, hidden, place_link
from server.store.index import Index
from server.wire.messages import Refusal

log = logging.getLogger("gunicorn.error")

# This program's own files of this kind, in the package directory: a dot-name, like hidden.HIDDEN.
UPSTREAM = ".upstream"
SIDES = "sides"
PRIVATE = "private"
OUTSIDE = "upstream"


class Sides:
    """A project is private if its name is one of the operator's private names, or if it has or had a file here, even one
    that cannot be served.

    The last is recorded in a directory of links, each named like the project and pointing to a word: creating a link is
    one call to the file server, which tells one of several tasks that it was first. Methods raise OSError.
    """

    def __init__(self, index: Index, private_names: Patterns) -> None:
        self._index = index
        self._private_names = private_names
        self._lock = threading.Lock()
        self._taken_in: set[str] = set()
        self._private: set[str] = set()
        self._recorded: set[str] = set()

    def is_private(self, name: str) -> bool:
        """Whether `name`, which is normalised, must not be requested from upstream.

        Raises Refusal (503) if that cannot be decided now.
        """
        self._index.refresh()
        if not self._index.ready:
            raise Refusal(503, "The package directory is being read for the first time.", ("Retry-After", "5"))
        self._index.require_complete()
        if not self._taken_in:
            self.take_in()
        known = self._private, self._index.passed_over, self._private_names
        if any(name in names for names in known) or self._index.paths(name):
            return True
        return self._read(name) == PRIVATE

    def claim_outside(self, name: str) -> bool:
        """Whether the project, which upstream has, is taken from there from now on, at every task."""
        return self._record(name, OUTSIDE) == OUTSIDE

    def claim_private(self, name: str) -> None:
        """To be called before publishing a file. Raises Refusal (403) if the project is taken from upstream."""
        if not is_name(name) or name in self._recorded:
            return
        if self._record(name, PRIVATE) != PRIVATE:
            here = self._index.paths(name) or name in self._index.passed_over
            if not here and name not in self._private_names:
                raise Refusal(
                    403,
                    f"Nothing was stored: {name} is taken from upstream. "
                    "To have it here instead, add it to PrivateNames, which hides upstream's files.",
                )
            self._make_private(name)
        self._private.add(name)
        self._recorded.add(name)

    def take_in(self) -> None:
        """Learn the projects that have files here, under every reading of a file's name."""
        with self._lock:
            paths = set(self._index.all_paths())
            for path in paths - self._taken_in:
                name = path.rpartition("/")[2].removesuffix(".asc")
                self._private.add(project_of(name) or "")
                # It is listed as a file of pkg if it is called pkg-3d-1.0.tar.gz.
                with suppress(BadName):
                    self._private.add(released(name).project)
            self._private |= self._index.passed_over
            self._taken_in = paths | {""}

    def keep(self) -> None:
        """Record what `take_in` learned, so that it holds when the files are gone."""
        for name in self._private - self._recorded:
            if is_name(name) and self._record(name, PRIVATE) != PRIVATE:
                self._make_private(name)
            self._recorded.add(name)

    def _make_private(self, name: str) -> None:
        """Whatever side it was on: its files are here, or the operator says so."""
        log.warning("%s was taken from upstream, and is private now.", name)
        with hidden(self._index.root, UPSTREAM, SIDES, make=True) as directory:
            place_link(directory, name, PRIVATE)
        flush_hidden(self._index.root, UPSTREAM, SIDES)

    def _record(self, name: str, side: str) -> str:
        """The side that the project is on: `side`, unless another was recorded before."""
        try:
            with hidden(self._index.root, UPSTREAM, SIDES, make=True) as directory:
                os.symlink(side, name, dir_fd=directory)
            flush_hidden(self._index.root, UPSTREAM, SIDES)
        except FileExistsError:
            return self._read(name) or PRIVATE
        return side

    def _read(self, name: str) -> str | None:
        """The recorded side; None if there is none."""
        try:
            with hidden(self._index.root, UPSTREAM, SIDES) as directory:
                return OUTSIDE if os.readlink(name, dir_fd=directory) == OUTSIDE else PRIVATE
        except FileNotFoundError:
            return None
        except OSError as error:
            # Not a link, as after some restores: then the side that requests nothing.
            if error.errno == errno.EINVAL:
                return PRIVATE
            raise
