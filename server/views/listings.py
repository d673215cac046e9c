"""The simple index as HTML (PEP 503) and JSON (PEP 691, PEP 700), rendered once per content."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from datetime import datetime
from functools import lru_cache, partial
from html import escape
from math import inf
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from server.distributions.listed import order_of, package_at
from server.distributions.times import moment
from server.store.details import Unread
from server.store.kept import Details
from server.store.packages import Packages
from server.store.serials import serial_of
from server.store.statuses import UNSAID, Status
from server.store.yanks import NONE, Withdrawn, reason_of
from server.wire.calls import Calls
from server.wire.messages import REVALIDATED, Awaited, Environ, Response, has_etag

# Bounds memory: the oldest listings are rendered again on demand.
LISTINGS_BYTES = 32 << 20
# Larger ones are compressed.
LARGE_BYTES = 16 << 10
GZIP_LEVEL = 6
# More files than these, or more bytes that have not been read yet, take long.
FEW_FILES = 200
FEW_BYTES = 16 << 20
RENDERING_THREADS = 2
HASHING_THREADS = 2
# Less than the load balancer waits (60 s).
PATIENCE_SECONDS = 50.0
# A file rewritten in place does not change its directory: listings check their files this often.
RECHECK_SECONDS = 1.0
# At most this share of the time: asking about thousands of files takes seconds.
RECHECK_SHARE = 0.05

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
LEGACY_TYPE = "text/html; charset=UTF-8"
# A wildcard means what a person with a browser wants of the types it covers.
_RANGES = {
    "text/html": LEGACY_TYPE,
    JSON_TYPE: JSON_TYPE,
    "application/vnd.pypi.simple.latest+json": JSON_TYPE,
    HTML_TYPE: HTML_TYPE,
    "application/vnd.pypi.simple.latest+html": HTML_TYPE,
    "text/*": LEGACY_TYPE,
    "application/*": JSON_TYPE,
    "*/*": LEGACY_TYPE,
}
# RFC 9110, section 12.4.2.
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


class Body:
    """One form of a listing; a large one is compressed once, when a client first accepts that."""

    def __init__(self, text: str) -> None:
        self.content = text.encode()
        self.etag = f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'
        self.gzip_etag = f'{self.etag[:-1]}-gzip"'
        self.is_large = len(self.content) >= LARGE_BYTES
        self._gzipped = b""
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The most memory that it takes, in bytes."""
        return len(self.content) * (2 if self.is_large else 1)

    @property
    def gzipped(self) -> bytes:
        with self._lock:
            if not self._gzipped:
                self._gzipped = gzip.compress(self.content, GZIP_LEVEL, mtime=0)
        return self._gzipped


class Listing(NamedTuple):
    """For one generation of the index; the project's files are checked again at `recheck_at`.

    It was started at `began`, and is current for everyone who asked before. Both times are the monotonic clock's.
    """

    generation: object
    began: float
    recheck_at: float
    # In the order of paths.
    details: list[tuple[str, Details]]
    # The same, in the order of versions.
    files: list[tuple[str, Details]]
    html: Body
    json: Body
    withdrawn: Withdrawn = NONE
    # None for another index's.
    serial: int | None = None

    @property
    def size(self) -> int:
        return self.html.size + self.json.size


class Listings:
    """Every method raises OSError if a directory or file cannot be read, and Awaited.

    What takes long is made once for all who wait for it, on few threads: no crowd makes others wait.
    """

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self._index = packages.index
        self._listings: dict[str, Listing] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._rendering = Calls(RENDERING_THREADS)
        self._hashing = Calls(HASHING_THREADS)
        # Projects with files that have not been read yet.
        self._unread: set[str] = set()

    def project(self, name: str, environ: Environ) -> Response | None:
        """`name` is normalised (PEP 503); None if there is no such project."""
        listing = self.current(name, environ)
        return listing and send_listing(listing, environ)

    def current(self, name: str, environ: Environ) -> Listing | None:
        """As `project`, for callers that answer in another form."""
        listing = self._listings.get(name)
        if listing is None or listing.began < environ["server.arrived"]:
            listing = self._refreshed(name, listing)
        if listing is None or not listing.details:
            self._index.require_complete()
            return None
        return listing

    def _refreshed(self, name: str, listing: Listing | None) -> Listing | None:
        """The result of asking the storage now, unless that takes long."""
        is_first = listing is None and self._index.paths(name)
        # Read while the directory is checked: each takes a network round trip.
        loading = self._packages.details.load(name) if is_first else None
        began = time.monotonic()
        self._index.refresh()
        generation = self._index.generation(name)
        if listing is not None and listing.generation == generation and began <= listing.recheck_at:
            return listing
        if name not in self._unread and len(self._index.paths(name)) > FEW_FILES:
            raise Awaited(self._rendering.wait(name, partial(self._renew, name, FEW_BYTES), PATIENCE_SECONDS))
        if name not in self._unread:
            try:
                return self._check(name, generation, listing, loading, began, FEW_BYTES)
            except Unread:
                self._unread.add(name)
        raise Awaited(self._hashing.wait(name, partial(self._renew, name, inf), PATIENCE_SECONDS))

    def _renew(self, name: str, most_bytes: float) -> None:
        loading = self._packages.details.load(name)
        began = time.monotonic()
        self._index.refresh()
        try:
            self._check(name, self._index.generation(name), self._listings.get(name), loading, began, most_bytes)
            self._unread.discard(name)
        except Unread:
            self._unread.add(name)

    def _check(
        self,
        name: str,
        generation: object,
        listing: Listing | None,
        loading: Future[dict[str, Details]] | None,
        began: float,
        most_bytes: float,
    ) -> Listing | None:
        """Raises Unread."""
        # Requested while the files are: each takes a network round trip.
        asked = self._packages.asking.submit(self._packages.yanks.of, name)
        paths = sorted(self._index.paths(name))
        if not paths:
            return None
        details = self._packages.details.of_project(name, paths, loading, most_bytes=most_bytes)
        withdrawn = asked.result()
        before = [path for path, _ in listing.details] if listing else loading.result() if loading else ()
        if not set(paths).issuperset(before):
            self._packages.lost(name, paths)
            withdrawn = self._packages.yanks.of(name)
        # Both were read side by side: files may have been replaced before what is said of them.
        known = listing.withdrawn if listing else NONE
        while withdrawn != known and (now_there := self._packages.details.of_project(name, paths)) != details:
            details, known, withdrawn = now_there, withdrawn, self._packages.yanks.of(name)
        if listing is None or listing.details != details or listing.withdrawn != withdrawn:
            listing = _render(name, details, withdrawn)
        now = time.monotonic()
        recheck_at = now + max(RECHECK_SECONDS, (now - began) / RECHECK_SHARE)
        listing = listing._replace(generation=generation, began=began, recheck_at=recheck_at)
        self._keep(name, listing)
        return listing

    def _keep(self, key: str, listing: Listing) -> None:
        with self._lock:
            previous = self._listings.pop(key, None)
            self._listings[key] = listing
            self._bytes += listing.size - (previous.size if previous else 0)
            while self._bytes > LISTINGS_BYTES and len(self._listings) > 1:
                self._bytes -= self._listings.pop(next(iter(self._listings))).size


class Listed(NamedTuple):
    """A file as listings show it, by its path below /packages/; `yanked` is the reason, None if it is not."""

    path: str
    version: str
    details: Details
    yanked: str | None
    # Whether its upload time is known.
    dated: bool = True
    # Where another index says who made the file (PEP 740).
    provenance: str | None = None
    # Whether there is a signature, named like the file with .asc (PEP 503).
    signed: bool = False


def _render(name: str, details: list[tuple[str, Details]], withdrawn: Withdrawn) -> Listing:
    # Those of one version stay in the order of their paths.
    found = sorted(details, key=lambda file: order_of(package_at(file[0]).version))
    files = found if withdrawn.status.is_offered else []
    known_paths = {path for path, _ in details}
    listed = []
    for path, known in files:
        version = package_at(path).version
        signed = f"{path}.asc" in known_paths
        listed.append(Listed(path, version, known, reason_of(withdrawn.reasons, version), signed=signed))
    serial = serial_of([known.identity.ctime_ns for _, known in details], withdrawn.changed_ns)
    forms = rendered(name, listed, serial, withdrawn.status)
    return Listing(0, 0.0, 0.0, details, files, *forms, withdrawn, serial)


def as_of(name: str, listing: Listing, ends: int) -> Listing:
    """Only the files that were uploaded before `ends`, in seconds since 1970."""
    details = [it for it in listing.details if it[1].identity.mtime_ns < ends * 10**9]
    return _render(name, details, listing.withdrawn)


def rendered(name: str, files: list[Listed], serial: int | None = None, status: Status = UNSAID) -> tuple[Body, Body]:
    """A project's page in HTML and in JSON. `files` are in the order of versions; a status that offers no files has none."""
    # Detached signatures are listed for people, as in pypiserver; PEP 691 lists distributions.
    distributions = [file for file in files if not file.path.endswith(".asc")]
    document: dict[str, object] = {
        "name": name,
        "versions": list(dict.fromkeys(file.version for file in distributions)),
        "files": list(map(_file, distributions)),
    }
    metas = {}
    if status != UNSAID:
        document["project-status"] = {"status": status.state, **({"reason": status.reason} if status.reason else {})}
        metas = {"project-status": status.state, **({"project-status-reason": status.reason} if status.reason else {})}
    return Body(page(f"Links for {name}", map(_link, files), metas)), document_of(document, serial)


def send_listing(listing: Listing, environ: Environ) -> Response:
    content_type = negotiate(environ.get("HTTP_ACCEPT", ""))
    body = listing.json if content_type == JSON_TYPE else listing.html
    return respond(body, content_type, environ, *serial_header(listing.serial))


def serial_header(serial: int | None) -> tuple[tuple[str, str], ...]:
    """Tells mirrors how current an answer is: https://docs.pypi.org/api/index-api/."""
    return () if serial is None else (("X-PyPI-Last-Serial", str(serial)),)


def respond(body: Body, content_type: str, environ: Environ, *others: tuple[str, str]) -> Response:
    """With `others` among the headers, for a body that depends on Accept."""
    compressed = body.is_large and _accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", ""))
    etag = body.gzip_etag if compressed else body.etag
    if has_etag(environ, etag):
        return Response(304, (*_validators(etag, body.is_large), *others), [])
    content = body.gzipped if compressed else body.content
    headers = _headers(content_type, len(content), compressed, etag, body.is_large)
    return Response(200, headers + others, [content])


@lru_cache(maxsize=256)
def _headers(content_type: str, size: int, compressed: bool, etag: str, is_large: bool) -> tuple[tuple[str, str], ...]:
    encoding = [("Content-Encoding", "gzip")] if compressed else []
    return (
        ("Content-Type", content_type),
        ("Content-Length", str(size)),
        *encoding,
        *_validators(etag, is_large),
    )


def _validators(etag: str, is_large: bool) -> list[tuple[str, str]]:
    vary = "Accept, Accept-Encoding" if is_large else "Accept"
    return [("ETag", etag), ("Vary", vary), REVALIDATED]


@lru_cache(maxsize=256)
def _accepts_gzip(accept_encoding: str) -> bool:
    """RFC 9110, section 12.5.3."""
    qualities: dict[str, bool] = {}
    for coding in accept_encoding.lower().split(","):
        name, *parameters = (part.strip() for part in coding.split(";"))
        found = [_QUALITY.fullmatch(parameter) for parameter in parameters]
        qualities[name] = all(it and float(it[1]) > 0 for it in found)
    return qualities.get("gzip", qualities.get("*", False))


@lru_cache(maxsize=256)
def negotiate(accept: str) -> str:
    """The type of highest quality, the first of equals; HTML if none is acceptable, for clients older than PEP 691."""
    best, best_quality = LEGACY_TYPE, 0.0
    for media_range in accept.split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        qualities = [_QUALITY.fullmatch(parameter) for parameter in parameters if parameter[:2].lower() == "q="]
        quality = min((float(found[1]) if found else 0.0 for found in qualities), default=1.0)
        content_type = _RANGES.get(name.lower())
        if content_type and quality > best_quality:
            best, best_quality = content_type, quality
    return best


def url_of(path: str) -> str:
    # Escapes `+` too: some clients read it as a space.
    return f"/packages/{quote(path, safe='/!~')}"


def _link(file: Listed) -> str:
    path, _, details, yanked, _, provenance, signed = file
    attributes = "" if yanked is None else f' data-yanked="{escape(yanked)}"'
    if details.requires_python:
        attributes += f' data-requires-python="{escape(details.requires_python)}"'
    if details.metadata_sha256:
        # PEP 714: the second name is for clients that know only the first form of PEP 658; never in JSON, see `_file`.
        digest = f"sha256={details.metadata_sha256}"
        attributes += f' data-core-metadata="{digest}" data-dist-info-metadata="{digest}"'
    if signed:
        attributes += ' data-gpg-sig="true"'
    if provenance:
        attributes += f' data-provenance="{escape(provenance)}"'
    name = escape(path.rpartition("/")[2])
    return f'        <a href="{escape(url_of(path))}#sha256={details.sha256}"{attributes}>{name}</a><br>\n'


def uploaded(details: Details) -> datetime:
    return moment(details.identity.mtime_ns)


def _file(listed: Listed) -> dict[str, object]:
    path, _, details, yanked, dated, provenance, signed = listed
    file: dict[str, object] = {
        "filename": path.rpartition("/")[2],
        "url": url_of(path),
        "hashes": {"sha256": details.sha256},
        "size": details.identity.size,
    }
    if dated:
        file["upload-time"] = uploaded(details).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if provenance:
        file["provenance"] = provenance
    if yanked is not None:
        file["yanked"] = yanked or True
    if details.requires_python:
        file["requires-python"] = details.requires_python
    if details.metadata_sha256:
        # Without the older name: pip 22.3 to 23.1.2 crashes on a dictionary there (PEP 714).
        file["core-metadata"] = {"sha256": details.metadata_sha256}
    if signed:
        file["gpg-sig"] = True
    return file


def page(title: str, links: Iterable[str], metas: Mapping[str, str] = MappingProxyType({})) -> str:
    """Of the simple index (PEP 503). `links` are lines of HTML, `metas` what the head says about the project."""
    head = "".join(f'        <meta name="pypi:{name}" content="{escape(it)}">\n' for name, it in metas.items())
    return (
        '<!DOCTYPE html>\n<html lang="en">\n    <head>\n        <meta charset="utf-8">\n'
        '        <meta name="viewport" content="width=device-width">\n'
        '        <meta name="pypi:repository-version" content="1.4">\n'
        f"{head}        <title>{escape(title)}</title>\n    </head>\n    <body>\n        <h1>{escape(title)}</h1>\n"
        f"{''.join(links)}    </body>\n</html>\n"
    )


def document_of(document: dict[str, object], serial: int | None) -> Body:
    """Keys that begin with an underscore are private to an index (PEP 691)."""
    # What 1.2 to 1.4 added is optional, except the number (PEP 792).
    meta = {"api-version": "1.4"} if serial is None else {"_last-serial": serial, "api-version": "1.4"}
    return Body(json.dumps({"meta": meta, **document}, separators=(",", ":")))
