"""``pypiserver-aws`` as a program: this checkout's, where its wheel is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def installed(directory: Path) -> Path:
    """A script like the one that an installer makes, in ``directory``, which is made."""
    directory.mkdir(parents=True, exist_ok=True)
    script = directory / "pypiserver-aws"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from generator.__main__ import run\nsys.exit(run())\n"
    )
    script.chmod(0o755)
    return script
