"""Which test files run which functions, in whatever process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.mutants.runner import OPTIONS

FOLLOW = Path(__file__).with_name("follow")


class Recorded(NamedTuple):
    """Of one test file: how long it takes, and the functions that it runs, by module; a module's level is named ""."""

    seconds: float
    functions: dict[str, list[str]]


def record(root: Path, test: str) -> Recorded:
    """Run the test file ``test`` of the checkout at ``root``."""
    with tempfile.NamedTemporaryFile() as notes:
        path = os.pathsep.join(filter(None, [str(FOLLOW), os.environ.get("PYTHONPATH")]))
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, "-p", "tests.mutants.into_children", test],
            cwd=root,
            env={**os.environ, "PYTHONPATH": path, "FOLLOW_INTO": notes.name},
            stdout=subprocess.DEVNULL,
            timeout=1800,
            check=False,
        )
        functions: dict[str, set[str]] = {}
        for line in Path(notes.name).read_text().splitlines():
            module, _, function = line.partition("\t")
            functions.setdefault(module, set()).add(function)
    found = {module: sorted(names) for module, names in sorted(functions.items()) if (root / module).exists()}
    return Recorded(round(time.monotonic() - began, 1), found)


def load(path: Path) -> dict[str, Recorded]:
    """By test file; nothing where there is no file."""
    return {test: Recorded(*it) for test, it in json.loads(path.read_text()).items()} if path.exists() else {}


def save(path: Path, recorded: dict[str, Recorded]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(recorded, indent=0, sort_keys=True) + "\n")


def that_run(recorded: dict[str, Recorded], module: str, function: str) -> dict[str, int]:
    """The test files which run ``function`` of ``module``, and how many of the module's functions each of them runs."""
    seeing = {test: it.functions.get(module, []) for test, it in recorded.items()}
    return {test: len(functions) for test, functions in seeing.items() if function in functions}
