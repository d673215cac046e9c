"""Who a client is, and what it may do: the only place that decides."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from server.accounts.account import Account, require_usable
from server.accounts.grants import Grant, moment_of
from server.accounts.publishers import Publisher, minted
from server.accounts.tokens import USERNAME, Entries, entries_of
from server.wire.messages import Environ, unauthorized

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
TOKENS = "TOKENS"
_TOKEN = f"{USERNAME}:".encode()

# By account or TOKENS, then by version label: the value in Secrets Manager, or None if there is no such version.
Values = Mapping[str, Mapping[str, str | None]]


class _Credentials(NamedTuple):
    """`text` is `username:password`, as a client sends it; `until` is in seconds since 1970."""

    text: bytes
    until: float
    grant: Grant


class Access:
    """Starts with the accounts of the settings; one thread may `take` others while the rest ask."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._at_start = accounts
        self._entries = Entries({}, {})
        self.take({})

    def take(self, values: Values) -> None:
        """Use what is in `values`, and the settings for whatever it lacks. Raises ValueError."""
        credentials: list[_Credentials] = []
        for account in self._at_start:
            grant = Grant(account.username, account.may_upload)
            known = values.get(account.role)
            credentials += _read(known, account) if known else _spelled(grant, account.password, inf)
        if known := values.get(TOKENS):
            self._entries = entries_of(known.get(CURRENT))
        self._credentials = credentials

    def authenticate(self, environ: Environ) -> Grant | None:
        """None without credentials; raises Refusal (401) if they are wrong, so that clients ask again.

        What has expired since the request arrived is still good: a long upload may finish.
        """
        header = environ.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        given, arrived = _given(header), time.time() - (time.monotonic() - environ["server.arrived"])
        found = self._token(given, arrived) if given.startswith(_TOKEN) else None
        # Takes the same time whichever name exists.
        for credentials in self._credentials:
            if hmac.compare_digest(given, credentials.text) and arrived < credentials.until:
                found = credentials.grant
        if found is None:
            raise unauthorized("Wrong user name or password.")
        environ["REMOTE_USER"] = found.name
        return found

    def _token(self, given: bytes, now: float) -> Grant | None:
        """Looked up by its digest, so the time taken reveals nothing about any token. Raises Refusal."""
        text = given.partition(b":")[2]
        token = self._entries.tokens.get(hashlib.sha256(text).hexdigest())
        if token is None:
            return self.minted(text.decode("latin-1"), now)
        if now >= token.until:
            raise unauthorized("The token has expired.")
        return token.grant

    def minted(self, text: str, now: float) -> Grant | None:
        """The grant of a token that a publisher minted; whether it is spent only the storage knows."""
        return minted(text, self._entries.publishers, now)

    def trusts(self, issuer: str) -> bool:
        """Whether any publisher is of this issuer."""
        return any(it.issuer == issuer for it in self._entries.publishers.values())

    def publisher(self, claims: Mapping[str, Any]) -> Publisher | None:
        """The publisher of a proved token with these claims: of several that admit it, the one with the most claims, then the first."""
        admitting = [it for it in self._entries.publishers.values() if it.admits(claims, time.time())]
        return max(admitting, key=lambda it: len(it.claims), default=None)


@lru_cache(maxsize=256)
def _given(header: str) -> bytes:
    """`username:password` of an Authorization header; empty if it is of another kind, or malformed."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, ValueError):
            return base64.b64decode(encoded.strip(), validate=True)
    return b""


def _read(known: Mapping[str, str | None], account: Account) -> list[_Credentials]:
    """The passwords of an account: its secret's, the previous one while it lasts, and the pending one."""
    value = _fields(known.get(CURRENT))
    grant = Grant(value["username"], account.may_upload)
    credentials = _spelled(grant, value["password"], inf)
    if value.get("previous"):
        credentials += _spelled(grant, value["previous"], moment_of(value.get("previous_until")))
    with contextlib.suppress(ValueError):
        pending = _fields(known.get(PENDING))
        # What an abandoned rotation left, of a password since replaced by hand, must not open anything.
        if pending["username"] == grant.name and pending.get("previous") == value["password"]:
            credentials += _spelled(grant, pending["password"], inf)
    return credentials


def _fields(text: str | None) -> dict[str, Any]:
    """The JSON of a secret: `username`, `password`, and perhaps `previous` and `previous_until`. Raises ValueError."""
    try:
        value = json.loads(text or "")
        require_usable("it", str(value["username"]), str(value["password"]))
        texts = [value["username"], value["password"], value.get("previous", "")]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ValueError("it is not JSON with a username and a password that can be used") from None
    if not isinstance(value, dict) or not all(isinstance(it, str) for it in texts):
        raise ValueError("what it has is not text")
    return value


def _spelled(grant: Grant, password: str, until: float) -> list[_Credentials]:
    """In each encoding that clients use: uv sends UTF-8; pip and twine, Latin-1."""
    text = f"{grant.name}:{password}"
    encodings = {text.encode()}
    with contextlib.suppress(UnicodeEncodeError):
        encodings.add(text.encode("latin-1"))
    return [_Credentials(encoded, until, grant) for encoded in sorted(encodings)]
