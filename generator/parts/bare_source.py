"""Python source without what only its readers need: comments, docstrings, annotations of all but fields, empty lines."""

from __future__ import annotations

import ast
import io
import tokenize
from itertools import accumulate


def bare_source(source: str) -> str:
    """``source`` as a module that does the same unless it looks at annotations, with its other text as it is.

    The same text from every version of Python that can parse ``source``, as nothing is written anew. Raises
    SyntaxError where it cannot be parsed.
    """
    source = _without_annotations(source)
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


def _without_annotations(source: str) -> str:
    """``source`` without the types of parameters, variables and what functions give; a class's fields keep theirs."""
    text = source.encode()
    starts = list(accumulate((len(row) for row in text.splitlines(keepends=True)), initial=0))

    def end(node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return starts[node.end_lineno - 1] + node.end_col_offset

    tree = ast.parse(source)
    fields = {field for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for field in node.body}
    cuts: list[tuple[int, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and node.value and node not in fields:
            cuts.append((text.index(b":", end(node.target)), end(node.annotation)))
        if isinstance(node, ast.arg) and node.annotation:
            name = starts[node.lineno - 1] + node.col_offset + len(node.arg.encode())
            cuts.append((name, end(node.annotation)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            cuts.append((text.rindex(b" ->", 0, end(node.returns)), text.index(b":", end(node.returns))))
    for first, last in sorted(cuts, reverse=True):
        text = text[:first] + text[last:]
    return text.decode()


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
