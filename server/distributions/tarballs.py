"""Compressed tar archives, read once from beginning to end in bounded memory and time."""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

CHUNK_BYTES = 1 << 18
# An archive may inflate to this much, or to this many times its size if that is more; never beyond the last.
INFLATED_BYTES = 64 << 20
INFLATED_RATIO = 50
INFLATED_LIMIT_BYTES = 4 << 30
MEMBERS_LIMIT = 100_000
# Of GNU's long names and of pax headers (POSIX.1-2001), which precede the member that they describe.
EXTENSION_LIMIT_BYTES = 1 << 16
# Records of one pax header. Each takes a moment; real headers have a dozen.
RECORDS_LIMIT = 100
# Parallel compressors write many streams, one after another.
STREAMS_LIMIT = 10_000
# What `xz -8` needs.
LZMA_MEMORY_BYTES = 40 << 20

_WITHOUT_CONTENT = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
# GNU's long names, under pax's name for the same.
_LONG = {tarfile.GNUTYPE_LONGNAME: b"path", tarfile.GNUTYPE_LONGLINK: b"linkpath"}


class Unfit(ValueError):
    """A file is not a distribution that installers would understand; the message says why, as a clause about "it"."""


class _Gzip:
    """zlib's decompressor with the interface of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data


COMPRESSIONS: dict[str, Callable[[], Any]] = {
    ".tar.gz": _Gzip,
    ".tgz": _Gzip,
    ".tar.bz2": bz2.BZ2Decompressor,
    ".tar.xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, LZMA_MEMORY_BYTES),
}


class Inflated:
    """The inflated content of `read(size)`, a reader of `size` bytes in all; `tell` is the position in it."""

    def __init__(self, read: Callable[[int], bytes], size: int, decompressor: Callable[[], Any]) -> None:
        self._read = read
        self._decompressor = decompressor
        self._current = decompressor()
        self._streams = 1
        self._limit = min(max(INFLATED_BYTES, INFLATED_RATIO * size), INFLATED_LIMIT_BYTES)
        self._buffer = b""
        self._at = 0
        self.position = 0

    def read(self, size: int) -> bytes:
        """Less than `size` only at the end. The caller bounds `size`."""
        pieces = []
        while size > 0 and self._fill():
            piece = self._buffer[self._at : self._at + size]
            pieces.append(piece)
            size -= len(piece)
            self._advance(len(piece))
        return b"".join(pieces)

    def skip_to(self, position: int) -> None:
        if position < self.position:
            raise Unfit("it is damaged")
        while self.position < position:
            if not self._fill():
                raise Unfit("it is cut off")
            self._advance(min(position - self.position, len(self._buffer) - self._at))

    def _advance(self, count: int) -> None:
        self._at += count
        self.position += count
        if self.position > self._limit:
            raise Unfit("it inflates to too much")

    def _fill(self) -> bool:
        """False at the end."""
        if self._at == len(self._buffer):
            self._buffer, self._at = self._inflate(), 0
        return bool(self._buffer)

    def _inflate(self) -> bytes:
        while True:
            data = b""
            if self._current.eof:
                data = self._current.unused_data or self._read(CHUNK_BYTES)
                if not data:
                    return b""
                self._streams += 1
                if self._streams > STREAMS_LIMIT:
                    raise Unfit("it has too many streams")
                self._current = self._decompressor()
            elif self._current.needs_input:
                data = self._read(CHUNK_BYTES)
                if not data:
                    raise Unfit("it is cut off")
            inflated: bytes = self._current.decompress(data, CHUNK_BYTES)
            if inflated:
                return inflated


def members(stream: Inflated) -> Iterator[tarfile.TarInfo]:
    """Each member's header, while `stream` is at the beginning of its content.

    tarfile's own reader keeps all members in memory, and reads headers of any size.
    """
    # What precedes a member and describes it.
    said: dict[bytes, bytes] = {}
    for _ in range(MEMBERS_LIMIT):
        block = stream.read(tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):
            return
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        begin = stream.position
        if member.type in _LONG:
            said[_LONG[member.type]] = _extension(stream, member).partition(b"\0")[0]
        elif member.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            said |= _records(_extension(stream, member))
        elif member.type != tarfile.XGLTYPE:
            if b"path" in said:
                member.name = said[b"path"].decode("utf-8", "surrogateescape")
            if b"linkpath" in said:
                member.linkname = said[b"linkpath"].decode("utf-8", "surrogateescape")
            if b"size" in said:
                member.size = int(said[b"size"])
            said = {}
            yield member
        if member.type not in _WITHOUT_CONTENT:
            blocks = -(-member.size // tarfile.BLOCKSIZE)
            stream.skip_to(begin + blocks * tarfile.BLOCKSIZE)
    raise Unfit("it has too many members")


def _extension(stream: Inflated, member: tarfile.TarInfo) -> bytes:
    if member.size > EXTENSION_LIMIT_BYTES:
        raise Unfit("it has a header that is too long")
    return stream.read(member.size)


def _records(extension: bytes) -> dict[bytes, bytes]:
    """The values of a pax header that are used here; each record is `LENGTH KEY=VALUE` and a line end. Raises Unfit."""
    found: dict[bytes, bytes] = {}
    for _ in range(RECORDS_LIMIT):
        length = extension[:20].partition(b" ")[0]
        if not length.isdigit() or not int(length):
            return found
        key, _, value = extension[len(length) + 1 : int(length) - 1].partition(b"=")
        if key in (b"path", b"linkpath", b"size"):
            found[key] = value
        extension = extension[int(length) :]
    raise Unfit("it has a header that is too long")
