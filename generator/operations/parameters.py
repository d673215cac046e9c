"""The operator's parameter file, in each form that ``aws cloudformation deploy`` of the AWS CLI 2 accepts."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from generator.operations.exits import Problem
from generator.operations.form import Parameter


def read(path: Path) -> dict[str, str]:
    """Values by name. Raises Problem if the file is missing, has none of the three forms, or has a name twice.

    In UTF-8, or UTF-16 as Windows' PowerShell writes it:
    ``["Key=value", …]``, ``[{"ParameterKey": …, "ParameterValue": …}, …]`` or ``{"Parameters": {…}}``; version 1 of the
    AWS CLI accepts only the first: https://github.com/aws/aws-cli/pull/5443
    """
    try:
        match json.loads(path.read_bytes(), object_pairs_hook=_object):
            case {"Parameters": dict(values)}:
                return {name: _text(name, value) for name, value in values.items()}
            case [*items]:
                return _object([_item(item) for item in items])
    except OSError as error:
        raise Problem(
            f"{path}: {error.strerror}: run `deploy` in a terminal, which asks, or fill in a copy of templates/parameters.example.json"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            f"{path}: {error}, so it is not JSON: templates/parameters.example.json shows the form"
        ) from error
    except ValueError as error:
        raise Problem(f"{path}: {error}") from error
    raise Problem(f'{path}: neither a list like ["VpcId=vpc-…"] nor an object like {{"Parameters": {{…}}}}')


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError if a name appears twice; JSON readers would silently take the last."""
    twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} given more than once")
    return dict(pairs)


def _item(item: Any) -> tuple[str, str]:
    match item:
        case str() if "=" in item:
            name, _, value = item.partition("=")
            return name, value
        case {"ParameterKey": str(name), "ParameterValue": str(value)}:
            return name, value
    raise ValueError(f'{json.dumps(item)} is neither "Key=value" nor a ParameterKey with its ParameterValue')


def _text(name: str, value: Any) -> str:
    """In the form for CloudFormation. Raises ValueError."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case [*items] if not any(isinstance(it, list) for it in items):
            return ",".join(_text(name, it) for it in items)
    raise ValueError(f"{name} is {json.dumps(value)}, and must be text, a number, true, false or a list of these")


def refuse_unwritable(path: Path) -> None:
    """Raises Problem if ``write`` would fail, before somebody answers questions in vain."""
    if not os.access(path.parent, os.W_OK):
        raise Problem(f"{path.parent} cannot be written, where {path.name} would get the answers: give --parameters")


def write(path: Path, values: dict[str, str]) -> None:
    """The first of the three forms; the file's content is replaced at once or stays. Raises Problem."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(json.dumps([f"{name}={value}" for name, value in values.items()], indent=2) + "\n")
        os.replace(new, path)
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}") from error


def check_kept(form: list[Parameter], given: dict[str, str], previous: dict[str, str]) -> None:
    """Raises Problem with a line for each of the stack's values that would be kept, and that ``form`` refuses."""
    wrong = []
    for it in form:
        if it.name in previous and it.name not in given and (said := it.refusal(previous[it.name])):
            give = f"{it.name}={it.default}, the default" if it.default is not None else f"a value for {it.name}"
            wrong.append(f"{it.name} {said}; the stack has {previous[it.name]!r}: give {give}")
    if wrong:
        raise Problem("\n".join(wrong))


INSTEAD = {"AlarmEmails": "AlarmTopicArns"}
"""Parameters that may be empty if another is given, which a Rule of the template requires."""


def missing(form: list[Parameter], given: dict[str, str], previous: Collection[str]) -> list[Parameter]:
    """The required ones that are neither given nor ``previous``, the names that the stack has a value for."""
    known = {*given, *previous}
    required = (it for it in form if it.default is None or it.name in INSTEAD)
    return [it for it in required if it.name not in known and INSTEAD.get(it.name) not in known]


def tidied(form: list[Parameter], given: dict[str, str]) -> dict[str, str]:
    """``given``, with each value as intended: see ``Parameter.tidied``."""
    by_name = {it.name: it for it in form}
    return {name: by_name[name].tidied(value) if name in by_name else value for name, value in given.items()}


def check(form: list[Parameter], given: dict[str, str]) -> None:
    """Raises Problem with a line for each name that the form does not have and each value that it refuses."""
    by_name = {it.name: it for it in form}
    wrong = []
    for name, value in given.items():
        if name not in by_name:
            close = "".join(f", but {match}" for match in get_close_matches(name, by_name, n=1))
            wrong.append(f"the template has no parameter {name}{close}")
        elif said := by_name[name].refusal(value):
            wrong.append(f"{name} {said}; it is {value!r}")
    if wrong:
        raise Problem("\n".join(wrong))


def arguments(form: list[Parameter], given: dict[str, str], previous: Collection[str]) -> list[dict[str, Any]]:
    """``given`` for CloudFormation; other parameters that the stack has a value for (``previous``) keep it."""
    return [
        {"ParameterKey": it.name, "ParameterValue": given[it.name]}
        if it.name in given
        else {"ParameterKey": it.name, "UsePreviousValue": True}
        for it in form
        if it.name in given or it.name in previous
    ]
