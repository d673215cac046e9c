"""The matcher of event patterns, on the documentation's own examples."""

from __future__ import annotations

from typing import Any

import pytest
from eventbridge import matches, told

EVENT = {
    "source": "aws.ec2",
    "detail-type": "EC2 Instance State-change Notification",
    "time": "2017-10-02T18:43:48Z",
    "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1", "arn:aws:ec2:us-west-1:123456789012:instance/i-2"],
    "detail": {"state": "terminated", "count": 5, "name": ""},
}


@pytest.mark.parametrize(
    ("pattern", "is_taken"),
    [
        ({"source": ["aws.ec2"]}, True),
        ({"source": ["aws.s3", "aws.ec2"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"source": ["aws.ec2"], "detail": {"state": ["running"]}}, False),
        ({"detail": {"state": ["running", "terminated"]}}, True),
        ({"detail": {"count": [5]}}, True),
        ({"detail": {"count": ["5"]}}, False),
        ({"detail": {"absent": ["terminated"]}}, False),
        ({"resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-2"]}, True),
        ({"resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-3"]}, False),
        ({"time": [{"prefix": "2017-10-02"}]}, True),
        ({"time": [{"prefix": "2017-10-03"}]}, False),
        ({"time": [{"suffix": "Z"}]}, True),
        ({"detail": {"state": [{"anything-but": "initializing"}]}}, True),
        ({"detail": {"state": [{"anything-but": ["terminated", "stopped"]}]}}, False),
        ({"detail": {"state": [{"anything-but": {"prefix": "term"}}]}}, False),
        ({"detail": {"absent": [{"anything-but": "x"}]}}, False),
        ({"detail": {"absent": [{"exists": False}]}}, True),
        ({"detail": {"name": [{"exists": True}]}}, True),
        ({"detail": {"state": [{"equals-ignore-case": "TERMINATED"}]}}, True),
    ],
)
def test_patterns(pattern: dict[str, Any], is_taken: bool) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html"""
    assert matches(pattern, EVENT) is is_taken


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="numeric"):
        matches({"detail": {"count": [{"numeric": [">", 0]}]}}, EVENT)


def test_what_the_target_is_told() -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html"""
    transformer = {
        "InputPathsMap": {"what": "$.resources[1]", "state": "$.detail.state", "none": "$.detail.absent"},
        "InputTemplate": '"instance <what> is in <state><none>"',
    }
    expected = "instance arn:aws:ec2:us-west-1:123456789012:instance/i-2 is in terminated"
    assert told({"InputTransformer": transformer}, EVENT) == expected
