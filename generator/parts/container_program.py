"""The container's entry point and command: the program of `generator/container/`, handed over as text."""

from __future__ import annotations

from pathlib import Path

HOME = Path(__file__).parent.parent / "container"


def entry_point(python: str = "python3") -> list[str]:
    return [python, "-c", (HOME / "boot.py").read_text(encoding="utf-8")]


def command() -> list[str]:
    """Each module's name and source in turn, as the entry point takes them."""
    modules = sorted(path for path in HOME.glob("*.py") if path.name != "boot.py")
    return [text for module in modules for text in (module.name, module.read_text(encoding="utf-8"))]
