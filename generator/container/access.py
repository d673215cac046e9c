"""Who asks, and what they may do: the only place that decides."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any, NamedTuple

from .http import Environ, Refusal, unauthorized
from .settings import Account, SettingsError, require_usable

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"

# By account, and in it by the label of a version: what Secrets Manager has, or None for no such version.
Values = Mapping[str, Mapping[str, str | None]]


class Grant(NamedTuple):
    """`name` is the log's."""

    name: str
    may_upload: bool

    def require_upload(self) -> None:
        """Raises Refusal."""
        if not self.may_upload:
            raise Refusal(403, f"The account {self.name} may not upload.")


class _Credentials(NamedTuple):
    """`text` is `username:password`, as a client sends it; `until` is in seconds since 1970."""

    text: bytes
    until: float
    grant: Grant


class Access:
    """Begins with the accounts of the settings; one thread may `take` others while the rest ask."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._at_start = accounts
        self._credentials: tuple[_Credentials, ...] = ()
        self.take({})

    def take(self, values: Values) -> None:
        """Know what is in `values`, and for what is not there, what the settings have. Raises ValueError."""
        credentials: list[_Credentials] = []
        for account in self._at_start:
            grant = Grant(account.username, account.may_upload)
            known = values.get(account.role)
            credentials += _read(known, account) if known else _spelled(grant, account.password, inf)
        self._credentials = tuple(credentials)

    def authenticate(self, environ: Environ) -> Grant | None:
        """None without credentials; raises Refusal (401) if they are wrong, so that clients ask again."""
        header = environ.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, encoded = header.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        found = None
        # Takes as long whichever name exists.
        for credentials in self._credentials:
            if hmac.compare_digest(given, credentials.text) and time.time() < credentials.until:
                found = credentials.grant
        if found is None or scheme.lower() != "basic":
            raise unauthorized("Wrong user name or password.")
        environ["REMOTE_USER"] = found.name
        return found


def check(account: Account, known: Mapping[str, str | None]) -> None:
    """Raises ValueError, which does not say what is there, for what `Access.take` would not."""
    _read(known, account)


def moment_of(text: Any) -> float:
    """Seconds since 1970. Raises ValueError for anything but a time of ISO 8601 with its offset from UTC."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.timestamp()
    raise ValueError("a time is not written as 2027-01-31T12:00:00+00:00")


def _read(known: Mapping[str, str | None], account: Account) -> list[_Credentials]:
    """The passwords of an account: its secret's, the one before while that lasts, and the one that is to follow."""
    value = _fields(known.get(CURRENT))
    grant = Grant(value["username"], account.may_upload)
    credentials = _spelled(grant, value["password"], inf)
    if "previous" in value:
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
    except (ValueError, LookupError, TypeError, RecursionError, SettingsError):
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
