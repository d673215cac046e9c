"""Which room of ``generator/`` and ``server/`` may use which: the architecture, held by the import statements."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("generator", "server", "functions")

DESIGN = ("language", "kinds", "settings", "conditions", "sizing", "tag_keys", "server.contract")
"""What a layer and its parts are written in and read."""
FOUNDATIONS = ("server.contract", "server.wire", "server.distributions")
"""What every other room of the server stands on."""
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "language": ("language",),
    "sizing": (),
    "durations": (),
    "tag_keys": (),
    "settings": ("settings", "language", "sizing", "tag_keys", "server.contract"),
    "kinds": ("language",),
    "conditions": ("language", "settings", "sizing"),
    "rules": ("language", "settings", "sizing"),
    "parts": ("parts", *DESIGN),
    "layers": ("parts", *DESIGN),
    "addons": ("parts", *DESIGN),
    "catalog": ("catalog", "parts", *DESIGN),
    "parent": ("layers", "addons", "parts", "rules", *DESIGN),
    "build": ("build", "durations", "addons", "catalog", "parent", "parts", *DESIGN),
    # Of the design, only which resources hold data, the policy of one, what the templates are and declare, their tags, and the
    # prices.
    "operations": (
        "operations",
        "durations",
        "tag_keys",
        "build.costs",
        "parts.data_bearing",
        "parts.descriptions",
        "parts.only_tls",
        "language.declared",
        "language.partitions",
    ),
    "local": ("local", "parts", "operations.exits", "server.contract", "server.store.abilities"),
    # A list of tokens must be one that the tasks take.
    "access": ("access", "operations", "server.accounts.tokens"),
    "packages": ("packages", "operations", "server.distributions.times"),
    "commands": (
        "__version__",
        "commands",
        "access",
        "build",
        "operations",
        "packages",
        "local",
        "server.store.abilities",
    ),
    "__main__": ("commands",),
    # Programs that run elsewhere, without the rest of the project beside them.
    "functions": (),
    "server.contract": (),
    "server.wire": ("server.wire",),
    "server.distributions": ("server.distributions",),
    "server.store": ("server.store", *FOUNDATIONS),
    "server.accounts": ("server.accounts", *FOUNDATIONS),
    "server.views": ("server.views", "server.store", "server.accounts", *FOUNDATIONS),
    # It writes the log.
    "server.publishing": ("server.publishing", "server.views.records", "server.store", "server.accounts", *FOUNDATIONS),
    # It shows pages and files of elsewhere as those that are here are shown.
    "server.proxy": ("server.proxy", "server.views", "server.store", *FOUNDATIONS),
    "server.settings": ("server.accounts", "server.proxy", *FOUNDATIONS),
    "server.application": (
        "server.settings",
        "server.proxy",
        "server.publishing",
        "server.views",
        "server.accounts",
        "server.store",
        *FOUNDATIONS,
    ),
    "server.processes": (
        *("server.application", "server.settings", "server.views", "server.accounts", "server.store.abilities"),
        *FOUNDATIONS,
    ),
    "server.__main__": ("server.processes", "server.contract"),
}
"""By room (a folder or a module of ``generator/`` or ``server/``, or ``functions``): the rooms, or single modules of one,
that it may import."""
MOST_ENTRIES = 10
MOST_LINES_OF_A_FUNCTION = 70
MOST_LINES_OF_A_MODULE = 450


def modules(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the project's packages below ``root``, by its path there."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield path.relative_to(root), ast.parse(path.read_text(), str(path))


def imported(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of whatever the module at ``path`` imports from the project; within ``generator`` without it."""
    for line, name in _named(path, tree):
        package = name.partition(".")[0]
        if package in PACKAGES:
            yield line, name.removeprefix("generator").removeprefix(".")


def _named(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.parent.parts[: len(path.parent.parts) - node.level + 1] if node.level else ()
            base = ".".join([*package, *filter(None, [node.module])])
            # `from generator.parts import tasks` imports a module; what else is imported from a room belongs to it.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _room(path: Path) -> str:
    package, *inside = path.with_suffix("").parts
    return {"generator": inside[0], "server": f"server.{inside[0]}"}.get(package, package)


def wrong_imports(root: Path) -> list[str]:
    """What the packages below ``root`` import against the rules, each with what to do instead."""
    found = []
    for path, tree in modules(root):
        room = _room(path)
        if room not in MAY_IMPORT:
            if any(imported(path, tree)):
                found.append(f"{path}: what {room} may import is not said: give it a line in MAY_IMPORT ({__file__})")
            continue
        allowed = MAY_IMPORT[room]
        for line, name in imported(path, tree):
            if not any(name == it or name.startswith(f"{it}.") for it in allowed):
                found.append(
                    f"{path}:{line} imports {name}, but {room} may import only "
                    f"{', '.join(allowed) or 'nothing of the project'}: pass in what it needs, or move the code"
                )
    return found


def test_rooms_import_only_what_they_may() -> None:
    assert wrong_imports(ROOT) == []


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("generator/language/wiring.py", "from generator import settings"),
        ("generator/language/render.py", "from generator.parts.tags import tags"),
        ("generator/layers/edge.py", "from generator.layers.storage import storage"),
        ("generator/layers/edge.py", "from . import storage"),
        ("generator/parts/hosts.py", "from generator.layers import compute"),
        ("generator/parts/hosts.py", "import generator.parent"),
        ("generator/operations/deploy.py", "from generator.parts.tags import tags"),
        ("generator/operations/deploy.py", "from generator.parts import tags"),
        ("generator/operations/deploy.py", "from ..parent import nested"),
        ("generator/operations/deploy.py", "def _lazily() -> None:\n    from generator import settings"),
        ("generator/build/write.py", "from generator.__main__ import main"),
        ("generator/catalog/template.py", "from generator.parent import nested"),
        ("generator/layers/compute.py", "from server import application"),
        ("server/store/index.py", "from generator.sizing import MAX_TASKS"),
        ("server/store/index.py", "from server.views.health import Health"),
        ("server/wire/engine.py", "from server.application import Application"),
        ("server/wire/engine.py", "from ..proxy import upstream"),
        ("server/views/listings.py", "from server.proxy.remote import RemoteFile"),
        ("server/accounts/access.py", "from server.settings import Settings"),
        ("functions/cleaner.py", "from server import settings"),
        ("generator/settings/hosts.py", "from generator.conditions import HAS_BACKUP"),
        ("generator/attic/things.py", "from generator import settings"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, path: str, statement: str) -> None:
    """Planted in a copy of the module."""
    planted, original = tmp_path / path, ROOT / path
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(f"{original.read_text() if original.exists() else ''}\n{statement}\n")
    (found,) = wrong_imports(tmp_path)
    assert found.startswith(f"{path}:")


def test_no_room_of_the_server_imports_a_higher_one() -> None:
    below = {room: {it for it in allowed if it in MAY_IMPORT and it != room} for room, allowed in MAY_IMPORT.items()}
    assert list(TopologicalSorter({room: below[room] for room in below if room.startswith("server.")}).static_order())


def test_no_test_of_the_server_imports_another() -> None:
    """What two of them need is in a module of its own, so that each can be read, moved and run alone."""
    tests = sorted((ROOT / "tests" / "server").rglob("test_*.py"))
    named = {path: set(re.findall(r"\btest_\w+(?= import)", path.read_text())) for path in tests}
    assert tests
    assert not {str(path): names for path, names in named.items() if names}


def test_few_things_lie_beside_the_folders() -> None:
    entries = sorted(path.name for path in (ROOT / "generator").iterdir() if path.is_file())
    assert len(entries) <= MOST_ENTRIES, f"generator/ has {len(entries)} files: move one into the folder of its job"


def test_functions_are_short() -> None:
    """A long one is a table of contents that has not been written yet."""
    too_long = {
        f"{path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path, tree in modules(ROOT)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MOST_LINES_OF_A_FUNCTION
    }
    assert not too_long, f"over {MOST_LINES_OF_A_FUNCTION} lines, split into named pieces: {too_long}"


def test_modules_are_short() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path, _ in modules(ROOT)}
    too_long = {str(path): lines for path, lines in lengths.items() if lines > MOST_LINES_OF_A_MODULE}
    assert not too_long, f"over {MOST_LINES_OF_A_MODULE} lines, split by job: {too_long}"
