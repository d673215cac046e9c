"""What a listing says about a distribution's core metadata."""

from __future__ import annotations

import hashlib
import re
from typing import IO, NamedTuple

from .archives import core_metadata

_REQUIRES_PYTHON = re.compile(rb"^Requires-Python:[ \t]*([^\r\n]+)", re.MULTILINE)


class Description(NamedTuple):
    """`metadata_sha256` is that of a wheel's METADATA (PEP 658), lower-case hexadecimal; both are None without one."""

    metadata_sha256: str | None
    requires_python: str | None


def describe(name: str, file: IO[bytes]) -> Description:
    """
    Describe the open, seekable `file`, which is called `name`.

    Depends on nothing but the name and the content, so that it may be kept as long as both stay.
    Raises OSError if, and only if, the storage fails.
    """
    metadata = core_metadata(name, file)
    if metadata is None:
        return Description(None, None)
    headers = re.split(rb"\r?\n\r?\n", metadata, maxsplit=1)[0]
    found = _REQUIRES_PYTHON.search(headers)
    return Description(
        hashlib.sha256(metadata).hexdigest(),
        found[1].decode("utf-8", "replace").strip() if found else None,
    )
