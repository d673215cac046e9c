"""How long a step took last time on this machine, to say how long it will take: one small file, which may be lost or wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

LEAST_SECONDS = 2
"""Steps that somebody waits for."""
LONGEST_SECONDS = 86_400


def cache() -> Path:
    """Where this program keeps its own data: https://specifications.freedesktop.org/basedir-spec/latest/."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pypiserver-aws"


def last(*steps: str) -> str:
    """How long the longest of ``steps`` took, in words; empty if none is known, or none took long."""
    seconds = max((_read().get(step, 0.0) for step in steps), default=0.0)
    if seconds < LEAST_SECONDS:
        return ""
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def remember(taken: Mapping[str, float]) -> None:
    """Seconds by step. What cannot be written is not remembered."""
    known = {**_read(), **{step: round(seconds, 1) for step, seconds in taken.items()}}
    # Where there is no home directory, pathlib raises RuntimeError.
    with suppress(OSError, RuntimeError):
        cache().mkdir(parents=True, exist_ok=True)
        _file().write_text(json.dumps(known, indent=1), encoding="utf-8")


def _file() -> Path:
    return cache() / "durations.json"


def _read() -> dict[str, float]:
    """Ignores everything but a number of seconds within a day."""
    with suppress(OSError, ValueError, AttributeError, RuntimeError):
        known = json.loads(_file().read_text(encoding="utf-8")).items()
        return {step: it for step, it in known if type(it) in (int, float) and 0 <= it < LONGEST_SECONDS}
    return {}
