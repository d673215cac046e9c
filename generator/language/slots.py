"""Lists in a language without loops: a fixed number of slots, each filled if the list is long enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from troposphere import Equals, If, Join, Not, NoValue, Select, Split

from generator.language.wiring import Expression, Setting, Stack, When


@dataclass(frozen=True)
class Slot:
    """One place of a list: ``index`` from 1, the item's ``value``, and ``filled`` (``None``: always)."""

    index: int
    value: Expression
    filled: str | None

    def only(self, value: object, otherwise: object = NoValue) -> object:
        """``value`` if the slot is filled, ``otherwise`` (nothing) if not."""
        return If(self.filled, value, otherwise) if self.filled else value


@dataclass(frozen=True)
class Slots:
    """The ``most`` places of the comma-separated ``setting``, of which the first ``least`` (0 or 1) are always filled."""

    setting: Setting
    noun: str
    most: int
    least: int = 1

    def of(self, stack: Stack) -> Iterator[Slot]:
        for index in range(1, self.most + 1):
            filled = stack.when(self.has(index)) if index > self.least else None
            yield Slot(index, self._item(stack, index), filled)

    def has(self, index: int) -> When:
        """Whether the list has ``index`` items or more."""
        return When(f"Has{self.noun}{index}", lambda stack: Not(Equals(self._item(stack, index), "")))

    def _item(self, stack: Stack, index: int) -> Expression:
        """Item ``index``, or ``""``: empty items appended to the list keep ``Select`` inside it."""
        value = stack.take(self.setting)
        joined = Join(",", value) if self.setting.is_list else value
        padded = Join(",", [joined, *[""] * (index - self.least)]) if index > self.least else joined
        return Select(index - 1, Split(",", padded))


def appended(stack: Stack, first: list[object], setting: Setting, given: When) -> If:
    """``first`` followed by the items of the optional list ``setting``; ``given`` says whether it has any."""
    joined = Join(",", [*first, stack.take(setting)])
    return stack.if_(given, Split(",", joined), first)
