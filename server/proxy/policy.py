"""When an upstream file becomes visible: a pure function of settings, names and times."""

from __future__ import annotations

import math
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from server.distributions.digests import is_sha256
from server.distributions.names import Patterns, is_name, normalized
from server.distributions.times import DAY_SECONDS


class Candidate(NamedTuple):
    """What the policy looks at: `uploaded` is in seconds since 1970, None if unknown."""

    project: str
    version: Version
    sha256: str
    uploaded: float | None


class Policy:
    """The policy for upstream files."""

    def __init__(self, *, least_age_days: int, exempt: Patterns, blocked: str) -> None:
        """`blocked` is comma-separated: names with `*`, `name==version` and `sha256:digest`. Raises ValueError."""
        self._least_age = least_age_days * DAY_SECONDS
        self._exempt = exempt
        names: list[str] = []
        self._releases: set[tuple[str, Version]] = set()
        self._digests: set[str] = set()
        for item in filter(None, map(str.strip, blocked.split(","))):
            name, equals, version = item.partition("==")
            if item.startswith("sha256:"):
                digest = item.removeprefix("sha256:").lower()
                if not is_sha256(digest):
                    raise ValueError(f"{item!r} has no SHA-256 of 64 hexadecimal digits")
                self._digests.add(digest)
            elif equals:
                if not is_name(normalized(name.strip())):
                    raise ValueError(f"{item!r} does not begin with the name of a project")
                try:
                    self._releases.add((normalized(name.strip()), Version(version)))
                except InvalidVersion as error:
                    raise ValueError(f"{item!r} ends with no version") from error
            else:
                names.append(item)
        self._blocked = Patterns(",".join(names))

    def shown_from(self, file: Candidate) -> float:
        """The time, in seconds since 1970, from which the file may be listed and fetched; infinite for never."""
        if (
            file.project in self._blocked
            or (file.project, file.version) in self._releases
            or file.sha256 in self._digests
        ):
            return math.inf
        if not self._least_age or file.project in self._exempt:
            return -math.inf
        # A file without an upload time may have been uploaded just now.
        return math.inf if file.uploaded is None else file.uploaded + self._least_age
