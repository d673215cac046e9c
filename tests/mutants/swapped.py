"""Plants a defect in a process that has already imported the module: functions get the code of the changed source."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from functools import _lru_cache_wrapper
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any


class Imported:
    """What this process has of the modules below ``root`` now, before anything is changed."""

    def __init__(self, root: Path, areas: tuple[str, ...]) -> None:
        self._sources = {path: path.read_bytes() for area in areas for path in (root / area).rglob("*.py")}
        self._root = root
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = {}
        self._remembering: list[_lru_cache_wrapper[Any]] = []
        gc.unfreeze()
        for it in gc.get_objects():
            if isinstance(it, FunctionType):
                code = it.__code__
                self._functions.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(it)
            elif (
                isinstance(it, _lru_cache_wrapper) and str(it.__module__).startswith(areas) and it.cache_info().currsize
            ):
                self._remembering.append(it)
        gc.freeze()

    def swap(self, module: str) -> bool:
        """Make the process run the source that ``module`` has now; False if more than one function's body has changed."""
        path = self._root / module
        old, new = (
            compile(it, str(path), "exec", dont_inherit=True) for it in (self._sources[path], path.read_bytes())
        )
        if _shape(old, with_functions=False) != _shape(new, with_functions=False):
            return False
        pairs = zip(_functions(old), _functions(new), strict=True)
        changed = [(before, after) for before, after in pairs if _shape(before) != _shape(after)]
        swapped = [
            (function, after)
            for before, after in changed
            for function in self._functions.get((str(path), before.co_qualname, before.co_firstlineno), ())
            if function.__code__.co_freevars == after.co_freevars
        ]
        if len(changed) != 1 or not swapped:
            return False
        for function, code in swapped:
            function.__code__ = code
        for it in self._remembering:
            it.cache_clear()
        return True


def _functions(code: CodeType) -> Iterator[CodeType]:
    """The functions of a module and of its classes, without those within functions."""
    for it in code.co_consts:
        if isinstance(it, CodeType):
            if it.co_flags & inspect.CO_OPTIMIZED:
                yield it
            else:
                yield from _functions(it)


def _shape(code: CodeType, *, with_functions: bool = True) -> tuple[object, ...]:
    """Equal for code that does the same, wherever its lines are."""
    consts = [
        it if not isinstance(it, CodeType)
        else _shape(it, with_functions=with_functions) if with_functions or not it.co_flags & inspect.CO_OPTIMIZED
        else it.co_qualname
        for it in code.co_consts
    ]  # fmt: skip
    # True equals 1, and -0.0 equals 0.0.
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags,
        repr(consts),
    )
