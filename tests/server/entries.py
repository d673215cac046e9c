"""Entries of the list of tokens, and who has one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

SECRET = "pypiserver-token"


def entry(name: str = "ci", *, token: str = SECRET, may: str = "read", hours: float | None = 1, **more: Any) -> Any:
    expires = None if hours is None else (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name, "sha256": digest, "may": may, "projects": ["acme-*"], "expires": expires, **more}


def with_token(token: str = SECRET) -> tuple[str, str]:
    return "__token__", token
