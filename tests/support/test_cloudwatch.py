"""The evaluator of alarms, on the documentation's own examples."""

from __future__ import annotations

import pytest
from cloudwatch import Metrics, Samples, series, state
from resolve import Data


def alarm(expression: str = "", *, missing: str = "missing", statistic: str = "Average", needed: int = 3) -> Data:
    """Above 3 for ``needed`` of three minutes, on the metric ``N m`` or an expression of ``m`` and ``n``."""
    condition = {
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": "3",
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": needed,
        "TreatMissingData": missing,
    }
    if not expression:
        return {**condition, "Namespace": "N", "MetricName": "m", "Statistic": statistic, "Period": 60}
    named: dict[str, Data] = {name: {"Namespace": "N", "MetricName": name, "Dimensions": []} for name in ("m", "n")}
    stats = [
        {"Id": name, "ReturnData": False, "MetricStat": {"Metric": metric, "Stat": statistic, "Period": 60}}
        for name, metric in named.items()
    ]
    return {**condition, "Metrics": [*stats, {"Id": "e", "Expression": expression}]}


def given(m: list[Samples], n: list[Samples] | None = None) -> Metrics:
    return {"N m": m, "N n": n or m}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m+n", [5, None, None]),
        ("m/n", [1.5, None, None]),
        ("m/(n-2)", [None, None, None]),
        ("FILL(m,0)+n", [5, None, 1]),
        ("100*(1-FILL(n,0)/m)", [100 * (1 - 2 / 3), 100, None]),
        ("IF(m>2,m,0)", [3, 4, None]),
        ("IF(FILL(n,0)>0,1)", [1, None, 1]),
        ("m/PERIOD(m)", [0.05, 4 / 60, None]),
        ("MAX([m,n])", [3, 4, 1]),
        ("m>2 AND n>2", [0, None, None]),
    ],
)
def test_metric_math(expression: str, expected: list[float | None]) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html"""
    assert series(alarm(expression), given([(3,), (4,), ()], [(2,), (), (1,)])) == expected


def test_unknown_functions_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="RATE"):
        series(alarm("RATE(m)"), given([(1,)]))


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [("Average", 2.5), ("Sum", 10), ("Minimum", 1), ("Maximum", 4), ("SampleCount", 4), ("p50", 2), ("p99", 4)],
)
def test_statistics(statistic: str, expected: float) -> None:
    assert series(alarm(statistic=statistic), given([(1, 2, 3, 4)])) == [expected]


GOOD, BAD, MISSING = (0,), (9,), ()


@pytest.mark.parametrize(
    ("samples", "states"),
    [
        # By treatment of what is missing: missing, breaching, notBreaching.
        ([BAD, BAD, BAD], ["ALARM", "ALARM", "ALARM"]),
        ([MISSING, MISSING, MISSING], ["INSUFFICIENT_DATA", "ALARM", "OK"]),
        ([MISSING, BAD, MISSING], ["ALARM", "ALARM", "OK"]),
        ([MISSING, MISSING, GOOD], ["OK", "OK", "OK"]),
        ([GOOD, BAD, BAD], ["OK", "OK", "OK"]),
    ],
)
def test_missing_data(samples: list[Samples], states: list[str]) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html"""
    treatments = ("missing", "breaching", "notBreaching")
    assert [state(alarm(missing=it), given(samples)) for it in treatments] == states


def test_some_of_the_periods() -> None:
    assert state(alarm(needed=2), given([BAD, GOOD, BAD])) == "ALARM"
    assert state(alarm(needed=2), given([BAD, GOOD, GOOD])) == "OK"
