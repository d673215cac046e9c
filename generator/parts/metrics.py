"""What an alarm watches: a metric, or a computation on several."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from troposphere import Sub, cloudwatch

from generator.language.wiring import Expression

Dimensions = dict[str, Expression]
"""Values of dimensions by name; if two resources share a name, with a noun and a dot before it."""


def _inserted(text: str, values: Dimensions) -> Expression | str:
    """``text`` with the ``values`` that it references as ``${…}``."""
    names: dict[str, Any] = {name: values[name] for name in re.findall(r"\$\{(\w+)\}", text)}
    return Sub(text, **names) if names else text


@dataclass(frozen=True)
class Metric:
    """``statistic`` (or a percentile, ``p99``) over ``period`` seconds, of the series with these ``dimensions``.

    ``namespace`` may contain ``${…}`` for a value known at deployment.
    """

    namespace: str
    name: str
    statistic: str
    period: int
    dimensions: tuple[str, ...]

    def series(self, values: Dimensions) -> list[cloudwatch.MetricDimension]:
        return [
            cloudwatch.MetricDimension(Name=name.rpartition(".")[2], Value=values[name]) for name in self.dimensions
        ]

    def properties(self, values: Dimensions) -> dict[str, Any]:
        """The properties of an alarm on this metric, in addition to the alarm's own."""
        return {
            "Namespace": _inserted(self.namespace, values),
            "MetricName": self.name,
            "Dimensions": self.series(values),
            "ExtendedStatistic" if self.statistic.startswith("p") else "Statistic": self.statistic,
            "Period": self.period,
        }


@dataclass(frozen=True)
class Computed:
    """``expression`` in metric math over the ``metrics``, which are named by their key.

    ``${…}`` in it stands for a value known at deployment.
    """

    name: str
    label: str
    expression: str
    metrics: dict[str, Metric]

    def properties(self, values: Dimensions) -> dict[str, Any]:
        """The properties of an alarm on the result, in addition to the alarm's own."""
        queries = [
            cloudwatch.MetricDataQuery(
                Id=name,
                ReturnData=False,
                MetricStat=cloudwatch.MetricStat(
                    Metric=cloudwatch.Metric(Namespace=it.namespace, MetricName=it.name, Dimensions=it.series(values)),
                    Period=it.period,
                    Stat=it.statistic,
                ),
            )
            for name, it in self.metrics.items()
        ]
        result = cloudwatch.MetricDataQuery(
            Id=self.name, Label=self.label, Expression=_inserted(self.expression, values)
        )
        return {"Metrics": [*queries, result]}
