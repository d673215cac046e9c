"""Which tests judge a defect, the most telling first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.mutants.defects import Defect, users
from tests.mutants.imports import remoteness, that_may_run
from tests.mutants.recorded import Recorded


class Planted(NamedTuple):
    module: str
    defect: Defect


class Test(NamedTuple):
    """``name`` is a test's, or that of a file of which nothing is recorded; only such a file has no ``seconds``."""

    name: str
    seconds: float | None

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]

    @property
    def function(self) -> str:
        return self.name.partition("[")[0]


class Chosen:
    """Of the checkout at ``root``. ``nearest`` is the most files for a defect, None for all; ``enough`` the seconds that those
    whose time is known take together. If there are names ``among``, no others are chosen, nor files without one of them.
    """

    def __init__(
        self,
        root: Path,
        recorded: Mapping[str, Recorded],
        nearest: int | None = None,
        enough: float = math.inf,
        among: Set[str] | None = None,
    ) -> None:
        self._root = root
        self._recorded = recorded
        self._nearest = nearest
        self._enough = enough
        self._among = None if among is None else {*among, *(it.partition("::")[0] for it in among)}
        self._of_functions = cache(self._found)

    def __call__(self, it: Planted) -> list[Test]:
        """The nearest first, and of those as near as each other those that run much of the module in little time. The more sets
        of parameters of a test come before one, the less it counts. A variable of the module is seen by those that run a
        function which uses it, if there is one.
        """
        functions: tuple[str, ...] = (it.defect.function,)
        if functions == ("",):
            using = tuple(users((self._root / it.module).read_bytes(), it.defect.line))
            # Those that no test runs may only have it in annotations.
            return (self._of_functions(it.module, using) if using else []) or self._of_functions(it.module, functions)
        return self._of_functions(it.module, functions)

    def runs_at_import(self, it: Planted) -> bool:
        """Whether the function may have run before any test: all tests of some file run it, or nothing is recorded."""
        masks = [
            (recorded.functions.get(it.module, {}).get(it.defect.function, 0), len(recorded.seconds))
            for recorded in self._recorded.values()
        ]
        return not any(mask for mask, _ in masks) or any(mask == (1 << tests) - 1 for mask, tests in masks if tests > 1)

    def _found(self, module: str, functions: tuple[str, ...]) -> list[Test]:
        ranked = sorted(self._ranked(module, functions))
        is_watched = any(test.seconds is not None for _, test in ranked)
        tests = [test for (far, _), test in ranked if not is_watched or test.seconds is not None or not far]
        if self._among is not None:
            tests = [it for it in tests if it.name in self._among]
        files = list(dict.fromkeys(it.file for it in tests))[: self._nearest]
        chosen, left = [], self._enough
        for it in tests:
            if it.file in files and (it.seconds or 0) <= left:
                chosen.append(it)
                left -= it.seconds or 0
        return chosen

    def _ranked(self, module: str, functions: tuple[str, ...]) -> Iterator[tuple[tuple[int, float], Test]]:
        near = that_may_run(self._root, module)
        for distance, file in enumerate([*near, *sorted(self._recorded.keys() - near)]):
            far = remoteness(file, module)
            recorded = self._recorded.get(file)
            # What a test runs as text is not recorded.
            if recorded is None or not (far or module in recorded.functions):
                yield (far, distance), Test(file, None)
                continue
            sets: Counter[str] = Counter()
            running = recorded.that_run(module, functions)
            for name in sorted(running, key=recorded.seconds.__getitem__):
                test = Test(name, recorded.seconds[name])
                sets[test.function] += 1
                yield (far, sets[test.function] * recorded.seconds[name] / running[name]), test
