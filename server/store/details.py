"""What a listing says about a file's content, computed once per content."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import IO

from server.distributions.listed import project_of
from server.distributions.metadata import Description, describe
from server.store.entries import open_file, report
from server.store.kept import Details, Identity, Kept
from server.store.stamps import reach

CHUNK_BYTES = 1 << 20
# Bounds memory: about 500 bytes are held per file.
FILES_REMEMBERED = 200_000
# Asking for a file's attributes takes a network round trip: more files than these are asked about at once.
FEW_FILES = 3
ASKING_THREADS = 16


class Unread(Exception):
    """More of a project's files would have to be read than is wanted now."""


class DetailsCache:
    def __init__(self, root: Path, asking: ThreadPoolExecutor) -> None:
        self._root = str(root)
        self._kept = Kept(self._root)
        self._known: dict[str, Details] = {}
        # Two requests for one file hash it once; requests for different files seldom wait for each other.
        self._locks = [threading.Lock() for _ in range(64)]
        self._keeping = [threading.Lock() for _ in range(64)]
        self._asking = asking

    def get(self, path: str, kept: Mapping[str, Details] | None = None) -> Details:
        """`path` is relative to the root, `kept` what may be believed of it.

        Raises OSError; FileNotFoundError if there is no file, whatever else may be there.
        """
        if details := self._current(path, self._status(path)):
            return details
        with self._locks[hash(path) % len(self._locks)], open_file(self._root, path) as file:
            # Opening has asked the file server; attributes without it may be old.
            status = os.fstat(file.fileno())
            if details := self._current(path, status):
                return details
            if details := self._believed(path, status, kept or {}):
                return details
            digest = hashlib.sha256()
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
            return self._describe(path, file, digest.hexdigest())

    def load(self, project: str) -> Future[dict[str, Details]]:
        """What is kept of a project, however old: `of_project` believes only what fits its files."""
        return self._asking.submit(self._kept.load, project)

    def of_project(
        self,
        project: str,
        paths: Sequence[str],
        loading: Future[dict[str, Details]] | None = None,
        *,
        most_bytes: float = inf,
    ) -> list[tuple[str, Details]]:
        """Those of all `paths` that are files, in order; `loading` is the result of `load`, if that was called before.

        An unreadable file is skipped, unless there is no other. Raises OSError; Unread if more than
        `most_bytes` would have to be read.
        """
        # What is kept is read while the files are asked about: each takes a network round trip.
        if loading is None and not self._known.keys() >= set(paths):
            loading = self.load(project)
        statuses = self.statuses(paths)
        kept: Mapping[str, Details] | None = None
        changed = False
        denied: PermissionError | None = None
        found: list[tuple[str, Details]] = []
        for path, status in zip(paths, statuses, strict=True):
            details = self._current(path, status)
            if details is None:
                if kept is None:
                    kept = loading.result() if loading else self._kept.load(project)
                details = self._believed(path, status, kept)
            if details is None:
                assert kept is not None
                most_bytes -= status.st_size if status else 0
                if most_bytes < 0:
                    raise Unread(project)
                try:
                    details = self.get(path, kept)
                except FileNotFoundError:
                    continue
                except PermissionError as error:
                    denied = error
                    report(path, str(error.strerror))
                    continue
                changed = changed or kept.get(path) != details
            found.append((path, details))
        if changed:
            self._keep(project, dict(found), paths)
        if denied and not found:
            raise denied
        return found

    def learn(self, path: str, file: IO[bytes], sha256: str, description: Description | None) -> None:
        """Keep what is known of the open `file`, whoever may have replaced it meanwhile. Raises OSError.

        `description` is None if it was not read.
        """
        details = self._describe(path, file, sha256, description)
        if project := project_of(path):
            self._keep(project, {path: details})

    def forget_others(self, project: str, paths: Sequence[str]) -> None:
        """Keep nothing about files of the project other than `paths`."""
        self._keep(project, {}, paths)

    def sweep(self, projects: Iterable[str]) -> None:
        """Remove what is kept of other projects. Raises OSError."""
        self._kept.sweep(projects)

    def _keep(self, project: str, details: Mapping[str, Details], paths: Sequence[str] | None = None) -> None:
        """Add to what is kept of a project; with `paths`, drop what is kept of other files."""
        with self._keeping[hash(project) % len(self._keeping)]:
            before = {path: it for path, it in self._kept.load(project).items() if paths is None or path in paths}
            self._kept.save(project, before | dict(details))

    def _current(self, path: str, status: os.stat_result | None) -> Details | None:
        details = self._known.get(path)
        return details if details and status and details.identity == Identity.of(status) else None

    def _believed(self, path: str, status: os.stat_result | None, kept: Mapping[str, Details]) -> Details | None:
        details = kept.get(path)
        if not details or not status or details.identity != Identity.of(status):
            return None
        return self._remember(path, details)

    def _describe(self, path: str, file: IO[bytes], sha256: str, description: Description | None = None) -> Details:
        identity = Identity.of(os.fstat(file.fileno()))
        return self._remember(path, Details(identity, sha256, *(description or describe(path, file))))

    def _remember(self, path: str, details: Details) -> Details:
        if len(self._known) >= FILES_REMEMBERED:
            self._known.clear()
        self._known[path] = details
        return details

    def statuses(self, paths: Sequence[str]) -> list[os.stat_result | None]:
        """Of each path; None if there is no file. Raises OSError."""
        if len(paths) <= FEW_FILES:
            return [self._status(path) for path in paths]
        size = -(-len(paths) // ASKING_THREADS)
        parts = [paths[start : start + size] for start in range(0, len(paths), size)]
        return [
            status for part in self._asking.map(lambda part: list(map(self._status, part)), parts) for status in part
        ]

    def _status(self, path: str) -> os.stat_result | None:
        """None if opening the file will show why there is none."""
        try:
            return reach(os.stat, f"{self._root}/{path}")
        except OSError as error:
            # ELOOP: links that point to each other. EACCES: the file's directory may not be read.
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES):
                return None
            raise
