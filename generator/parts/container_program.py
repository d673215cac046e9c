"""The container's entry point and command: the program of `server/`, handed over as text.

ECS admits 64 KiB of task definition, which the sources alone would fill; so they travel as one archive, without their
comments, docstrings and annotations.
"""

from __future__ import annotations

import bz2
import io
import tarfile
from functools import cache
from pathlib import Path

from generator.parts import text85
from generator.parts.bare_source import bare_source

HOME = Path(__file__).parents[2] / "server"
_WIDTH = 1000
"""Characters of a line in the templates. The decoder passes over line ends."""


def entry_point(python: str = "python3") -> list[str]:
    return [python, "-c", (HOME / "boot.py").read_text(encoding="utf-8")]


@cache
def archive() -> bytes:
    """Every module but ``boot.py``, as a ``tar.bz2`` of the same bytes on every machine.

    bzip2, since libraries of DEFLATE and LZMA differ in what they write. USTAR with the zeros of a new TarInfo, since
    the other formats carry times, owners, or the Python that wrote them.
    """
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as members:
        for path in sorted(HOME.rglob("*.py")):
            if path.name == "boot.py":
                continue
            source = bare_source(path.read_text(encoding="utf-8")).encode()
            member = tarfile.TarInfo(f"server/{path.relative_to(HOME).as_posix()}")
            member.size = len(source)
            members.addfile(member, io.BytesIO(source))
    return bz2.compress(written.getvalue())


def command() -> list[str]:
    """The archive as the entry point takes it: one argument, text in lines."""
    text = text85.encode(archive())
    return ["\n".join(text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH))]
