"""A streaming reader of multipart/form-data (RFC 7578): no part is ever held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import BytesHeaderParser
from typing import NamedTuple

READ_BYTES = 1 << 16
HEADERS_LIMIT_BYTES = 1 << 14


class Malformed(ValueError):
    """The body is no complete multipart/form-data; the message says why."""


class Part(NamedTuple):
    """`filename` is None for a plain field. `chunks` must be consumed before the next part is asked for."""

    name: str
    filename: str | None
    chunks: Iterator[bytes]


def boundary_of(content_type: str) -> bytes:
    """Raises Malformed."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/form-data" or not boundary or not boundary.isascii():
        raise Malformed("an upload is sent as multipart/form-data with a boundary")
    return boundary.encode()


def parts(read: Callable[[int], bytes], boundary: bytes) -> Iterator[Part]:
    """`read(size)` returns b"" only at the end. Raises Malformed, also from `chunks`."""
    stream = _Stream(read)
    delimiter = b"\r\n--" + boundary
    for _ in stream.until(delimiter):
        pass
    while (ending := stream.take(2)) != b"--":
        if ending != b"\r\n":
            raise Malformed("a boundary is not followed by a line end")
        headers = b""
        for chunk in stream.until(b"\r\n\r\n"):
            headers += chunk
            if len(headers) > HEADERS_LIMIT_BYTES:
                raise Malformed("the headers of a part are too long")
        message = BytesHeaderParser().parsebytes(headers)
        name = message.get_param("name", header="Content-Disposition")
        yield Part(str(name), message.get_filename(), stream.until(delimiter))


class _Stream:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        # The first boundary is found like the others, which follow a line end.
        self._buffer = b"\r\n"

    def until(self, mark: bytes) -> Iterator[bytes]:
        """What precedes `mark`, which is consumed as well."""
        while (at := self._buffer.find(mark)) < 0:
            # The end of the buffer may be the beginning of the mark.
            ready = len(self._buffer) - len(mark) + 1
            if ready > 0:
                yield self._buffer[:ready]
                self._buffer = self._buffer[ready:]
            self._fill()
        before, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        if before:
            yield before

    def take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _fill(self) -> None:
        more = self._read(READ_BYTES)
        if not more:
            raise Malformed("the body ends too early: the upload was cut off, or is not complete multipart/form-data")
        self._buffer += more
