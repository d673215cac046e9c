"""How a packed program starts: checked, unpacked, and named in its tracebacks as it is in the repository."""

from __future__ import annotations

import bz2
import hashlib
import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import requests

from generator.parts import text85
from generator.parts.container_program import CAPACITY, HOME, VARIABLE, Program, entry_point, packed
from server.contract import USER_ID

from .tasks import PUBLISHER, environment_of, free_port, listens, wait_for, wheel

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
        pytest.param(packed().command, packed().rest[:-5], id="a secret cut off"),
        pytest.param(packed().command, packed().rest + "0" * 5, id="a longer secret"),
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
    modules = {"server/__init__.py", "server/__main__.py"}
    members = [tarfile.TarInfo(name) for name in (*modules, *names)]
    done = run(*packed_tar(*members), temporary)
    assert done.returncode == 7, done.stderr
    assert [it.name for it in tmp_path.iterdir()] == ["tmp"]
    (home,) = temporary.iterdir()
    assert {str(it.relative_to(home)) for it in home.rglob("*.py")} == modules

    # A link to a folder elsewhere, and a file by way of it: neither is made.
    outside.mkdir()
    link.linkname = str(outside)
    assert run(*packed_tar(tarfile.TarInfo("server/__main__.py"), link, way), temporary).returncode == 1
    assert not any(outside.iterdir())


def largest(home: Path) -> Program:
    """Today's program, and in a module of its own as much noise, which no packing shortens, as there is room for."""
    shutil.copytree(HOME, home)
    noise = text85.encode(random.Random(1).randbytes(CAPACITY))
    # Packed among sources, it takes more than it has; how much more depends on them.
    size = CAPACITY - packed().size
    while True:
        rows = [f"ROW = '{noise[at : at + 1000]}'\n" for at in range(0, size, 1000)]
        (home / "noise.py").write_text("".join(rows))
        program = packed.__wrapped__(home)
        if program.size <= CAPACITY:
            return program
        size -= max(program.size - CAPACITY, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("of", ["today", "the largest"])
def test_it_runs_unprivileged_on_a_read_only_root(image: Path, directory: Path, tmp_path: Path, of: str) -> None:
    """As ECS runs it: the image's user, everything read-only but the packages and a small /tmp in memory."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a mount namespace needs root")
    program = packed() if of == "today" else largest(tmp_path / "server")
    assert of == "today" or 0.95 < program.size / CAPACITY <= 1
    os.chown(directory, int(USER_ID), int(USER_ID))
    port = free_port()
    base = Path(subprocess.check_output([image, "-c", "import sys; print(sys.base_prefix)"], text=True).strip())
    # The interpreter may lie below /tmp or the home directory of root, which are covered here.
    script = """
        mount --make-rprivate / && mount -t tmpfs tmpfs /mnt && mkdir /mnt/packages /mnt/image /mnt/base || exit
        mount --bind "$1" /mnt/packages && mount --bind "$2" /mnt/image && mount --bind "$3" /mnt/base || exit
        mount -t tmpfs -o size=64m,noexec,nosuid,nodev tmpfs /tmp && mount -t tmpfs -o mode=755 tmpfs /root || exit
        mkdir -p "$2" "$3" && mount --bind /mnt/image "$2" && mount --bind /mnt/base "$3" || exit
        for path in "$2" "$3" /mnt/image /mnt/base /mnt /root /; do mount -o remount,bind,ro "$path" || exit; done
        shift 3 && exec setpriv --reuid 9898 --regid 9898 --clear-groups "$@"
    """
    process = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
            directory,
            image.parents[1],
            base,
            *entry_point(str(image)),
            *program.command,
        ],
        env={"PATH": os.environ["PATH"], **environment_of(Path("/mnt/packages"), port), VARIABLE: program.rest},
        stderr=(errors := (tmp_path / "stderr").open("wb")),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert wait_for(lambda: listens(port)), (tmp_path / "stderr").read_text()
        name, content = wheel("large", "1.0", os.urandom(20_000_000).replace(b"\n", b" "))
        response = requests.post(
            f"http://127.0.0.1:{port}/",
            data={":action": "file_upload"},
            files={"content": (name, content)},
            auth=PUBLISHER,
            timeout=60,
        )
        assert response.status_code == 200, response.text
        assert (directory / name).read_bytes() == content
        assert (directory / name).stat().st_uid == 9898
        response = requests.get(f"http://127.0.0.1:{port}/packages/{name}", auth=PUBLISHER, timeout=60)
        assert response.content == content
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        errors.close()
