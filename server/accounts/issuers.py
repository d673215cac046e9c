"""The keys of issuers of identity tokens, as each publishes them (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple

from server.accounts.identity import Key, keys_of
from server.wire.calls import Calls, TakesLong
from server.wire.outbound import Outbound, Unreachable

# Keys that an issuer withdrew are forgotten after this ...
CURRENT_SECONDS = 3600.0
# ... and an unknown key is looked up at most this often, whatever strangers send.
UNKNOWN_SECONDS = 60.0
FAILED_SECONDS = 10.0
ANSWER_SECONDS = 10.0
# Clients are told to come back.
PATIENCE_SECONDS = 8.0
DOCUMENT_BYTES = 1 << 18
THREADS = 2


class _Known(NamedTuple):
    """`at` is monotonic."""

    keys: dict[str, Key]
    at: float


class Issuers:
    def __init__(self) -> None:
        self._calls = Calls(THREADS, FAILED_SECONDS)
        self._known: dict[str, _Known] = {}
        # Calls that wait for an issuer: strangers can create any number.
        self._places = threading.BoundedSemaphore(64)

    def key(self, issuer: str, key_id: str) -> Key | None:
        """None if the issuer has no such key, or its keys are not known now."""
        known = self._known.get(issuer)
        return known.keys.get(key_id) if known and time.monotonic() < known.at + CURRENT_SECONDS else None

    def asked(self, issuer: str, key_id: str) -> Future[None] | None:
        """None if there is nothing to wait for; otherwise it fails with Unreachable or TakesLong."""
        known = self._known.get(issuer)
        age = time.monotonic() - known.at if known else CURRENT_SECONDS
        if self.key(issuer, key_id) or age < UNKNOWN_SECONDS:
            return None
        if not self._places.acquire(blocking=False):
            refused: Future[None] = Future()
            refused.set_exception(TakesLong("too many requests wait for it"))
            return refused
        asked = self._calls.wait(issuer, partial(self._ask, issuer), PATIENCE_SECONDS)
        asked.add_done_callback(lambda _: self._places.release())
        return asked

    def _ask(self, issuer: str) -> None:
        """Raises Unreachable."""
        outbound = Outbound(issuer, ())
        configuration = _document(outbound, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        address = configuration.get("jwks_uri")
        if configuration.get("issuer") != issuer or not isinstance(address, str) or outbound.split(address) is None:
            raise Unreachable(f"{issuer} does not say that it is the issuer, or has its keys at another host")
        try:
            keys = keys_of(_document(outbound, address))
        except ValueError as error:
            raise Unreachable(f"{address}: {error}") from error
        self._known[issuer] = _Known(keys, time.monotonic())


def _document(outbound: Outbound, url: str) -> dict[str, Any]:
    """Raises Unreachable."""
    with outbound.get(url, {"Accept": "application/json"}, ANSWER_SECONDS) as reply:
        # An issuer that anyone can make redirect would have anyone's keys.
        if reply.status != 200 or reply.url != url:
            raise Unreachable(f"{url} answers with status {reply.status}, or from elsewhere")
        try:
            document = json.loads(b"".join(reply.chunks(DOCUMENT_BYTES)))
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"{url} is no JSON") from error
    if not isinstance(document, dict):
        raise Unreachable(f"{url} is not a JSON object")
    return document
