"""pip and uv, as they take or refuse a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from forked import forked

Taken: TypeAlias = Callable[[Path], bool]
"""Whether one of them installs the file, which is alone in a directory."""

UV = (Path(sys.executable).with_name("uv"), "pip", "install", "--no-config", "--python", sys.executable)
PIP = "import pip._internal.commands.install\nfrom pip._internal.cli.main import main"


@contextmanager
def installers(home: Path) -> Iterator[Taken]:
    """With ``home``, an empty directory, as uv's cache."""
    with forked(PIP, home, os.environ) as pip:

        def taken(path: Path) -> bool:
            options = ("--no-index", "--no-deps", "--no-build-isolation", "--target", path.parent / "site", path)
            # uv first, as it is quick; what it takes pip need not take.
            by_uv = subprocess.run([*UV, "--cache-dir", home, *options], capture_output=True, check=False)
            return by_uv.returncode == 0 or pip("install", "--isolated", *options).returncode == 0

        yield taken
