"""Every test comes to an assertion: none has all of them behind an ``if``, an ``except``, or a loop that may have no turn.

A loop has a turn for certain over a literal, a constant, a fixture, or a section of a template. For others the test
says what they have: ``assert found`` before the loop. Hypothesis has ``assume``, which fails where it leaves nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SECTIONS = {
    "Assertions",
    "Outputs",
    "Parameters",
    "Properties",
    "Resources",
    "Rules",
    "children",
    "resources",
    "templates",
}
"""Attributes and keys that are never empty here."""
OVER_ALL = {
    "cases",
    "copy",
    "enumerate",
    "items",
    "keys",
    "list",
    "product",
    "range",
    "sorted",
    "split",
    "values",
    "zip",
}
"""Calls that give something if what they are given has something."""


def vacuous(source: str) -> Iterator[str]:
    """The names of the tests in ``source`` that have assertions, and may pass without any."""
    module = ast.parse(source)
    for test in ast.walk(module):
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            check = _Check(module, test)
            if check.somewhere(test.body) and not check.for_certain(test.body):
                yield f"{test.name}, line {test.lineno}"


class _Check:
    def __init__(self, module: ast.Module, test: ast.FunctionDef) -> None:
        self._given = {it.arg for it in test.args.args}
        self._values = {
            target.id: it.value
            for it in [*module.body, *ast.walk(test)]
            if isinstance(it, ast.Assign | ast.AnnAssign) and it.value
            for target in (it.targets if isinstance(it, ast.Assign) else [it.target])
            if isinstance(target, ast.Name)
        }

    def somewhere(self, body: Iterable[ast.stmt]) -> bool:
        return any(_asserts(it) for statement in body for it in ast.walk(statement))

    def for_certain(self, body: Iterable[ast.stmt]) -> bool:
        """Whether who goes through ``body`` comes to an assertion."""
        for it in body:
            if _asserts(it):
                return True
            if isinstance(it, ast.If) and self.for_certain(it.body) and self.for_certain(it.orelse):
                return True
            if isinstance(it, ast.With | ast.Try) and self.for_certain(it.body):
                return True
            if isinstance(it, ast.Try) and self.for_certain(it.finalbody):
                return True
            if isinstance(it, ast.For) and self._has_items(it.iter) and self.for_certain(it.body):
                return True
            if isinstance(it, ast.If | ast.Try) and any(isinstance(inner, ast.Continue) for inner in ast.walk(it)):
                return False
        return False

    def _has_items(self, it: ast.expr) -> bool:
        match it:
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                return any(
                    not isinstance(element, ast.Starred) or self._has_items(element.value) for element in elements
                )
            case ast.Dict(keys=keys):
                return bool(keys)
            case ast.Constant(value=value):
                return bool(value)
            case ast.Name(id=name):
                return name.isupper() or name in self._given or self._is_known(name)
            case ast.Attribute(value=of, attr=name):
                return name.isupper() or name in SECTIONS or (name == "values" and self._has_items(of))
            case ast.Subscript(slice=ast.Constant(value=name)):
                return name in SECTIONS
            case (
                ast.Subscript(value=of, slice=ast.Slice())
                | ast.ListComp(generators=[ast.comprehension(iter=of, ifs=[])])
            ):
                return self._has_items(of)
            case ast.BinOp(left=left, right=right):
                return self._has_items(left) or self._has_items(right)
            case ast.Call(func=ast.Name(id=name), args=[*given]) if name in OVER_ALL:
                return all(self._has_items(argument) for argument in given)
            case ast.Call(func=ast.Attribute(value=of, attr=name)) if name in OVER_ALL:
                return self._has_items(of)
        return False

    def _is_known(self, name: str) -> bool:
        value = self._values.pop(name, None)  # or `found = sorted(found)` would have no end
        return value is not None and self._has_items(value)


def _asserts(it: ast.AST) -> bool:
    """An assert statement, or ``with pytest.raises(…)``."""
    if isinstance(it, ast.With):
        return any("raises" in ast.unparse(entered.context_expr) for entered in it.items)
    return isinstance(it, ast.Assert)


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_every_test_comes_to_an_assertion(path: Path) -> None:
    assert list(vacuous(path.read_text())) == []
