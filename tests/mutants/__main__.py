"""``make mutants``: plants defects, runs the tests that can see them, and lists those that nothing notices.

Each defect is planted alone in a copy of the checkout. Its tests are those that were seen to run the function
(``recorded.py``); if there are none, those in files whose imports lead to the module (``imports.py``). One that fails,
ends in an error or takes too long has caught it. What survives may be planted together (``together.py``). Golden files are
no tests: `make templates` would write the defect into them.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.checkouts import Judge, checkouts
from tests.mutants.chosen import Chosen, Planted
from tests.mutants.defects import defects
from tests.mutants.recorded import load, record, save
from tests.mutants.runner import AREAS
from tests.mutants.together import failing

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / ".mutants" / "recorded.json"
HARMLESS = Path(__file__).with_name("harmless.toml")
# Seconds of tests for a defect: one that breaks every request makes most of them fail, and others wait behind it.
_ENOUGH_OF_FAILING = 60


def main() -> int:
    """Exit code 1 if a defect survives that harmless.toml does not explain, 2 if a test fails with nothing planted."""
    options = _options()
    end = time.monotonic() + options.budget if options.budget else float("inf")
    if options.record:
        return _record(options.only, options.jobs)
    candidates = [
        Planted(module, defect)
        for module, lines in _modules(options.only, options.since).items()
        for defect in defects((ROOT / module).read_bytes())
        if lines is None or defect.line in lines
    ]
    chosen = _sample(candidates, options.sample, random.Random(options.seed))
    told = {it: _told(it) for it in chosen if not _is_harmless(it)}  # of the sources as they are now
    print(f"{len(chosen)} of {len(candidates)} defects, seed {options.seed}", flush=True)
    print(f"{len(chosen) - len(told)} are harmless", flush=True)
    recorded = load(RECORDED)
    chosen_tests = Chosen(ROOT, recorded, options.nearest, options.enough)
    judge = Judge(chosen_tests, chosen_tests.runs_at_import, options.seconds, end)
    verdicts = dict(_verdicts(list(told), told, judge, options.jobs))
    broken = judge.broken
    while options.together and (left := [it for it, test in verdicts.items() if not test]):
        names = failing(ROOT, left, 2 * options.jobs) - broken
        print(f"{len(names)} tests fail with all {len(left)} that survive planted at once", flush=True)
        chosen_tests = Chosen(ROOT, recorded, enough=_ENOUGH_OF_FAILING, among=names)
        judge = Judge(chosen_tests, chosen_tests.runs_at_import, options.seconds, float("inf"))
        verdicts |= _verdicts(left, told, judge, options.jobs)
        broken = broken | judge.broken
        if all(not verdicts[it] for it in left):
            break
    if len(verdicts) < len(told):
        print(f"{len(told) - len(verdicts)} not judged: the time is up")
    return _report(verdicts, told, broken)


def _report(verdicts: Mapping[Planted, str | None], told: Mapping[Planted, str], broken: Set[str]) -> int:
    """Tell what was caught, and what survived; the exit code."""
    survivors = [told[it] for it, test in verdicts.items() if not test]
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    for it, test in verdicts.items():
        counts[str(Path(it.module).parent)][bool(test)] += 1
    for area, of_area in sorted(counts.items()):
        print(f"{area}: {of_area[True]} of {of_area.total()} caught")
    print(f"in all: {len(verdicts) - len(survivors)} of {len(verdicts)} caught")
    print("\n".join(["", *survivors]))
    if broken:
        print("These fail with nothing planted, and judged nothing:", *sorted(broken), sep="\n", file=sys.stderr)
        return 2
    return 1 if survivors else 0


def _verdicts(
    planted: list[Planted], told: Mapping[Planted, str], judge: Judge, jobs: int
) -> Iterator[tuple[Planted, str | None]]:
    """As `_judged`, and tells it."""
    for number, (it, test) in enumerate(_judged(planted, judge, jobs), 1):
        print(f"{number}/{len(planted)} {f'caught by {test}:' if test else 'SURVIVED'} {told[it]}", flush=True)
        yield it, test


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("only", nargs="*", help="modules, or tests with --record, or folders of them; all if none")
    parser.add_argument("--record", action="store_true", help="note which functions each test runs, and end")
    parser.add_argument("--sample", type=int, default=200, help="so many defects at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300, help="for a run of tests")
    parser.add_argument("--since", metavar="REV", help="only on lines that changed since this commit")
    parser.add_argument("--nearest", type=int, metavar="N", help="runs so many test files for a defect, at most")
    parser.add_argument(
        "--enough", type=float, default=60, metavar="SECONDS", help="of recorded tests for a defect, at most"
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="plants all that survive at once, runs all tests, and judges by what fails",
    )
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="plants no more after so many seconds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many at once")
    return parser.parse_args()


def _record(only: list[str], jobs: int) -> int:
    every = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
    tests = [it for it in every if _is_within(it, only)]
    recorded = {test: it for test, it in load(RECORDED).items() if (ROOT / test).exists()}
    with ThreadPoolExecutor(jobs) as pool:
        for number, (test, it) in enumerate(
            zip(tests, pool.map(lambda test: record(ROOT, test), tests), strict=True), 1
        ):
            recorded[test] = it
            print(f"{number}/{len(tests)} {test} {sum(it.seconds.values()):.0f} s, {len(it.seconds)} tests", flush=True)
            save(RECORDED, recorded)
    return 0


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
        last = [of_kind.pop() for of_kind in kinds.values() if of_kind]
        chosen += [it for it in last if it.defect.compiles_in((ROOT / it.module).read_bytes())]
    return chosen[:size]


def _judged(chosen: list[Planted], judge: Judge, jobs: int) -> Iterator[tuple[Planted, str | None]]:
    """Each with what caught it, as long as there is time."""
    with checkouts(ROOT, jobs) as queue, ThreadPoolExecutor(jobs) as pool:

        def attempt(it: Planted) -> list[tuple[Planted, str | None]]:
            checkout = queue.get()
            try:
                return [(it, judge.caught_by(checkout, it))]
            except TimeoutError:
                return []
            finally:
                queue.put(checkout)

        for judged in pool.map(attempt, chosen):
            yield from judged


def _told(it: Planted) -> str:
    old = (ROOT / it.module).read_bytes()[it.defect.start : it.defect.end].decode()
    change = " -> ".join(re.sub(r"\s+", " ", text).strip()[:70] or "nothing" for text in (old, it.defect.new))
    return f"{it.module}:{it.defect.line} {it.defect.kind}: {change}"


def _is_harmless(it: Planted) -> bool:
    """Whether harmless.toml explains it."""
    before, after = it.defect.around((ROOT / it.module).read_bytes())
    for known in tomllib.loads(HARMLESS.read_text())["harmless"]:
        left, right = known["line"].split("^")
        is_there = it.module.startswith(known["module"]) and it.defect.kind == known["kind"]
        if is_there and before.endswith(left) and after.startswith(right):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
