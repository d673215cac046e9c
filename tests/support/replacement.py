"""Which parameters can replace or remove which resources, computed from cfn-lint's copy of the service schemas.

It errs to the careful side: an expression depends on every parameter that appears in it, in the Conditions it is
under and in the keys it looks up, and on whatever can replace a resource it refers to. Only the members that a
literal ``Fn::Select`` of a literal list passes over do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from resolve import Data

Dependencies = dict[str, set[str]]
"""Names of parameters, by logical ID."""


@cache
def replacing_properties(kind: str) -> tuple[tuple[str, ...], ...]:
    """Paths of the properties of a resource type whose change replaces the resource, or may."""
    if kind == "AWS::CloudFormation::CustomResource":
        return (("ServiceToken",),)
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    pointers = [*schema.get("createOnlyProperties", []), *schema.get("conditionalCreateOnlyProperties", [])]
    return tuple(tuple(pointer.removeprefix("/properties/").split("/")) for pointer in pointers)


class Guard:
    """The dependencies of one template."""

    def __init__(self, template: Data) -> None:
        self._template = template
        self._resources: Data = template["Resources"]
        self._parameters = template["Parameters"].keys()
        self.replaced = self._fixpoint()
        self.removed: Dependencies = {
            title: self._of_condition(resource["Condition"]) if "Condition" in resource else set()
            for title, resource in self._resources.items()
        }

    def of(self, node: Any) -> set[str]:
        """The parameters that the value of ``node`` depends on, given what has been found replaceable so far."""
        found: set[str] = set()
        for name in self._references(node):
            if name in self._parameters:
                found.add(name)
            elif name in self._resources:
                found |= self.replaced[name]
            elif name.startswith("condition:"):
                found |= self._of_condition(name.removeprefix("condition:"))
        return found

    def _fixpoint(self) -> Dependencies:
        self.replaced = {title: set() for title in self._resources}
        while True:
            found = {
                title: set[str]().union(*(self.of(value) for value in _replacing_values(resource)))
                for title, resource in self._resources.items()
            }
            if found == self.replaced:
                return found
            self.replaced = found

    def _of_condition(self, name: str) -> set[str]:
        return self.of(self._template["Conditions"][name])

    def _references(self, node: Any) -> Iterator[str]:
        """What ``node`` refers to: parameters, resources, and conditions as ``condition:NAME``."""
        if isinstance(node, list):
            for item in node:
                yield from self._references(item)
        if not isinstance(node, dict):
            return
        for function, argument in node.items():
            match function, argument:
                case "Ref", str():
                    yield argument
                case "Condition", str():
                    yield f"condition:{argument}"
                case "Fn::GetAtt", [title, _]:
                    yield title
                case "Fn::GetAtt", str():
                    yield argument.partition(".")[0]
                case "Fn::If", [condition, *branches]:
                    yield f"condition:{condition}"
                    yield from self._references(branches)
                case "Fn::Select", [index, list() as items] if str(index).isdigit():
                    yield from self._references(items[int(index)])
                case "Fn::Sub", _:
                    text, names = (argument, {}) if isinstance(argument, str) else argument
                    used = set(re.findall(r"\$\{([^!}.]+)[^}]*\}", text))
                    yield from used - names.keys()
                    yield from self._references(names)
                case _:
                    yield from self._references(argument)


def _replacing_values(resource: Data) -> Iterator[Any]:
    """The expressions a resource has for its replacing properties."""
    for path in replacing_properties(resource["Type"]):
        node: Any = resource.get("Properties", {})
        for segment in path:
            if not isinstance(node, dict) or segment not in node:
                break
            node = node[segment]
        else:
            yield node
            continue
        # An intrinsic function stands where the path goes on: all of it may matter.
        if isinstance(node, list) or (isinstance(node, dict) and any(key.startswith("Fn::") for key in node)):
            yield node
