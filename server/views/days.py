"""`/at/DAY/simple/`: the index as it was listed at the end of a day in UTC, by upload times. Yanks and statuses are today's."""

from __future__ import annotations

import re
import time
from datetime import date
from functools import partial
from typing import NamedTuple

from server.distributions.times import DAY_SECONDS
from server.store.index import Index
from server.views.downloads import KEPT
from server.views.listings import Listing, Listings, as_of, send_listing
from server.views.root import Root
from server.views.turns import Last, in_turn
from server.wire.messages import Environ, Refusal, Response, Work

# An upload from just before midnight is published when it has been checked.
SETTLED_SECONDS = 3600.0
_EPOCH = date(1970, 1, 1)


class Day(NamedTuple):
    """It ends at `ends`, in seconds since 1970."""

    ends: int

    def sent(self, response: Response, *, final: bool = True) -> Response:
        """Clients may keep it for ever if it is `final` and the day is over."""
        if not final or time.time() < self.ends + SETTLED_SECONDS:
            return response
        return response._replace(headers=[*(it for it in response.headers if it[0] != KEPT[0]), KEPT])


def day_of(text: str) -> Day:
    """Raises Refusal."""
    try:
        begins = (
            (date.fromisoformat(text) - _EPOCH).days * DAY_SECONDS
            if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text)
            else None
        )
    except ValueError:
        begins = None
    if begins is None:
        raise Refusal(400, f"{text[:20]} is no day: /at/2026-11-01/simple/ has what was listed at the end of that day.")
    if begins > time.time():
        raise Refusal(404, f"{text} has not begun, in UTC.")
    return Day(begins + DAY_SECONDS)


class Days:
    """Each is made in its turn (turns.py); the last ones are kept for others who want the same."""

    def __init__(self, index: Index, listings: Listings, root: Root) -> None:
        self._index = index
        self._listings = listings
        self._root = root
        self._last = Last[Listing]()

    def root(self, day: Day, environ: Environ) -> Work:
        """Raises OSError and Awaited."""
        form = self._root.current(environ, is_json=True)
        make = partial(self._root.as_of, form, day.ends, environ)
        return in_turn(environ, lambda: day.sent(make(), final=not self._index.unreadable))

    def project(self, name: str, day: Day, environ: Environ) -> Work | None:
        """`name` is normalised (PEP 503); None if there is no such project now. Raises OSError and Awaited."""
        listing = self._listings.current(name, environ)
        if listing is None:
            return None

        def make() -> Response:
            then = self._last.get((name, day), listing.json, partial(as_of, name, listing, day.ends))
            if not then.details:
                self._index.require_complete()
                raise Refusal(404, f"Not Found ({name} had no file at the end of that day)")
            is_whole = not self._index.unreadable and len(listing.details) == len(self._index.paths(name))
            return day.sent(send_listing(then, environ), final=is_whole and listing.withdrawn.status.is_offered)

        return in_turn(environ, make)
