"""`/NAME/json`, `/pypi/NAME/json` and `/pypi/NAME/VERSION/json`: a project as PyPI's JSON has it.

https://docs.pypi.org/api/json/. SHA-256 is the only digest. `vulnerabilities` is omitted: this server knows of none.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from packaging.utils import canonicalize_version

from server.distributions.archives import core_metadata
from server.distributions.metadata import info
from server.distributions.tarballs import Unfit
from server.store.entries import open_file
from server.store.index import Index
from server.store.kept import Details
from server.store.yanks import reason_of
from server.views.listings import Body, Listing, Listings, respond, serial_header, uploaded, url_of
from server.views.releases import Files, described_by, latest_of, releases_of
from server.views.turns import Last, in_turn
from server.wire.messages import Environ, Response, Work, absent, origin_of

# pypiserver also lists these, by the Python that they are for.
_BUILT_FOR = re.compile(r"-py(\d\.\d+)")


class ProjectJson:
    def __init__(self, index: Index, listings: Listings) -> None:
        self._index = index
        self._listings = listings
        # By project, version and origin.
        self._last = Last[Body]()

    def respond(self, name: str, version: str | None, environ: Environ) -> Work:
        """For one release, or without `version` for all. `name` is normalised (PEP 503).

        Raises OSError and Awaited, and Refusal if there is none, as does the work.
        """
        listing = self._listings.current(name, environ)
        if listing is None:
            raise absent(name)
        return in_turn(environ, partial(self._respond, name, version, listing, environ))

    def _respond(self, name: str, version: str | None, listing: Listing, environ: Environ) -> Response:
        """Raises OSError and Refusal."""
        wanted = name, version, origin_of(environ)
        body = self._last.get(wanted, listing.json, partial(self._render, *wanted, listing))
        # A file's name can be a link that runs code.
        policy = ("Content-Security-Policy", "default-src 'none'")
        return respond(body, "application/json", environ, policy, *serial_header(listing.serial))

    def _render(self, name: str, version: str | None, origin: str, listing: Listing) -> Body:
        """Raises OSError and Refusal."""
        releases = releases_of(listing)
        if version is None:
            chosen = latest_of(releases, listing.withdrawn.reasons)
        else:
            wanted = canonicalize_version(version)
            chosen = next((it for it in releases if canonicalize_version(it) == wanted), None)
        if chosen is None:
            raise absent(name)
        reasons = {it: reason_of(listing.withdrawn.reasons, it) for it in releases}
        signed = {path for path, _ in listing.files}

        def files(version: str) -> list[dict[str, Any]]:
            found = releases[version]
            return [_file(path, it, origin, reasons[version], f"{path}.asc" in signed) for path, it in found]

        document: dict[str, Any] = {
            "info": {
                **self._info(releases[chosen]),
                "name": name,
                "version": chosen,
                "package_url": f"{origin}/project/{name}/",
                "project_url": f"{origin}/project/{name}/",
                "release_url": f"{origin}/project/{name}/",
                **_yanked(reasons[chosen]),
            },
            "urls": files(chosen),
            "last_serial": listing.serial,
        }
        if version is None:
            document["releases"] = {it: files(it) for it in releases}
        return Body(json.dumps(document))

    def _info(self, files: Files) -> dict[str, Any]:
        """Raises OSError."""
        path, _ = described_by(files)
        with open_file(str(self._index.root), path) as file:
            content = core_metadata(path, file)
        try:
            return info(content or b"")
        except Unfit:
            return info(b"")


def _file(path: str, details: Details, origin: str, reason: str | None, signed: bool) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    kind, python = _kind(name)
    time = uploaded(details)
    return {
        "comment_text": "",
        "digests": {"sha256": details.sha256},
        "filename": name,
        "has_sig": signed,
        "packagetype": kind,
        "python_version": python,
        "requires_python": details.requires_python,
        "size": details.identity.size,
        "upload_time": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "upload_time_iso_8601": time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "url": f"{origin}{url_of(path)}",
        **_yanked(reason),
    }


def _yanked(reason: str | None) -> dict[str, Any]:
    return {"yanked": reason is not None, "yanked_reason": reason or None}


def _kind(name: str) -> tuple[str, str]:
    """`packagetype` and `python_version` of a file of this name."""
    if name.endswith(".whl"):
        return "bdist_wheel", name.split("-")[-3]
    built_for = _BUILT_FOR.search(name)
    if name.endswith(".egg"):
        return "bdist_egg", built_for[1] if built_for else ""
    if built_for:
        return "bdist_msi" if name.endswith(".msi") else "bdist_wininst", built_for[1]
    return "sdist", "source"
