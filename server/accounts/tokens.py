"""Tokens and trusted publishers, as stored in their secret: a JSON list of what each may do, and until when."""

from __future__ import annotations

import json
import re
from math import inf
from typing import Any, NamedTuple

from server.accounts.grants import Grant, moment_of
from server.accounts.publishers import Publisher, publisher_of
from server.distributions.digests import is_sha256
from server.distributions.names import Patterns

# As on PyPI.
USERNAME = "__token__"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# All fields: an unknown one could be meant to limit a token.
_FIELDS = {"name", "may", "projects", "expires"}
_TOKENS_FIELDS = _FIELDS | {"sha256"}
_PUBLISHERS_FIELDS = _FIELDS | {"issuer", "claims", "key"}


class Token(NamedTuple):
    """`until` is in seconds since 1970."""

    grant: Grant
    until: float


class Entries(NamedTuple):
    """Tokens by SHA-256, publishers by name; all names are different."""

    tokens: dict[str, Token]
    publishers: dict[str, Publisher]


def entries_of(text: str | None) -> Entries:
    """Raises ValueError, which does not contain the text, if any entry is wrong."""
    try:
        entries = json.loads(text or "")
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list):
        raise ValueError("it is not a JSON list")
    known = Entries({}, {})
    for number, entry in enumerate(entries, 1):
        try:
            _add(entry, known)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise ValueError(f"its entry {number} is none that docs/tokens.md describes") from None
        names = {it.grant.name for them in known for it in them.values()}
        if len(names) < number:
            raise ValueError(f"its entry {number} has the name or the digest of another")
    return known


def _add(entry: dict[str, Any], known: Entries) -> None:
    """Raises ValueError, LookupError, TypeError or AttributeError."""
    projects, is_token = entry["projects"], "sha256" in entry
    if (
        entry.keys() != (_TOKENS_FIELDS if is_token else _PUBLISHERS_FIELDS)
        or not NAME.fullmatch(entry["name"])
        or entry["may"] not in ("read", "upload")
        or not isinstance(projects, list)
        or not projects
        or not all(isinstance(it, str) and it and "," not in it for it in projects)
    ):
        raise ValueError
    patterns = Patterns(",".join(projects))
    grant = Grant(
        f"{USERNAME}:{entry['name']}", entry["may"] == "upload", None if "*" in projects else patterns, token=True
    )
    until = inf if entry["expires"] is None else moment_of(entry["expires"])
    if not is_token:
        known.publishers[entry["name"]] = publisher_of(entry, grant, until)
    elif is_sha256(entry["sha256"]):
        known.tokens[entry["sha256"]] = Token(grant, until)
    else:
        raise ValueError
