"""What CloudWatch Logs Insights answers to a question about lines of JSON.

Only the commands and functions of our questions are known, any other is refused:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import eq, ge, lt
from typing import Any

import pytest
from moto.logs import models

Row = dict[str, Any]


def ask(question: str, lines: Sequence[str]) -> list[Row]:
    """The rows of the answer; a field that a line has not, or has as null, is missing in its row."""
    rows = [{key: value for key, value in json.loads(line).items() if value is not None} for line in lines]
    for row in rows:
        row["@timestamp"] = datetime.fromisoformat(row["time"]).timestamp() * 1000
    shown: list[str] | None = None
    for command in question.split(" | "):
        verb, _, rest = command.strip().partition(" ")
        match verb:
            case "fields":
                shown = rest.split(", ")
            case "filter":
                condition = Condition(rest)
                rows = [row for row in rows if condition.holds(row)]
            case "stats":
                rows, shown = _stats(rest, rows), None
            case "sort":
                name, order = rest.split()
                assert order == "desc"
                rows = sorted(rows, key=lambda row: row.get(name, 0), reverse=True)
            case "limit":
                rows = rows[: int(rest)]
            case _:
                raise AssertionError(f"{verb} is not known here")
    return rows if shown is None else [{name: row[name] for name in shown if name in row} for row in rows]


_TOKEN = re.compile(
    r"""\s*(?:(?P<pattern>/(?:[^/\\]|\\.)*/)|(?P<text>"[^"]*")|(?P<number>[0-9.]+)|(?P<word>[@\w]+)|(?P<sign>[<>]=|[()=<>]))"""
)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, ">=": ge, "<": lt}


class Condition:
    """Of a filter: comparisons with texts and numbers, ``like`` and ``ispresent``, joined by ``and`` and ``or``."""

    def __init__(self, text: str) -> None:
        self._tokens = [(str(it.lastgroup), it[it.lastgroup or 0]) for it in _TOKEN.finditer(text)]
        assert "".join(it for _, it in self._tokens) == re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", text), text

    def holds(self, row: Row) -> bool:
        self._at = 0
        held = self._any(row)
        assert self._at == len(self._tokens), self._tokens[self._at :]
        return held

    def _any(self, row: Row) -> bool:
        held = self._all(row)
        while self._comes("or"):
            held = self._all(row) or held
        return held

    def _all(self, row: Row) -> bool:
        held = self._one(row)
        while self._comes("and"):
            held = self._one(row) and held
        return held

    def _one(self, row: Row) -> bool:
        if self._comes("("):
            held = self._any(row)
            assert self._comes(")")
            return held
        _, name = self._next()
        if name == "ispresent":
            _, name = self._next(), self._next()[1]
            assert self._comes(")")
            return name in row
        _, sign = self._next()
        kind, value = self._next()
        if sign == "like":
            assert kind == "pattern", value
            return name in row and re.search(value[1:-1].replace(r"\/", "/"), str(row[name])) is not None
        wanted: Any = float(value) if kind == "number" else value[1:-1]
        return name in row and _SIGNS[sign](type(wanted)(row[name]), wanted)

    def _comes(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1] == word:
            self._at += 1
            return True
        return False

    def _next(self) -> tuple[str, str]:
        self._at += 1
        return self._tokens[self._at - 1]


def _stats(text: str, rows: Sequence[Row]) -> list[Row]:
    """Counts, and the least and the greatest of a field, by others."""
    sums, _, by = text.partition(" by ")
    names = by.split(", ")
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in names), []).append(row)
    found = []
    for group, its in groups.items():
        answer: Row = {name: value for name, value in zip(names, group, strict=True) if value is not None}
        for one in sums.split(", "):
            asked = re.fullmatch(r"(count|min|max)\(([@\w*]+)\) as (\w+)", one)
            assert asked, f"{one} is not known here"
            function, field, title = asked.groups()
            values = [it[field] for it in its if field in it]
            answer[title] = len(its) if function == "count" else min(values) if function == "min" else max(values)
        found.append(answer)
    return found


@contextmanager
def answering() -> Iterator[None]:
    """moto's Logs Insights answers as this does, on the lines that its log groups have."""

    def execute(log_groups: list[Any], query: str, start_time: int, end_time: int) -> list[Row]:
        streams = (stream for group in log_groups for stream in group.streams.values())
        events = (event for stream in streams for event in stream.events)
        return ask(query, [it.message for it in events if start_time <= it.timestamp / 1000 <= end_time])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "execute_query", execute)
        yield
