"""Trusted publishers: whose jobs and roles get a token without a password, by what their issuer says of them.

A minted token is text signed with the publisher's key, so every task accepts it, even one that starts later, without
any exchange. It is worth what its publisher may do now, and nothing once that is revoked. The key is in the secret with
the publisher: whoever may read that must be trusted like someone who knows the passwords. On the storage, restoring a
backup would bring keys back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from server.accounts.grants import Grant
from server.wire.outbound import Outbound

# Same as PyPI's: gh-action-pypi-publish looks for it.
PREFIX = "pypi-"
# The minimum that PEP 807 allows.
MINTED_SECONDS = 900
CLAIMS_LIMIT = 20
_TEXT_LIMIT = 1000
_KEY = re.compile(r"[A-Za-z0-9_-]{43,128}")
_MINTED = re.compile(rf"{PREFIX}(([A-Za-z0-9._-]{{1,63}})\.([0-9]{{1,12}})\.([0-9a-f]{{24}}))\.([A-Za-z0-9_-]{{43}})")
# Anybody gets tokens from these. A publisher pins, exactly, something that nobody else can become: names can be given
# up and taken, and Buildkite's tokens carry only the organisation's ID unless more is requested.
_OPEN_TO_ALL = {
    "https://token.actions.githubusercontent.com": {"repository_id", "repository_owner_id"},
    "https://gitlab.com": {"project_id", "namespace_id"},
    "https://agent.buildkite.com": {"organization_id", "organization_slug"},
}
# Jobs that run what somebody proposed; this one with the rights of the target branch.
_OF_PROPOSALS = {"pull_request", "merge_request_event", "external_pull_request_event"}
_OF_PROPOSALS_WITH_RIGHTS = "pull_request_target"


class Publisher(NamedTuple):
    """`claims` are patterns that a token of `issuer` must match; `until` is in seconds since 1970."""

    grant: Grant
    until: float
    issuer: str
    claims: Mapping[str, re.Pattern[str]]
    key: bytes

    def admits(self, claims: Mapping[str, Any], now: float) -> bool:
        """Whether the claims of a proved token belong to a trusted job or role."""
        events = {_text(claims.get("event_name")), _text(claims.get("pipeline_source"))}
        return (
            claims.get("iss") == self.issuer
            and now < self.until
            and _OF_PROPOSALS_WITH_RIGHTS not in events
            and not (self.grant.may_upload and events & _OF_PROPOSALS)
            and all((text := _text(claims.get(name))) and it.fullmatch(text) for name, it in self.claims.items())
        )

    def mint(self) -> tuple[str, Grant, int]:
        """A token, its grant, and when it ends, in seconds since 1970."""
        until, identifier = int(time.time()) + MINTED_SECONDS, secrets.token_hex(12)
        text = f"{self.grant.name.partition(':')[2]}.{until}.{identifier}"
        return f"{PREFIX}{text}.{self._seal(text)}", self._of(identifier), until

    def _of(self, identifier: str) -> Grant:
        return self.grant._replace(name=f"{self.grant.name}:{identifier}", minted=identifier)

    def _seal(self, text: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self.key, text.encode(), hashlib.sha256)).rstrip(b"=").decode()


def minted(text: str, publishers: Mapping[str, Publisher], now: float) -> Grant | None:
    """The grant of a token minted by one of `publishers`, by name; None for any other text, and for one expired `now`."""
    matched = _MINTED.fullmatch(text)
    publisher = publishers.get(matched[2]) if matched else None
    if matched is None or publisher is None:
        return None
    known = hmac.compare_digest(publisher._seal(matched[1]), matched[5])
    return publisher._of(matched[4]) if known and now < min(int(matched[3]), publisher.until) else None


def publisher_of(entry: Mapping[str, Any], grant: Grant, until: float) -> Publisher:
    """Parsed from a secret's entry, without the fields that every entry has. Raises ValueError, LookupError, TypeError, AttributeError."""
    issuer, claims, key = entry["issuer"], entry["claims"], entry["key"]
    if not issuer.startswith("https://") or not _KEY.fullmatch(key) or not 0 < len(claims) <= CLAIMS_LIMIT:
        raise ValueError
    # Checks that it is an address.
    Outbound(issuer, ())
    patterns = {name: _pattern(text) for name, text in claims.items()}
    pinned = {name for name, text in claims.items() if "*" not in text}
    if issuer in _OPEN_TO_ALL and not pinned & _OPEN_TO_ALL[issuer]:
        raise ValueError
    return Publisher(grant, until, issuer, patterns, key.encode())


def _pattern(text: str) -> re.Pattern[str]:
    """`*` matches any characters except those that separate the parts of claims.

    Otherwise `o/r/.github/workflows/release.yml@*` would match a file called `release.yml@x.yml`, and
    `project_path:o/r:ref_type:branch:ref:*` a branch of another project.
    """
    if not text.strip("*") or not text.isprintable() or len(text) > _TEXT_LIMIT or text.count("*") > 2:
        raise ValueError
    return re.compile("[^@:]*".join(map(re.escape, text.split("*"))))


def _text(claim: object) -> str:
    """As patterns see it: booleans as in JSON; empty for what has parts or lines, or is too long."""
    text = str(claim).lower() if isinstance(claim, bool) else claim if isinstance(claim, str) else ""
    if isinstance(claim, int) and not isinstance(claim, bool) and abs(claim) < 1 << 64:
        text = str(claim)
    return text if text.isprintable() and len(text) <= _TEXT_LIMIT else ""
