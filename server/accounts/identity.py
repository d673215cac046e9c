"""Identity tokens: what an OpenID Connect issuer says of a job or a role, signed with RS256 and nothing else.

JSON Web Tokens (RFC 7519, 7515) and keys (RFC 7517). Keys come only from the issuer: what a token says of where its key
is (`jku`, `x5u`, `jwk`) is not read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

ALGORITHM = "RS256"
TOKEN_LIMIT = 1 << 14
# Clocks may differ by this much.
LEEWAY_SECONDS = 60
# GitLab's live as long as a job may run. Exchanged tokens are remembered for longer (store/spent.py).
LIFE_SECONDS = 5 * 3600
# In seconds since 1970: no time that a token has is near it.
LATEST = 1 << 40
KEYS_LIMIT = 100
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_ENCODED = re.compile(r"[A-Za-z0-9_-]+")
# RFC 8017, section 9.2: what precedes a SHA-256 digest.
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_MODULUS_BITS = range(2048, 8193)


class Unproved(ValueError):
    """The token proves nothing; the message says why."""


class Key(NamedTuple):
    """An RSA public key."""

    modulus: int
    exponent: int


class IdentityToken(NamedTuple):
    """The token's claims, which only a signature proves; `signed` is the text that it signs."""

    key_id: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        return str(self.claims["iss"])

    @property
    def identifier(self) -> str:
        """Identifies this token among all tokens of all issuers: `jti`, or if an issuer gives none, the token itself."""
        own = self.claims.get("jti") or self.signed.decode()
        return hashlib.sha256(json.dumps([self.issuer, own]).encode()).hexdigest()

    def require_signed(self, key: Key) -> None:
        """Raises Unproved unless `key` signed it (RSASSA-PKCS1-v1_5, RFC 8017, section 8.2.2)."""
        size = (key.modulus.bit_length() + 7) // 8
        digest = _SHA256_PREFIX + hashlib.sha256(self.signed).digest()
        # Built whole and compared whole: a padding that is parsed can be forged.
        expected = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
        number = int.from_bytes(self.signature, "big")
        if len(self.signature) != size or number >= key.modulus:
            raise Unproved("its signature is not by its issuer")
        found = pow(number, key.exponent, key.modulus).to_bytes(size, "big")
        if not hmac.compare_digest(found, expected):
            raise Unproved("its signature is not by its issuer")

    def require_current(self, audience: str, now: float) -> None:
        """Raises Unproved unless it is for `audience`, and valid at `now`, in seconds since 1970."""
        if self.claims.get("aud") not in (audience, [audience]):
            raise Unproved(f"its audience is not {audience}")
        issued, expires = self._moment("iat"), self._moment("exp")
        if not issued - LEEWAY_SECONDS <= now < expires + LEEWAY_SECONDS:
            raise Unproved("it has expired, or was issued in the future")
        if "nbf" in self.claims and self._moment("nbf") > now + LEEWAY_SECONDS:
            raise Unproved("it is not valid yet")
        if expires - issued > LIFE_SECONDS:
            raise Unproved(f"it is valid for more than {LIFE_SECONDS // 3600} hours")

    def _moment(self, claim: str) -> float:
        value = self.claims.get(claim)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LATEST:
            raise Unproved(f"it has no {claim}, or one that is not a time")
        return value


def read_token(text: object) -> IdentityToken:
    """Raises Unproved if it is not a token, or signed in another way."""
    matched = _TOKEN.fullmatch(text) if isinstance(text, str) and len(text) <= TOKEN_LIMIT else None
    if matched is None:
        raise Unproved("it is not a JSON Web Token")
    header, claims = _read_object(matched[1]), _read_object(matched[2])
    if header.get("alg") != ALGORITHM:
        raise Unproved(f"it is not signed with {ALGORITHM}")
    key_id, issuer = header.get("kid"), claims.get("iss")
    if "crit" in header or not isinstance(key_id, str) or not isinstance(issuer, str):
        raise Unproved("its header or its issuer is not as OpenID Connect has them")
    return IdentityToken(key_id, claims, f"{matched[1]}.{matched[2]}".encode(), _decoded(matched[3]))


def keys_of(document: object) -> dict[str, Key]:
    """By `kid`, the keys of a set that can verify; others are skipped. Raises ValueError if it is not a set."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > KEYS_LIMIT:
        raise ValueError(f"it is not a set of at most {KEYS_LIMIT} keys")
    return {entry["kid"]: key for entry in entries if (key := _key(entry)) is not None}


def _key(entry: Any) -> Key | None:
    wanted = {"use": "sig", "alg": ALGORITHM}
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("kty") != "RSA":
        return None
    if any(entry.get(name, value) != value for name, value in wanted.items()):
        return None
    try:
        modulus, exponent = (int.from_bytes(_decoded(entry.get(name)), "big") for name in ("n", "e"))
    except Unproved:
        return None
    # No real key has an even exponent, and a large one is slow.
    sane = modulus % 2 and exponent % 2 and 65537 <= exponent < 1 << 32 and modulus.bit_length() in _MODULUS_BITS
    return Key(modulus, exponent) if sane else None


def _read_object(encoded: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(encoded))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unproved("it is not a JSON Web Token")
    return value


def _decoded(encoded: object) -> bytes:
    """Base64 without padding, in its URL alphabet. Raises Unproved."""
    if not isinstance(encoded, str) or not _ENCODED.fullmatch(encoded) or len(encoded) % 4 == 1:
        raise Unproved("it is not base64")
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
