"""A program in a terminal of so many columns, with somebody who reads the screen and types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyte

from tests.forking import Forked

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

    def __init__(self, terminal: int, process: subprocess.Popen[bytes] | Forked, columns: int) -> None:
        self.raw = b""
        self.code: int | None = None
        self._terminal, self._process = terminal, process
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
        self.code = self._process.wait()
        return self.code


@contextmanager
def session(command: Sequence[str], columns: int, environment: Mapping[str, str], directory: Path) -> Iterator[Session]:
    """Of any program."""

    def start(terminal: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=_with_terminal(environment),
            cwd=directory,
            start_new_session=True,
            preexec_fn=partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0),
        )

    yield from _session(start, columns)


@contextmanager
def session_of_ours(
    words: Sequence[str], columns: int, environment: Mapping[str, str], directory: Path
) -> Iterator[Session]:
    """Of ``python -m generator`` with these words, which has imported what it needs."""

    def start(terminal: int) -> Forked:
        streams = [terminal] * 3
        return Forked(Path(sys.executable), "generator", words, _with_terminal(environment), directory, streams)

    yield from _session(start, columns)


def _with_terminal(environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment, "TERM": "xterm-256color"}


def _session(start: Callable[[int], subprocess.Popen[bytes] | Forked], columns: int) -> Iterator[Session]:
    terminal, its = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = start(its)
    os.close(its)
    try:
        yield Session(terminal, process, columns)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        os.close(terminal)
