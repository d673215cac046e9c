"""A streaming reader of multipart/form-data (RFC 7578): no part is ever in memory whole.

It is stricter than the RFCs: whatever two readers could understand differently is malformed. No client that
uploads distributions sends a preamble, folded headers, extended or repeated parameters, or escapes in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

READ_BYTES = 1 << 16
HEADERS_LIMIT_BYTES = 1 << 13
# Clients send one for each dependency and classifier.
PARTS_LIMIT = 10_000

# RFC 2046, section 5.1.1.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_PARAMETER = re.compile(r";[ \t]*([!#$%&'+.^_`|~0-9A-Za-z-]+)=(?:\"([^\"\\]*)\"|([^\s\";\\,]+))[ \t]*")


class Malformed(ValueError):
    """The body is not complete multipart/form-data; the message says why."""


class Part(NamedTuple):
    """`filename` is None for a plain field. `chunks` must be consumed before requesting the next part."""

    name: str
    filename: str | None
    chunks: Iterator[bytes]


def boundary_of(content_type: str) -> bytes:
    """Raises Malformed."""
    media_type, semicolon, parameters = content_type.strip().partition(";")
    boundary = _parameters(semicolon + parameters).get("boundary", "")
    if media_type.strip().lower() != "multipart/form-data" or not _BOUNDARY.fullmatch(boundary):
        raise Malformed("an upload is sent as multipart/form-data with a boundary")
    return boundary.encode("ascii")


def parts(read: Callable[[int], bytes], boundary: bytes) -> Iterator[Part]:
    """`read(size)` returns b"" only at the end. Raises Malformed, also from `chunks`."""
    stream = _Stream(read)
    delimiter = b"\r\n--" + boundary
    # Nothing precedes the first boundary, but for the line end that setuptools sends.
    b"".join(stream.until(delimiter, limit=2))
    count = 0
    while (ending := stream.take(2)) != b"--":
        count += 1
        if ending != b"\r\n":
            raise Malformed("a boundary is not followed by a line end")
        if count > PARTS_LIMIT:
            raise Malformed(f"it has more than {PARTS_LIMIT} parts")
        headers = b"".join(stream.until(b"\r\n\r\n", limit=HEADERS_LIMIT_BYTES))
        yield Part(*_disposition(headers), stream.until(delimiter))
    # Old clients send a line end after it.
    rest = stream.rest(limit=2)
    if len(rest) > 2 or rest.strip(b"\r\n"):
        raise Malformed("something follows the last boundary")


def _disposition(headers: bytes) -> tuple[str, str | None]:
    """A part's name and file name."""
    found = None
    for line in headers.split(b"\r\n"):
        header = _HEADER.fullmatch(line)
        if header is None:
            raise Malformed("a part has a malformed header")
        key, value = header[1].lower(), header[2].strip()
        if key == b"content-transfer-encoding" and value.lower() not in (b"binary", b"8bit", b"7bit"):
            raise Malformed("a part has a transfer encoding (RFC 7578, section 4.7)")
        if key == b"content-disposition":
            if found is not None:
                raise Malformed("a part has two Content-Disposition headers")
            found = value
    try:
        disposition, semicolon, parameters = (found or b"").decode().partition(";")
    except UnicodeDecodeError as error:
        raise Malformed("a part has a header that is not UTF-8") from error
    fields = _parameters(semicolon + parameters)
    if disposition.strip().lower() != "form-data" or "name" not in fields:
        raise Malformed("a part has no name")
    return fields["name"], fields.get("filename")


def _parameters(text: str) -> dict[str, str]:
    """Of `; name=value; name="value"`, by lower-case names."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        parameter = _PARAMETER.match(text, at)
        if parameter is None:
            raise Malformed("a header has a malformed or an extended parameter")
        name = parameter[1].lower()
        if name in found:
            raise Malformed(f"a header has two parameters {name}")
        found[name] = parameter[2] if parameter[2] is not None else parameter[3]
        at = parameter.end()
    return found


class _Stream:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        # The first boundary is found like the others, which follow a line end.
        self._buffer = b"\r\n"

    def until(self, mark: bytes, limit: int | None = None) -> Iterator[bytes]:
        """What precedes `mark`, which is consumed too; Malformed if that is longer than `limit` bytes."""
        passed = 0
        while True:
            at = self._buffer.find(mark)
            # The end of the buffer may be the beginning of the mark.
            ready = at if at >= 0 else max(len(self._buffer) - len(mark), 0)
            passed += ready
            if limit is not None and passed > limit:
                raise Malformed("the headers of a part are too long, or something precedes the first boundary")
            if ready:
                yield self._buffer[:ready]
            self._buffer = self._buffer[ready + len(mark) :] if at >= 0 else self._buffer[ready:]
            if at >= 0:
                return
            self._fill()

    def take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def rest(self, limit: int) -> bytes:
        """Everything left, or only its first bytes if it is longer than `limit`."""
        while len(self._buffer) <= limit and (more := self._read(READ_BYTES)):
            self._buffer += more
        return self._buffer

    def _fill(self) -> None:
        more = self._read(READ_BYTES)
        if not more:
            raise Malformed("the body ends too early: the upload was cut off, or is not complete multipart/form-data")
        self._buffer += more
