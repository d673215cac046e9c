"""Tokens, as their secret has them: a JSON list with the digest of each, what it may do, and until when."""

from __future__ import annotations

import json
import re
from math import inf
from typing import Any, NamedTuple

from server.accounts.grants import Grant, moment_of
from server.distributions.digests import is_sha256
from server.distributions.names import Patterns

# As on PyPI.
USERNAME = "__token__"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# All of them: one that is not known here could be meant to limit a token.
_FIELDS = {"name", "sha256", "may", "projects", "expires"}


class Token(NamedTuple):
    """`until` is in seconds since 1970."""

    grant: Grant
    until: float


def tokens_of(text: str | None) -> dict[str, Token]:
    """By SHA-256. Raises ValueError, which does not say what is there, if a single one is wrong."""
    try:
        entries = json.loads(text or "")
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list):
        raise ValueError("it is no JSON list")
    tokens: dict[str, Token] = {}
    for number, entry in enumerate(entries, 1):
        try:
            tokens[entry["sha256"]] = _token(entry)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise ValueError(f"its entry {number} is none that docs/tokens.md describes") from None
        if len({token.grant.name for token in tokens.values()}) < number:
            raise ValueError(f"its entry {number} has the name or the digest of another")
    return tokens


def _token(entry: dict[str, Any]) -> Token:
    """Raises ValueError, LookupError, TypeError or AttributeError."""
    projects = entry["projects"]
    if (
        entry.keys() != _FIELDS
        or not NAME.fullmatch(entry["name"])
        or not is_sha256(entry["sha256"])
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
    return Token(grant, inf if entry["expires"] is None else moment_of(entry["expires"]))
