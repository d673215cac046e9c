"""What an authenticated client may do; whatever is not granted is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from server.distributions.names import Patterns, is_name
from server.wire.messages import Refusal


class Grant(NamedTuple):
    """`name` is for the log. Whoever may upload may also read. Methods raise Refusal.

    Only a `token` is limited to `projects` (None for all), and can change things only by uploading. A `minted` one is
    valid until that name is spent (store/spent.py).
    """

    name: str
    may_upload: bool
    projects: Patterns | None = None
    token: bool = False
    minted: str = ""

    def require(self, projects: Iterable[str]) -> None:
        """The projects that a request is about, as PEP 503 normalises them; if there are none, it is about any."""
        if self.projects is None:
            return
        named = list(projects)
        if not named:
            raise Refusal(403, f"{self.name} may see some projects only, and this shows others.")
        for project in named:
            if not is_name(project) or project not in self.projects:
                raise Refusal(403, f"{self.name} has no access to the project {project[:100]}.")

    def require_upload(self) -> None:
        if not self.may_upload:
            raise Refusal(403, f"The account {self.name} may not upload.")

    def require_account(self) -> None:
        if self.token:
            raise Refusal(403, f"{self.name} may only read and upload: use the publisher.")


def moment_of(text: Any) -> float:
    """Seconds since 1970. Raises ValueError for anything but a time of ISO 8601 with its offset from UTC."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.timestamp()
    raise ValueError("a time is not written like 2027-01-31T12:00:00+00:00")
