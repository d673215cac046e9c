"""One client's connection: what has arrived, what is still to be sent, and how long to wait for it."""

from __future__ import annotations

import array
import fcntl
import math
import os
import socket
import termios
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from server.wire.messages import PHRASES, Environ, Response

# In one turn; then other connections have theirs.
TURN_BYTES = 1 << 21
# A refused client's data is still read, so that it sees the answer before the connection is closed.
LINGER_SECONDS = 10.0
# Of an answer, however slowly the rest is taken.
LEAST_BYTES_PER_SECOND = 1 << 10
# A body this short is sent together with the head.
SHORT_BYTES = 1 << 14


class FileBody:
    """`wsgi.file_wrapper`: the rest of an open file, sent by the kernel."""

    def __init__(self, file: Any, block_bytes: int = 1 << 18) -> None:
        self.file = file
        self._block_bytes = block_bytes

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(self._block_bytes):
            yield block

    def close(self) -> None:
        self.file.close()


class Answer:
    """What is left to send of a response."""

    def __init__(self, environ: Environ, response: Response, began: float, *, keeps_alive: bool) -> None:
        self.environ = environ
        self.status = response.status
        self.began = began
        self.sent = 0
        self.file: FileBody | None = None
        self._offset = self._left = 0
        self._body = response.body
        self._blocks: Iterator[bytes] = iter(())
        head, length = _head(response.status, response.phrase, tuple(response.headers))
        if environ.get("REQUEST_METHOD") == "HEAD" or response.status in (204, 304):
            pass
        elif isinstance(response.body, FileBody) and length is not None:
            self.file, self._offset, self._left = response.body, response.body.file.tell(), length
        else:
            self._blocks = iter(response.body)
            keeps_alive = keeps_alive and length is not None
        self.keeps_alive = keeps_alive
        first = head + _head_end(int(time.time()), keeps_alive)
        self.head_bytes = len(first)
        block = self._held = next(self._blocks, b"")
        self._pending: list[bytes | memoryview] = [first + block] if len(block) <= SHORT_BYTES else [first, block]

    def send(self, to: socket.socket) -> bool:
        """Whether everything is sent; if not, continue when the client takes more, or at its next turn.

        Raises OSError if the client has gone or the file cannot be read.
        """
        turn = self.sent + TURN_BYTES
        try:
            while self.sent < turn:
                if self._pending:
                    more = self.file is not None or len(self._pending) > 1
                    count = to.send(self._pending[0], socket.MSG_MORE if more else 0)
                    self.sent += count
                    if count < len(self._pending[0]):
                        self._pending[0] = memoryview(self._pending[0])[count:]
                    else:
                        del self._pending[0]
                elif self._left and self.file is not None:
                    count = os.sendfile(to.fileno(), self.file.file.fileno(), self._offset, min(self._left, TURN_BYTES))
                    if not count:
                        raise OSError("the file was truncated while it was sent")
                    self.sent += count
                    self._offset += count
                    self._left -= count
                elif block := next(self._blocks, b""):
                    self._held = block
                    self._pending.append(block)
                else:
                    return True
        except BlockingIOError:
            pass
        return False

    @property
    def held(self) -> bytes:
        """The part in memory: nothing of a file."""
        return self._held

    def close(self) -> None:
        if hasattr(self._body, "close"):
            self._body.close()


class Connection:
    """Belongs to one thread at a time: the one that took its event."""

    def __init__(self, client: socket.socket, peer: str) -> None:
        self.socket = client
        self.fd = client.fileno()
        self.peer = peer
        self.received = bytearray()
        self.answer: Answer | None = None
        # What to do once there is a place for it, and who shares the places.
        self.step: Step = Connection.close
        self.account = ""
        # What else it takes, as soon as a thread is free.
        self.further: Step | None = None
        # The event that it is registered for.
        self.awaited = 0
        # After the answer, this many bytes are discarded, for this many seconds, before the connection is closed.
        self.discards = 0
        self.lingers = LINGER_SECONDS
        # By the monotonic clock; `deadline` is infinite while a thread has the connection.
        self.deadline = self.head_deadline = math.inf
        self.overdue = False
        self._untaken = 0
        self._drains_until = -math.inf

    def watch_draining(self) -> None:
        """From now on, `drains` tells whether the client takes what was sent."""
        self._untaken, self._drains_until = self._sent_untaken(), -math.inf

    def drains(self, now: float, seconds: float) -> bool:
        """Whether the client took enough in the last `seconds`: a full buffer accepts no more until much of it is gone."""
        if now > self._drains_until:
            untaken = self._sent_untaken()
            if self._untaken - untaken < LEAST_BYTES_PER_SECOND * seconds:
                return False
            self._untaken, self._drains_until = untaken, now + seconds
        return True

    def _sent_untaken(self) -> int:
        """Bytes sent that the client has not acknowledged: https://man7.org/linux/man-pages/man7/tcp.7.html, SIOCOUTQ."""
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self.socket, termios.TIOCOUTQ, count)
        except (OSError, ValueError):
            # It is closed.
            return 0
        return count[0]

    def close(self) -> None:
        if self.answer is not None:
            self.answer.close()
        self.socket.close()


# Done for a connection by the thread that has it.
Step = Callable[[Connection], None]


@lru_cache(maxsize=256)
def _head(status: int, phrase: str, headers: tuple[tuple[str, str], ...]) -> tuple[bytes, int | None]:
    """The status line and these fields, each with its CRLF, and the length that they announce."""
    lines = [f"HTTP/1.1 {status} {phrase or PHRASES[status]}", *(f"{name}: {value}" for name, value in headers), ""]
    text = "\r\n".join(lines)
    # Nothing that a client sends may end a line of ours.
    assert text.count("\n") == text.count("\r") == len(lines) - 1, lines
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), None)
    return text.encode("latin-1", "replace"), length


@lru_cache(maxsize=4)
def _head_end(second: int, keeps_alive: bool) -> bytes:
    connection = "keep-alive" if keeps_alive else "close"
    return f"Date: {formatdate(second, usegmt=True)}\r\nConnection: {connection}\r\n\r\n".encode()
