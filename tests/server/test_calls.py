"""Calls that are made once for all who wait keep nothing of those that failed, unless they are not to be tried again."""

from __future__ import annotations

import gc
import time
import weakref

import pytest

from server.wire.calls import TICK_SECONDS, Calls


class Listing: ...


@pytest.mark.parametrize(("failed_seconds", "kept"), [(0.0, False), (60.0, True)])
def test_a_failure_holds_nothing_that_nobody_asks_for_again(failed_seconds: float, kept: bool) -> None:
    calls, left = Calls(1, failed_seconds), []

    def fail() -> None:
        listing = Listing()
        left.append(weakref.ref(listing))
        raise ValueError(listing)

    with pytest.raises(ValueError, match="Listing"):
        calls.wait(object(), fail, 10.0).result()
    # The pool's thread drops a call when it takes the next, and the clock those that are over.
    calls.wait(object(), lambda: None, 10.0).result()
    time.sleep(3 * TICK_SECONDS)
    gc.collect(1)  # of all that the tests have imported, none is theirs
    assert [it() is not None for it in left] == [kept]
