"""The accounts that every server has: one pair of credentials each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Account:
    """One pair of credentials. A reader lists and downloads; a publisher also uploads."""

    role: str
    username: str
    password: str
    may_upload: bool


def require_usable(role: str, username: str, password: str) -> None:
    """Raises ValueError, whose message does not contain the password."""
    if not username or not password:
        raise ValueError(f"{role}_USERNAME and {role}_PASSWORD must both be set.")
    for part, value in (("USERNAME", username), ("PASSWORD", password)):
        # A password with a line end, or not in UTF-8, would never match.
        if not value.isprintable():
            raise ValueError(f"{role}_{part} must not contain control characters, nor bytes that are not UTF-8.")
    if ":" in username:
        raise ValueError(f"{role}_USERNAME must not contain a colon (RFC 7617).")
