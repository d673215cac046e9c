"""HTTP with an index: credentials only for its own origin, limited answers, finite retries, errors for people."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import IncompleteRead
from threading import Event
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth
from requests.exceptions import InvalidProxyURL, InvalidSchema, InvalidURL
from urllib3.exceptions import HTTPError as ConnectionBroken

T = TypeVar("T")

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = (15, 60)
"""To connect, and between two pieces of an answer."""
TRIES = 5
PATIENT_TRIES = 30
"""If the index says when to come back."""
MOST_SECONDS = 300
"""It may not say later than that."""
SILENT_REQUESTS = 20
"""After this many in a row that the index did not answer at all, despite retries, no more are sent."""
_PAUSE_SECONDS = 1.0
"""Before the second try; it doubles before each further one."""
_LINE_CHARACTERS = 600
_BUNDLE = "let REQUESTS_CA_BUNDLE name a file of certificates, or unset it"
_ACCOUNT = re.compile(r"//[^/\s]*@")


def printable(text: str) -> str:
    """Without what a terminal would interpret."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


class Failed(Exception):
    """What an index failed to do, in one line, and the status that it answered, if any; others may do better."""

    def __init__(self, text: str, status: int | None = None) -> None:
        # An address can be as long as a page, and a link contain somebody's credentials.
        super().__init__(printable(" ".join(_ACCOUNT.sub("//", text)[:_LINE_CHARACTERS].split())))
        self.status = status


class Damaged(Failed):
    """What arrived is not what the page promises, or what it links to is not an address."""


class Unreachable(Failed):
    """It did not answer at all."""


class Stopped(Exception):
    """Nothing more can be expected from this index: no access, no room, or the operator's Ctrl-C."""


class _Transient(Exception):
    """Worth another try: the connection, or an index that is overloaded or fails (429, 5xx).

    ``after`` is the number of seconds after which it wants to be asked again, if it says so.
    """

    def __init__(self, text: str, status: int | None = None, after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.after = after


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454); all empty if it is not an address."""
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
        self._basic = HTTPBasicAuth(*(value.encode() for value in credentials)) if credentials else None
        # Otherwise .netrc would be read for every other host.
        self.auth = self._authorise
        # Files must arrive as they are: a compressed .tar would be another file.
        self.headers["Accept-Encoding"] = "identity"

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._basic and origin(str(request.url)) == self._origin:
            self._basic(request)
        return request

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """After a redirect."""
        prepared_request.headers.pop("Authorization", None)
        self._authorise(prepared_request)


class Transport:
    """Requests to the index at ``url``, and to where its links lead. Threads may share it.

    ``advice`` is what to do if it wants other credentials. Every method raises Failed and Stopped.
    """

    def __init__(self, url: str, credentials: tuple[str, str] | None, advice: str) -> None:
        self.origin = origin(url)
        self.advice = advice
        self._session = _Session(url, credentials)
        self._stop = Event()
        self._wanted_silence_until = 0.0
        self._unanswered = 0

    def stop(self) -> None:
        """What is in progress raises Stopped, soon."""
        self._stop.set()

    @contextmanager
    def answer(
        self, method: str, url: str, *, seconds: tuple[float, float] = TIMEOUT_SECONDS, **options: Any
    ) -> Iterator[requests.Response]:
        """Only for use within ``tried``. A 401 of the index itself raises Stopped; the caller handles other statuses."""
        self._check()
        try:
            with self._session.request(method, url, stream=True, timeout=seconds, **options) as answer:
                if origin(str(answer.url)) == self.origin:
                    self._unanswered = 0
                if answer.status_code == 401 and origin(str(answer.url)) == self.origin:
                    raise Stopped(f"{url} answers {reason(answer)}: {self.advice}")
                if answer.status_code == 429 or (answer.status_code >= 500 and answer.status_code not in (501, 507)):
                    text = f"{without_query(url)} answers {reason(answer)}"
                    raise _Transient(text, answer.status_code, _after(answer.headers.get("Retry-After")))
                yield answer
        except (InvalidSchema, InvalidURL, UnicodeError) as error:
            if isinstance(error, InvalidProxyURL) or "SOCKS" in str(error):
                raise Stopped(
                    f"the proxy of this environment (HTTPS_PROXY, HTTP_PROXY) cannot be used: {error}"
                ) from error
            raise Damaged(f"{url} is not the URL of a file") from error
        except requests.TooManyRedirects as error:
            raise Failed(f"{without_query(url)} redirects without end") from error
        except (requests.RequestException, ConnectionBroken) as error:
            self._explain(error, getattr(getattr(error, "request", None), "url", None) or url)
        except OSError as error:
            # Of the system, or requests' own about a file of certificates that is not there.
            if error.errno is None:
                raise Stopped(f"{error}: {_BUNDLE}") from error
            raise

    def chunks(self, answer: requests.Response, limit: int, *, decode: bool = False) -> Iterator[bytes]:
        """The body. Raises Failed if it has more than ``limit`` bytes."""
        passed = 0
        # What has arrived, as it arrives: a slow index must not delay Ctrl-C.
        while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=decode):
            self._check()
            passed += len(chunk)
            if passed > limit:
                raise Failed(f"{without_query(answer.url)} is longer than {limit} bytes")
            yield chunk

    def tried(self, call: Callable[[], T]) -> T:
        """Again after errors that may pass, with pauses; if the index says when to come back, nobody asks it before that."""
        attempt = 0
        while True:
            try:
                return call()
            except _Transient as error:
                attempt += 1
                pause = _PAUSE_SECONDS * 2 ** (attempt - 1) if error.after is None else error.after
                if attempt >= (TRIES if error.after is None else PATIENT_TRIES) or pause > MOST_SECONDS:
                    later = "" if error.after is None else f", and asks to retry in {error.after:,.0f} s"
                    if error.status:
                        raise Failed(f"{error}{later}", error.status) from error
                    if self._unanswered >= SILENT_REQUESTS * TRIES:
                        raise Stopped(f"{error}, {SILENT_REQUESTS} times in a row") from error
                    raise Unreachable(str(error)) from error
                if error.after is None:
                    self._stop.wait(pause)
                else:
                    self._wanted_silence_until = max(
                        self._wanted_silence_until, time.monotonic() + max(pause, _PAUSE_SECONDS)
                    )

    def _check(self) -> None:
        while not self._stop.wait(max(0.0, self._wanted_silence_until - time.monotonic())):
            if time.monotonic() >= self._wanted_silence_until:
                return
        raise Stopped("interrupted")

    def _explain(self, error: Exception, url: str) -> None:
        """Raises what the error means, in words for whoever runs the command."""
        # File hosts are others: one that is gone must not hold back files elsewhere.
        self._unanswered += origin(url) == self.origin
        host = urlsplit(url).netloc.rpartition("@")[2]
        causes = [*_causes(error)]
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                text = (
                    f"the certificate of {host} is not accepted: {cause.verify_message.rstrip('.')}. If your own authority "
                    "has signed it, let REQUESTS_CA_BUNDLE name the file with the authority's certificate"
                )
                raise (Stopped(text) if origin(url) == self.origin else Failed(text)) from error
            if isinstance(cause, ssl.SSLError) and cause.reason == "NO_CERTIFICATE_OR_CRL_FOUND":
                raise Stopped(f"there are no certificates in the file of this environment: {_BUNDLE}") from error
            if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
                raise Failed(f"{host} does not speak TLS there: is it http:// instead of https://?") from error
        for cause in causes:
            if isinstance(cause, requests.exceptions.ProxyError):
                raise _Transient(
                    f"the proxy of this environment (HTTPS_PROXY, HTTP_PROXY) does not connect to {host}: {causes[-1]}"
                ) from error
            if isinstance(cause, IncompleteRead):
                raise _Transient(f"{host} broke off in the middle of {without_query(url)}") from error
            if isinstance(cause, socket.gaierror):
                raise _Transient(f"the name {host} cannot be found: check the spelling and the network") from error
            if isinstance(cause, ConnectionRefusedError):
                raise _Transient(f"nothing listens at {host}") from error
            if isinstance(cause, TimeoutError | requests.Timeout):
                raise _Transient(f"{host} does not answer within {TIMEOUT_SECONDS[1]} s") from error
        raise _Transient(f"the connection to {host} broke: {causes[-1]}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what libraries have wrapped into it: as argument, reason or cause."""
    found, seen = [error], {id(error)}
    while found:
        cause = found.pop(0)
        yield cause
        for within in (*cause.args, getattr(cause, "reason", None), cause.__cause__):
            if isinstance(within, BaseException) and id(within) not in seen:
                seen.add(id(within))
                found.append(within)


def without_query(url: str) -> str:
    """Signed addresses contain their secret there."""
    return url.partition("?")[0].partition("#")[0]


def reason(answer: requests.Response) -> str:
    """Our server's reason is in the status line; without its full stop, as more follows."""
    return printable(f"{answer.status_code} {answer.reason or ''}".strip()).removesuffix(".")


def _after(value: str | None) -> float | None:
    """Of ``Retry-After`` (RFC 9110, section 10.2.3): seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal() and value.isascii():
        return float(value[:9])
    moment = date(value)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment else None


def date(value: str | None) -> datetime | None:
    """Of an HTTP header (RFC 9110, section 5.6.7)."""
    try:
        found = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
