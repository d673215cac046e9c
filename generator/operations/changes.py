"""The changes of a change set, including nested ones, as a table; and which of them endanger data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from generator.operations.aws import Client
from generator.operations.stacks import STACK
from generator.parts.data_bearing import holds_data

_SIGNS = {"add": "+", "import": "+", "sync": "=", "modify": "~", "replace": "!", "maybe replace": "!", "remove": "-"}
_STYLES = {"add": "green", "import": "green", "replace": "bold red", "maybe replace": "bold red", "remove": "bold red"}


@dataclass(frozen=True)
class Change:
    """What happens to one resource.

    ``layer`` is the nested stack's logical ID, empty for the root; ``action`` one of add, import, sync (the resource stays as it
    is, and the stack accepts its state), modify, replace, maybe replace, remove; ``causes`` the properties (those that replace
    it, if it is replaced), each with the parameter or resource that its new value comes from; ``retained``: what leaves the
    stack stays in the account.
    """

    layer: str
    name: str
    kind: str
    action: str
    causes: tuple[str, ...]
    retained: bool

    @property
    def loses(self) -> bool:
        """Whether the stack will no longer have its current resource."""
        return self.action in ("replace", "maybe replace", "remove")


def read(cloudformation: Client, change_set: str, layer: str = "") -> Iterator[Change]:
    """The changes of ``change_set`` (an ARN), each nested stack's after its own."""
    pages = cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
    for change in (it["ResourceChange"] for page in pages for it in page["Changes"] if "ResourceChange" in it):
        name = change.get("LogicalResourceId", "")
        yield Change(
            layer=layer,
            name=name,
            kind=change.get("ResourceType", ""),
            action=_action(change),
            causes=tuple(_causes(change)),
            retained="Retain" in change.get("PolicyAction", ""),
        )
        if change.get("ChangeSetId"):
            yield from read(cloudformation, change["ChangeSetId"], f"{layer}/{name}" if layer else name)


def _action(change: dict[str, Any]) -> str:
    """None of what is read here is promised: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html"""
    action = change.get("Action", "")
    if change.get("ResourceDriftStatus") == "DELETED" and action != "Remove":
        # It is gone, and is created again.
        return "replace"
    if action == "Modify":
        return {"True": "replace", "Conditional": "maybe replace"}.get(change.get("Replacement", "False"), "modify")
    # Dynamic: CloudFormation does not know before it runs.
    known = {"Add": "add", "Import": "import", "Remove": "remove", "SyncWithActual": "sync"}
    return known.get(action, "maybe replace")


def _causes(change: dict[str, Any]) -> Iterator[str]:
    details = [detail for detail in change.get("Details", []) if detail.get("Target")]
    replacing = [detail for detail in details if detail["Target"].get("RequiresRecreation", "Never") != "Never"]
    seen: dict[str, None] = {}
    for detail in replacing or details:
        target, origin = detail["Target"], detail.get("CausingEntity")
        name = target.get("Name") or target.get("Attribute", "")
        seen[f"{name} ({origin})" if origin else name] = None
    yield from seen


def is_data(change: Change, holders: set[str]) -> bool:
    """Whether the resource may hold data; ``holders`` are the nested stacks (logical IDs) that hold some."""
    return change.name in holders if change.kind == STACK else holds_data(change.name, change.kind)


def shown(changes: list[Change]) -> list[Change]:
    """Whether it deserves a line: a nested stack is only a heading, unless it goes itself."""
    return [change for change in changes if change.kind != STACK or change.loses]


def table(changes: list[Change], *, verbose: bool) -> Table:
    """A row for each change, by layer; unless ``verbose``, one row for all additions to a layer."""
    rows = shown(changes)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", min_width=20)
    grid.add_column(overflow="fold")
    for layer in {change.layer: None for change in rows}:
        inside = [change for change in rows if change.layer == layer]
        added = [] if verbose else [change for change in inside if change.action == "add"]
        grid.add_row(Text(layer or "Parent", "bold"))
        if added:
            grid.add_row(Text("  + add", _STYLES["add"]), f"{len(added)} resources" if added[1:] else added[0].name)
        for change in (it for it in inside if it not in added):
            style = _STYLES.get(change.action, "")
            action = Text(f"  {_SIGNS[change.action]} {change.action}", style)
            grid.add_row(action, Text(change.name, style), _detail(change))
    return grid


def _detail(change: Change) -> str:
    causes = ", ".join(change.causes)
    if not change.loses:
        return "; ".join(part for part in (change.kind, causes) if part)
    stays = "the old one stays in the account" if change.retained else ""
    return "; ".join(part for part in (change.kind, f"by {causes}" if causes else "", stays) if part)


def count(changes: list[Change]) -> str:
    """For example ``57 to add, 1 to replace``."""
    counts = {action: sum(change.action == action for change in shown(changes)) for action in _SIGNS}
    total = ", ".join(f"{number} to {action}" for action, number in counts.items() if number)
    return total or "nothing but the nested stacks themselves"
