"""What is left of a module without its comments and annotations does the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from generator.parts.bare_source import bare_source

MODULES = sorted((Path(__file__).parents[2] / "generator").rglob("*.py"))
ODD = {
    "text with a hash": 'a = "# no comment"  # comment\n',
    "text with empty lines": 'a = """x\n\n# no comment\n   \ny"""\n',
    "docstring alone": 'class A:\n    """Docstring."""\n\n\nclass B(A): ...\n',
    "docstring of lines": 'def f() -> int:\n    """Docstring\n\n    of lines.\n    """\n\n    return 1\n',
    "nested": 'class A:\n    """Docstring."""\n\n    def f(self) -> None:\n        """Docstring."""\n',
    "formatted text": 'b = 1\na = f"""{b}\n\n#"""\n',
    "text that is no docstring": 'a = 1\n"""Of a."""\n',
    "comments alone": "# a\n# b\n",
    "beyond ASCII": 'a = "é"  # é\nb = a\n',
    "annotations": "def f(a: 'é -> :', /, *b: int, c: dict[str, int] = {}, **d: x.y) -> list[int]: return 1  # a: b\n",
    "annotations of rows": "async def f(\n    é: list[\n        int\n    ] = [],\n) -> (\n    int\n):\n    a: int = 1\n",
    "variables": "a: int = 1\n(b): 'é:' = a, a\n\n\nclass A:\n    def f(self) -> None:\n        self.d[1:2]: list[int] = []\n",
    "fields": "class A:\n    a: int\n    b: str = ''\n",
    "in brackets": "a = [\n    1,  # one\n\n    # two\n    2,\n]\n",
}


class _Bare(ast.NodeTransformer):
    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.body = [field if isinstance(field, ast.AnnAssign) else self.visit(field) for field in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        return ast.Assign(targets=[node.target], value=node.value) if node.value else node


def _meaning(source: str) -> str:
    tree = _Bare().visit(ast.parse(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
            if not node.body and not isinstance(node, ast.Module):
                node.body = [ast.Pass()]
    return ast.dump(tree)


@pytest.mark.parametrize("source", ODD.values(), ids=ODD)
def test_odd_sources(source: str) -> None:
    bare = bare_source(source)
    assert _meaning(bare) == _meaning(source)
    assert "Docstring" not in bare
    assert "  #" not in bare.replace('"# no comment"', "")
    assert "int" not in bare or "a: int" in bare


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_our_modules(module: Path) -> None:
    source = module.read_text()
    bare = bare_source(source)
    assert _meaning(bare) == _meaning(source)
    assert bare_source(bare) == bare
