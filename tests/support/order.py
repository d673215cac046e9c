"""What CloudFormation creates before what, by a template's references and DependsOn."""

from __future__ import annotations

import re
from typing import Any

from resolve import Data


def _names(node: Any) -> set[str]:
    """Everything that ``node`` refers to, in whatever branch: CloudFormation waits for all of it."""
    if isinstance(node, list):
        return set().union(*map(_names, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(_names, node.values()))
    match node:
        case {"Ref": str(name)}:
            found.add(name)
        case {"Fn::GetAtt": [title, _]}:
            found.add(title)
        case {"Fn::Sub": text}:
            found |= set(re.findall(r"\$\{([^!}.]+)", text if isinstance(text, str) else text[0]))
    return found


def waits(template: Data) -> dict[str, set[str]]:
    """By logical ID, every resource of ``template`` that is created before it."""
    resources = template["Resources"]
    direct = {}
    for title, resource in resources.items():
        depends = resource.get("DependsOn", [])
        named = {depends} if isinstance(depends, str) else set(depends)
        direct[title] = (named | _names(resource.get("Properties", {}))) & resources.keys()
    closed = {title: set(names) for title, names in direct.items()}
    while True:
        wider = {title: names.union(*(closed[name] for name in names)) for title, names in closed.items()}
        if wider == closed:
            return closed
        closed = wider
