"""The status of a whole project (PEP 792): whether it is maintained, and whether its files are available."""

from __future__ import annotations

from typing import NamedTuple

ACTIVE, ARCHIVED, DEPRECATED, QUARANTINED = "active", "archived", "deprecated", "quarantined"
STATES = (ACTIVE, ARCHIVED, DEPRECATED, QUARANTINED)


class Status(NamedTuple):
    """One of STATES, and why; a reason may be empty."""

    state: str = ACTIVE
    reason: str = ""

    @property
    def is_closed(self) -> bool:
        """Whether the project accepts no more files."""
        return self.state in (ARCHIVED, QUARANTINED)

    @property
    def is_offered(self) -> bool:
        """Whether its files may be downloaded."""
        return self.state != QUARANTINED

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}" if self.reason else self.state


UNSAID = Status()


def status_of(text: str) -> Status:
    """As `str` writes it. Text from other programs is assumed to mean the worst."""
    state, _, reason = text.partition(": ")
    return Status(state, reason) if state in STATES else Status(QUARANTINED)
