"""The packages that exist, and every change that all tasks must learn of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from server.distributions.listed import Package, project_of
from server.distributions.names import normalized
from server.store.changes import Announcer
from server.store.details import ASKING_THREADS, DetailsCache
from server.store.index import Index
from server.store.staging import Staged
from server.store.stamps import flush_directory
from server.store.statuses import Status
from server.store.yanks import Yanks


class Packages:
    """Every method raises OSError if a directory cannot be read."""

    def __init__(self, root: Path) -> None:
        self.index = Index(root)
        self.asking = ThreadPoolExecutor(ASKING_THREADS)
        self.details = DetailsCache(root, self.asking)
        self.yanks = Yanks(str(root))
        self._announcer = Announcer(str(root))

    def publish(self, staged: Staged, *, replace: bool) -> None:
        """Make a flushed upload visible to every task; as Staged.publish. Call `Staged.settle` afterwards."""
        with self._announcer.announced(staged.name) as announcement:
            staged.publish(replace=replace)
            with suppress(OSError):
                announcement.done()

    def yank(self, package: Package, reason: str | None) -> None:
        """As Yanks.change, of the release that `package` belongs to, for every task at once."""
        with self._told(package.path):
            self.yanks.change(normalized(package.name), package.version, reason)

    def change_status(self, project: str, path: str, status: Status) -> None:
        """For the project of the file at `path`, for every task at once."""
        with self._told(path):
            self.yanks.change_status(project, status)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """Makes every task look again at the project of the file at `path`."""
        with self._announcer.announced(path.rpartition("/")[2]) as announcement:
            # Before as well: else a task that happens to look meanwhile tells of it, and another later does not.
            os.utime(self.index.root)
            yield
            # Tasks read announcements when the package directory has changed. That its file is in a sub-directory
            # contradicts the announcement, which makes them read that too.
            os.utime(self.index.root)
            with suppress(OSError):
                announcement.done()

    def remove(self, path: str) -> None:
        """Every task notices, even if something else is announced meanwhile. Raises FileNotFoundError if it is already gone."""
        name = path.rpartition("/")[2]
        with self._announcer.doubted(name):
            os.remove(self.index.root / path)
        if project := project_of(name):
            with suppress(OSError):
                self.yanks.mark(project)

    def settle_removals(self, paths: Iterable[str]) -> None:
        """After `remove`: flush it to stable storage. Raises OSError."""
        for directory in {(self.index.root / path).parent for path in paths}:
            flush_directory(f"{directory}/")

    def lost(self, project: str, paths: Sequence[str]) -> None:
        """Files of the project are gone, and only `paths` remain: makes its serial grow."""
        with suppress(OSError):
            self.yanks.mark(project)
        self.details.forget_others(project, paths)
