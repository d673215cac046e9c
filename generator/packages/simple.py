"""A package index, ours or another, as its clients use it: pages and files are read, files uploaded.

An index is believed no more than necessary: answers are limited, and files are checked against the hashes of their
page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from os import SEEK_END
from threading import Lock
from typing import IO, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from requests_toolbelt import MultipartEncoder  # type: ignore[import-untyped] # it has no types

from generator.packages import pages
from generator.packages.filenames import project_of
from generator.packages.pages import File, Page
from generator.packages.transport import (
    Damaged,
    Failed,
    Stopped,
    Transport,
    Unreachable,
    date,
    origin,
    reason,
    without_query,
)

PAGE_BYTES = 64 << 20
FILE_BYTES = 5 << 30
SIGNATURE_BYTES = 1 << 20
ANSWER_SECONDS = (15, 300)
"""To connect, and for an upload, whose file the server checks before it answers."""
_REDIRECTS = 5
_PARTS = 10_000
"""For one page: those that say where the next part is."""
_ROOTS = ("simple", "+simple")
_BLAKE2B_256 = "blake2b_256"
"""As PyPI names it."""


class Arrived(NamedTuple):
    """Of a file: its SHA-256, and when it was last modified, if the index says so."""

    sha256: str
    modified: datetime | None


class _Listing:
    """What a root says: the ``addresses`` of projects' pages on ``home``, and ``files`` beside them, both by project."""

    def __init__(self, root: Page, home: tuple[str, str, int | None]) -> None:
        listed = {entry.name: entry.url for entry in root.projects if entry.url}
        # A server that does not know its external address names another host.
        self.addresses = {name: without_query(url) for name, url in listed.items() if origin(url) == home}
        self.files: dict[str, list[File]] = {}
        linked = set(listed.values())
        for file in root.files:
            if file.url not in linked:
                self.files.setdefault(project_of(file.name.removesuffix(".asc").removesuffix(".metadata")), []).append(
                    file
                )


class SimpleIndex:
    """The index whose pages are below ``url``. Threads may share it.

    ``advice`` is what to do if it wants other credentials. Every method raises Failed and Stopped.
    """

    def __init__(self, url: str, credentials: tuple[str, str] | None, advice: str) -> None:
        self.url = url.rstrip("/") + "/"
        self._transport = Transport(self.url, credentials, advice)
        self._advice = advice
        self._listing: _Listing | None = None
        self._looking = Lock()

    def stop(self) -> None:
        """What is in progress raises Stopped, soon."""
        self._transport.stop()

    def locate(self) -> None:
        """Use the index below ``url``, if ``url`` is not an index itself, as ``https://HOST/`` is not."""
        if urlsplit(self.url).path.rstrip("/").rpartition("/")[2] in _ROOTS:
            return
        for name in _ROOTS:
            below = f"{self.url}{name}/"
            try:
                page = self._root(below)
            except Unreachable:
                raise
            except Failed:
                continue
            if page and (page.projects or (page.declared and not page.files)):
                self.url = below
                return

    def root(self) -> Page:
        """The page that lists the projects, or files, or both as a directory listing may."""
        try:
            page = self._root(self.url)
        except Failed as error:
            if error.status == 403:
                raise Stopped(f"{error}: {self._advice}") from error
            raise
        if page is None:
            raise Failed(f"{self.url} has no list of projects: is that its address? If it has none, name the projects")
        self._listing = _Listing(page, self._transport.origin)
        return page

    def project(self, name: str) -> Page | None:
        """The page of the project; ``None`` if the index has no such project."""
        canonical = f"{self.url}{name}/"
        if self._listing is None:
            found = self._page(canonical)
            if found is not None:
                return found
            # A directory is found only under its own spelling, and files next to each other under none.
            with self._looking, suppress(Failed):
                self._listing = self._listing or _Listing(self._root(self.url) or Page(), self._transport.origin)
            if self._listing is None:
                return None
        files = self._listing.files.get(name, [])
        linked = self._listing.addresses.get(name)
        if linked is None and files:
            return Page(files=files)
        page = self._page(linked or canonical)
        if page is None and linked not in (None, canonical):
            page = self._page(canonical)
        if page:
            page.files += files
        return page or (Page(files=files) if files else None)

    def download(self, file: File, into: IO[bytes], limit: int | None = None) -> Arrived:
        """Write the file ``into`` a temporary one.

        Every hash of the page that this Python knows must be that of what arrived, and so must the size.
        """
        return self._transport.tried(lambda: self._download(file, into, limit or FILE_BYTES))

    def measure(self, file: File) -> tuple[int | None, datetime | None]:
        """Its size and modification time, as far as the index says without sending it."""

        def ask() -> tuple[int | None, datetime | None]:
            with self._transport.answer("HEAD", file.url, allow_redirects=True) as answer:
                length = answer.headers.get("Content-Length", "")
                if answer.status_code != 200 or not length.isdecimal():
                    return None, None
                return int(length), date(answer.headers.get("Last-Modified"))

        return self._transport.tried(ask)

    def upload(self, name: str, file: IO[bytes], sha256: str, uploaded: datetime | None, signature: IO[bytes]) -> None:
        """As clients do, with a form posted to the server's root; an empty ``signature`` is none.

        ``uploaded`` is the time to list the file with, ``None``: now. Failed has a status if the server refuses it.
        """
        fields: dict[str, Any] = {":action": "file_upload", "sha256_digest": sha256}
        if uploaded:
            fields["upload_time"] = uploaded.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if signature.seek(0, SEEK_END):
            fields["gpg_signature"] = f"{name}.asc", signature, "application/octet-stream"

        def send() -> None:
            file.seek(0)
            signature.seek(0)
            form = MultipartEncoder({**fields, "content": (name, file, "application/octet-stream")})
            self._post(form, {"Content-Type": form.content_type})

        self._transport.tried(send)

    def change(self, form: Mapping[str, str]) -> None:
        """Post a form without files. Failed has a status if the server refuses it."""
        self._transport.tried(lambda: self._post(form, {}))

    def must_admit_uploads(self) -> None:
        """Ask with a form that stores nothing, so that no file is fetched in vain. Raises Stopped if uploads are refused."""
        try:
            self.change({":action": "file_upload"})
        except Failed as error:
            if error.status == 403:
                raise Stopped(f"{self.url} answers {error}: {self._advice}") from error

    def _post(self, form: Any, headers: Mapping[str, str]) -> None:
        """Raises Failed with the server's reason and the status."""
        root = f"{self.url.removesuffix('/').removesuffix('/simple')}/"
        # A redirect would lose the form, or take it elsewhere.
        options = {"data": form, "headers": headers, "allow_redirects": False}
        with self._transport.answer("POST", root, seconds=ANSWER_SECONDS, **options) as answer:
            if answer.status_code == 507:
                raise Stopped(f"{root} answers {reason(answer)}")
            if answer.status_code >= 300:
                raise Failed(reason(answer), answer.status_code)

    def _root(self, url: str) -> Page | None:
        # GitLab's documents have no slash at its end.
        return self._page(url) or self._page(url.removesuffix("/"))

    def _page(self, url: str) -> Page | None:
        """With all its parts; ``None`` if there is none."""
        page, seen = self._part(url), {url}
        following = page.following if page else None
        while page and following and following not in seen and len(seen) < _PARTS:
            if origin(following) != self._transport.origin:
                raise Failed(
                    f"the next part of {url} is elsewhere, at {without_query(following)}, which is not followed"
                )
            seen.add(following)
            part = self._part(following)
            if part is None:
                raise Failed(f"the next part of {url} is missing: {without_query(following)}", 404)
            page.add(part)
            following = part.following
        return page

    def _part(self, url: str) -> Page | None:
        return self._transport.tried(lambda: self._read(url))

    def _read(self, url: str) -> Page | None:
        asked = url
        for _ in range(_REDIRECTS):
            options: dict[str, Any] = {"headers": {"Accept": pages.ACCEPT}, "allow_redirects": False}
            with self._transport.answer("GET", url, **options) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["Location"])
                    # pypiserver redirects to PyPI for what it does not have: names would be disclosed there, and public
                    # packages become private ones.
                    if origin(url) != self._transport.origin:
                        raise Failed(
                            f"{asked} sends to {without_query(url)}, which is not followed: if your packages are there, "
                            "import from there",
                            404,
                        )
                    continue
                if answer.status_code in (404, 410):
                    return None
                if answer.status_code != 200:
                    raise Failed(f"{url} answers {reason(answer)}", answer.status_code)
                described = Message()
                described["Content-Type"] = answer.headers.get("Content-Type", pages.HTML[0])
                kind, charset = described.get_content_type(), described.get_content_charset()
                if kind not in (pages.JSON, *pages.HTML):
                    raise Failed(f"{url} is not a page of an index, but {kind}")
                content = b"".join(self._transport.chunks(answer, PAGE_BYTES, decode=True))
                return _read(content, kind, charset, url, answer.links.get("next", {}).get("url"))
        raise Failed(f"{asked} redirects more than {_REDIRECTS} times")

    def _download(self, file: File, into: IO[bytes], limit: int) -> Arrived:
        into.seek(0)
        into.truncate()
        digests = {name: make() for name in {*file.hashes, "sha256"} if (make := known_hash(name))}
        with self._transport.answer("GET", file.url) as answer:
            if answer.status_code != 200:
                raise Failed(f"{without_query(file.url)} answers {reason(answer)}", answer.status_code)
            for chunk in self._transport.chunks(answer, limit):
                into.write(chunk)
                if file.size is not None and into.tell() > file.size:
                    raise Damaged(f"more arrived than the {file.size} bytes that its page promises")
                for digest in digests.values():
                    digest.update(chunk)
            modified = date(answer.headers.get("Last-Modified"))
        if file.size is not None and into.tell() != file.size:
            raise Damaged(f"{into.tell()} bytes arrived, and its page promises {file.size}")
        for name, digest in digests.items():
            if name in file.hashes and digest.hexdigest() != file.hashes[name]:
                raise Damaged(
                    f"the {name} of what arrived is {digest.hexdigest()}, and its page promises {file.hashes[name]}"
                )
        return Arrived(digests["sha256"].hexdigest(), modified)


def _read(content: bytes, kind: str, charset: str | None, url: str, following: str | None) -> Page:
    """Raises Failed if it is not a page of an index."""
    try:
        page = pages.read(content, kind, charset, url)
    except ValueError as error:
        raise Failed(f"{url} is not a page of an index: {error}") from error
    if following:
        page.following = urljoin(url, following)
    return page


def known_hash(name: str) -> Callable[[], Any] | None:
    """The hash function of this name, if this Python knows it."""
    if name == _BLAKE2B_256:
        return lambda: hashlib.blake2b(digest_size=32)
    # The lengths of SHAKE's digests are the caller's choice.
    if name in hashlib.algorithms_available and not name.startswith("shake"):
        return lambda: hashlib.new(name, usedforsecurity=False)
    return None
