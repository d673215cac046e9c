"""What an account has of a stack after each step from one template to another, and back where a step fails.

CloudFormation creates and changes what others need before them, a replacement beside what it replaces. What is not needed
any more it removes at the very end, users first; where a step fails, that is what the update has made. It doesn't say in
which order it takes changes back: here the last goes first.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-monitor-stack.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

from replacement import replacing_properties
from resolve import Data, Evaluation

Account = dict[str, Data]
"""Properties by physical ID, ``TITLE/NUMBER``, which also stand for references to each other."""


class Step(NamedTuple):
    """What was just done to the resource of a logical ID (create, change, replace, go back, remove), and what there is then."""

    verb: str
    title: str
    account: Account


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


def update(old: Evaluation, new: Evaluation, fails: str | None = None) -> Iterator[Step]:
    """Every step, at first a stack of ``old``; the step of the logical ID ``fails``, once done, is the one that fails."""
    before = {title: f"{title}/1" for title in _order(old)}
    account = {physical: _referring(old, title, before) for title, physical in before.items()}
    now, changed = dict(before), dict[str, Data]()
    yield Step("create", "stack", dict(account))
    for title in _order(new):
        properties = _referring(new, title, now)
        had = account.get(now.get(title, ""))
        if properties == had:
            continue
        if had is None or _replaces(new.template["Resources"][title]["Type"], had, properties):
            now[title] = f"{title}/{2 if had is not None else 1}"
        else:
            changed[title] = had
        account[now[title]] = properties
        yield Step("change" if title in changed else "create" if had is None else "replace", title, dict(account))
        if title == fails:
            for title, had in reversed(changed.items()):
                account[now[title]] = had
                yield Step("go back", title, dict(account))
            now = before
            break
    else:
        now = {title: now[title] for title in _order(new)}
    for physical in reversed(account):
        if physical not in now.values():
            account = {key: it for key, it in account.items() if key != physical}
            yield Step("remove", physical.partition("/")[0], account)


def _order(evaluation: Evaluation) -> list[str]:
    """Logical IDs of what there is, each after what it needs."""
    order = TopologicalSorter(waits(evaluation.template)).static_order()
    return [title for title in order if title in evaluation.resources]


def _referring(evaluation: Evaluation, title: str, now: dict[str, str]) -> Data:
    """The properties of a resource, with physical IDs where it refers to others."""
    text = json.dumps(evaluation.resources[title].get("Properties", {}))
    found: Data = json.loads(re.sub(r"<(\w+)(?=[.>])", lambda it: f"<{now.get(it[1], it[1])}", text))
    return found


def _replaces(kind: str, had: Data, properties: Data) -> bool:
    def at(path: tuple[str, ...], node: Any) -> Any:
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        return node

    return any(at(path, had) != at(path, properties) for path in replacing_properties(kind))
