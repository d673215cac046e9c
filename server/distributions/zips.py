"""Zip archives, read in bounded memory and time, whatever they claim about themselves.

zipfile creates an object for each member, up to twenty times the table's size, and cuts off content that inflates beyond
its declared size, which others do not. The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from server.distributions.sources import Source
from server.distributions.tarballs import Unfit

# Of the table of members. 50,000 have some 6 MiB; a million, which takes seconds, has 64 if their names are short.
TABLE_BYTES = 64 << 20
# More than an entry can have, with its name, its extra field and its comment of 64 KiB each.
_CHUNK_BYTES = 1 << 18
_TEXT_BYTES = 1 << 16
_ENTRY = struct.Struct("<4s4x2H4x3L3H8xL")
_LOCAL = struct.Struct("<4s22x2H")
_END = struct.Struct("<4s8x2LH")
_END_64 = struct.Struct("<4s36x2Q")
_LOCATOR = struct.Struct("<4s16x")
_ELSEWHERE = 0xFFFFFFFF
_ENCRYPTED, _UTF_8 = 1, 1 << 11
_STORED, _DEFLATED = 0, 8
# And BZIP2 and LZMA, which pip knows, and Zstandard, which uv does.
_COMPRESSIONS = (_STORED, _DEFLATED, 12, 14, 93)


class Member(NamedTuple):
    """As in the table; `offset` is from the file's beginning, `raw_name` the exact bytes."""

    name: str
    raw_name: bytes
    compression: int
    crc: int
    packed: int
    size: int
    offset: int


def members(source: Source) -> Iterator[Member]:
    """As zipfile finds them. Raises Unfit, also for one that no installer can unpack, and struct.error or UnicodeDecodeError for
    a damaged table.
    """
    start, left, moved = _table(source)
    if left > TABLE_BYTES:
        raise Unfit("its table of members is too long")
    buffer, at = b"", 0
    while left > 0:
        if len(buffer) - at < _ENTRY.size + 3 * _TEXT_BYTES:
            source.seek(start)
            read = source.read(_CHUNK_BYTES)
            start += len(read)
            buffer, at = buffer[at:] + read, 0
        signature, flags, compression, crc, packed, size, named, extra, comment, offset = _ENTRY.unpack_from(buffer, at)
        if signature != b"PK\1\2":
            raise Unfit("its table of members is damaged")
        begin, end = at + _ENTRY.size, at + _ENTRY.size + named + extra + comment
        name = buffer[begin : begin + named]
        if _ELSEWHERE in (size, packed, offset):
            size, packed, offset = _long(buffer[begin + named : end - comment], size, packed, offset)
        text = name.decode("utf-8" if flags & _UTF_8 else "cp437")
        if flags & _ENCRYPTED or compression not in _COMPRESSIONS:
            raise Unfit(f"its member {text!a} is encrypted, or compressed in a way that installers do not know")
        yield Member(text, name, compression, crc, packed, size, offset + moved)
        left -= end - at
        at = end


def content(source: Source, member: Member, limit: int, what: str) -> bytes:
    """As `pieces`, whole."""
    return b"".join(pieces(source, member, limit, what))


def pieces(source: Source, member: Member, limit: int, what: str) -> Iterator[bytes]:
    """The content of a member, which messages call `what`. Raises Unfit, and struct.error or zlib.error."""
    source.seek(member.offset)
    signature, named, extra = _LOCAL.unpack(source.read(_LOCAL.size))
    if signature != b"PK\3\4" or source.read(named) != member.raw_name:
        raise Unfit(f"its {what} has another name in its table of members")
    if member.compression not in (_STORED, _DEFLATED):
        raise Unfit(f"its {what} is compressed with a method other than DEFLATE")
    source.read(extra)
    size = crc = 0
    for piece in _inflated(source, member):
        size += len(piece)
        if size > limit:
            raise Unfit(f"its {what} is larger than {limit >> 20} MiB")
        crc = zlib.crc32(piece, crc)
        yield piece
    if (size, crc) != (member.size, member.crc):
        raise Unfit(f"its {what} is not what the archive declares")


def _inflated(source: Source, member: Member) -> Iterator[bytes]:
    """From where `source` is. Raises Unfit if it is cut off, and zlib.error."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left, packed = member.packed, b""
    while left or packed:
        if not packed:
            packed = source.read(min(left, _CHUNK_BYTES))
            left -= len(packed)
            if not packed:
                raise Unfit("it is cut off")
        if member.compression == _STORED:
            piece, packed = packed, b""
        else:
            piece, packed = inflater.decompress(packed, _CHUNK_BYTES), inflater.unconsumed_tail
        yield piece
        if inflater.eof:
            return
    if member.compression == _DEFLATED:
        yield inflater.flush()
        if not inflater.eof:
            raise Unfit("it is cut off")


def _table(source: Source) -> tuple[int, int, int]:
    """Where the table of members is, its size, and the offset of the archive within the file."""
    last = max(0, source.size - _END.size - _TEXT_BYTES)
    source.seek(last)
    tail = source.read(_END.size + _TEXT_BYTES)
    # Without a comment, or with the last possible one.
    at = len(tail) - _END.size
    if not (tail[max(at, 0) :].startswith(b"PK\5\6") and tail.endswith(b"\0\0")):
        at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise Unfit("it is not a zip archive, or is cut off")
    _, size, offset, _ = _END.unpack_from(tail, at)
    end = last + at
    locator = end - _LOCATOR.size
    if locator >= _END_64.size:
        source.seek(locator)
        if _LOCATOR.unpack(source.read(_LOCATOR.size))[0] == b"PK\6\7":
            end = locator - _END_64.size
            source.seek(end)
            signature, size, offset = _END_64.unpack(source.read(_END_64.size))
            if signature != b"PK\6\6":
                raise Unfit("its table of members is damaged")
    moved = end - size - offset
    if moved < 0:
        raise Unfit("its table of members is damaged")
    return offset + moved, size, moved


def _long(extra: bytes, *values: int) -> Iterator[int]:
    """Those of `values` that are in the ZIP64 field of `extra` from there. Raises struct.error if one is missing."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            field = extra[4 : 4 + length]
            for value in values:
                if value == _ELSEWHERE:
                    (value,), field = struct.unpack_from("<Q", field), field[8:]
                yield value
            return
        extra = extra[4 + length :]
    yield from values
