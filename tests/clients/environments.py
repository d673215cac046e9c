"""Clients of any version, installed from PyPI or npm once, and the Pythons that are old enough for them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

UV = (sys.executable, "-m", "uv")
PYTHONS = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
# Beside pip: what builds the source distribution where Python no longer brings it.
BUILDING = ("setuptools<81", "wheel")


def python(minor: str) -> Path | None:
    """Its newest installed release; None if there is none."""
    found = sorted(PYTHONS.glob(f"{minor}.*/bin/python"), key=lambda path: path.parents[1].name)
    return found[-1] if found else None


def python_for_pip(version: str) -> str:
    """A Python that this pip runs on, and is likely to be found with."""
    release = tuple(int(part) for part in version.split(".")[:2])
    for newest, minor in (((18, 1), "2.7"), ((21, 3), "3.6"), ((23, 1), "3.8"), ((23, 3), "3.10"), ((25, 0), "3.12")):
        if release <= newest:
            return minor
    return "3.13"


def unpacked(cache: Path, requirement: str) -> Path:
    """A directory for PYTHONPATH with this release and nothing that it needs; made on first use."""
    home = cache / requirement.replace("==", "-")
    if not (home / "complete").exists():
        fetched = cache / "wheels"
        options = (
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--ignore-requires-python",
            "--only-binary=:all:",
        )
        subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, "-d", fetched, requirement], check=True, timeout=120
        )
        name = requirement.replace("==", "-")
        (wheel,) = fetched.glob(f"{name}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(home)
        (home / "complete").touch()
    return home


def installed(cache: Path, minor: str, *requirements: str, until: str = "") -> Path:
    """The `bin` of a virtual environment with these, and with what they need as it was on a day; made on first use."""
    home = cache / "-".join([minor, *requirements, until]).strip("-").replace("==", "-").replace("<", "-")
    if not (home / "complete").exists():
        interpreter = python(minor) or Path(sys.executable)
        subprocess.run(
            [*UV, "venv", "-q", "--clear", "--no-python-downloads", "-p", interpreter, home], check=True, timeout=120
        )
        day = ("--exclude-newer", until) if until else ()
        install: list[str | Path] = [*UV, "pip", "install", "-q", *day, "-p", home / "bin" / "python", *requirements]
        subprocess.run(install, check=True, timeout=300)
        (home / "complete").touch()
    return home / "bin"


def installed_by_npm(cache: Path, *packages: str) -> Path:
    """`node_modules` with these; made on first use. What their scripts would download or build is not there."""
    home = cache / "-".join(packages).replace("@", "-")
    if not (home / "complete").exists():
        home.mkdir(parents=True, exist_ok=True)
        options = ("--silent", "--no-fund", "--no-audit", "--ignore-scripts", "--force", "--prefix", home)
        subprocess.run(["npm", "install", *options, *packages], check=True, timeout=600)
        (home / "complete").touch()
    return home / "node_modules"
