"""Whether an EventBridge rule takes an event, and what its target is told.

Exact values, ``prefix``, ``suffix``, ``anything-but``, ``exists`` and ``equals-ignore-case`` are known, any other
filter is refused: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from resolve import Data

_ABSENT = object()


def matches(pattern: Data, event: Any) -> bool:
    """Every key of ``pattern`` is in the event, with one of its values; an array matches by any of its members."""
    return all(
        _matches(wanted, event.get(key, _ABSENT) if isinstance(event, dict) else _ABSENT, key)
        for key, wanted in pattern.items()
    )


def _matches(wanted: Any, found: Any, key: str) -> bool:
    if isinstance(wanted, dict):
        assert not key.startswith("$"), f"{key} is not known here"
        return matches(wanted, {} if found is _ABSENT else found)
    assert isinstance(wanted, list), f"{key}: a pattern lists its values, {wanted!r} is none"
    assert wanted, f"{key}: an empty list matches nothing"
    values = found if isinstance(found, list) else [found]
    return any(_takes(filter_, value) for filter_ in wanted for value in values)


def _takes(filter_: Any, value: Any) -> bool:
    if not isinstance(filter_, dict):
        return bool(type(filter_) is type(value) and filter_ == value)
    ((name, argument),) = filter_.items()
    if name == "exists":
        return (value is not _ABSENT) is argument
    if value is _ABSENT:
        return False
    match name:
        case "prefix":
            return isinstance(value, str) and value.startswith(argument)
        case "suffix":
            return isinstance(value, str) and value.endswith(argument)
        case "equals-ignore-case":
            return isinstance(value, str) and value.lower() == argument.lower()
        case "anything-but":
            refused = argument if isinstance(argument, list) else [argument]
            return not any(_takes(it, value) for it in refused)
    raise NotImplementedError(f"the filter {name} is not known here")


def told(target: Data, event: Data) -> str:
    """What the target receives: the event through its InputTransformer, as JSON."""
    if "InputTransformer" not in target:
        return json.dumps(event)
    transformer = target["InputTransformer"]
    found = {name: _at(path, event) for name, path in transformer["InputPathsMap"].items()}
    text = re.sub(r"<([^<>]+)>", lambda match: found[match[1]], transformer["InputTemplate"])
    return str(json.loads(text))


def _at(path: str, event: Any) -> str:
    """The value at a path like ``$.resources[0]`` or ``$.detail.reason``; empty where the event has none."""
    value = event
    for key, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", path.removeprefix("$")):
        try:
            value = value[key] if key else value[int(index)]
        except (KeyError, IndexError, TypeError):
            return ""
    return str(value)
