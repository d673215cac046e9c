"""Libraries that are preloaded into tasks, built with gcc once and for every run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path


def kept() -> Path:
    """A directory for what tests make once, and later runs of this user find."""
    home = Path(tempfile.gettempdir()) / f"container-tests-{os.getuid()}"
    home.mkdir(exist_ok=True)
    return home


def library(name: str) -> Path:
    """That of ``name``.c in this directory."""
    source = Path(__file__).with_name(f"{name}.c")
    built = kept() / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()}.so"
    if not built.exists():
        # Workers of one test run want it at the same time.
        with tempfile.NamedTemporaryFile(dir=built.parent, delete=False) as file:
            subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", file.name, source, "-ldl"], check=True)
            os.replace(file.name, built)
    return built
