"""Mounts of one directory that behave like those of several hosts of a network file system."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("network.c")


def missing() -> str:
    """Why there can be no such mounts here; empty if there can."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.W_OK):
        return "mounting needs root and /dev/fuse"
    if not all(map(shutil.which, ("gcc", "pkg-config", "fusermount3"))):
        return "building needs gcc, pkg-config, libfuse3-dev and fuse3"
    if subprocess.run(["pkg-config", "--exists", "fuse3"], check=False).returncode:
        return "building needs libfuse3-dev"
    return ""


@contextmanager
def mounts(backing: Path, home: Path, count: int = 2, **environment: str) -> Iterator[list[Path]]:
    """
    The paths of `count` mounts of `backing`, made in `home`; network.c names the environment.

    What each is asked for is logged beside it, in host0.log and so on.
    """
    program = home / "network"
    flags = subprocess.check_output(["pkg-config", "fuse3", "--cflags", "--libs"], text=True).split()
    subprocess.run(["gcc", "-O2", SOURCE, "-o", program, *flags, "-lpthread"], check=True)
    with ExitStack() as stack:
        yield [stack.enter_context(_mount(program, backing, home / f"host{it}", environment)) for it in range(count)]


def asked(host: Path, call: str) -> int:
    """How often a host's mount was asked for something."""
    return host.with_name(f"{host.name}.log").read_text().splitlines().count(call)


@contextmanager
def _mount(program: Path, backing: Path, path: Path, environment: dict[str, str]) -> Iterator[Path]:
    path.mkdir()
    options = ["-f", "-o", "allow_other,default_permissions"]
    process = subprocess.Popen(
        [program, backing, path, *options], env={"PATH": os.environ["PATH"], "LOG": f"{path}.log", **environment}
    )
    try:
        while not path.is_mount():
            assert process.poll() is None, "the file system does not start"
            time.sleep(0.02)
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False, stderr=subprocess.DEVNULL)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
