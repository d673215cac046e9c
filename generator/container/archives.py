"""The core metadata inside a distribution's archive."""

from __future__ import annotations

import errno
import re
import zipfile
from typing import IO

# Core metadata larger than this is not offered (PEP 658 leaves offering it to the index).
METADATA_LIMIT_BYTES = 4 << 20

_METADATA_NAME = re.compile(r"[^/]+\.dist-info/METADATA")


def core_metadata(name: str, file: IO[bytes]) -> bytes | None:
    """
    A wheel's METADATA (PEP 658), or a source distribution's PKG-INFO; None if the file called `name` has none.

    Raises OSError if, and only if, the storage fails: None is a fact about the content, and may be remembered.
    """
    if not name.endswith(".whl"):
        return None
    try:
        with zipfile.ZipFile(file) as wheel:
            for member in wheel.infolist():
                if _METADATA_NAME.fullmatch(member.filename) and member.file_size <= METADATA_LIMIT_BYTES:
                    return wheel.read(member)
    except OSError as error:
        # What a broken archive points at lies before the file's beginning.
        if error.errno != errno.EINVAL:
            raise
    except Exception:  # it may hold anything, and zipfile raises anything
        pass
    return None
