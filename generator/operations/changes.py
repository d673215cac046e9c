"""A change set, its nested ones included, as a table; and which of its changes endanger data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.operations.aws import Client
from generator.operations.stacks import STACK
from generator.operations.terminal import Terminal
from generator.parts.data_bearing import DATA_BEARING

_SIGNS = {"add": "+", "import": "+", "modify": "~", "replace": "!", "maybe replace": "!", "remove": "-"}
_WIDE = 100
"""Columns from which on the table shows types."""


@dataclass(frozen=True)
class Change:
    """What happens to one resource.

    ``layer`` is the nested stack's logical ID, empty for the root; ``action`` one of add, import, modify, replace,
    maybe replace, remove; ``causes`` the properties (those that replace it, where it is replaced), each with the
    parameter or resource that its new value comes from; ``retained``: what goes out of the stack stays in the account.
    """

    layer: str
    name: str
    kind: str
    action: str
    causes: tuple[str, ...]
    retained: bool

    @property
    def loses(self) -> bool:
        """Whether the stack will no longer have the resource that it has."""
        return self.action in ("replace", "maybe replace", "remove")


def read(cloudformation: Client, change_set: str, layer: str = "") -> Iterator[Change]:
    """The changes of ``change_set`` (an ARN), each nested stack's behind its own."""
    pages = cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
    for change in (it["ResourceChange"] for page in pages for it in page["Changes"] if it["Type"] == "Resource"):
        name = change["LogicalResourceId"]
        yield Change(
            layer=layer,
            name=name,
            kind=change["ResourceType"],
            action=_action(change),
            causes=tuple(_causes(change)),
            retained="Retain" in change.get("PolicyAction", ""),
        )
        if change.get("ChangeSetId"):
            yield from read(cloudformation, change["ChangeSetId"], f"{layer}/{name}" if layer else name)


def _action(change: dict[str, Any]) -> str:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html"""
    if change["Action"] == "Modify":
        return {"True": "replace", "Conditional": "maybe replace"}.get(change.get("Replacement", "False"), "modify")
    # Dynamic: CloudFormation cannot tell before it runs.
    return {"Add": "add", "Import": "import", "Remove": "remove"}.get(change["Action"], "maybe replace")


def _causes(change: dict[str, Any]) -> Iterator[str]:
    details = [detail for detail in change.get("Details", []) if detail.get("Target")]
    replacing = [detail for detail in details if detail["Target"].get("RequiresRecreation", "Never") != "Never"]
    seen: dict[str, None] = {}
    for detail in replacing or details:
        target, origin = detail["Target"], detail.get("CausingEntity")
        name = target.get("Name") or target["Attribute"]
        seen[f"{name} ({origin})" if origin else name] = None
    yield from seen


def is_data(change: Change, holders: set[str]) -> bool:
    """Whether the resource holds data; ``holders`` are the nested stacks (logical IDs) that hold some."""
    return change.name in (holders if change.kind == STACK else DATA_BEARING)


def table(changes: list[Change], terminal: Terminal) -> list[str]:
    """A line or two for each change, by layer, and a count. A nested stack is only a heading, unless it goes itself."""
    rows = [change for change in changes if change.kind != STACK or change.loses]
    layers = {change.layer: None for change in rows}
    name_width = max((len(change.name) for change in rows), default=0)
    kind_width = max((len(change.kind) for change in rows), default=0)
    lines = []
    for layer in layers:
        lines.append(terminal.bold(layer or "Parent"))
        for change in (row for row in rows if row.layer == layer):
            kind = f"{change.kind:{kind_width}}  " if terminal.width >= _WIDE else ""
            causes = f"by {', '.join(change.causes)}" if change.loses and change.causes else ", ".join(change.causes)
            stays = "the old one stays in the account" if change.loses and change.retained else ""
            head = f"  {_SIGNS[change.action]} {change.action:13}  {change.name:{name_width}}  {kind}"
            detail = "; ".join(part for part in (causes, stays) if part)
            # What takes a resource away is never cut for want of room beside it.
            beside = not change.loses or len(head + detail) <= terminal.width
            text = [(head + detail).rstrip()] if beside else [head.rstrip(), f"      {detail}"]
            lines += [terminal.bold(terminal.cut(it)) if change.loses else terminal.cut(it) for it in text]
    counts = {action: sum(change.action == action for change in rows) for action in _SIGNS}
    total = ", ".join(f"{count} to {action}" for action, count in counts.items() if count)
    return [*lines, total or "nothing changes but the nested stacks themselves"]
