"""The answers that handlers return."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

Environ = dict[str, Any]

PHRASE_LIMIT = 240
PHRASES = {int(status): status.phrase for status in HTTPStatus}
# What depends on who asks, or may change: kept only by its client, and checked before use (RFC 9111, section 5.2.2).
REVALIDATED = ("Cache-Control", "private, no-cache")
_UNSAFE = re.compile(r"[^\x20-\x7e]+")


class Response(NamedTuple):
    """`reason` is for the client's user: twine, hatch and flit print only the status line's phrase."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: Iterable[bytes]
    reason: str = ""

    @property
    def phrase(self) -> str:
        """The reason in one line of printable ASCII, whatever it quotes; empty for the status's own phrase."""
        return self.reason and _UNSAFE.sub(" ", self.reason).strip()[:PHRASE_LIMIT]


class Later(NamedTuple):
    """A slow answer: `finish` returns it, once `ready` is done. Until then it costs no thread."""

    ready: Future[None]
    finish: Callable[[], Outcome]


class Work(NamedTuple):
    """Answers a request once a thread may spend time on it; `kind` is one of the engine's.

    Accounts share the places of a kind; without accounts, it is first come, first served. A call may return further
    work, of another kind: the place of the first is free meanwhile.
    """

    kind: str
    call: Callable[[], Outcome]
    account: str = ""


# What comes of a step.
Outcome = Response | Later | Work


class Awaited(Exception):
    """Raised by a handler whose answer depends on other work: it is called again once `ready` is done."""

    def __init__(self, ready: Future[None]) -> None:
        super().__init__()
        self.ready = ready


class Handler(Protocol):
    """What the engine calls; its methods raise nothing."""

    def admit(self, environ: Environ) -> Response | Work:
        """The answer, or the work that it takes; does not wait for the storage or the client."""

    def perform(self, call: Callable[[], Outcome], environ: Environ) -> Outcome:
        """The result of a Work's `call`, or then of a Later's `finish`."""


class Refusal(Exception):
    """A request answered with an error status and a reason for the client's user."""

    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.response = plain(status, reason + "\n", *headers)


def plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    content = text.encode("utf-8", "replace")
    if status < 400:
        return whole(status, "text/plain; charset=utf-8", content, *headers)
    # A cache may keep some of these statuses unless told not to (RFC 9110, section 15.1).
    refused = whole(status, "text/plain; charset=utf-8", content, ("Cache-Control", "no-store"), *headers)
    return refused._replace(reason=text)


def whole(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Response:
    return Response(status, (("Content-Type", content_type), ("Content-Length", str(len(body))), *headers), [body])


def redirect(status: int, location: str, query: str = "") -> Response:
    """`location` is an escaped path of this server, or an absolute URL of another."""
    return whole(status, "text/html; charset=UTF-8", b"", ("Location", f"{location}?{query}" if query else location))


def absent(name: str) -> Refusal:
    return Refusal(404, f"Not Found ({name} does not exist)")


def unauthorized(reason: str) -> Refusal:
    return Refusal(401, reason, ("WWW-Authenticate", 'Basic realm="pypi"'))


def origin_of(environ: Environ) -> str:
    """Scheme and host as the client wrote them; nothing that the server does depends on them."""
    return f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', 'localhost')}"


def has_etag(environ: Environ, etag: str) -> bool | None:
    """Whether If-None-Match names `etag` (RFC 9110, section 13.1.2); None if it was not sent."""
    header = environ.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return None
    tags = [tag.strip() for tag in header.split(",")]
    return tags == ["*"] or etag in (tag.removeprefix("W/") for tag in tags)
