"""The parameters of the template to be deployed: what may be given, and what CloudFormation would refuse."""

from __future__ import annotations

import re
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from generator.language.declared import Declared

_MANY = 20
"""With more allowed values than this, a message does not list them."""


class Parameter(Declared):
    """One that is to be given."""

    def refusal(self, value: str) -> str:
        """What is wrong with ``value``; empty if nothing is."""
        if self.values and value not in self.values:
            close = "".join(f" (did you mean {match}?)" for match in get_close_matches(value, self.values, n=1))
            some = f"one of {len(self.values)} values" if len(self.values) > _MANY else ", ".join(self.values)
            return f"must be {some}{close}"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return self.constraint or f"must match {self.pattern}"
        if self.type == "Number" and not self._within(value):
            most = "" if self.maximum is None else f" to {self.maximum:g}"
            return f"must be a number from {self.minimum or 0:g}{most}"
        return "must not be empty" if self.default is None and not (value or self.pattern) else ""

    def tidied(self, value: str) -> str:
        """The intended value, if that is obvious and ``value`` would be refused.

        Drops blanks around a list's items, and turns a single address into a range.
        """
        items = [it.strip() for it in value.split(",")]
        listed = ",".join(items)
        if self.type.startswith(("List<", "AWS::")):
            return listed
        meant = (value, value.strip(), listed, ",".join(_range_of(it) for it in items))
        return next((it for it in meant if not self.refusal(it)), value)

    def _within(self, value: str) -> bool:
        try:
            number = float(value)
        except ValueError:
            return False
        least, most = self.minimum, self.maximum
        return (least is None or number >= least) and (most is None or number <= most)


def _range_of(text: str) -> str:
    """``text``, as a range if it is an address: ``192.0.2.1/32``."""
    try:
        return str(ip_network(text))
    except ValueError:
        return text


class _Loader(yaml.CSafeLoader):
    """Ignores CloudFormation's short functions: parameters have none."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def form(template: Path) -> list[Parameter]:
    """In the template's order. Raises OSError."""
    with template.open() as file:
        content: dict[str, Any] = yaml.load(file, _Loader)
    interface = content.get("Metadata", {}).get("AWS::CloudFormation::Interface", {})
    labels = {name: it["default"] for name, it in interface.get("ParameterLabels", {}).items()}
    return [_parameter(name, labels.get(name, name), it) for name, it in content["Parameters"].items()]


def _parameter(name: str, label: str, declared: dict[str, Any]) -> Parameter:
    return Parameter(
        name=name,
        label=label,
        description=declared.get("Description", ""),
        type=declared["Type"],
        default=str(declared["Default"]) if "Default" in declared else None,
        pattern=declared.get("AllowedPattern"),
        constraint=declared.get("ConstraintDescription"),
        values=tuple(str(value) for value in declared.get("AllowedValues", [])),
        minimum=declared.get("MinValue"),
        maximum=declared.get("MaxValue"),
    )
