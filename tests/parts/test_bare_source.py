"""What is left of a module without its comments and docstrings does the same, line by line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from generator.parts.bare_source import bare_source
from generator.parts.container_program import HOME

MODULES = sorted(HOME.rglob("*.py"))
ODD = {
    "text with a hash": 'a = "# no comment"  # comment\n',
    "text with empty lines": 'a = """x\n\n# no comment\n   \ny"""\n',
    "text with odd line ends": 'a = """x\x0cy\u2028z\x85"""  # comment\nb = 1  # comment\n',
    "docstring alone": 'class A:\n    """Docstring."""\n\n\nclass B(A): ...\n',
    "docstring of lines": 'def f() -> int:\n    """Docstring\n\n    of lines.\n    """\n\n    return 1\n',
    "docstring on the line of its function": 'def f(): """Docstring."""\n',
    "docstring before a statement": 'def f() -> int:\n    "Docstring, é."; return 1\n',
    "docstring of lines before a statement": 'def f() -> int:\n    """Docstring\n    é."""; return 1  # comment\n',
    "docstrings in a row": '"""Docstring\n."""; """Docstring.\n"""; a = 1\n',
    "docstring in parts": 'def f():\n    ("Docstring"  # comment\n     "Docstring")\n',
    "docstring before the future": '"""Docstring."""\nfrom __future__ import annotations\n',
    "nested": 'class A:\n    """Docstring."""\n\n    def f(self) -> None:\n        """Docstring."""\n',
    "formatted text": 'b = 1\na = f"""{b}\n\n#"""\n',
    "text behind what it is of": 'a = 1\n"""Docstring."""\n',
    "comments alone": "# a\n# b\n",
    "beyond ASCII": 'a = "é"  # é\nb = a\n',
    "in brackets": "a = [\n    1,  # one\n\n    # two\n    2,\n]\n",
    "after a backslash": "a = 1 + \\\n    2  # comment\n",
    "without an end": "a = 1  # comment",
    "nothing": "",
}


def _meaning(source: str) -> tuple[str, list[int]]:
    """What it is, and the line of every statement and expression; of a text that is a statement, only that it is one."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
    return ast.dump(tree), [getattr(node, "lineno", 0) for node in ast.walk(tree)]


@pytest.mark.parametrize("source", ODD.values(), ids=ODD)
def test_odd_sources(source: str) -> None:
    bare = bare_source(source)
    assert _meaning(bare) == _meaning(source)
    assert "Docstring" not in bare
    assert "  #" not in bare.replace('"# no comment"', "")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(HOME)))
def test_our_modules(module: Path) -> None:
    source = module.read_text()
    bare = bare_source(source)
    assert _meaning(bare) == _meaning(source)
    assert bare_source(bare) == bare
