"""How the commands were called, for messages that tell what to call next."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path


def called_as() -> str:
    """Words for a shell in the same directory. `bin/pypiserver-aws` gives its own name."""
    if given := os.environ.get("GENERATOR_PROGRAM"):
        return given
    python, here = Path(sys.executable), Path.cwd()
    return shlex.join([str(python.relative_to(here) if python.is_relative_to(here) else python), "-m", "generator"])
