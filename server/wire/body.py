"""A request's body as it arrives, in bounded time."""

from __future__ import annotations

import re
import select
import socket
import sys
import time

from server.wire.request import Request

# Over the whole body, in addition to the time that a client may be silent.
LEAST_BYTES_PER_SECOND = 1 << 10
RECEIVE_BYTES = 1 << 16
LINE_LIMIT_BYTES = 1 << 10
TRAILERS_LIMIT = 20
# RFC 9112, section 7.1; extensions are ignored.
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?")
# A field as in a head (section 5 there); its value is ignored.
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class StalledBody(Exception):
    """The client is silent, sends too slowly, or has gone."""


class MalformedBody(Exception):
    """A body is cut off, or its chunks violate RFC 9112."""


class Body:
    """`wsgi.input`: `received` has already arrived; it keeps what follows the body. `patience` is in seconds."""

    def __init__(self, connection: socket.socket, received: bytearray, request: Request, patience: float) -> None:
        self._socket = connection
        self._received = received
        self._patience = patience
        self._chunked = request.length is None
        self._in_chunks = False
        self._left = request.length or 0
        self._expected = request.expects_continue
        self._began = time.monotonic()
        self._arrived = 0
        self.complete = request.length == 0

    def hasten(self, patience: float) -> None:
        """Wait for at most this many seconds, counted from the start."""
        self._patience = min(self._patience, patience)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; b"" at the end. Raises StalledBody and MalformedBody."""
        taken: list[bytes] = []
        wanted = size if size >= 0 else sys.maxsize
        while wanted and not self.complete and (self._left or (self._chunked and self._next_chunk())):
            data = self._take(min(self._left, wanted))
            if not data:
                raise MalformedBody(f"the last {self._left} bytes did not arrive")
            taken.append(data)
            wanted -= len(data)
            self._left -= len(data)
            self.complete = not self._left and not self._chunked
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _take(self, limit: int) -> bytes:
        if not self._received:
            return self._receive(limit)
        data = bytes(self._received[:limit])
        del self._received[:limit]
        return data

    def _next_chunk(self) -> bool:
        """Whether there is another chunk. The line end of the previous one is still to come, unless it is the first."""
        if self._in_chunks and self._line():
            raise MalformedBody("a chunk is longer than its size")
        line = self._line()
        matched = _CHUNK_SIZE.fullmatch(line)
        if matched is None:
            raise MalformedBody("a chunk begins without its size")
        self._in_chunks = True
        self._left = int(matched[1], 16)
        if self._left:
            return True
        for _ in range(TRAILERS_LIMIT):
            trailer = self._line()
            if not trailer:
                self.complete = True
                return False
            if _TRAILER.fullmatch(trailer) is None:
                raise MalformedBody("a trailer is malformed")
        raise MalformedBody("there are too many trailers")

    def _line(self) -> bytes:
        while (end := self._received.find(b"\r\n")) < 0:
            more = b"" if len(self._received) > LINE_LIMIT_BYTES else self._receive(RECEIVE_BYTES)
            if not more:
                raise MalformedBody("a line does not end")
            self._received += more
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        return line

    def _receive(self, limit: int) -> bytes:
        """b"" at the end of the connection."""
        while True:
            try:
                if self._expected:
                    self._expected = False
                    self._socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                data = self._socket.recv(min(limit, RECEIVE_BYTES))
            except BlockingIOError:
                self._wait()
                continue
            except OSError as error:
                # The client's, which must not pass for the storage's.
                raise StalledBody("the client went away") from error
            self._arrived += len(data)
            return data

    def _wait(self) -> None:
        rate = self._began + self._patience + self._arrived / LEAST_BYTES_PER_SECOND - time.monotonic()
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(max(0.0, min(self._patience, rate)) * 1000):
            raise StalledBody("the body arrives too slowly")
