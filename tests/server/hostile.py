"""A package directory that attacks whoever looks at its pages."""

from __future__ import annotations

from pathlib import Path

from .tasks import sdist, wheel

MARKUP = "</title></pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'><style>*{display:none}</style>"


# Override, isolate, escape, NUL, zero-width space, and a tag character.
DISGUISES = "\u202egnp.exe\u2066\x1b[31m\x00\u200b\U000e0041"


def hostile(directory: Path) -> None:
    """A package that is as bad as its metadata can be, and files whose names are."""
    text = f"{MARKUP}{DISGUISES} \u05e9\u05dc\u05d5\u05dd " + "A" * 2000 + "\n" + f"{MARKUP}\n" * 40_000
    headers = f"Summary: {MARKUP}{DISGUISES}\nRequires-Python: >=3{MARKUP}\u202e\nDescription-Content-Type: text/html\n"
    name, content = wheel("evil", "1.0", metadata=f"{headers}\n{text}")
    (directory / name).write_bytes(content)
    name, content = sdist("evil", "0.1", metadata=f"{headers}\n{text}")
    (directory / name).write_bytes(content)
    for odd in ("evil-2.0+<img src=x onerror=alert(3)>.tar.gz", "<img src=x onerror=alert(4)>-1.0.tar.gz"):
        (directory / odd).write_bytes(b"x")
    (directory / "$(reboot);`id`-1.0.tar.gz").write_bytes(b"x")
    (directory / ("w" * 200 + "-1.0.tar.gz")).write_bytes(b"x")
