"""pypiserver's own application, asked only what was decided before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import IO, Any

from pypiserver import app_from_config
from pypiserver.backend import Backend, BackendProxy
from pypiserver.bottle_wrapper import request
from pypiserver.bottle_wrapper import response as current_response
from pypiserver.config import Config
from pypiserver.core import PkgFile

from server.distributions.listed import normalized_version, order_of, package_at
from server.distributions.names import normalized
from server.store.entries import open_file
from server.store.packages import Packages
from server.views.records import write_change
from server.wire.messages import Environ, Response


class Stock:
    def __init__(self, packages: Packages, *, immutable: bool, fallback_url: str) -> None:
        config = Config.default_with_overrides(
            roots=[packages.index.root],
            backend_arg="simple-dir",
            # Nothing gets there that was not authorised here.
            authenticate=[],
            auther=lambda username, password: True,
            overwrite=not immutable,
            disable_fallback=not fallback_url,
            fallback_url=fallback_url,
        )
        config.backend = BackendProxy(_Adapter(config, packages))
        self._application = app_from_config(config)
        # Errors of the storage are the caller's.
        self._application.catchall = False
        self._application.default_error_handler = _as_text  # type: ignore[method-assign]  # bottle asks the instance

    def respond(self, environ: Environ) -> Response:
        """Raises OSError and, of what its handlers do not foresee, anything."""
        answer: list[Any] = []
        # bottle writes to what it gets.
        environ = dict(environ)
        # It knows no If-Range: the rest of one file would be sent to who has the beginning of another.
        if "HTTP_IF_RANGE" in environ:
            environ.pop("HTTP_RANGE", None)
        body = self._application(environ, lambda status, headers, _=None: answer.extend((status, headers)))
        status = int(answer[0].split()[0])
        if status < 400:
            # A file's name may be the address of a link that runs it.
            return Response(status, [*answer[1], ("Content-Security-Policy", "default-src 'none'")], body)
        content = b"".join(body)
        return Response(status, answer[1], [content], content.decode("utf-8", "replace"))


class _Adapter(Backend):
    """The packages as pypiserver sees them. Every method raises OSError if a directory cannot be read."""

    def __init__(self, config: Any, packages: Packages) -> None:
        super().__init__(config)
        self._packages = packages
        self._index = packages.index

    def _file(self, path: str) -> PkgFile:
        package = package_at(path)
        root = str(self._index.root)
        file = PkgFile(pkgname=package.name, version=package.version, fn=f"{root}/{path}", root=root, relfn=path)
        # pypiserver has an order of its own.
        file.parsed_version = order_of(package.version)
        return file

    def get_all_packages(self) -> Iterator[PkgFile]:
        self._index.refresh()
        return map(self._file, self._index.all_paths())

    def find_project_packages(self, project: str) -> Iterator[PkgFile]:
        self._index.refresh()
        name = normalized(project)
        return (self._file(path) for path, _ in self._packages.details.of_project(name, self._index.paths(name)))

    def find_version(self, name: str, version: str) -> Iterator[PkgFile]:
        wanted = normalized_version(version)
        return (file for file in self.find_project_packages(name) if file.version == wanted)

    def exists(self, filename: str) -> bool:
        self._index.refresh()
        return self._index.has_name(filename)

    def digest(self, pkg: PkgFile) -> str | None:
        try:
            return f"sha256={self._packages.details.get(str(pkg.relfn)).sha256}"
        except (FileNotFoundError, PermissionError):
            # Gone, or passed over where it is listed.
            return None

    def add_package(self, filename: str, stream: IO[bytes]) -> None:
        raise NotImplementedError("uploads.py takes them")

    def remove_package(self, pkg: PkgFile) -> None:
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


def _as_text(error: Any) -> str:
    current_response.content_type = "text/plain; charset=utf-8"
    return f"{str(error.body).strip()}\n"
