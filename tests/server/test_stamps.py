"""When a directory's times prove that it holds what was read of it."""

from __future__ import annotations

import pytest

from server.store.stamps import Stamp, Watch

FINE, MILLISECONDS, SECONDS = 1_700_000_000_123_456_789, 1_700_000_000_123_000_000, 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("time_ns", "later", "is_believed"),
    [
        (FINE, 0.0, False),
        (FINE, 0.03, False),
        (FINE, 0.05, True),
        (MILLISECONDS, 0.05, False),
        (SECONDS, 1.9, False),
        (SECONDS, 2.1, True),
    ],
)
def test_a_reading_is_believed_if_it_began_a_clock_tick_after_its_stamp_was_seen(
    time_ns: int, later: float, is_believed: bool
) -> None:
    """Another change in the same tick would have left the same stamp."""
    watch, stamp = Watch(), Stamp(1, 2, time_ns, time_ns)
    others = [stamp._replace(**{field: 3}) for field in Stamp._fields]
    assert not watch.settled(stamp)
    for began in (100.0, 100.0 + later):
        watch.saw(stamp, began)
        watch.was_read(began)
    assert watch.settled(stamp) is is_believed
    assert not any(map(watch.settled, others))
    for other in others:
        watch.saw(other, 200.0)
        watch.was_read(200.0)
        assert not watch.settled(other)
        watch.saw(stamp, 300.0)


def test_what_is_known_of_changes_without_a_reading_is_as_good_as_read() -> None:
    watch = Watch()
    before, after = Stamp(1, 2, FINE, FINE), Stamp(1, 2, FINE, FINE + 1)
    for began in (100.0, 200.0):
        watch.saw(before, began)
        watch.was_read(began)
    watch.advance(after)
    assert (watch.settled(before), watch.settled(after)) == (False, True)
