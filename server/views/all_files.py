"""`/packages/`: every file that is here, as pypiserver lists them."""

from __future__ import annotations

import time
from contextlib import suppress
from html import escape

from server.distributions.listed import order_of, package_at
from server.distributions.names import normalized
from server.store.packages import Packages
from server.views.listings import PATIENCE_SECONDS, page, url_of
from server.wire.calls import Calls
from server.wire.messages import REVALIDATED, Awaited, Environ, Response, whole


class AllFiles:
    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self._calls = Calls(1)
        # When it was started, by the monotonic clock.
        self._rendered: tuple[float, bytes] = (float("-inf"), b"")

    def respond(self, environ: Environ) -> Response:
        """One page for all who asked before it was started. Raises OSError and Awaited."""
        began, html = self._rendered
        if began < environ["server.arrived"]:
            raise Awaited(self._calls.wait("", self._render, PATIENCE_SECONDS))
        return whole(
            200, "text/html; charset=UTF-8", html, REVALIDATED, ("Content-Security-Policy", "default-src 'none'")
        )

    def _render(self) -> None:
        began = time.monotonic()
        index, yanks = self._packages.index, self._packages.yanks
        index.refresh()
        # A project without a directory there has no status.
        hidden = {name for name in yanks.marked() if not yanks.status(name).is_offered}
        found = sorted(
            (it for it in map(package_at, index.all_paths()) if normalized(it.name) not in hidden),
            key=lambda it: (it.path.rpartition("/")[0], it.name, order_of(it.version), it.path),
        )
        links = (f'        <a href="{escape(self._url(it.path))}">{escape(it.path)}</a><br>\n' for it in found)
        self._rendered = began, page("Index of packages", links).encode()

    def _url(self, path: str) -> str:
        # Gone, or skipped in the listing.
        with suppress(FileNotFoundError, PermissionError):
            return f"{url_of(path)}#sha256={self._packages.details.get(path).sha256}"
        return url_of(path)
