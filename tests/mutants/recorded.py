"""Which tests run which functions, in whatever process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.mutants.runner import OPTIONS

FOLLOW = Path(__file__).with_name("follow")


class Recorded(NamedTuple):
    """Of one test file: the seconds that each test takes, and which of them run a function of a module, a bit for each.

    The functions of a module are those that any test runs; its level is named "". What runs at import, every test runs.
    """

    seconds: dict[str, float]
    functions: dict[str, dict[str, int]]

    def that_run(self, module: str, any_of: Iterable[str]) -> dict[str, int]:
        """The tests that run one of these functions, and how many of all the module's functions each of them runs."""
        functions = self.functions.get(module, {})
        running = 0
        for name in any_of:
            running |= functions.get(name, 0)
        return {
            test: sum(it >> number & 1 for it in functions.values())
            for number, test in enumerate(self.seconds)
            if running >> number & 1
        }


def record(root: Path, test: str) -> Recorded:
    """Run the test file ``test`` of the checkout at ``root``. Of tests that do not pass there is nothing."""
    with tempfile.TemporaryDirectory(prefix="recorded-") as home:
        into = Path(home)
        (into / "now").write_bytes(bytes(4))
        (into / "notes").touch()
        searched = os.pathsep.join(filter(None, [str(FOLLOW), os.environ.get("PYTHONPATH")]))
        subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, "-p", "tests.mutants.noting", test],
            cwd=root,
            env={**os.environ, "PYTHONPATH": searched, "FOLLOW_INTO": home},
            stdout=subprocess.DEVNULL,
            timeout=1800,
            check=False,
        )
        # An error at its beginning leaves nothing.
        tests = json.loads(path.read_text()) if (path := into / "tests.json").exists() else {}
        noted: dict[int, set[tuple[str, str]]] = {0: set()}
        for line in (into / "notes").read_text().splitlines():
            number, module, function = line.split("\t")
            noted.setdefault(int(number), set()).add((module, function))
    functions: dict[str, dict[str, int]] = {}
    for bit, (_, numbers) in enumerate(tests.values()):
        for module, function in set().union(*(noted.get(it, ()) for it in (0, *numbers))):
            of_module = functions.setdefault(module, {})
            of_module[function] = of_module.get(function, 0) | 1 << bit
    return Recorded({test: seconds for test, (seconds, _) in tests.items()}, functions)


def load(path: Path) -> dict[str, Recorded]:
    """By test file; nothing where there is no file."""
    return {test: Recorded(*it) for test, it in json.loads(path.read_text()).items()} if path.exists() else {}


def save(path: Path, recorded: dict[str, Recorded]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(recorded) + "\n")
