"""Serials, as PyPI has them: a number for each project, and one for all, which grow with every change.

They are the file server's times, in microseconds since 1970, so every task has the same, even one that starts later: of the
last change to a project's files, or to its entry in `Yanks`. The number of files is added, as several may come
within one tick of the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from server.store.packages import Packages

# The index's generation of a project, and its mark.
_State = tuple[tuple[int, int], int]


def serial_of(ctimes_ns: Sequence[int], marked_ns: int) -> int:
    """The serial of a project whose files last changed, and which was last marked, at these times."""
    return max([*ctimes_ns, marked_ns]) // 1000 + len(ctimes_ns)


class Counted(NamedTuple):
    """`first_ns`: when the project's oldest file was uploaded."""

    serial: int
    first_ns: int


_NOTHING = Counted(0, 1 << 63)


class Serials:
    """The serials of all projects. One thread uses it at a time."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        # By project, with the generation for which it is true.
        self._known: dict[str, tuple[_State, Counted]] = {}

    def of_all(self) -> dict[str, Counted]:
        """By project. Checks the files of those that have changed since the last call. Raises OSError."""
        index, yanks = self._packages.index, self._packages.yanks
        marked = yanks.marked()
        found: dict[str, tuple[_State, Counted]] = {}
        changed: dict[str, list[str]] = {}
        for project in index.projects():
            before, state = self._known.get(project), (index.generation(project), marked.get(project, 0))
            if before is None or before[0] != state:
                changed[project] = index.paths(project)
            found[project] = state, before[1] if before else _NOTHING
        asked = iter(self._packages.details.statuses([path for paths in changed.values() for path in paths]))
        for project, paths in changed.items():
            statuses = list(filter(None, islice(asked, len(paths))))
            ctimes = [status.st_ctime_ns for status in statuses]
            state, before_serial = found[project][0], found[project][1].serial
            serial = serial_of(ctimes, state[1])
            if serial < before_serial:
                serial = serial_of(ctimes, yanks.mark(project))
            found[project] = state, Counted(serial, min((it.st_mtime_ns for it in statuses), default=_NOTHING.first_ns))
        self._known = found
        return {project: counted for project, (_, counted) in found.items()}
