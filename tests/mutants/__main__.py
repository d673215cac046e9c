"""``make mutants``: plants defects, runs the tests that can see them, and lists those that nothing notices.

Each defect is planted alone in a copy of the checkout. Its tests are those that run the function (``recorded.py``), and
a run of them that fails, ends in an error or takes too long has caught it. Golden files are no tests: `make templates`
would write the defect into them.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests.mutants.defects import Defect, defects
from tests.mutants.recorded import PYTEST, Recorded, load, record, save, that_run

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / ".mutants" / "recorded.json"
HARMLESS = Path(__file__).with_name("harmless.toml")
AREAS = ("generator", "server", "functions")
AT_ONCE = os.cpu_count() or 1


class Planted(NamedTuple):
    module: str
    defect: Defect

    def told(self, source: bytes) -> str:
        old = source[self.defect.start : self.defect.end].decode()
        change = " -> ".join(re.sub(r"\s+", " ", text).strip()[:70] or "nothing" for text in (old, self.defect.new))
        return f"{self.module}:{self.defect.line} {self.defect.kind}: {change}"


def main() -> int:
    """Exit code 1 if a defect survives that harmless.toml does not explain."""
    options = _options()
    if options.record:
        return _record(options.only)
    recorded = load(RECORDED)
    if unknown := len(set(_tests()) - recorded.keys()):
        print(f"{unknown} test files are not recorded, and are not run: make mutants ARGS=--record")
    candidates = [
        Planted(module, defect)
        for module, lines in _modules(options.only, options.since).items()
        for defect in defects((ROOT / module).read_bytes())
        if lines is None or defect.line in lines
    ]
    chosen = _sample(candidates, options.sample, random.Random(options.seed))
    print(f"{len(chosen)} of {len(candidates)} defects, seed {options.seed}", flush=True)
    counts = {area: [0, 0] for area in AREAS}
    survivors = []
    for number, (planted, is_caught) in enumerate(_try_all(chosen, recorded, options.seconds), 1):
        told = planted.told((ROOT / planted.module).read_bytes())
        is_known = not is_caught and _is_harmless(planted)
        if not is_known:
            counts[planted.module.partition("/")[0]][is_caught] += 1
        if not is_caught and not is_known:
            survivors.append(told)
        print(
            f"{number}/{len(chosen)} {'caught' if is_caught else 'harmless' if is_known else 'SURVIVED'} {told}",
            flush=True,
        )
    for area, (survived, caught) in counts.items():
        if survived + caught:
            print(f"{area}: {caught} of {survived + caught} caught, {caught / (survived + caught):.1%}")
    print("\n".join(["", *survivors]))
    return 1 if survivors else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("only", nargs="*", help="modules, or tests with --record, or folders of them; all if none")
    parser.add_argument("--record", action="store_true", help="note which functions each test file runs, and end")
    parser.add_argument("--sample", type=int, default=200, help="so many defects at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300, help="for the tests of one defect")
    parser.add_argument("--since", metavar="REV", help="only on lines that changed since this commit")
    return parser.parse_args()


def _record(only: list[str]) -> int:
    tests = [it for it in _tests() if _is_within(it, only)]
    recorded = {test: it for test, it in load(RECORDED).items() if (ROOT / test).exists()}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, (test, it) in enumerate(
            zip(tests, pool.map(lambda test: record(ROOT, test), tests), strict=True), 1
        ):
            recorded[test] = it
            print(f"{number}/{len(tests)} {test} {it.seconds:.0f} s, {len(it.functions)} modules", flush=True)
            save(RECORDED, recorded)
    return 0


def _tests() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))


def _is_within(path: str, only: list[str]) -> bool:
    return not only or any(path == it or path.startswith(f"{it.rstrip('/')}/") for it in only)


def _modules(only: list[str], since: str | None) -> dict[str, set[int] | None]:
    """Paths of modules, with the lines that may be touched; None stands for all."""
    paths = [str(path.relative_to(ROOT)) for area in AREAS for path in sorted((ROOT / area).rglob("*.py"))]
    paths = [path for path in paths if _is_within(path, only)]
    if since is None:
        return dict.fromkeys(paths)
    changed: dict[str, set[int] | None] = {}
    for path in paths:
        diff = subprocess.run(
            ["git", "diff", "-U0", since, "--", path], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        hunks = re.findall(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", diff, re.MULTILINE)
        if lines := {line for first, count in hunks for line in range(int(first), int(first) + int(count or 1))}:
            changed[path] = lines
    return changed


def _sample(candidates: list[Planted], size: int, chance: random.Random) -> list[Planted]:
    """As many of each kind as there are, in no order; otherwise two of three would be constants."""
    kinds: dict[str, list[Planted]] = {}
    for planted in candidates:
        kinds.setdefault(planted.defect.kind, []).append(planted)
    for of_kind in kinds.values():
        chance.shuffle(of_kind)
    chosen: list[Planted] = []
    while len(chosen) < size and any(kinds.values()):
        chosen += [of_kind.pop() for of_kind in kinds.values() if of_kind]
    return chosen[:size]


def _try_all(chosen: list[Planted], recorded: dict[str, Recorded], seconds: float) -> Iterator[tuple[Planted, bool]]:
    with _copies() as copies, ThreadPoolExecutor(AT_ONCE) as pool:

        def attempt(planted: Planted) -> tuple[Planted, bool]:
            copy = copies.get()
            try:
                return planted, _is_caught(copy, planted, recorded, seconds)
            finally:
                copies.put(copy)

        yield from pool.map(attempt, chosen)


@contextmanager
def _copies() -> Iterator[SimpleQueue[Path]]:
    """Checkouts to plant defects in, one for each process."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    with tempfile.TemporaryDirectory(prefix="mutants-") as home:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            copy = Path(home) / str(number)
            for name in filter(None, listed.split("\0")):
                if (ROOT / name).is_file():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / name, copy / name)
            (copy / ".venv").symlink_to((ROOT / ".venv").resolve())
            subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
            copies.put(copy)
        yield copies


def _is_caught(copy: Path, planted: Planted, recorded: dict[str, Recorded], seconds: float) -> bool:
    path = copy / planted.module
    source = path.read_bytes()
    tests = list(that_run(recorded, planted.module, planted.defect.function))
    if not tests:
        return False
    path.write_bytes(planted.defect.planted(source))
    try:
        return not _passes(copy, tests, seconds)
    finally:
        path.write_bytes(source)


def _passes(copy: Path, tests: list[str], seconds: float) -> bool:
    """Whether the test files pass in the time that they have; those that wait for what never comes do not."""
    process = subprocess.Popen(
        [*PYTEST, "-x", *tests],
        cwd=copy,
        # Bytecode is told from newer source by seconds and size, which a defect need not change.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_harmless(planted: Planted) -> bool:
    """Whether harmless.toml explains it."""
    line = (ROOT / planted.module).read_text().splitlines()[planted.defect.line - 1]
    listed = tomllib.loads(HARMLESS.read_text())["harmless"] if HARMLESS.exists() else []
    return any(
        it["module"] == planted.module and it["kind"] == planted.defect.kind and it["line"] in line for it in listed
    )


if __name__ == "__main__":
    sys.exit(main())
