"""`/NAME/json`: the versions of a project and their files, in pypiserver's part of the form that PyPI's has."""

from __future__ import annotations

import json

from server.distributions.listed import package_at
from server.views.listings import Listings, url_of
from server.wire.messages import REVALIDATED, Environ, Response, origin_of, whole


def project_json(listings: Listings, name: str, environ: Environ) -> Response | None:
    """`name` is normalised (PEP 503); None if there is no such project. Raises OSError."""
    listing = listings.current(name, environ)
    if listing is None:
        return None
    origin = origin_of(environ)
    releases: dict[str, list[dict[str, str]]] = {}
    for path, _ in reversed(listing.files):
        releases.setdefault(package_at(path).version, []).append({"url": f"{origin}{url_of(path)}"})
    document = {"info": {"version": next(iter(releases))}, "releases": releases}
    content = json.dumps(document).encode()
    return whole(200, "application/json", content, REVALIDATED, ("Content-Security-Policy", "default-src 'none'"))
