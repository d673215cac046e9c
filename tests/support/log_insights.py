"""What CloudWatch Logs Insights answers to a question about lines of JSON.

Only the commands and functions of our questions are known, any other is refused:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def ask(question: str, lines: Sequence[str]) -> list[Row]:
    """The rows of the answer; a field that a line has not, or has as null, is missing in its row."""
    rows = [{key: value for key, value in json.loads(line).items() if value is not None} for line in lines]
    shown: list[str] | None = None
    for command in question.split(" | "):
        verb, _, rest = command.strip().partition(" ")
        match verb:
            case "fields":
                shown = rest.split(", ")
            case "filter":
                rows = [row for row in rows if _holds(rest, row)]
            case "stats":
                rows, shown = _count(rest, rows), None
            case "sort":
                name, order = rest.split()
                assert order == "desc"
                rows = sorted(rows, key=lambda row: row.get(name, 0), reverse=True)
            case "limit":
                rows = rows[: int(rest)]
            case _:
                raise AssertionError(f"{verb} is not known here")
    return rows if shown is None else [{name: row[name] for name in shown if name in row} for row in rows]


def _holds(condition: str, row: Row) -> bool:
    if found := re.fullmatch(r"ispresent\((\w+)\)", condition):
        return found[1] in row
    found = re.fullmatch(r"(\w+) >= ([0-9.]+)", condition)
    assert found, f"{condition} is not known here"
    return found[1] in row and float(row[found[1]]) >= float(found[2])


def _count(text: str, rows: Sequence[Row]) -> list[Row]:
    found = re.fullmatch(r"count\(\*\) as (\w+) by (\w+(?:, \w+)*)", text)
    assert found, f"{text} is not known here"
    names = found[2].split(", ")
    counted = Counter(tuple(row.get(name) for name in names) for row in rows)
    return [
        {found[1]: number, **{name: value for name, value in zip(names, group, strict=True) if value is not None}}
        for group, number in counted.items()
    ]
