"""The patterns of AWS's own page on its own example."""

from __future__ import annotations

import json

import pytest
from log_filters import matches

EVENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "errorCode": 400,
        "nothing": None,
        "user": {"id": 1},
    }
)


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ('{ $.eventType = "updatetrail" }', False),
        ('{ $.eventType = "Update*" }', True),
        ('{ $.eventType != "Update*" }', False),
        ('{ $.errorCode = "400" }', False),
        ("{ $.errorCode >= 400 }", True),
        ("{ $.errorCode < 400 }", False),
        ("{ $.user.id = 1 }", True),
        ('{ $.nothing != "x" }', False),
        ('{ $.missing != "x" }', False),
        ('{ $.user.id = 2 && $.errorCode = 1 || $.eventType = "U*" }', True),
        ('{ $.user.id = 2 && ($.errorCode = 1 || $.eventType = "U*") }', False),
    ],
)
def test_patterns(pattern: str, matched: bool) -> None:
    assert matches(pattern, EVENT) is matched
    assert not matches(pattern, "not JSON")


@pytest.mark.parametrize("pattern", ["ERROR", "{ $.x IS NULL }", "[ip, user]"])
def test_what_is_not_known_is_refused(pattern: str) -> None:
    with pytest.raises(NotImplementedError):
        matches(pattern, EVENT)
