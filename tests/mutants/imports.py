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
    """Test files that are called after ``module``, then those of its folder and of none, then by how many imports lie between."""
    distances = {module: 0}
    queue = deque([module])
    importers = _importers(root)
    while queue:
        for importer in importers.get(it := queue.popleft(), ()):
            if importer not in distances:
                distances[importer] = distances[it] + 1
                queue.append(importer)
    tests = [str(it.relative_to(root)) for it in (root / "tests").rglob("test_*.py")]
    return sorted(
        (it for it in tests if it in distances or not remoteness(it, module)),
        key=lambda test: (remoteness(test, module), distances.get(test, 0), test),
    )


def remoteness(test: str, module: str) -> int:
    """0 if the file is called after the module, 1 if it is in the folder of its tests or in none, 2 if it is elsewhere."""
    if is_called_after(test, module):
        return 0
    folder = Path(module).parent.name
    parts = Path(test).parts
    return 1 if _TESTED_WITH.get(folder, folder) in parts or len(parts) == 2 else 2


def is_called_after(test: str, module: str) -> bool:
    """``test_yank.py`` after ``yanks.py``, ``test_rotation_errors.py`` after ``rotation.py``."""
    of_test, of_module = Path(test).stem.removeprefix("test_"), Path(module).stem
    return of_test.startswith(of_module) or of_module.startswith(of_test)


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
        yield from filter(None, (_file(root, name) for name in names))
    if path.name.startswith("test_"):
        yield from (
            str((parent / "conftest.py").relative_to(root))
            for parent in path.parents
            if parent.is_relative_to(root / "tests") and (parent / "conftest.py").is_file()
        )


@cache
def _file(root: Path, name: str) -> str | None:
    """Of the module ``name``, if it is the project's."""
    for below in ("", "tests/support/"):
        for file in (f"{below}{name.replace('.', '/')}.py", f"{below}{name.replace('.', '/')}/__init__.py"):
            if (root / file).is_file():
                return file
    return None
