"""The variables of the server that ``local --environment`` takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from generator.operations.exits import Problem
from server import contract

_OF_LOCAL = {contract.PORT.name: "--port", contract.PACKAGES_DIRECTORY.name: "--directory"}
_VARIABLES = {it.name: it for it in contract.ALL if not isinstance(it, contract.Account) and it.name not in _OF_LOCAL}


def read(words: Iterable[str]) -> dict[str, str]:
    """Values by name, of ``NAME=VALUE``. Raises Problem with a line for each that the server does not know or accept."""
    given: dict[str, str] = {}
    wrong = []
    for word in words:
        name, equals, value = word.partition("=")
        if said := _refusal(name, value) if equals else "it wants NAME=VALUE":
            wrong.append(f"--environment {word}: {said}")
        given[name] = value
    if wrong:
        raise Problem("\n".join(wrong))
    return given


def _refusal(name: str, value: str) -> str:
    if name in _OF_LOCAL:
        return f"give {_OF_LOCAL[name]}"
    if name not in _VARIABLES:
        close = "".join(f", but {match}" for match in get_close_matches(name, _VARIABLES, n=1))
        return f"the server has no {name}{close}"
    variable = _VARIABLES[name]
    if isinstance(variable, contract.Number):
        good = re.fullmatch("[0-9]{1,9}", value) is not None and variable.least <= int(value) <= variable.most
    else:
        good = re.fullmatch(variable.pattern, value) is not None
    return "" if good else f"must be {variable.form}"
