"""Python source without what only readers need: the text of comments and docstrings."""

from __future__ import annotations

import ast
import io
import tokenize


def bare_source(source: str) -> str:
    """``source`` with empty comments and docstrings, and everything else unchanged, on its line.

    So it does the same, and a traceback names the lines of ``source``. Every version of Python that can parse ``source``
    gives the same text, as nothing is rewritten. Raises SyntaxError if it cannot be parsed.
    """
    lines = _without_docstrings(source).split("\n")
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines)


def _without_docstrings(source: str) -> str:
    """``source`` with empty text, of as many lines, for every statement that is only a text."""
    lines = source.encode().split(b"\n")
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    # From the end, so that columns of earlier text stay valid.
    for text in sorted(texts, key=lambda it: (it.lineno, it.col_offset), reverse=True):
        assert text.end_lineno is not None
        first, last = text.lineno - 1, text.end_lineno - 1
        before, after = lines[first][: text.col_offset], lines[last][text.end_col_offset :]
        lines[first : last + 1] = (before + b'"""' + b"\n" * (last - first) + b'"""' + after).split(b"\n")
    return b"\n".join(lines).decode()
