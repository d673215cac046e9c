"""One-line descriptions of projects (Summary of core metadata), for the search."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from server.distributions.archives import core_metadata
from server.distributions.listed import order_of, package_at
from server.distributions.metadata import info
from server.distributions.tarballs import Unfit
from server.store.entries import open_file, report
from server.store.kept import Identity
from server.store.packages import Packages
from server.views.releases import latest_of

log = logging.getLogger("gunicorn.error")

# Bounds memory: each takes two or three kilobytes at most. PyPI's have at most 512 characters.
PROJECTS_LIMIT = 20_000
CHARACTERS_LIMIT = 200
LOOK_SECONDS = 1.0
# At most this share of the time: a process that starts has thousands of files to read.
SHARE = 0.2
# So many are read in some seconds.
FEW = 100


class Summary(NamedTuple):
    """`folded` is `text` for comparisons; it is from `file` as it was then, and for one generation of the project."""

    generation: tuple[int, int]
    file: tuple[str, Identity] | None
    text: str = ""
    folded: str = ""


UNREAD = Summary((0, 0), None)


class Summaries:
    """Those of the first PROJECTS_LIMIT projects by name, as far as `follow` has read them: no request waits for a file."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self.known: dict[str, Summary] = {}
        self.complete = False

    def follow(self) -> None:
        """For a daemon thread."""
        seen = -1
        while True:
            try:
                changes = self._packages.index.changes
                if self._packages.index.ready and changes != seen and self._learn():
                    seen, self.complete = changes, True
            except Exception:
                log.exception("Summaries could not be read.")
            time.sleep(LOOK_SECONDS)

    def _learn(self) -> bool:
        """Whether all could be read."""
        index, succeeded = self._packages.index, True
        projects = sorted(index.projects())[:PROJECTS_LIMIT]
        for gone in self.known.keys() - set(projects):
            del self.known[gone]
        unread = [name for name in projects if self.known.get(name, UNREAD).generation != index.generation(name)]
        if len(unread) > FEW:
            self.complete = False
        for name in unread:
            generation, before = index.generation(name), self.known.get(name, UNREAD)
            if before.generation != generation:
                began = time.monotonic()
                try:
                    self.known[name] = self._read(name, generation, before)
                except OSError as error:
                    report(name, str(error.strerror))
                    succeeded = False
                except Exception:
                    # The others are read none the less.
                    log.exception("The summary of %s could not be read.", name)
                    self.known[name] = Summary(generation, None)
                time.sleep((time.monotonic() - began) * (1 / SHARE - 1))
        return succeeded

    def _read(self, name: str, generation: tuple[int, int], before: Summary) -> Summary:
        """Empty if the file is gone, or has none. Raises OSError."""
        path = self._describing(name)
        (status,) = self._packages.details.statuses([path]) if path else (None,)
        if path is None or status is None:
            return Summary(generation, None)
        file = path, Identity.of(status)
        if before.file == file:
            return before._replace(generation=generation)
        try:
            with open_file(str(self._packages.index.root), path) as opened:
                text = info(core_metadata(path, opened) or b"")["summary"] or ""
        except (FileNotFoundError, PermissionError, Unfit):
            text = ""
        return Summary(generation, file, text[:CHARACTERS_LIMIT], text[:CHARACTERS_LIMIT].casefold())

    def _describing(self, name: str) -> str | None:
        """The path of the file whose metadata represents the project, as on its page; None if it has no file to show."""
        withdrawn = self._packages.yanks.of(name)
        if not withdrawn.status.is_offered:
            return None
        releases: dict[str, list[str]] = {}
        for path in self._packages.index.paths(name):
            if not path.endswith(".asc"):
                releases.setdefault(package_at(path).version, []).append(path)
        latest = latest_of(sorted(releases, key=order_of, reverse=True), withdrawn.reasons)
        return None if latest is None else min(releases[latest], key=lambda it: (not it.endswith(".whl"), it))
