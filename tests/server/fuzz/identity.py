"""Identity tokens that anybody presents: only the issuer's key proves, and a stranger brings nothing about."""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from hypothesis import strategies as st

from server.accounts.identity import Key, Unproved, read_token

from ..issuers import AUDIENCE, claims_of, key, signed
from .outside import ANYTHING
from .target import Finding, Server, World
from .wire import DRAW, mutated

DOORS = {"/_/oidc/mint-token": {400, 413, 422}, "/_/oidc/burn-token": {202, 400, 413, 422}}
HEADERS = ["alg", "typ", "kid", "crit", "jwk", "jku"]
# Good for hours, and the same for each example.
CLAIMS = claims_of("https://issuer.test/x", exp=int(time.time()) + 4 * 3600)
_numbers = key().public_key().public_numbers()
KEY = Key(_numbers.n, _numbers.e)


class Presented(NamedTuple):
    """`signed` is what the issuer signed; of the whole `text` it may be nothing."""

    text: str
    signed: str
    door: str
    body: bytes


@st.composite
def tokens(draw: DRAW) -> Presented:
    claims = dict(CLAIMS)
    header: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 2))):
        claims[draw(st.sampled_from(list(claims)))] = draw(ANYTHING)
    if draw(st.integers(0, 3)) == 3:
        header[draw(st.sampled_from(HEADERS))] = draw(ANYTHING | st.just("none") | st.just("HS256"))
    genuine = signed(claims, None, **header)
    text = genuine
    if draw(st.booleans()):
        text = draw(mutated(genuine.encode())).decode("latin-1")
    body = json.dumps(draw(st.sampled_from([{"token": text}] * 8 + [{"token": [text]}, [text], {}]))).encode()
    if draw(st.integers(0, 7)) == 7:
        body = draw(mutated(body))
    return Presented(text, genuine.rpartition(".")[0], draw(st.sampled_from(list(DOORS))), body)


def check(world: World, server: Server, presented: Presented) -> None:
    """Raises Finding."""
    if _proves(presented.text) and presented.text.rpartition(".")[0] != presented.signed:
        raise Finding(f"{presented.text!r} proves what nobody signed")
    lines = [f"POST {presented.door} HTTP/1.1", "Host: x", "Connection: close", "Content-Type: application/json"]
    lines.append(f"Content-Length: {len(presented.body)}")
    (found,) = server.ask("\r\n".join([*lines, "", ""]).encode() + presented.body)
    if found.status not in DOORS[presented.door]:
        raise Finding(f"{presented} is answered with {found}")
    world.check_told_nothing(found.body)
    if world.changes():
        raise Finding(f"{presented} left {world.changes()}")


def _proves(text: str) -> bool:
    """Raises what is no Unproved, too."""
    try:
        token = read_token(text)
        token.require_current(AUDIENCE, time.time())
        token.require_signed(KEY)
        return bool(token.identifier)
    except Unproved:
        return False
