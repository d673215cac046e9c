"""pypiserver's view of the index: the routes that pypiserver itself serves read and remove through it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, BinaryIO

from pypiserver.backend import Backend, SimpleFileBackend
from pypiserver.bottle_wrapper import request
from pypiserver.core import PkgFile
from pypiserver.pkg_helpers import guess_pkgname_and_version, normalize_pkgname

from .changes import Announcer
from .details import ASKING_THREADS, DetailsCache
from .entries import open_file
from .index import Index
from .records import write_change
from .releases import order_of, version_of
from .staging import Staged
from .yanks import Yanks


class IndexedBackend(Backend):
    """Every method raises OSError if a directory cannot be read."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        root = Path(config.roots[0])
        self.index = Index(root)
        self.asking = ThreadPoolExecutor(ASKING_THREADS)
        self.details = DetailsCache(root, self.asking)
        self.yanks = Yanks(str(root))
        self._announcer = Announcer(str(root))

    def package(self, path: str) -> PkgFile:
        """`path` is one of the index."""
        guess = guess_pkgname_and_version(path)
        assert guess is not None, path
        name, version = guess[0], version_of(path, guess[1])
        root = str(self.index.root)
        file = PkgFile(pkgname=name, version=version, fn=f"{root}/{path}", root=root, relfn=path)
        # pypiserver has an order of its own.
        file.parsed_version = order_of(version)
        return file

    def get_all_packages(self) -> Iterator[PkgFile]:
        self.index.refresh()
        return map(self.package, self.index.all_paths())

    def find_project_packages(self, project: str) -> Iterator[PkgFile]:
        self.index.refresh()
        name = normalize_pkgname(project)
        return (self.package(path) for path, _ in self.details.of_project(name, self.index.paths(name)))

    def find_version(self, name: str, version: str) -> Iterator[PkgFile]:
        wanted = version_of("", version)
        return (file for file in self.find_project_packages(name) if file.version == wanted)

    def exists(self, filename: str) -> bool:
        self.index.refresh()
        return self.index.has_name(filename)

    def digest(self, pkg: PkgFile) -> str | None:
        try:
            return f"sha256={self.details.get(str(pkg.relfn)).sha256}"
        except (FileNotFoundError, PermissionError):
            # Gone, or passed over where it is listed.
            return None

    def add_package(self, filename: str, stream: IO[bytes]) -> None:
        raise NotImplementedError("uploads.py takes them")

    def publish(self, staged: Staged, *, replace: bool) -> None:
        """Make a flushed upload visible to every task; as Staged.publish, after which `Staged.settle` is to be called."""
        with self._announcer.announced(staged.name) as announcement:
            staged.publish(replace=replace)
            with suppress(OSError):
                announcement.done()

    def yank(self, package: PkgFile, reason: str | None) -> None:
        """As Yanks.change, of the release that `package` belongs to, for every task at once."""
        with self._announcer.announced(str(package.relfn).rpartition("/")[2]) as announcement:
            self.yanks.change(normalize_pkgname(package.pkgname), package.version, reason)
            # Tasks read announcements when the package directory has changed. That its file is in a sub-directory
            # contradicts the announcement, and lets them read that too.
            os.utime(self.index.root)
            with suppress(OSError):
                announcement.done()

    def remove_package(self, pkg: PkgFile) -> None:
        _remove(pkg)


class SimpleBackend(SimpleFileBackend):
    """pypiserver's own, which records what it changes."""

    def add_package(self, filename: str, stream: BinaryIO) -> None:
        super().add_package(filename, stream)
        write_change(request.environ, "upload", filename, *_facts(stream))

    def remove_package(self, pkg: PkgFile) -> None:
        _remove(pkg)


def _remove(pkg: PkgFile) -> None:
    """Recorded with the account of the request that pypiserver answers in this thread."""
    facts: tuple[str | None, int | None] = None, None
    # What cannot be read can be removed.
    with suppress(OSError), open_file(str(pkg.root), str(pkg.relfn)) as file:
        facts = _facts(file)
    with suppress(FileNotFoundError):
        os.remove(str(pkg.fn))
        write_change(request.environ, "removal", str(pkg.relfn), *facts)


def _facts(file: IO[bytes]) -> tuple[str, int]:
    """SHA-256 and size in bytes of what is left to read."""
    digest = sha256()
    size = 0
    while block := file.read(1 << 20):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size
