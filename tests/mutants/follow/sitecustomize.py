"""Notes every function of the project that runs in this process: Python imports this module first where it is in the path.

Our modules are compiled with a note at the beginning of each function, so that what is not ours runs as fast as ever.
In the directory named by FOLLOW_INTO, the four bytes of ``now`` are the number of the test that runs. A line of ``notes``
is a number, a module's path and a function, tabs between. What runs at import has no name, or a class's, and the number 0.
"""

import ast
import builtins
import mmap
import os
from importlib.machinery import SourceFileLoader
from types import CodeType

_PACKAGES = ("generator", "server", "functions")


def _follow(into: str) -> None:
    get_code = SourceFileLoader.get_code
    with open(os.path.join(into, "now"), "rb") as file:
        now = mmap.mmap(file.fileno(), 4, access=mmap.ACCESS_READ)
    seen: set[str] = set()
    seen_in = b""

    def ran(function: str, *, at_import: bool = False) -> None:
        nonlocal seen_in
        if (current := now[:4]) != seen_in:
            seen.clear()
            seen_in = current
        if function not in seen:
            seen.add(function)
            number = 0 if at_import else int.from_bytes(current, "big")
            # Not kept open: a forked program closes what it does not know.
            file = os.open(os.path.join(into, "notes"), os.O_WRONLY | os.O_APPEND)
            os.write(file, f"{number}\t{function}\n".encode())
            os.close(file)

    def get_code_with_notes(loader: SourceFileLoader, fullname: str) -> CodeType | None:
        path = loader.get_filename(fullname)
        parts = path.split("/")
        # Also below a directory that the program was unpacked into.
        at = next((at for at, part in enumerate(parts) if part in _PACKAGES and "tests" not in parts[:at]), None)
        if at is None or "site-packages" in parts:
            return get_code(loader, fullname)
        module = "/".join(parts[at:])
        ran(f"{module}\t", at_import=True)
        tree = ast.parse(loader.get_data(path))
        _note(tree, module, "")
        return compile(tree, path, "exec", dont_inherit=True)

    builtins._ran_in_the_project = ran  # type: ignore[attr-defined]
    SourceFileLoader.get_code = get_code_with_notes  # type: ignore[method-assign, assignment]


def _note(node: ast.AST, module: str, within: str) -> None:
    for child in ast.iter_child_nodes(node):
        name = within
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{within}.{child.name}".lstrip(".")
            at_import = isinstance(child, ast.ClassDef)
            function = f"{module}\t{name}"
            note = ast.parse(f"_ran_in_the_project({function!r}, {at_import=})").body[0]
            for it in ast.walk(note):
                ast.copy_location(it, child.body[0])
            child.body.insert(1 if ast.get_docstring(child) and len(child.body) > 1 else 0, note)
        _note(child, module, name)


if _into := os.environ.get("FOLLOW_INTO"):
    _follow(_into)
