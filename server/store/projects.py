"""The projects and their files, as last read."""

from __future__ import annotations

import itertools


class Projects:
    """Paths are relative to the package directory, in `/` notation; project names are normalised as in PEP 503.

    One thread changes it at a time; any may read it meanwhile.
    """

    def __init__(self) -> None:
        # Counts changes to the set of projects.
        self.projects_generation = 0
        self._paths_of: dict[str, set[str]] = {}
        # Each touch takes a new number, so a generation that a cache has seen never comes back.
        self._numbers = itertools.count(1)
        # The last of them: unchanged while nothing is known to have happened to any file.
        self.changes = 0
        self._all_touched = 0
        self._touched: dict[str, int] = {}

    def projects(self) -> list[str]:
        return list(self._paths_of)

    def paths(self, project: str) -> list[str]:
        return list(self._paths_of.get(project, ()))

    def generation(self, project: str) -> tuple[int, int]:
        """Unchanged while nothing is known to have happened to any file of the project."""
        return self._all_touched, self._touched.get(project, 0)

    def touch(self, project: str) -> None:
        """A file of the project may be another one than before."""
        self._touched[project] = self.changes = next(self._numbers)

    def touch_all(self) -> None:
        self._all_touched = self.changes = next(self._numbers)
        self._touched.clear()

    def add(self, path: str, project: str) -> None:
        if project not in self._paths_of:
            self._paths_of[project] = set()
            self.projects_generation += 1
        self._paths_of[project].add(path)
        self.touch(project)

    def remove(self, path: str, project: str) -> None:
        paths = self._paths_of[project]
        paths.discard(path)
        if not paths:
            del self._paths_of[project]
            self.projects_generation += 1
        self.touch(project)
