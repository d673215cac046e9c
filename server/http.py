"""What the handlers answer with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any, NamedTuple

Environ = dict[str, Any]

PHRASE_LIMIT = 240
PHRASES = {int(status): status.phrase for status in HTTPStatus}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST_US = (datetime(1000, 1, 1, tzinfo=timezone.utc) - _EPOCH) // _MICROSECOND
_LATEST_US = (datetime(9999, 12, 31, tzinfo=timezone.utc) - _EPOCH) // _MICROSECOND
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


class Refusal(Exception):
    """A request that is answered with an error status and a reason for the client's user."""

    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.response = plain(status, reason + "\n", *headers)


def plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    response = whole(status, "text/plain; charset=utf-8", text.encode("utf-8", "replace"), *headers)
    return response._replace(reason=text) if status >= 400 else response


def whole(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Response:
    return Response(status, (("Content-Type", content_type), ("Content-Length", str(len(body))), *headers), [body])


def redirect(status: int, location: str, query: str = "") -> Response:
    """`location` is an escaped path of this server, or an absolute URL of another."""
    return whole(status, "text/html; charset=UTF-8", b"", ("Location", f"{location}?{query}" if query else location))


def unauthorized(reason: str) -> Refusal:
    return Refusal(401, reason, ("WWW-Authenticate", 'Basic realm="pypi"'))


def moment(ns: int) -> datetime:
    """A file's time in UTC, or the nearest of a year of four digits: file systems keep others."""
    microseconds = min(max(ns // 1000, _EARLIEST_US), _LATEST_US)
    return _EPOCH + timedelta(microseconds=microseconds)


def has_etag(environ: Environ, etag: str) -> bool | None:
    """Whether If-None-Match names `etag` (RFC 9110, section 13.1.2); None if it was not sent."""
    header = environ.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return None
    tags = [tag.strip() for tag in header.split(",")]
    return tags == ["*"] or etag in (tag.removeprefix("W/") for tag in tags)
