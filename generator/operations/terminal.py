"""Where the commands print: a terminal of some width, or plain lines."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from typing import TextIO

_BOLD, _PLAIN = "\033[1m", "\033[0m"
_UP_AND_CLEAR = "\033[{}F\033[J"


@dataclass
class Terminal:
    """``live``: can be drawn over, and asks; ``width`` and ``height`` in characters."""

    stream: TextIO
    live: bool
    width: int
    height: int
    _drawn: int = field(default=0, init=False)

    def line(self, text: str = "") -> None:
        """One line that stays."""
        self._drawn = 0
        print(text, file=self.stream, flush=True)

    def draw(self, lines: list[str]) -> None:
        """``lines`` in the place of what the last call has drawn; the last ones where they are too many."""
        shown = [self.cut(line) for line in lines[-(self.height - 1) :]]
        if self._drawn:
            self.stream.write(_UP_AND_CLEAR.format(self._drawn))
        self.stream.write("".join(f"{line}\n" for line in shown))
        self.stream.flush()
        self._drawn = len(shown)

    def cut(self, line: str) -> str:
        """``line``, no wider than the terminal."""
        return line if len(line) <= self.width else f"{line[: self.width - 1]}…"

    def bold(self, text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if self.live else text

    def agrees(self, question: str) -> bool:
        """Whether the operator answers yes. Only a live terminal can be asked."""
        print(f"{question} [y/N] ", end="", file=self.stream, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def terminal() -> Terminal:
    """Standard output; 80 columns where it is not a terminal."""
    columns, lines = shutil.get_terminal_size()
    return Terminal(sys.stdout, sys.stdout.isatty() and sys.stdin.isatty(), columns, lines)
