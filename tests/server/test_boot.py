"""How a packed program starts: checked, unpacked, and named in its tracebacks as it is in the repository."""

from __future__ import annotations

import bz2
import hashlib
import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from generator.parts import text85
from generator.parts.container_program import VARIABLE, entry_point, packed

MAIN = '''"""Docstring
of the program."""

# A comment.
from .room.deep import fail

fail()  # now
'''
DEEP = '''"""Docstring."""

from __future__ import annotations

import os


# Comments
# of lines.
def fail(
    number: int = 0,  # of what
) -> None:
    """Docstring

    of lines.
    """
    text = """
    # no comment
    """
    print(len(text), sorted(os.environ))
    raise RuntimeError(  # here
        "failed"
    )
'''


def run(command: list[str], rest: str | None, temporary: Path) -> subprocess.CompletedProcess[str]:
    """The program, with ``temporary`` as its /tmp; without the secret where there is no ``rest``."""
    temporary.mkdir(exist_ok=True)
    environment = {"TMPDIR": str(temporary), **({} if rest is None else {VARIABLE: rest})}
    words = [*entry_point(sys.executable), *command]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


def packed_tar(*members: tarfile.TarInfo) -> tuple[list[str], str]:
    """A command and a rest of an archive of ``members``, each regular file with the text ``raise SystemExit(7)``."""
    content = b"raise SystemExit(7)\n"
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    packed = bz2.compress(written.getvalue())
    text = text85.encode(packed)
    return [text[:40], hashlib.sha256(packed).hexdigest()], text[40:]


def test_a_traceback_names_the_file_and_the_line_of_the_repository(tmp_path: Path) -> None:
    home = tmp_path / "repository" / "server"
    (home / "room").mkdir(parents=True)
    for name, text in {"__main__.py": MAIN, "room/deep.py": DEEP, "__init__.py": "", "boot.py": ""}.items():
        (home / name).write_text(text)
    there = subprocess.run(
        [sys.executable, "-m", "server"], cwd=home.parent, capture_output=True, text=True, timeout=60, check=False
    )
    here = run(*packed(home), tmp_path / "tmp")
    named = re.compile(r'/(server/\S+)", line (\d+), in (\S+)')
    assert named.findall(here.stderr) == named.findall(there.stderr)
    assert len(named.findall(here.stderr)) == 2
    line = DEEP.splitlines().index("    raise RuntimeError(  # here") + 1
    assert f'server/room/deep.py", line {line}, in fail' in here.stderr
    assert here.stderr.endswith("RuntimeError: failed\n")
    # What the program was packed in is out of its way.
    assert VARIABLE not in here.stdout


def changed(text: str) -> str:
    return text.replace(text[100], "!" if text[100] != "!" else "#", 1)


@pytest.mark.parametrize(
    ("command", "rest"),
    [
        pytest.param(packed().command, None, id="no secret"),
        pytest.param(packed().command, "", id="an empty secret"),
        pytest.param(packed().command, changed(packed().rest), id="a changed secret"),
        pytest.param(packed().command, packed().rest[:-1], id="a secret cut off"),
        pytest.param(packed().command, packed().rest + "0", id="a longer secret"),
        pytest.param(packed().command, '{"username": "publisher"}', id="another secret"),
        pytest.param([packed().command[0], "0" * 64], packed().rest, id="another digest"),
        pytest.param([changed(packed().command[0]), packed().command[1]], packed().rest, id="a changed command"),
    ],
)
def test_what_is_not_the_program_does_not_start(tmp_path: Path, command: list[str], rest: str | None) -> None:
    done = run(command, rest, tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("pypiserver: ")
    assert "ServerProgram" in done.stderr
    assert not any(tmp_path.iterdir()), "nothing is unpacked"


def test_nothing_is_written_outside_whatever_the_archive_says(tmp_path: Path) -> None:
    outside, temporary = tmp_path / "outside", tmp_path / "tmp"
    link, way = tarfile.TarInfo("server/link"), tarfile.TarInfo("server/link/through")
    link.type, link.linkname = tarfile.SYMTYPE, "server/__main__.py"
    names = (str(outside), "../../outside", "../tmp/beside", "server/../../up", "server/a/../../../up")
    members = [tarfile.TarInfo(name) for name in ("server/__main__.py", *names)]
    done = run(*packed_tar(*members), temporary)
    assert done.returncode == 7, done.stderr
    assert [it.name for it in tmp_path.iterdir()] == ["tmp"]
    (home,) = temporary.iterdir()
    assert {str(it.relative_to(home)) for it in home.rglob("*.py")} == {"server/__main__.py"}

    # A link to a folder elsewhere, and a file by way of it: neither is made.
    outside.mkdir()
    link.linkname = str(outside)
    assert run(*packed_tar(tarfile.TarInfo("server/__main__.py"), link, way), temporary).returncode == 1
    assert not any(outside.iterdir())
