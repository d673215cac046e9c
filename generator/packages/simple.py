"""A package index, ours or another, as its clients use it: pages and files are read, files uploaded.

Nothing that an index says is believed further than it has to be: answers are bounded, files are checked against the
hashes of their page, and credentials go to the index's own origin alone, wherever links and redirects lead.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from os import SEEK_END
from threading import Event
from typing import IO, Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from packaging.utils import InvalidName, canonicalize_name
from pypi_simple import (
    ACCEPT_ANY,
    DistributionPackage,
    IndexPage,
    ProjectPage,
    UnsupportedRepoVersionError,
)
from requests.auth import HTTPBasicAuth
from requests.exceptions import InvalidSchema, InvalidURL
from requests_toolbelt import MultipartEncoder  # type: ignore[import-untyped] # it has no types
from urllib3.exceptions import HTTPError as ConnectionBroken

T = TypeVar("T")

PAGE_BYTES = 64 << 20
FILE_BYTES = 5 << 30
CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = (15, 60)
"""To connect, and between two pieces of an answer."""
ANSWER_SECONDS = (15, 300)
"""As above for an upload, whose file the server checks before it answers."""
TRIES = 5
_PAUSE_SECONDS = 1.0
"""Before the second try; twice as long before each other."""
_LINE_CHARACTERS = 600
_ACCOUNT = re.compile(r"//[^/\s]*@")
_REDIRECTS = 5
_HTML = ("text/html", "application/vnd.pypi.simple.v1+html")
_JSON = "application/vnd.pypi.simple.v1+json"


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


class Failed(Exception):
    """What an index did not do, in one line, and the status that it answered, if any; others may do better."""

    def __init__(self, text: str, status: int | None = None) -> None:
        # An address can be as long as a page, and a link have somebody's credentials.
        super().__init__(printable(" ".join(_ACCOUNT.sub("//", text)[:_LINE_CHARACTERS].split())))
        self.status = status


class Stopped(Exception):
    """Nothing more is to be expected of this index: no access, no room, or the operator's Ctrl-C."""


class _Transient(Exception):
    """Worth another try: the connection, or an index that is overloaded or fails (429, 5xx)."""


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454); all empty for what is no address."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", "", None


class _Session(requests.Session):
    """Gives ``credentials`` to the origin of ``url`` and to no other."""

    def __init__(self, url: str, credentials: tuple[str, str] | None) -> None:
        super().__init__()
        self._origin = origin(url)
        # requests encodes text as Latin-1, in which not every password can be written.
        self._basic = credentials and HTTPBasicAuth(credentials[0].encode(), credentials[1].encode())
        # Set, or requests would look into .netrc and the links of a page for others.
        self.auth = self._authorise
        # As they are stored: a .tar.gz that is sent as a compressed .tar would be another file.
        self.headers["Accept-Encoding"] = "identity"

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._basic and origin(str(request.url)) == self._origin:
            self._basic(request)
        return request

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """After a redirect."""
        prepared_request.headers.pop("Authorization", None)
        self._authorise(prepared_request)


class SimpleIndex:
    """The index whose pages are below ``url``. Threads may share it.

    ``advice`` is what to do where it wants other credentials. Every method raises Failed and Stopped.
    """

    def __init__(self, url: str, credentials: tuple[str, str] | None, advice: str) -> None:
        self.url = url.rstrip("/") + "/"
        self._advice = advice
        self._session = _Session(self.url, credentials)
        self._stop = Event()

    def stop(self) -> None:
        """What is under way raises Stopped, soon."""
        self._stop.set()

    def projects(self) -> list[str]:
        """Their names, normalised, of those that are names (PEP 508)."""

        def read() -> IndexPage | None:
            found = self._page("")
            if found is None:
                return None
            content, kind, _ = found
            return IndexPage.from_json_data(json.loads(content)) if kind == _JSON else IndexPage.from_html(content)

        page = self._parsed(self.url, read)
        if page is None:
            raise Failed(f"{self.url} has no list of projects, or sends to another index for it: give their names")
        names = set()
        for name in page.projects:
            with suppress(InvalidName):
                names.add(canonicalize_name(name.strip(), validate=True))
        return sorted(names)

    def files(self, project: str) -> tuple[dict[str, DistributionPackage], list[str]] | None:
        """Those of its page, by name, and what is wrong with those that cannot be read.

        ``None`` where the index has no such project, or sends to another index for it.
        """

        def read() -> tuple[list[DistributionPackage], list[str]] | None:
            found = self._page(f"{project}/")
            if found is None:
                return None
            content, kind, url = found
            return (
                _of_json(content, url) if kind == _JSON else (ProjectPage.from_html(project, content, url).packages, [])
            )

        read_files = self._parsed(f"{self.url}{project}/", read)
        if read_files is None:
            return None
        packages, wrong = read_files
        files: dict[str, DistributionPackage] = {}
        for package in packages:
            files.setdefault(package.filename.strip(), package)
        return files, wrong

    def download(self, package: DistributionPackage, file: IO[bytes]) -> tuple[str, datetime | None]:
        """Write the package into ``file``; its SHA-256, and when it was last modified, if the index says so.

        Every hash of the page that this Python knows must be that of what arrived, and so must the size.
        """
        return self._tried(lambda: self._download(package, file))

    def upload(self, name: str, file: IO[bytes], sha256: str, uploaded: datetime | None, signature: IO[bytes]) -> None:
        """As clients do, by a form posted to the server's root; an empty ``signature`` is none.

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

        self._tried(send)

    def change(self, form: Mapping[str, str]) -> None:
        """Post a form without files. Failed has a status if the server refuses it."""
        self._tried(lambda: self._post(form, {}))

    def must_admit_uploads(self) -> None:
        """Ask with a form that stores nothing, so that no file is fetched in vain. Raises Stopped where it does not."""
        try:
            self._post({":action": "file_upload"}, {})
        except Failed as error:
            if error.status == 403:
                raise Stopped(f"{self.url} answers {error}: {self._advice}") from error
        except _Transient:
            # The first upload finds out.
            pass

    def _post(self, form: Any, headers: Mapping[str, str]) -> None:
        """Raises Failed with the server's reason and the status."""
        root = f"{self.url.removesuffix('/').removesuffix('/simple')}/"
        # A redirect would lose the form, or take it elsewhere.
        with self._answer("POST", root, ANSWER_SECONDS, data=form, headers=headers, allow_redirects=False) as answer:
            if answer.status_code == 507:
                raise Stopped(f"{root} answers {_reason(answer)}")
            if answer.status_code >= 300:
                raise Failed(_reason(answer), answer.status_code)

    def _page(self, path: str) -> tuple[bytes, str, str] | None:
        """Content, media type and address of the page; ``None`` where there is none in this index."""
        url = self.url + path
        for _ in range(_REDIRECTS):
            options = {"headers": {"Accept": ACCEPT_ANY}, "allow_redirects": False}
            with self._answer("GET", url, TIMEOUT_SECONDS, **options) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["Location"])
                    # pypiserver sends to PyPI for what it does not have: names would be told there, and public
                    # packages become private ones.
                    if origin(url) != origin(self.url):
                        return None
                    continue
                if answer.status_code == 404:
                    return None
                if answer.status_code != 200:
                    raise Failed(f"{url} answers {_reason(answer)}")
                kind = answer.headers.get("Content-Type", _HTML[0]).partition(";")[0].strip().lower()
                if kind not in (_JSON, *_HTML):
                    raise Failed(f"{url} is no page of an index, but {kind}")
                return b"".join(self._chunks(answer, PAGE_BYTES, decode=True)), kind, url
        raise Failed(f"{self.url}{path} redirects more than {_REDIRECTS} times")

    def _parsed(self, url: str, read: Callable[[], T]) -> T:
        try:
            return self._tried(read)
        except (ValueError, UnsupportedRepoVersionError, RecursionError) as error:
            raise Failed(f"{url} is no page of an index: {error}") from error

    def _download(self, package: DistributionPackage, file: IO[bytes]) -> tuple[str, datetime | None]:
        file.seek(0)
        file.truncate()
        promised = {name: value.lower() for name, value in package.digests.items() if _is_known(name)}
        digests = {name: hashlib.new(name) for name in {*promised, "sha256"}}
        with self._answer("GET", package.url, TIMEOUT_SECONDS) as answer:
            if answer.status_code != 200:
                raise Failed(f"{package.url} answers {_reason(answer)}")
            for chunk in self._chunks(answer, min(FILE_BYTES, FILE_BYTES if package.size is None else package.size)):
                file.write(chunk)
                for digest in digests.values():
                    digest.update(chunk)
            modified = _date(answer.headers.get("Last-Modified"))
        if package.size is not None and file.tell() != package.size:
            raise Failed(f"{file.tell()} bytes arrived, and its page promises {package.size}")
        for name, value in promised.items():
            if digests[name].hexdigest() != value:
                raise Failed(
                    f"the {name} of what arrived is {digests[name].hexdigest()}, and its page promises {value}"
                )
        return digests["sha256"].hexdigest(), modified

    @contextmanager
    def _answer(
        self, method: str, url: str, seconds: tuple[float, float], **options: Any
    ) -> Iterator[requests.Response]:
        self._check()
        try:
            with self._session.request(method, url, stream=True, timeout=seconds, **options) as answer:
                # An upload's 403 may be about its project alone.
                denied = (401, 403) if method == "GET" else (401,)
                if answer.status_code in denied and origin(str(answer.url)) == origin(self.url):
                    raise Stopped(f"{url} answers {_reason(answer)}: {self._advice}")
                if answer.status_code == 429 or (answer.status_code >= 500 and answer.status_code != 507):
                    raise _Transient(f"{url} answers {_reason(answer)}")
                yield answer
        except (InvalidSchema, InvalidURL, requests.TooManyRedirects, UnicodeError) as error:
            raise Failed(str(error)) from error
        except (requests.RequestException, ConnectionBroken) as error:
            raise _Transient(f"{url}: {error}") from error

    def _chunks(self, answer: requests.Response, limit: int, *, decode: bool = False) -> Iterator[bytes]:
        passed = 0
        # What has arrived, as it arrives: a slow index must not hold up Ctrl-C.
        while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=decode):
            self._check()
            passed += len(chunk)
            if passed > limit:
                raise Failed(f"{answer.url} is longer than {limit} bytes")
            yield chunk

    def _tried(self, call: Callable[[], T]) -> T:
        """Again after what may pass, with pauses."""
        for attempt in range(TRIES - 1):
            try:
                return call()
            except _Transient:
                if self._stop.wait(_PAUSE_SECONDS * 2**attempt):
                    break
        self._check()
        try:
            return call()
        except _Transient as error:
            raise Failed(str(error)) from error

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped("interrupted")


def _of_json(content: bytes, url: str) -> tuple[list[DistributionPackage], list[str]]:
    """The files of a page of PEP 691, and what is wrong with each other entry. Raises ValueError for no such page."""
    document = json.loads(content)
    entries = document.get("files") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it has no list of files")
    page = ProjectPage.from_json_data(document | {"files": []}, url)
    packages: list[DistributionPackage] = []
    wrong: list[str] = []
    for entry in entries:
        try:
            alone = {"meta": document["meta"], "name": page.project, "files": [entry]}
            packages += ProjectPage.from_json_data(alone, url).packages
        except ValueError as error:
            wrong.append(str(error))
    return packages, wrong


def _is_known(digest: str) -> bool:
    # The lengths of SHAKE's digests are the caller's choice.
    return digest in hashlib.algorithms_available and not digest.startswith("shake")


def _reason(answer: requests.Response) -> str:
    """Our server's reason is in the status line."""
    reason = answer.reason or ""
    return printable(f"{answer.status_code} {reason}".strip())


def _date(value: str | None) -> datetime | None:
    """Of an HTTP header (RFC 9110, section 5.6.7)."""
    try:
        found = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
