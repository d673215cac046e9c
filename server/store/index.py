"""The package files on disk, by path and by project, as of now."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from server.distributions.listed import project_of
from server.store.changes import PENDING_SECONDS, WAIT_SECONDS, Changes
from server.store.entries import Contents, open_file, read, report
from server.store.projects import Projects
from server.store.stamps import COARSE_TICK_SECONDS, Stamp, Watch, open_directory
from server.wire.messages import Refusal

# How often an upload in progress is checked.
POLL_SECONDS = 0.005
# A change by another program at the time of an upload is found by a reading this long after it, or later:
# readings take at most this share of the time.
VERIFY_SECONDS = 10.0
VERIFY_SHARE = 0.05


class _Directory:
    """What was last read of one directory."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.reading_began = float("-inf")
        self.packages: dict[str, None] = {}
        self.children: set[str] = set()


class Index(Projects):
    """`refresh` raises OSError if the package directory cannot be read. An unreadable sub-directory is in
    `unreadable`; what was known of it stays known, and nobody can say what else there is.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self._prefix = f"{root}/"
        self.unreadable: dict[str, str] = {}
        self.leftovers: set[str] = set()
        # Projects that have, or had, files that cannot be served.
        self.passed_over: set[str] = set()
        # Whether everything has been read, so that requests cost only what they always will.
        self.ready = False
        # Whether the last look at the directory failed.
        self.failed = False
        self._directories: dict[str, _Directory] = {"": _Directory()}
        self._changes = Changes(str(root))
        self._settled = False
        self._looked = float("-inf")
        self._lock = threading.Lock()
        # Packages taken in from announcements: when the last was, and which a reading may not have seen yet.
        self._explained_at = float("-inf")
        self._announced: dict[str, float] = {}
        self._verified = self._verify_after = float("-inf")

    def all_paths(self) -> list[str]:
        return [path + name for path, directory in list(self._directories.items()) for name in list(directory.packages)]

    def __contains__(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        directory = self._directories.get(path.removesuffix(name))
        return directory is not None and name in directory.packages

    @property
    def changed_ns(self) -> int:
        """When an entry of a directory last came or went, by the file server's clock, in ns since 1970."""
        stamps = [directory.watch.stamp for directory in list(self._directories.values())]
        return max((stamp.ctime_ns for stamp in stamps if stamp), default=0)

    def has_name(self, name: str) -> bool:
        """Whether any directory has a package file of this name."""
        return any(name in directory.packages for directory in list(self._directories.values()))

    def refresh(self) -> None:
        """Take in every change that was complete when this was called, on whichever host it was made."""
        arrived = time.monotonic()
        if self._settled and self._unchanged():
            return
        with self._lock:
            # One look serves all the requests that arrived before it started.
            if self._looked <= arrived:
                self.failed = True
                self._look()
                self.failed = False

    def require_complete(self) -> None:
        """To be called before saying that something does not exist. Raises Refusal if it may be in what cannot be read."""
        if self.unreadable:
            raise Refusal(503, "A part of the package directory cannot be read.", ("Retry-After", "5"))

    def verify(self) -> None:
        """Find what other programs changed at the moment a package was linked, if it is time to.

        For a thread of its own: it reads the whole directory, and requests do not wait for it.
        """
        began = time.monotonic()
        if began < self._verify_after or self._explained_at <= self._verified:
            return
        directory = self._directories[""]
        descriptor = self._open("")
        try:
            reading = read(descriptor, str(self.root), "", directory.packages)
        finally:
            os.close(descriptor)
        with self._lock:
            # A later reading, by a request meanwhile, has the newer names.
            if directory.reading_began <= began:
                self._take("", directory, reading, began)
                # This reading is of the top directory only. The next request reads sub-directories it has found.
                self._settled = False
        now = time.monotonic()
        self._verified = began - COARSE_TICK_SECONDS
        self._verify_after = now + max(VERIFY_SECONDS, (now - began) / VERIFY_SHARE)

    def _unchanged(self) -> bool:
        """Whether every directory has the stamp of its last reading, or still fails in the same way."""
        for path, directory in list(self._directories.items()):
            try:
                descriptor = self._open(path)
            except OSError as error:
                if str(error.strerror) != self.unreadable.get(path):
                    return False
                continue
            try:
                if path in self.unreadable or Stamp.of(descriptor) != directory.watch.stamp:
                    return False
            finally:
                os.close(descriptor)
        return True

    def _open(self, path: str) -> int:
        return open_directory(self._prefix + path[:-1])

    def _look(self) -> None:
        """Read each directory whose stamp has changed, from the top. Raises OSError if the top cannot be read."""
        began = time.monotonic()
        self._settled = False
        settled = True
        pending = [""]
        while pending:
            path = pending.pop()
            directory = self._directories.setdefault(path, _Directory())
            try:
                descriptor = self._open(path)
            except OSError as error:
                if not path:
                    raise
                if isinstance(error, (FileNotFoundError, NotADirectoryError)):
                    # The directory was removed after its parent had been read. The parent's stamp has changed again, so
                    # the next request has to look again.
                    settled = False
                else:
                    self._pass_over(path, error)
                    pending.extend(f"{path}{child}/" for child in directory.children)
                continue
            try:
                settled = self._look_at(path, directory, descriptor, began) and settled
            except OSError as error:
                if not path:
                    raise
                self._pass_over(path, error)
            finally:
                os.close(descriptor)
            pending.extend(f"{path}{child}/" for child in directory.children)
        self._looked = began
        stamp = self._directories[""].watch.stamp
        assert stamp is not None
        # Another upload within the same clock tick does not change the stamp: it proves nothing until the tick
        # is over, nor while an announced upload is in progress.
        quiet = began - self._explained_at >= stamp.tick_seconds and not self._changes.under_way(PENDING_SECONDS)
        self._settled = settled and quiet
        self.ready = self.ready or settled

    def _look_at(self, path: str, directory: _Directory, descriptor: int, began: float) -> bool:
        """Whether what is now known of the directory can be trusted until its stamp changes."""
        stamp = Stamp.of(descriptor)
        if not path and self._explained(directory, stamp):
            return True
        if path and directory.watch.settled(stamp) and path not in self.unreadable:
            return True
        changed = stamp != directory.watch.stamp
        directory.watch.saw(stamp, began)
        reading_began = time.monotonic()
        reading = read(descriptor, str(self.root), path, directory.packages)
        self._take(path, directory, reading, reading_began)
        directory.watch.was_read(began)
        self.unreadable.pop(path, None)
        if not path:
            self._changes.trust(stamp)
        if changed:
            # An existing name may mean another file now: files are replaced under their names.
            self.touch_all()
        return directory.watch.trusted

    def _explained(self, directory: _Directory, stamp: Stamp) -> bool:
        """Take in what was announced; returns whether that is all that happened to the package directory."""
        deadline = time.monotonic() + WAIT_SECONDS
        known = directory.watch.stamp
        while True:
            names = self._changes.read()
            if known is None or not directory.watch.trusted or self._changes.doubted:
                return False
            # `read` gives each name once. If taking one in fails, only a reading of the directory can find it.
            self._changes.doubted = True
            if not all(self._announce(directory, name, certain) for name, certain in names.items()):
                return False
            self._changes.doubted = False
            if self._changes.explain(known, stamp):
                break
            if not self._changes.under_way(WAIT_SECONDS) or time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        if stamp != known:
            directory.watch.advance(stamp)
            self._changes.trust(stamp)
            self._explained_at = time.monotonic()
        return True

    def _announce(self, directory: _Directory, name: str, certain: bool) -> bool:
        """False if the announcements contradict the directory."""
        project = project_of(name)
        assert project is not None, name
        known = name in directory.packages
        try:
            open_file(str(self.root), name).close()
        except FileNotFoundError:
            return not (certain or known)
        except OSError:
            # As while it is replaced.
            if known:
                return False
            raise
        # Even a known name may be absent from a reading under way: removed before it began, and uploaded since.
        self._announced[name] = time.monotonic()
        if known:
            self.touch(project)
            return True
        directory.packages[name] = None
        self.add(name, project)
        return True

    def _take(self, path: str, directory: _Directory, reading: Contents, began: float) -> None:
        """Make the index match `reading`, which started at `began`, of the directory at `path`."""
        self.passed_over |= reading.passed_over
        for name, project in reading.added.items():
            if name not in directory.packages:
                directory.packages[name] = None
                self.add(path + name, project)
        if not path:
            # The reading reflects everything announced before it started, but perhaps not what came later.
            self._announced = {name: at for name, at in self._announced.items() if at > began}
            self.leftovers = reading.leftovers
        if len(directory.packages) > len(reading.known) + len(reading.added):
            for name in directory.packages.keys() - reading.known - reading.added.keys():
                if path or name not in self._announced:
                    del directory.packages[name]
                    self._drop(path, name)
        for name in directory.children - reading.children:
            self._forget(f"{path}{name}/")
        directory.children = reading.children
        directory.reading_began = began

    def _drop(self, path: str, name: str) -> None:
        project = project_of(name)
        assert project is not None, name
        self.remove(path + name, project)

    def _forget(self, path: str) -> None:
        """Drop a directory and everything below it, however deep."""
        pending = [path]
        while pending:
            path = pending.pop()
            self.unreadable.pop(path, None)
            directory = self._directories.pop(path, None)
            if directory is not None:
                for name in directory.packages:
                    self._drop(path, name)
                pending.extend(f"{path}{name}/" for name in directory.children)

    def _pass_over(self, path: str, error: OSError) -> None:
        """Record that the directory at `path` cannot be read, and why; its packages stay listed."""
        self.unreadable[path] = str(error.strerror)
        report(path, str(error.strerror))
