"""The core metadata inside a distribution's archive: bounded, whatever the archive claims about itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from tarfile import DIRTYPE, REGTYPE
from typing import IO

from packaging.utils import canonicalize_name

from server.distributions import zips
from server.distributions.sources import Source, examine
from server.distributions.tarballs import COMPRESSIONS, Inflated, Unfit, members

# Core metadata larger than this is not offered (PEP 658 leaves offering it to the index).
METADATA_LIMIT_BYTES = 4 << 20
_METADATA = re.compile(r"([^/]+)-[^-/]+\.dist-info/METADATA")
# Gets a member's name, its type (of tarfile's) and its link target.
See = Callable[[str, bytes, str], None]
_PKG_INFO = re.compile(r"[^/]+/PKG-INFO")


def core_metadata(name: str, file: IO[bytes]) -> bytes | None:
    """A wheel's METADATA (PEP 658), or a source distribution's PKG-INFO; None if the file called `name` has none.

    Raises OSError if, and only if, the storage fails: None is a fact about the content, and may be remembered.
    """
    try:
        return read_metadata(name, file)
    except Unfit:
        return None


def read_metadata(name: str, file: IO[bytes], see: See = lambda *_: None) -> bytes:
    """As `core_metadata`; raises Unfit, and OSError if, and only if, the storage fails.

    Members of a source distribution are passed to `see` meanwhile, so that a long archive is inflated once.
    """
    return examine(file, partial(_read, name.rpartition("/")[2], see))


def _read(name: str, see: See, source: Source) -> bytes:
    if name.endswith(".whl"):
        project = canonicalize_name(name.partition("-")[0])
        return _from_zip(source, _METADATA, see, project)
    if name.endswith(".zip"):
        return _from_zip(source, _PKG_INFO, see)
    for suffix, decompressor in COMPRESSIONS.items():
        if name.endswith(suffix):
            return _from_tar(source, decompressor, see)
    raise Unfit("it is not a wheel or source distribution")


def _from_zip(source: Source, wanted: re.Pattern[str], see: See, project: str | None = None) -> bytes:
    """`project` is the one that the first group of `wanted` must match; any will do if it is None."""
    found = []
    for member in zips.members(source):
        if match := wanted.fullmatch(member.name):
            found.append((member, match))
            if len(found) > 1:
                break
        if project is None:
            see(member.name, DIRTYPE if member.name.endswith("/") else REGTYPE, "")
    if len(found) != 1:
        raise _not_one(len(found), "METADATA" if project else "PKG-INFO")
    member, match = found[0]
    if project and canonicalize_name(match[1]) != project:
        raise Unfit("its METADATA is in a directory of another project")
    return zips.content(source, member, METADATA_LIMIT_BYTES, "core metadata")


def _from_tar(source: Source, decompressor: Callable[[], object], see: See) -> bytes:
    stream = Inflated(source.read, source.size, decompressor)
    found = []
    for member in members(stream):
        if _PKG_INFO.fullmatch(member.name.removeprefix("./")) and member.isreg():
            if member.size > METADATA_LIMIT_BYTES:
                raise Unfit(f"its core metadata is larger than {METADATA_LIMIT_BYTES >> 20} MiB")
            found.append(stream.read(member.size))
            if len(found) > 1:
                break
        see(member.name, member.type, member.linkname)
    if len(found) != 1:
        raise _not_one(len(found), "PKG-INFO")
    return found[0]


def _not_one(count: int, what: str) -> Unfit:
    return Unfit(f"it has no {what}" if not count else f"it has more than one {what}")
