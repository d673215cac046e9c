"""What CloudWatch Logs makes of a metric filter's pattern over JSON: the comparisons that ours use.

A field that is missing, or that is ``null``, matches no comparison; ``*`` in a string stands for any characters; ``&&``
binds tighter than ``||``, which parentheses change. Anything else is refused here:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

_TOKEN = re.compile(r'\s*(&&|\|\||[(){}]|!=|>=|<=|[=<>]|\$(?:\.\w+)+|"[^"]*"|-?\d+(?:\.\d+)?)')
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def matches(pattern: str, line: str) -> bool:
    """Raises NotImplementedError for a pattern that is not known here; a line that is not a JSON object matches none."""
    tokens = _tokens(pattern)
    try:
        event = json.loads(line)
    except ValueError:
        event = {}
    if tokens[0] != "{" or tokens[-1] != "}":
        raise NotImplementedError(pattern)
    rest = tokens[1:-1]
    found = _either(rest, event if isinstance(event, dict) else {})
    if rest:
        raise NotImplementedError(f"{pattern}: {rest}")
    return found


def _tokens(pattern: str) -> list[str]:
    tokens, position = [], 0
    while pattern[position:].strip():
        token = _TOKEN.match(pattern, position)
        if token is None:
            raise NotImplementedError(f"filter pattern: {pattern[position:]}")
        tokens.append(token[1])
        position = token.end()
    return tokens


def _either(tokens: list[str], event: dict[str, Any]) -> bool:
    found = _both(tokens, event)
    while tokens[:1] == ["||"]:
        del tokens[0]
        found = _both(tokens, event) or found
    return found


def _both(tokens: list[str], event: dict[str, Any]) -> bool:
    found = _term(tokens, event)
    while tokens[:1] == ["&&"]:
        del tokens[0]
        found = _term(tokens, event) and found
    return found


def _term(tokens: list[str], event: dict[str, Any]) -> bool:
    if tokens[0] == "(":
        del tokens[0]
        found = _either(tokens, event)
        assert tokens.pop(0) == ")"
        return found
    selector, comparison, wanted = tokens[:3]
    del tokens[:3]
    value: Any = event
    for name in selector.split(".")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    if wanted.startswith('"'):
        if not isinstance(value, str):
            return False
        return fnmatchcase(value, wanted[1:-1].replace("[", "[[]")) == {"=": True, "!=": False}[comparison]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return _COMPARISONS[comparison](value, float(wanted))
