"""pypiserver's view of the index: the routes that pypiserver itself serves read and remove through it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pypiserver.backend import Backend
from pypiserver.core import PkgFile
from pypiserver.pkg_helpers import guess_pkgname_and_version, normalize_pkgname

from .details import CHUNK_BYTES, DetailsCache
from .index import Index
from .releases import order_of
from .staging import Staged, settle


class IndexedBackend(Backend):
    """Every method raises OSError if a directory cannot be read."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        root = Path(config.roots[0])
        self.index = Index(root)
        self.details = DetailsCache(root)
        self._replace = bool(config.overwrite)

    def package(self, path: str) -> PkgFile:
        """`path` is one of the index."""
        guess = guess_pkgname_and_version(path)
        assert guess is not None, path
        name, version = guess
        root = str(self.index.root)
        file = PkgFile(pkgname=name, version=version, fn=f"{root}/{path}", root=root, relfn=path)
        # pypiserver appends a wheel's build tag (PEP 427) to the version, and has an order of its own.
        file.parsed_version = order_of(version.partition("-")[0] if path.endswith(".whl") else version)
        return file

    def get_all_packages(self) -> Iterator[PkgFile]:
        self.index.refresh()
        return map(self.package, self.index.all_paths())

    def find_project_packages(self, project: str) -> Iterator[PkgFile]:
        self.index.refresh()
        return map(self.package, self.index.paths(normalize_pkgname(project)))

    def exists(self, filename: str) -> bool:
        self.index.refresh()
        return self.index.has_name(filename)

    def digest(self, pkg: PkgFile) -> str:
        return f"sha256={self.details.get(str(pkg.relfn)).sha256}"

    def add_package(self, filename: str, stream: IO[bytes]) -> None:
        staged = Staged(self.index.root, filename)
        try:
            while chunk := stream.read(CHUNK_BYTES):
                staged.write(chunk)
            staged.store()
            staged.publish(replace=self._replace)
            settle(self.index.root)
        finally:
            staged.discard()

    def remove_package(self, pkg: PkgFile) -> None:
        with suppress(FileNotFoundError):
            os.remove(str(pkg.fn))
