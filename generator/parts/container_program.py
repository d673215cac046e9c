"""The program of `server/` as the container gets it: packed into its command and, for the rest, one secret.

ECS allows 64 KiB of task definition, and no more than about 124 KiB of environment on Fargate
(https://github.com/aws/containers-roadmap/issues/1336): room for one full secret in addition to a command, not for two.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import tarfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from generator.parts import text85
from generator.parts.bare_source import bare_source

HOME = Path(__file__).parents[2] / "server"
SECRET = "ServerProgram"
"""The prefix of the secret's logical ID, and so of its name."""
VARIABLE = "PROGRAM_1"
"""The variable in which the container gets the secret's value."""
_WIDTH = 1000
"""Characters of a line in the templates. The decoder ignores line ends."""
LINES_OF_COMMAND = 48
SECRET_BYTES = 65_536
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
CAPACITY = LINES_OF_COMMAND * _WIDTH + SECRET_BYTES * _WIDTH // (_WIDTH + 1)
"""Characters of program text that command and secret can hold, without line ends."""


class Program(NamedTuple):
    """A packed program: the words of the container's ``command``, and ``rest``, the value of the secret."""

    command: list[str]
    rest: str

    @property
    def secret(self) -> str:
        """Logical ID of the secret. Another value has another ID, so that no update changes what running tasks need."""
        return SECRET + hashlib.sha256(self.rest.encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """Characters of its text, without line ends."""
        return sum(len(text) - text.count("\n") for text in (self.command[0], self.rest))


def entry_point(python: str = "python3") -> list[str]:
    return [python, "-c", (HOME / "boot.py").read_text(encoding="utf-8")]


@cache
def packed(home: Path = HOME) -> Program:
    """The program in the folder ``home``. The command is the beginning of its text, and the SHA-256 of its archive."""
    archive = _archive(home)
    text = text85.encode(archive)
    lines = [text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)]
    beginning, rest = ("\n".join(part) for part in (lines[:LINES_OF_COMMAND], lines[LINES_OF_COMMAND:]))
    return Program([beginning, hashlib.sha256(archive).hexdigest()], rest)


def _archive(home: Path) -> bytes:
    """Every module but ``boot.py``, as a ``tar.bz2`` with the same bytes on every machine; its paths begin with ``server/``.

    bzip2, since libraries of DEFLATE and LZMA differ in what they write. USTAR with the zeros of a new TarInfo, since
    the other formats carry times, owners, or the Python that wrote them.
    """
    modules = {f"server/{path.relative_to(home).as_posix()}": path for path in home.rglob("*.py")}
    del modules["server/boot.py"]
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as members:
        for name, path in sorted(modules.items()):
            source = bare_source(path.read_text(encoding="utf-8")).encode()
            member = tarfile.TarInfo(name)
            member.size = len(source)
            members.addfile(member, io.BytesIO(source))
    return bz2.compress(written.getvalue())
