"""`make corpus`: what a registry has and installers take is accepted here, and said to be the same."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path

from pip._internal.exceptions import PipError
from pip._internal.models.link import Link

from tests.server.conftest import IMAGES, python_with
from tests.server.tasks import Task

from .comparing import compare, installers_that_take, project_of
from .eyes import Eyes

OUTCOMES = ("the same", "refused as by installers", "explained", "different", "not there")
_LIST = Path(__file__).with_name("corpus.toml")


class Corpus:
    """Tells what becomes of each file; `cache` keeps what was downloaded."""

    def __init__(self, eyes: Eyes, task: Task, cache: Path, explained: dict[str, str]) -> None:
        self._eyes, self._task, self._cache, self._explained = eyes, task, cache, explained
        self._pages: dict[tuple[str, str], dict[str, Link]] = {}
        self._tried = 0

    def outcome(self, name: str) -> tuple[str, str]:
        """One of OUTCOMES, and why."""
        theirs = self._link(name)
        if theirs is None:
            return "not there", ""
        path = self._cache / name
        if not path.exists():
            path = self._eyes.download(theirs, self._cache)
        self._tried += 1
        found = compare(self._eyes, self._task, path, theirs, self._tried)
        differs = found.differs
        if found.refused:
            takers = installers_that_take(path)
            if not takers:
                return "refused as by installers", found.refused
            differs = [f"{' and '.join(takers)} would install it: {found.refused}"]
        if not differs:
            return "the same", ""
        explanation = self._explained.get(name)
        return ("explained", explanation) if explanation else ("different", "; ".join(differs))

    def _link(self, name: str) -> Link | None:
        project = project_of(name)
        for registry in self._eyes.registries:
            if (registry, project) not in self._pages:
                self._pages[registry, project] = self._eyes.links(registry, project)
            if link := self._pages[registry, project].get(name):
                return link
        return None


def main() -> int:
    listed = tomllib.loads(_LIST.read_text())
    parser = argparse.ArgumentParser(prog="make corpus")
    parser.add_argument("cache", type=Path)
    names = [kind["name"] for kind in listed["kind"]]
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of: {', '.join(names)}")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(names):
        parser.error(f"no kind is called {', '.join(unknown)}")
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    counts: dict[str, Counter[str]] = {}
    began = time.monotonic()
    with Eyes() as eyes, tempfile.TemporaryDirectory() as home:
        directory = Path(home, "packages")
        directory.mkdir()
        # Files of one release come years after each other.
        task = Task(python_with("newest", IMAGES["newest"]), directory, Path(home, "task"), {"RELEASE_OPEN_DAYS": "0"})
        eyes.callback(task.kill)
        task.wait_until_ready()
        corpus = Corpus(eyes, task, cache, listed["explained"])
        for kind in listed["kind"]:
            if options.kinds and kind["name"] not in options.kinds:
                continue
            counted = counts[kind["name"]] = Counter()
            for name in kind["files"]:
                print(
                    f"\r{time.monotonic() - began:5.0f} s {name}".ljust(110)[:110], end="", file=sys.stderr, flush=True
                )
                try:
                    outcome, why = corpus.outcome(name)
                except PipError as error:
                    outcome, why = "not there", str(error)
                counted[outcome] += 1
                if outcome != "the same":
                    print(f"\n{name}: {outcome}: {why}", flush=True)
    return _report(counts)


def _report(counts: dict[str, Counter[str]]) -> int:
    """The exit code: 1 where something is different."""
    print(f"\n{'':26}" + "".join(f"{outcome:>26}" for outcome in OUTCOMES))
    counts["in all"] = sum(counts.values(), Counter())
    for kind, counted in counts.items():
        print(f"{kind:26}" + "".join(f"{counted[outcome]:26}" for outcome in OUTCOMES))
    return int(bool(counts["in all"]["different"]))


if __name__ == "__main__":
    sys.exit(main())
