"""Names of projects."""

from __future__ import annotations

import re

# A name of PEP 508, as PEP 503 normalises it. No index has longer ones.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,198}[a-z0-9])?")
_PATTERN = re.compile(r"[a-z0-9*](?:[a-z0-9*-]*[a-z0-9*])?")


def normalized(name: str) -> str:
    """As PEP 503 says."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_name(name: str) -> bool:
    """Whether `name` is normalised and possible in an index."""
    return _NAME.fullmatch(name) is not None


class Patterns:
    """Names in any spelling, with `*` for any characters; none for an empty text."""

    def __init__(self, text: str) -> None:
        """`text` has commas between the names. Raises ValueError."""
        patterns = [normalized(item.strip()) for item in text.split(",") if item.strip()]
        for pattern in patterns:
            if not _PATTERN.fullmatch(pattern):
                raise ValueError(f"{pattern!r} is not the name of a project; * stands for any characters")
        self._names = frozenset(pattern for pattern in patterns if "*" not in pattern)
        self._pieces = [pattern.split("*") for pattern in patterns if "*" in pattern]

    def __contains__(self, name: str) -> bool:
        """`name` is normalised."""
        return name in self._names or any(_has_pieces(name, *pieces) for pieces in self._pieces)


def _has_pieces(name: str, first: str, *others: str) -> bool:
    """Each piece is searched for once, after the one before: a regular expression with many `.*` would try every combination."""
    *middle, last = others
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for piece in middle:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
