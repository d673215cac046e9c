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


SAMPLES: dict[str, Samples] = {"0": (0,), "X": (9,), "-": ()}
TREATMENTS = ("missing", "breaching", "notBreaching")


@pytest.mark.parametrize(
    ("row", "needed", "states"),
    [
        # The tables of the documentation, but for the column of "ignore".
        ("0 - X - X", 3, ["OK", "OK", "OK"]),
        ("- - - - 0", 3, ["OK", "OK", "OK"]),
        ("- - - - -", 3, ["INSUFFICIENT_DATA", "ALARM", "OK"]),
        ("0 X X - X", 3, ["ALARM", "ALARM", "ALARM"]),
        ("- - X - -", 3, ["ALARM", "ALARM", "OK"]),
        ("0 - X - X", 2, ["ALARM", "ALARM", "ALARM"]),
        ("0 0 X 0 X", 2, ["ALARM", "ALARM", "ALARM"]),
        ("0 - X - -", 2, ["OK", "ALARM", "OK"]),
        ("- - - - 0", 2, ["OK", "ALARM", "OK"]),
        # And late ones.
        ("X X X - -", 3, ["ALARM", "ALARM", "ALARM"]),
        ("X X 0 - -", 3, ["OK", "OK", "OK"]),
    ],
)
def test_missing_data(row: str, needed: int, states: list[str]) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html"""
    samples = [SAMPLES[it] for it in row.split()]
    assert [state(alarm(missing=it, needed=needed), given(samples)) for it in TREATMENTS] == states


def test_what_is_filled_in_is_not_missing() -> None:
    """The newest periods count as what FILL says, and an alarm on all of its periods never goes off."""
    samples = [SAMPLES[it] for it in ["X", "X", "X", "-", "-"]]
    assert state(alarm("FILL(m,0)", missing="missing"), given(samples)) == "OK"
    assert state(alarm("m+0", missing="missing"), given(samples)) == "ALARM"
