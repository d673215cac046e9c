"""Which test files may run a module, where nobody has recorded it: those whose imports lead to it, the nearest first."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_STARTED = {"tests/server/tasks.py": ["server/__main__.py"]}
"""Modules that a file runs without importing them."""
_TESTED_WITH = {"parts": "layers"}
"""Folders whose modules have their tests elsewhere, by tests/README.md."""


def that_may_run(root: Path, module: str) -> list[str]:
    """Test files that are called after ``module``, then those of its folder, then by how many imports lie between."""
    distances = {module: 0}
    queue = deque([module])
    importers = _importers(root)
    while queue:
        for importer in importers.get(it := queue.popleft(), ()):
            if importer not in distances:
                distances[importer] = distances[it] + 1
                queue.append(importer)
    path = Path(module)
    folder = _TESTED_WITH.get(path.parent.name, path.parent.name)

    def is_far(test: str) -> tuple[bool, bool, int, str]:
        name = Path(test)
        return path.stem not in name.stem, folder not in name.parts, distances.get(test, 0), test

    named = [str(it.relative_to(root)) for it in (root / "tests").rglob(f"test_{path.stem}*.py")]
    return sorted({*named, *(it for it in distances if Path(it).name.startswith("test_"))}, key=is_far)


@cache
def _importers(root: Path) -> dict[str, list[str]]:
    """By module, the modules and tests that import it. A test imports what the ``conftest.py`` above it does."""
    found: dict[str, list[str]] = {}
    for area in ("generator", "server", "functions", "tests"):
        for path in sorted((root / area).rglob("*.py")):
            name = str(path.relative_to(root))
            for imported in (*_imported(root, path), *_STARTED.get(name, ())):
                found.setdefault(imported, []).append(name)
    return found


def _imported(root: Path, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = path.relative_to(root).parts[: -node.level] if node.level else ()
            base = ".".join([*here, *filter(None, [node.module])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            for below in (".", "tests/support"):
                place = root / below / name.replace(".", "/")
                for file in (place.with_name(place.name + ".py"), place / "__init__.py"):
                    if file.is_file():
                        yield str(file.resolve().relative_to(root))
    if path.name.startswith("test_"):
        yield from (
            str((parent / "conftest.py").relative_to(root))
            for parent in path.parents
            if parent.is_relative_to(root / "tests") and (parent / "conftest.py").is_file()
        )
