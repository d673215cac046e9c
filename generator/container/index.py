"""The package files on disk, by path and by project, as of now."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from pypiserver.pkg_helpers import guess_pkgname_and_version, normalize_pkgname

# A file system's clock may tick this coarsely: two changes within it can leave the same directory times.
CLOCK_GRANULARITY_SECONDS = 2.0

# Device, inode, mtime and ctime in ns: differs whenever entries came or went, clock ticks apart.
_Signature = tuple[int, int, int, int]


class _Directory:
    """What was last read of one directory."""

    def __init__(self) -> None:
        self.signature: _Signature | None = None
        self.first_seen = 0.0
        self.settled = False
        # Of all names in the order read; a list of them would double the memory.
        self.names_hash: int | None = None
        # Each name with the last reading that met it.
        self.packages: dict[str, object] = {}
        self.children: set[str] = set()


class Index:
    """
    Paths are relative to `root`, in `/` notation; projects are named as PEP 503 normalises them.

    `refresh` raises OSError if a directory cannot be read: what cannot be read is never taken for absent.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.generation = 0
        self.projects_generation = 0
        self._directories: dict[str, _Directory] = {}
        self._paths_of: dict[str, set[str]] = {}
        self._settled = False
        self._scan_began = float("-inf")
        self._lock = threading.Lock()

    def projects(self) -> list[str]:
        return list(self._paths_of)

    def paths(self, project: str) -> list[str]:
        return list(self._paths_of.get(project, ()))

    def all_paths(self) -> list[str]:
        return [path + name for path, directory in list(self._directories.items()) for name in list(directory.packages)]

    def __contains__(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        directory = self._directories.get(path.removesuffix(name))
        return directory is not None and name in directory.packages

    def has_name(self, name: str) -> bool:
        """Whether a package file of this name lies in any directory."""
        return any(name in directory.packages for directory in list(self._directories.values()))

    def refresh(self) -> None:
        """Take in every change that was complete when this was called, on whichever host it was made."""
        arrived = time.monotonic()
        if self._settled and self._unchanged():
            return
        with self._lock:
            # One scan serves all the requests that arrived before it began.
            if self._scan_began <= arrived:
                self._scan()

    def _unchanged(self) -> bool:
        for path, directory in list(self._directories.items()):
            try:
                descriptor = self._open(path)
            except (FileNotFoundError, NotADirectoryError):
                return False
            try:
                if _signature(descriptor) != directory.signature:
                    return False
            finally:
                os.close(descriptor)
        return True

    def _open(self, path: str) -> int:
        # NFS asks the server for a directory's attributes when it is opened; a bare stat may be a minute old.
        return os.open(f"{self.root}/{path}", os.O_RDONLY | os.O_DIRECTORY)

    def _scan(self) -> None:
        began = time.monotonic()
        self._settled = False
        settled = True
        pending = [""]
        while pending:
            path = pending.pop()
            try:
                descriptor = self._open(path)
            except (FileNotFoundError, NotADirectoryError):
                if not path:
                    raise
                # Removed since its parent was read, which has therefore changed again.
                settled = False
                continue
            try:
                directory = self._directories.setdefault(path, _Directory())
                self._read(path, directory, descriptor, began)
            finally:
                os.close(descriptor)
            settled = settled and directory.settled
            pending.extend(f"{path}{child}/" for child in directory.children)
        self._scan_began = began
        self._settled = settled

    def _read(self, path: str, directory: _Directory, descriptor: int, began: float) -> None:
        signature = _signature(descriptor)
        if signature == directory.signature and directory.settled:
            return
        if signature != directory.signature:
            directory.signature = signature
            directory.first_seen = time.monotonic()
            directory.settled = False
            # Also a name that stayed may have become a directory.
            directory.names_hash = None
        if directory.names_hash is None or _hash_names(descriptor) != directory.names_hash:
            self._take(path, directory, descriptor)
        # Reckoned on this host's clock alone, so that the file server's may be wrong.
        directory.settled = began - directory.first_seen >= CLOCK_GRANULARITY_SECONDS

    def _take(self, path: str, directory: _Directory, descriptor: int) -> None:
        reading = object()
        names_hash = 0
        added: dict[str, str] = {}
        children: set[str] = set()
        with os.scandir(descriptor) as entries:
            for entry in entries:
                name = entry.name
                names_hash = hash((names_hash, name))
                if name in directory.packages:
                    directory.packages[name] = reading
                elif name.startswith("."):
                    continue
                elif entry.is_dir(follow_symlinks=False):
                    children.add(name)
                elif entry.is_file() and name.isprintable() and (project := _project_of(name)):
                    added[name] = project
        # Nothing is taken over from a directory that could not be read to its end.
        for name, project in added.items():
            directory.packages[name] = reading
            self._add(path + name, project)
        for name in [name for name, last in directory.packages.items() if last is not reading]:
            del directory.packages[name]
            self._remove(path, name)
        for name in directory.children - children:
            self._forget(f"{path}{name}/")
        self.generation += 1
        directory.names_hash, directory.children = names_hash, children

    def _add(self, path: str, project: str) -> None:
        if project not in self._paths_of:
            self._paths_of[project] = set()
            self.projects_generation += 1
        self._paths_of[project].add(path)

    def _remove(self, path: str, name: str) -> None:
        project = _project_of(name)
        assert project is not None, name
        self._paths_of[project].discard(path + name)
        if not self._paths_of[project]:
            del self._paths_of[project]
            self.projects_generation += 1

    def _forget(self, path: str) -> None:
        """Drop a directory and all below it."""
        directory = self._directories.pop(path, None)
        if directory is not None:
            for name in directory.packages:
                self._remove(path, name)
            for name in directory.children:
                self._forget(f"{path}{name}/")


def _project_of(name: str) -> str | None:
    """None if a file of this name is no package."""
    guess = guess_pkgname_and_version(name)
    return guess and normalize_pkgname(guess[0])


def _hash_names(descriptor: int) -> int:
    names_hash = 0
    with os.scandir(descriptor) as entries:
        for entry in entries:
            names_hash = hash((names_hash, entry.name))
    return names_hash


def _signature(descriptor: int) -> _Signature:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
