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
    """Whether `name` is a normalised one that an index can have."""
    return _NAME.fullmatch(name) is not None


class Patterns:
    """Names, each with `*` for any characters, spelled as anybody likes; none from an empty text."""

    def __init__(self, text: str) -> None:
        """`text` has commas between the names. Raises ValueError."""
        patterns = [normalized(item.strip()) for item in text.split(",") if item.strip()]
        for pattern in patterns:
            if not _PATTERN.fullmatch(pattern):
                raise ValueError(f"{pattern!r} is no name of a project; * stands for any characters")
        self._found = re.compile("|".join(pattern.replace("*", ".*") for pattern in patterns) if patterns else r"(?!)")

    def __contains__(self, name: str) -> bool:
        """`name` is normalised."""
        return self._found.fullmatch(name) is not None
