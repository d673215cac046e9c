"""Digests as indexes write them."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_sha256(value: Any) -> TypeGuard[str]:
    """Whether it is a SHA-256 in lower-case hexadecimal."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None
