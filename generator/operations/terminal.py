"""Where the commands print and ask: a terminal, drawn by rich and asked by questionary, or plain lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TextIO, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from generator.operations.exits import Declined, Problem

T = TypeVar("T")
_UNBOUNDED = 10_000
"""Columns without a terminal: no line of a log is wrapped or cut."""


@dataclass(frozen=True)
class Terminal:
    """``live``: somebody is watching and can be asked. ``width`` and ``height`` in characters, ``None``: as it is."""

    stream: TextIO
    live: bool
    width: int | None = None
    height: int | None = None

    @cached_property
    def _console(self) -> Console:
        width = self.width if self.live else _UNBOUNDED
        return Console(
            file=self.stream,
            force_terminal=self.live,
            width=width,
            height=self.height,
            markup=False,
            highlight=False,
            emoji=False,
        )

    def show(self, shown: RenderableType) -> None:
        """Anything that rich can draw; in plain output without trailing blanks."""
        if self.live:
            self._console.print(shown)
            return
        with self._console.capture() as capture:
            self._console.print(shown)
        self.stream.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
        self.stream.flush()

    def line(self, text: str = "", style: str = "") -> None:
        """One sentence, wrapped between words if the terminal is narrow."""
        self.show(Text(text, style))

    def verbatim(self, text: str) -> None:
        """A command or URL. The terminal itself wraps it, so that copying it gets all of it."""
        self._console.print(Text(text), soft_wrap=True)

    @contextmanager
    def redrawn(self, draw: Callable[[], RenderableType]) -> Iterator[None]:
        """What ``draw`` returns, redrawn in the same place; the last stays. Only for a live terminal."""
        with Live(get_renderable=draw, console=self._console, refresh_per_second=4):
            yield

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """``text`` with a spinner during something slow; a plain line if nobody is watching."""
        if not self.live:
            self.line(text)
            yield
            return
        with self._console.status(Text(text)):
            yield

    def steps(self, doing: str, items: Mapping[str, T]) -> Iterator[tuple[str, T]]:
        """Each of ``items`` by its name, while a live terminal shows what happens to which, and how many there are."""
        if not self.live:
            yield from items.items()
            return
        with self._console.status("") as status:
            for number, (name, item) in enumerate(items.items(), 1):
                status.update(Text(f"{doing} {name}, {number} of {len(items)} …"))
                yield name, item

    def must_agree(self, question: str, *, yes: bool, instead: str = "add --yes") -> None:
        """Raises Declined if the operator says No, and Problem if there is nobody to ask; ``yes``: agreed."""
        if yes:
            return
        self.must_be_live(instead)
        import questionary

        if not questionary.confirm(question, default=False).unsafe_ask():
            raise Declined

    def must_be_live(self, instead: str) -> None:
        """Raises Problem if there is nobody to ask; ``instead``: what to do without."""
        if not self.live:
            raise Problem(f"cannot ask, as this is not a terminal: {instead}")

    def text(self, question: str, check: Callable[[str], str]) -> str:
        """An answer, stripped of blanks, for which ``check`` returns nothing; otherwise its message is shown, and the question repeated.

        Not with questionary's own validation, whose one line is cut if the terminal is narrow.
        """
        import questionary

        answer = ""
        while True:
            answer = str(questionary.text(question, default=answer).unsafe_ask()).strip()
            if not (said := check(answer)):
                return answer
            self.line(said, "red")

    def choice(self, question: str, offers: dict[str, T]) -> T:
        """The value of the chosen offer, by its label. At least one."""
        import questionary

        return offers[questionary.select(question, choices=list(offers)).unsafe_ask()]

    def choices(
        self, question: str, offers: dict[str, T], chosen: Sequence[str], check: Callable[[list[T]], str]
    ) -> list[T]:
        """As ``choice``, for any number that ``check`` accepts; ``chosen`` are ticked at first."""
        import questionary

        while True:
            choices = [questionary.Choice(title, checked=title in chosen) for title in offers]
            chosen = questionary.checkbox(question, choices=choices).unsafe_ask()
            answer = [offers[title] for title in chosen]
            if not (said := check(answer)):
                return answer
            self.line(said, "red")


def terminal(*, as_json: bool = False) -> Terminal:
    """Standard output, or standard error if the other is for JSON.

    In CI nobody is asked and nothing is redrawn, even if it pretends to be a terminal.
    """
    if as_json:
        return Terminal(sys.stderr, live=False)
    live = sys.stdout.isatty() and sys.stdin.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
    return Terminal(sys.stdout, live)
