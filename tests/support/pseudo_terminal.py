"""A program in a terminal of so many columns, with somebody who reads the screen and types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

LINES = 300
"""More than any program here prints, so that nothing leaves the screen."""
ENTER, DOWN, SPACE = "\r", "\x1b[B", " "


class Screen(pyte.Screen):
    """Answers as a terminal does where a program asks for the cursor's place."""

    def __init__(self, columns: int, terminal: int) -> None:
        super().__init__(columns, LINES)
        self.terminal = terminal

    def write_process_input(self, data: str) -> None:
        os.write(self.terminal, data.encode())


class Session:
    """``raw``: all that the program wrote; its ``code`` once it has ended."""

    def __init__(self, terminal: int, pid: int, columns: int) -> None:
        self.raw = b""
        self.code: int | None = None
        self._terminal, self._pid = terminal, pid
        self._screen = Screen(columns, terminal)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> list[str]:
        """What the screen shows, without the blanks at the ends."""
        rows = self._screen.buffer
        used = {y: range(max(row, default=-1) + 1) for y, row in rows.items()}
        return ["".join(rows[y][x].data for x in used.get(y, ())).rstrip() for y in range(LINES)]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    def read(self) -> bool:
        """A piece of output, if there is one within a second; False at the end."""
        if not select.select([self._terminal], [], [], 1)[0]:
            return True
        try:
            chunk = os.read(self._terminal, 65536)
        except OSError:
            chunk = b""
        self.raw += chunk
        self._stream.feed(chunk)
        return bool(chunk)

    def expect(self, text: str, seconds: float = 120) -> None:
        """Wait until the screen shows ``text``."""
        deadline = time.monotonic() + seconds
        while text not in self.text and time.monotonic() < deadline and self.read():
            pass
        assert text in self.text, self.text

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self, seconds: float = 300) -> int:
        """Wait for the end; the exit code."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.read():
            pass
        self.code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self.code


@contextmanager
def session(command: Sequence[str], columns: int, environment: Mapping[str, str], directory: Path) -> Iterator[Session]:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execvpe(command[0], list(command), {**environment, "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    made = Session(terminal, pid, columns)
    try:
        yield made
    finally:
        if made.code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)
