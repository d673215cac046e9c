"""What is said of a project as a whole (PEP 792): whether it goes on, and whether its files are to be had."""

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
        """Whether the project takes no more files."""
        return self.state in (ARCHIVED, QUARANTINED)

    @property
    def is_offered(self) -> bool:
        """Whether its files may be downloaded."""
        return self.state != QUARANTINED

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}" if self.reason else self.state


UNSAID = Status()


def status_of(text: str) -> Status:
    """As `str` writes it. What another program wrote is believed to be the worst."""
    state, _, reason = text.partition(": ")
    return Status(state, reason) if state in STATES else Status(QUARANTINED)
