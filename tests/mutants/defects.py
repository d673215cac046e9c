"""Defects that can be planted in a module: one small change of its text each."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

_OTHERWISE = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "in": "not in", "not in": "in", "is": "is not",
    "is not": "is", "and": "or", "or": "and", "+": "-", "-": "+", "*": "//", "//": "*", "/": "*", "<<": ">>", "|": "&",
    "&": "|",
}  # fmt: skip
_LOGGING = {"debug", "info", "warning", "error", "exception"}


class Defect(NamedTuple):
    """``text[start:end]`` of the module, in bytes, becomes ``new``. ``function`` is dotted, empty at the module's level;
    ``line`` is that of what is changed or left out, without what separates it from the one before.
    """

    kind: str
    function: str
    line: int
    start: int
    end: int
    new: str

    def planted(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]

    def around(self, source: bytes) -> tuple[str, str]:
        """What ``line`` has before it, and from there on."""
        begin = _begin(source, self.start, self.end)
        before, after = source[:begin].decode(), source[begin:].decode()
        return before.rpartition("\n")[2], after.partition("\n")[0]

    def compiles_in(self, source: bytes) -> bool:
        try:
            compile(self.planted(source), "planted", "exec")
        except (SyntaxError, ValueError):
            return False
        return True


def _begin(source: bytes, start: int, end: int) -> int:
    """Without what separates it from the one before."""
    return end - len(source[start:end].lstrip(b", \n"))


def defects(source: bytes) -> list[Defect]:
    """All that may be planted in the module ``source``, in the order of its lines. Not each of them compiles."""
    return sorted(set(_Finder(source).found()), key=lambda it: (it.start, it.kind))


def users(source: bytes, line: int) -> Iterator[str]:
    """The functions of the module, dotted, that use a variable of its level which is set on that line."""
    module = ast.parse(source)
    names = {
        it.id
        for statement in module.body
        if statement.lineno <= line <= (statement.end_lineno or 0)
        for it in ast.walk(statement)
        if isinstance(it, ast.Name) and isinstance(it.ctx, ast.Store)
    }
    for name, function in _functions(module, ""):
        if any(isinstance(it, ast.Name) and it.id in names for it in ast.walk(function)):
            yield name


def _functions(node: ast.AST, within: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        name = within
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{within}.{child.name}".lstrip(".")
            if not isinstance(child, ast.ClassDef):
                yield name, child
        yield from _functions(child, name)


class _Finder:
    def __init__(self, source: bytes) -> None:
        self._source = source
        self._starts = [0, *(match.end() for match in re.finditer(b"\n", source))]

    def found(self) -> Iterator[Defect]:
        yield from self._below(ast.parse(self._source), "", is_text=False)

    def _below(self, node: ast.AST, function: str, *, is_text: bool) -> Iterator[Defect]:
        """``is_text``: within a message for people, whose words no test should repeat."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            function = f"{function}.{node.name}".lstrip(".")
        is_text = is_text or isinstance(node, ast.Raise | ast.JoinedStr) or _is_logging(node)
        for kind, start, end, new in self._at(node, is_text=is_text):
            line = bisect_right(self._starts, _begin(self._source, start, end))
            yield Defect(kind, function, line, start, end, new)
        for child in _children(node):
            yield from self._below(child, function, is_text=is_text)

    def _at(self, node: ast.AST, *, is_text: bool) -> Iterator[tuple[str, int, int, str]]:
        for name in ("body", "orelse", "finalbody"):
            if isinstance(statements := getattr(node, name, None), list):
                yield from self._statements(statements)
        match node:
            case ast.Compare():
                yield from self._operators("comparison", [node.left, *node.comparators])
            case ast.BoolOp():
                yield from self._operators("and/or", node.values)
            case ast.BinOp() if not is_text:
                yield from self._operators("arithmetic", [node.left, node.right])
            case ast.UnaryOp(op=ast.Not()):
                yield "not", *self._span(node), self._text(node.operand)
            case ast.If() | ast.IfExp():
                yield "branches", *self._span(node.test), f"(not ({self._text(node.test)}))"
            case ast.Constant() if not is_text:
                yield from self._constant(node)
            case ast.List() | ast.Tuple() | ast.Set() if len(node.elts) > 1 and isinstance(
                getattr(node, "ctx", ast.Load()), ast.Load
            ):
                yield from (("element", start, end, "") for start, end in self._parts(node.elts))
            case ast.Dict() if len(node.values) > 1 and all(node.keys):
                pairs = [
                    (self._span(key)[0], self._span(value)[1])
                    for key, value in zip(node.keys, node.values, strict=True)
                    if key
                ]
                yield from (("entry", start, end, "") for start, end in _with_commas(pairs))
            case ast.Call() if _is_class(node.func):
                given = [(self._span(it)[0], self._span(it)[1]) for it in [*node.args, *node.keywords]]
                parts = list(_with_commas(given))[len(node.args) :]
                named = [part for part, keyword in zip(parts, node.keywords, strict=True) if keyword.arg]
                yield from (("keyword", start, end, "") for start, end in named)

    def _statements(self, statements: list[ast.stmt]) -> Iterator[tuple[str, int, int, str]]:
        for statement in statements:
            if isinstance(statement, ast.Raise) or (_is_call(statement) and not _is_logging(statement)):
                yield "dropped", *self._span(statement), "pass"
        for first, second in pairwise(statements):
            if _is_call(first) and _is_call(second) and not _is_logging(first) and not _is_logging(second):
                between = self._source[self._span(first)[1] : self._span(second)[0]].decode()
                swapped = self._text(second) + between + self._text(first)
                yield "order", self._span(first)[0], self._span(second)[1], swapped

    def _operators(self, kind: str, operands: list[ast.expr]) -> Iterator[tuple[str, int, int, str]]:
        for left, right in pairwise(operands):
            start, end = self._span(left)[1], self._span(right)[0]
            text = self._source[start:end].decode()
            if (match := re.fullmatch(r"([\s)]*)(\S+(?: (?:not|in))?)([\s(]*)", text)) and match[2] in _OTHERWISE:
                yield kind, start + match.start(2), start + match.end(2), _OTHERWISE[match[2]]

    def _constant(self, node: ast.Constant) -> Iterator[tuple[str, int, int, str]]:
        value = node.value
        if isinstance(value, bool):
            yield "constant", *self._span(node), str(not value)
        elif isinstance(value, int | float):
            # Of a hundred, nobody notices one more.
            yield "constant", *self._span(node), f"({self._text(node)} {'+ 1' if value < 100 else '* 2'})"
        elif isinstance(value, str) and value and not re.search(r"\s", value):
            yield "constant", *self._span(node), f'({self._text(node)} "x")'

    def _parts(self, nodes: Iterable[ast.expr]) -> Iterator[tuple[int, int]]:
        return _with_commas([self._span(node) for node in nodes])

    def _span(self, node: ast.AST) -> tuple[int, int]:
        """Its first byte, and the one behind its last."""
        line, column, end_line, end_column = (
            getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")
        )
        return self._starts[line - 1] + column, self._starts[end_line - 1] + end_column

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()


def _with_commas(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Each span with what separates it from the next one, the last with what separates it from the one before."""
    for index, (start, end) in enumerate(spans):
        if index + 1 < len(spans):
            yield start, spans[index + 1][0]
        elif index:
            yield spans[index - 1][1], end
        else:
            yield start, end


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Those that matter when the program runs: no annotations, names of types, documentation, assertions, imports or formats."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.Assert | ast.Import | ast.ImportFrom | ast.FormattedValue) or _is_alias(child):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.AST):
                yield child


def _is_alias(node: ast.AST) -> bool:
    """Of a type, by its name: `Answers = dict[str, Any]`."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and all(isinstance(it, ast.Name) and re.match("[A-Z].*[a-z]", it.id) for it in node.targets)
    )


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await)


def _is_logging(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in _LOGGING


def _is_class(function: ast.expr) -> bool:
    """By its name; of those in capitals are troposphere's resources and properties."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name[:1].isupper()
