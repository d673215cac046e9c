"""What the handlers answer with, and how a client's credentials are checked."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .settings import Account

Environ = dict[str, Any]


class Response(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: Iterable[bytes]


class Refusal(Exception):
    """A request that is answered with an error status and a reason for the client's user."""

    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.response = plain(status, reason + "\n", *headers)


def plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    return whole(status, "text/plain; charset=utf-8", text.encode(), *headers)


def whole(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Response:
    return Response(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers], [body])


def unauthorized(reason: str) -> Refusal:
    return Refusal(401, reason, ("WWW-Authenticate", 'Basic realm="pypi"'))


def authenticate(environ: Environ, accounts: Sequence[Account]) -> Account | None:
    """None without credentials; raises Refusal (401) if they are wrong, so that clients ask again."""
    header = environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    scheme, _, encoded = header.partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    found = account_of(given, accounts)
    if found is None or scheme.lower() != "basic":
        raise unauthorized("Wrong user name or password.")
    environ["REMOTE_USER"] = found.username
    return found


def account_of(credentials: bytes, accounts: Sequence[Account]) -> Account | None:
    """`credentials` is `username:password`. Takes as long whichever name exists."""
    found = None
    for account in accounts:
        if hmac.compare_digest(credentials, f"{account.username}:{account.password}".encode()):
            found = account
    return found
