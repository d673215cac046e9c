"""The WSGI application: the routes worth their own code, and pypiserver's application for all others."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterable
from http import HTTPStatus
from threading import Thread
from typing import Any

from pypiserver import app_from_config
from pypiserver.backend import BackendProxy
from pypiserver.config import Config
from pypiserver.pkg_helpers import normalize_pkgname_for_url

from .backend import IndexedBackend
from .downloads import download, metadata
from .health import Health
from .http import Environ, Refusal, Response, account_of, authenticate, plain, unauthorized, whole
from .listings import Listings
from .settings import Settings
from .upkeep import keep_up
from .uploads import Uploads

log = logging.getLogger("gunicorn.error")

WELCOME = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Package index</title></head>
<body><h1>Package index</h1><p>The index for pip and uv is at <a href="simple/">simple/</a>.</p></body></html>
"""


class Application:
    """Made once per worker process."""

    def __init__(self, settings: Settings) -> None:
        self._accounts = settings.accounts
        self._directory = settings.packages_directory
        config = Config.default_with_overrides(
            roots=[self._directory],
            backend_arg="simple-dir",
            authenticate=["download", "list", "update"],
            auther=self._is_account,
            overwrite=not settings.immutable,
            disable_fallback=not settings.fallback_url,
            fallback_url=settings.fallback_url,
        )
        self._indexed = settings.indexed
        if settings.indexed:
            backend = IndexedBackend(config)
            config.backend = BackendProxy(backend)
            self._index = backend.index
            self._listings = Listings(backend)
            self._uploads = Uploads(backend, immutable=settings.immutable)
            self._health = Health(self._directory, backend.index)
            Thread(target=keep_up, args=(backend,), daemon=True).start()
        else:
            self._health = Health(self._directory)
            # bottle spools uploads to temporary files; /tmp is a small file system in memory.
            tempfile.tempdir = str(self._directory)
        self._pypiserver = app_from_config(config)
        # Errors of the storage reach `__call__`, which answers 503.
        self._pypiserver.catchall = False

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        # pypiserver would build redirects from it; the load balancer sets only Host.
        environ.pop("HTTP_X_FORWARDED_HOST", None)
        try:
            response = self._respond(environ)
            if response is None:
                # pypiserver takes a directory that it cannot read for an empty one.
                os.close(os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY))
                answer: Iterable[bytes] = self._pypiserver(environ, start_response)
                return answer
        except Refusal as refusal:
            response = refusal.response
        except OSError as error:
            log.error("The package directory cannot be read: %s", error)
            response = plain(503, "The package directory cannot be read.\n", ("Retry-After", "5"))
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", response.headers)
        return response.body if environ["REQUEST_METHOD"] != "HEAD" else _closed(response.body)

    def _respond(self, environ: Environ) -> Response | None:
        """None if pypiserver's application is to answer. Raises Refusal and OSError."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        reads = method in ("GET", "HEAD")
        if reads and path == "/health":
            return self._health.respond()
        if reads and path == "/":
            return whole(200, "text/html; charset=UTF-8", WELCOME)
        account = authenticate(environ, self._accounts)
        if method == "POST" and path == "/" and account is not None:
            if not account.may_upload:
                raise Refusal(403, f"The account {account.username} may not upload.")
            return self._uploads.respond(environ) if self._indexed else None
        if not self._indexed or not reads:
            return None
        _, route, name = path.split("/", 2) if path.count("/") > 1 else ("", "", "")
        if route not in ("packages", "simple") or path == "/packages/":
            return None
        if account is None:
            raise unauthorized("A user name and password are needed.")
        if route == "packages":
            return self._package(name.encode("latin-1").decode("utf-8", "replace"), environ)
        if not name:
            return self._listings.root(environ)
        project = name[:-1]
        if name.endswith("/") and project == normalize_pkgname_for_url(project):
            return self._listings.project(project, environ)
        return None

    def _package(self, path: str, environ: Environ) -> Response:
        response = download(self._index, path, environ)
        if response is None and path.endswith(".whl.metadata"):
            response = metadata(self._index, path[: -len(".metadata")])
        return response or plain(404, f"Not Found ({path} does not exist)\n")

    def _is_account(self, username: str, password: str) -> bool:
        return account_of(f"{username}:{password}".encode(), self._accounts) is not None


def _closed(body: Iterable[bytes]) -> list[bytes]:
    if hasattr(body, "close"):
        body.close()
    return []
