"""Publishing without a password: exchanging an identity token for one that is valid here for minutes.

It answers as PyPI does, which uv and gh-action-pypi-publish expect of any index, and as PEP 807 describes. Strangers
also use it: they learn nothing of who is trusted, and cost neither a thread while an issuer is asked, nor storage.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from server.accounts.access import Access
from server.accounts.identity import IdentityToken, Unproved, read_token
from server.accounts.issuers import Issuers
from server.store.spent import Spent
from server.views.records import write_change
from server.wire.messages import Environ, Later, Refusal, Response, Work, origin_of, whole

AUDIENCE, MINT, BURN = (f"/_/oidc/{name}" for name in ("audience", "mint-token", "burn-token"))
DISCOVERY = "/.well-known/pytp"
BODY_LIMIT = 1 << 15


class TrustedPublishing:
    def __init__(self, access: Access, spent: Spent, audience: str) -> None:
        """`audience` is what identity tokens must be for: this index, and no other that trusts the same jobs."""
        self._access = access
        self._spent = spent
        self._audience = audience
        self._issuers = Issuers()

    def get(self, path: str, environ: Environ) -> Response | None:
        """None for another path."""
        if path == AUDIENCE:
            return _json(200, {"audience": self._audience})
        # Uploads go to the root; nothing is known of other upload addresses that a client may use.
        if path != DISCOVERY or not _is_root(parse_qs(environ["QUERY_STRING"]).get("discover", ["/"])[0]):
            return None
        origin = origin_of(environ)
        return _json(200, {"audience-endpoint": origin + AUDIENCE, "mint-token-endpoint": origin + MINT})

    def post(self, path: str, environ: Environ) -> Work | None:
        """None for another path. Raises Refusal."""
        answers: dict[str, Callable[[str, Environ], Response | Later]] = {MINT: self._mint, BURN: self._burn}
        answer = answers.get(path)
        if answer is None:
            return None
        if not 0 < int(environ.get("CONTENT_LENGTH") or 0) <= BODY_LIMIT:
            raise _refusal(413, "invalid-request", f"The body has a length, of at most {BODY_LIMIT} bytes.")
        return Work("exchange", lambda: answer(_token_of(environ), environ))

    def _mint(self, text: str, environ: Environ) -> Response | Later:
        try:
            token = read_token(text)
            token.require_current(self._audience, time.time())
        except Unproved as error:
            raise _refusal(422, "invalid-token", f"The identity token is invalid: {error}.") from error
        if not self._access.trusts(token.issuer):
            raise _untrusted()
        asked = self._issuers.asked(token.issuer, token.key_id)
        if asked is None:
            return self._minted(token, None, environ)
        return Later(asked, lambda: self._minted(token, asked, environ))

    def _minted(self, token: IdentityToken, asked: Future[None] | None, environ: Environ) -> Response:
        key = self._issuers.key(token.issuer, token.key_id)
        if key is None and asked is not None and (error := asked.exception()):
            reason = f"The keys of {token.issuer} cannot be fetched now: {error}."
            raise _refusal(503, "issuer-unreachable", reason, ("Retry-After", "10"))
        try:
            if key is None:
                raise Unproved("its issuer has no such key")
            token.require_signed(key)
        except Unproved as error:
            raise _refusal(422, "invalid-token", f"The identity token is invalid: {error}.") from error
        publisher = self._access.publisher(token.claims)
        if publisher is None:
            raise _untrusted()
        if not self._spent.spend(token.identifier):
            raise _refusal(422, "invalid-token", "The identity token was used before: each works once.")
        minted, grant, until = publisher.mint()
        environ["REMOTE_USER"] = grant.name
        said = {name: token.claims.get(name) for name in ("iss", "sub", "jti", *publisher.claims)}
        write_change(environ, "mint", None, None, None, json.dumps(said))
        return _json(200, {"success": True, "token": minted, "expires": until})

    def _burn(self, text: str, environ: Environ) -> Response:
        """Whoever has the token may burn it; others learn nothing."""
        grant = self._access.minted(text, time.time())
        if grant is not None and self._spent.spend(grant.minted):
            environ["REMOTE_USER"] = grant.name
            write_change(environ, "burn", None, None, None)
        return _json(202, {})


def _is_root(url: str) -> bool:
    with suppress(ValueError):
        return urlsplit(url).path in ("", "/")
    return False


def _token_of(environ: Environ) -> str:
    """Raises Refusal, and whatever reading a body raises."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    try:
        text = json.loads(body)["token"]
    except (ValueError, LookupError, TypeError, RecursionError):
        text = None
    if not isinstance(text, str):
        raise _refusal(422, "invalid-payload", "The body is a JSON object with the token in its field token.")
    return text


def _untrusted() -> Refusal:
    return _refusal(
        422,
        "invalid-publisher",
        "No trusted publisher matches this identity token. Compare its claims with those that "
        "`trust list` shows. Uploads from pull requests are never trusted.",
    )


def _refusal(status: int, code: str, text: str, *headers: tuple[str, str]) -> Refusal:
    refusal = Refusal(status, text)
    errors = {"message": text, "errors": [{"code": code, "description": text}]}
    refusal.response = _json(status, errors, *headers)._replace(reason=text)
    return refusal


def _json(status: int, document: dict[str, Any], *headers: tuple[str, str]) -> Response:
    return whole(status, "application/json", json.dumps(document).encode(), ("Cache-Control", "no-store"), *headers)
