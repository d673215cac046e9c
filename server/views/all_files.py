"""`/packages/`: every file that is here, as pypiserver lists them."""

from __future__ import annotations

from contextlib import suppress
from html import escape

from server.distributions.listed import order_of, package_at
from server.store.packages import Packages
from server.views.listings import page, url_of
from server.wire.messages import REVALIDATED, Response, whole


def all_files(packages: Packages) -> Response:
    """Raises OSError."""
    packages.index.refresh()
    found = sorted(
        map(package_at, packages.index.all_paths()),
        key=lambda it: (it.path.rpartition("/")[0], it.name, order_of(it.version), it.path),
    )
    links = (f'        <a href="{escape(_url(packages, it.path))}">{escape(it.path)}</a><br>\n' for it in found)
    html = page("Index of packages", links).encode()
    return whole(200, "text/html; charset=UTF-8", html, REVALIDATED, ("Content-Security-Policy", "default-src 'none'"))


def _url(packages: Packages, path: str) -> str:
    # Gone, or passed over where it is listed.
    with suppress(FileNotFoundError, PermissionError):
        return f"{url_of(path)}#sha256={packages.details.get(path).sha256}"
    return url_of(path)
