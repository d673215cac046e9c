"""``programs.py TARGET`` says in one line what a target of the Makefile needs of Debian that this machine lacks.

The exit code is 1 where the target cannot begin without, and 0 where only some tests are skipped or fail.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

MOUNTS = {"fuse3": "fusermount3", "libfuse3-dev": "/usr/include/fuse3/fuse.h", "pkg-config": "pkg-config", "gcc": "gcc"}
"""A program or a file of each package."""

TESTS = {name: name for name in ("cloud-init", "fish", "gcc", "nginx", "openssl", "zsh")} | {"e2fsprogs": "mkfs.ext2"}
BENCH = {"nginx": "nginx", "wrk": "wrk"} | MOUNTS
NEEDED = {
    "test": TESTS,
    "test-slow": TESTS | MOUNTS | {"chromium": "chromium", "npm": "npm", "wrk": "wrk"},
    "audit": {"npm": "npm"},
    "model": MOUNTS,
    "fuzz": {"gcc": "gcc", "nginx": "nginx"},
    "bench-short": BENCH,
    "bench": BENCH | {"npm": "npm"},
}


def missing(target: str) -> list[str]:
    """The packages that ``target`` of the Makefile lacks."""
    path = f"{os.environ['PATH']}:/usr/sbin"  # where Debian has nginx, and not every shell looks
    return [
        package
        for package, found in NEEDED[target].items()
        if not (shutil.which(found, path=path) or (found.startswith("/") and Path(found).exists()))
    ]


if __name__ == "__main__":
    if packages := " ".join(missing(sys.argv[1])):
        optional = sys.argv[1].startswith("test")
        what = "has tests that need" if optional else "needs"
        print(f"make {sys.argv[1]} {what}: apt-get install {packages}", file=sys.stderr)
        sys.exit(not optional)
