"""Upload times, as indexes write them and as file systems keep them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

# 2003-01-01, in seconds since 1970: PyPI began in that year, and nothing was uploaded before.
EARLIEST = 1041379200
DAY_SECONDS = 86400
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST_US = (datetime(1000, 1, 1, tzinfo=timezone.utc) - _EPOCH) // _MICROSECOND
_LATEST_US = (datetime(9999, 12, 31, tzinfo=timezone.utc) - _EPOCH) // _MICROSECOND


def read_time(value: object) -> float | None:
    """Seconds since 1970 for a time as PEP 700 writes it; None for anything else."""
    # Python 3.10 reads neither Z nor fractions that do not have three or six digits.
    matched = _TIME.fullmatch(str(value))
    if matched is None:
        return None
    try:
        second = datetime.fromisoformat(matched[1]).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return second.timestamp() + float(matched[2] or 0)


def moment(ns: int) -> datetime:
    """A file's time in UTC, or the nearest one with a four-digit year: file systems keep others."""
    microseconds = min(max(ns // 1000, _EARLIEST_US), _LATEST_US)
    return _EPOCH + timedelta(microseconds=microseconds)
