"""The core metadata inside a distribution's archive: within bounds, whatever the archive claims of itself."""

from __future__ import annotations

import os
import re
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from typing import IO

from packaging.utils import canonicalize_name

from server.distributions.tarballs import COMPRESSIONS, Inflated, Unfit, members

# Core metadata larger than this is not offered (PEP 658 leaves offering it to the index).
METADATA_LIMIT_BYTES = 4 << 20
# Of one read: zipfile reads a whole table of members at once, and makes up to twenty times as much of it.
READ_LIMIT_BYTES = METADATA_LIMIT_BYTES + (1 << 12)
# As many archives are read at once by a worker process, which bounds its memory.
_READERS = threading.BoundedSemaphore(2)


def core_metadata(name: str, file: IO[bytes]) -> bytes | None:
    """
    A wheel's METADATA (PEP 658), or a source distribution's PKG-INFO; None if the file called `name` has none.

    Raises OSError if, and only if, the storage fails: None is a fact about the content, and may be remembered.
    """
    try:
        return read_metadata(name, file)
    except Unfit:
        return None


def read_metadata(name: str, file: IO[bytes]) -> bytes:
    """As `core_metadata`; raises Unfit, and OSError if, and only if, the storage fails."""
    source = _Source(file)
    try:
        with _READERS:
            return _read(name.rpartition("/")[2], source)
    except MemoryError:
        raise
    except Exception as error:  # an archive may hold anything, and zipfile raises anything
        # The archive's readers take some failures of the storage for a broken archive.
        if source.failure:
            raise source.failure from error
        if isinstance(error, Unfit):
            raise
        raise Unfit("it cannot be read as the archive that its name says") from error


def _read(name: str, source: _Source) -> bytes:
    if name.endswith(".whl"):
        project = canonicalize_name(name.partition("-")[0])
        return _from_zip(source, re.compile(r"([^/]+)-[^-/]+\.dist-info/METADATA"), project)
    if name.endswith(".zip"):
        return _from_zip(source, _PKG_INFO)
    for suffix, decompressor in COMPRESSIONS.items():
        if name.endswith(suffix):
            return _from_tar(source, decompressor)
    raise Unfit("it is no wheel or source distribution")


_LOCAL_HEADER = struct.Struct("<26xHH")
_PKG_INFO = re.compile(r"[^/]+/PKG-INFO")


def _from_zip(source: _Source, wanted: re.Pattern[str], project: str | None = None) -> bytes:
    """`project` is the one that the first group of `wanted` must name; any will do if it is None."""
    with zipfile.ZipFile(source) as archive:
        found = [(it, match) for it in archive.infolist() if (match := wanted.fullmatch(it.filename))]
        if len(found) != 1:
            raise _not_one(len(found), "METADATA" if project else "PKG-INFO")
        member, match = found[0]
        if project and canonicalize_name(match[1]) != project:
            raise Unfit("its METADATA is in a directory of another project")
        # It compares the member's own header with the table, as installers do.
        archive.open(member).close()
    return _member(source, member)


def _member(source: _Source, member: zipfile.ZipInfo) -> bytes:
    """zipfile itself would cut off what inflates to more than it declares, which others do not."""
    source.seek(member.header_offset)
    header = source.read(_LOCAL_HEADER.size)
    name_length, extra_length = _LOCAL_HEADER.unpack(header)
    source.seek(name_length + extra_length, os.SEEK_CUR)
    packed = source.read(member.compress_size)
    if member.compress_type == zipfile.ZIP_STORED:
        content, complete = packed, True
    elif member.compress_type == zipfile.ZIP_DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        content = inflater.decompress(packed, METADATA_LIMIT_BYTES + 1)
        complete = inflater.eof
    else:
        raise Unfit("its core metadata is compressed by another method than DEFLATE")
    _bounded(content)
    if not complete or len(content) != member.file_size or zlib.crc32(content) != member.CRC:
        raise Unfit("its core metadata is not what the archive declares")
    return content


def _from_tar(source: _Source, decompressor: Callable[[], object]) -> bytes:
    stream = Inflated(source.read, source.size, decompressor)
    found = []
    for member in members(stream):
        if _PKG_INFO.fullmatch(member.name.removeprefix("./")) and member.isreg():
            found.append(_bounded(stream.read(min(member.size, METADATA_LIMIT_BYTES + 1))))
            if len(found) > 1:
                break
    if len(found) != 1:
        raise _not_one(len(found), "PKG-INFO")
    return found[0]


def _not_one(count: int, what: str) -> Unfit:
    return Unfit(f"it holds no {what}" if not count else f"it holds more than one {what}")


def _bounded(content: bytes) -> bytes:
    if len(content) > METADATA_LIMIT_BYTES:
        raise Unfit(f"its core metadata is larger than {METADATA_LIMIT_BYTES >> 20} MiB")
    return content


class _Source:
    """A file as archive readers see it. They cannot read without bounds, nor swallow `failure`, the storage's error."""

    def __init__(self, file: IO[bytes]) -> None:
        self.failure: OSError | None = None
        self._file = file
        self._position = 0
        try:
            self.size = file.seek(0, os.SEEK_END)
        except OSError as error:
            self.failure = error
            raise

    def read(self, size: int = -1) -> bytes:
        whole = size < 0
        if whole:
            size = READ_LIMIT_BYTES + 1
        elif size > READ_LIMIT_BYTES:
            raise Unfit("its table of members is too long")
        content = b""
        try:
            self._file.seek(self._position)
            # An unbuffered file may give less than it has.
            while len(content) < size and (more := self._file.read(size - len(content))):
                content += more
        except OSError as error:
            self.failure = error
            raise
        if whole and len(content) == size:
            raise Unfit("its table of members is too long")
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = offset + (0, self._position, self.size)[whence]
        if position < 0:
            # As a file does; it is no failure of the storage.
            raise OSError("before the beginning of the file")
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True
