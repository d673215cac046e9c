"""Python source without what only its readers need: comments, docstrings, empty lines."""

from __future__ import annotations

import ast
import io
import tokenize


def bare_source(source: str) -> str:
    """``source`` as a module that does the same, with its other lines as they are.

    The same text from every version of Python that can parse ``source``, as nothing is written anew. Raises
    SyntaxError where it cannot be parsed.
    """
    tree = ast.parse(source)
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    inside_text = _rows_inside_text(tree)
    for row, indented in _docstrings(tree).items():
        lines[row - 1] = indented
    kept = [line for row, line in enumerate(lines, 1) if line.strip() or row in inside_text]
    return "\n".join(kept) + "\n" if kept else ""


def _docstrings(tree: ast.Module) -> dict[int, str]:
    """What stands instead in the rows of docstrings: nothing, or a statement where there is no other."""
    replaced: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                assert first.end_lineno is not None
                replaced |= dict.fromkeys(range(first.lineno, first.end_lineno + 1), "")
                if len(node.body) == 1 and not isinstance(node, ast.Module):
                    replaced[first.lineno] = " " * first.col_offset + "pass"
    return replaced


def _rows_inside_text(tree: ast.Module) -> set[int]:
    """The rows on which a text begun on an earlier row goes on; an empty one of them belongs to the text."""
    rows: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            assert node.end_lineno is not None
            rows |= set(range(node.lineno + 1, node.end_lineno + 1))
    return rows - _docstrings(tree).keys()
