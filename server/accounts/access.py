"""Who asks, and what they may do: the only place that decides."""

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

# By account or TOKENS, and in it by the label of a version: what Secrets Manager has, or None for no such version.
Values = Mapping[str, Mapping[str, str | None]]


class _Credentials(NamedTuple):
    """`text` is `username:password`, as a client sends it; `until` is in seconds since 1970."""

    text: bytes
    until: float
    grant: Grant


class Access:
    """Begins with the accounts of the settings; one thread may `take` others while the rest ask."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._at_start = accounts
        self._entries = Entries({}, {})
        self.take({})

    def take(self, values: Values) -> None:
        """Know what is in `values`, and for what is not there, what the settings have. Raises ValueError."""
        credentials: list[_Credentials] = []
        for account in self._at_start:
            grant = Grant(account.username, account.may_upload)
            known = values.get(account.role)
            credentials += _read(known, account) if known else _spelled(grant, account.password, inf)
        if known := values.get(TOKENS):
            self._entries = entries_of(known.get(CURRENT))
        self._credentials = credentials

    def authenticate(self, environ: Environ) -> Grant | None:
        """None without credentials; raises Refusal (401) if they are wrong, so that clients ask again."""
        header = environ.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        given = _given(header)
        found = self._token(given) if given.startswith(_TOKEN) else None
        # Takes as long whichever name exists.
        for credentials in self._credentials:
            if hmac.compare_digest(given, credentials.text) and time.time() < credentials.until:
                found = credentials.grant
        if found is None:
            raise unauthorized("Wrong user name or password.")
        environ["REMOTE_USER"] = found.name
        return found

    def _token(self, given: bytes) -> Grant | None:
        """Found by its digest: how long that takes tells nothing of any token. Raises Refusal."""
        text = given.partition(b":")[2]
        token = self._entries.tokens.get(hashlib.sha256(text).hexdigest())
        if token is None:
            return self.minted(text.decode("latin-1"))
        if time.time() >= token.until:
            raise unauthorized("The token has expired.")
        return token.grant

    def minted(self, text: str) -> Grant | None:
        """What a token that a publisher was given stands for; whether it is spent is for the storage to say."""
        return minted(text, self._entries.publishers)

    def trusts(self, issuer: str) -> bool:
        """Whether a single publisher is of this issuer."""
        return any(it.issuer == issuer for it in self._entries.publishers.values())

    def publisher(self, claims: Mapping[str, Any]) -> Publisher | None:
        """Whom a proved token with these claims is of: of several that admit it, the one that asks most, and is listed first."""
        admitting = [it for it in self._entries.publishers.values() if it.admits(claims, time.time())]
        return max(admitting, key=lambda it: len(it.claims), default=None)


@lru_cache(maxsize=256)
def _given(header: str) -> bytes:
    """`username:password` of an Authorization header; nothing if it is of another kind, or malformed."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, ValueError):
            return base64.b64decode(encoded.strip(), validate=True)
    return b""


def _read(known: Mapping[str, str | None], account: Account) -> list[_Credentials]:
    """The passwords of an account: its secret's, the one before while that lasts, and the one that is to follow."""
    value = _fields(known.get(CURRENT))
    grant = Grant(value["username"], account.may_upload)
    credentials = _spelled(grant, value["password"], inf)
    if value.get("previous"):
        credentials += _spelled(grant, value["previous"], moment_of(value.get("previous_until")))
    with contextlib.suppress(ValueError):
        pending = _fields(known.get(PENDING))
        # What an abandoned rotation left, of a password that was replaced by hand since, must not open anything.
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
