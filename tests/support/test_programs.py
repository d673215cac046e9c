"""What is missing on a machine is said before a long run begins."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import programs
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("target", "code"), [("test", 0), ("test-slow", 0), ("fuzz", 1), ("bench", 1)])
def test_the_line_names_the_packages(tmp_path: Path, target: str, code: int) -> None:
    ran = subprocess.run(
        [sys.executable, programs.__file__, target],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"make {target} ")
    assert "gcc" in line.partition("apt-get install ")[2].split()
    assert ran.returncode == code


def test_each_target_that_asks_is_known() -> None:
    makefile = (ROOT / "Makefile").read_text()
    asking = re.findall(r"^([a-z-]+):[^\n]*\n\t@\$\(NEEDED\)", makefile, re.MULTILINE)
    assert len(asking) == makefile.count("@$(NEEDED)")
    assert {*asking, *re.findall(r": needed-([a-z]+)", makefile)} == {*programs.NEEDED}


def test_a_machine_that_has_them_is_told_nothing(tmp_path: Path) -> None:
    for program in programs.NEEDED["fuzz"].values():
        (tmp_path / program).touch(0o755)
    ran = subprocess.run(
        [sys.executable, programs.__file__, "fuzz"], env={"PATH": str(tmp_path)}, capture_output=True, check=True
    )
    assert ran.stderr == b""


def test_a_python_that_is_too_old_is_named_before_anything_is_made(tmp_path: Path) -> None:
    """As on a system whose own python3 is older than the project's."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nimport sys\nsys.version_info = (3, 10)\nexec(sys.argv[2])\n")
    python.chmod(0o755)
    ran = subprocess.run(
        ["make", "local", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"error: {python} is older than 3.11: ")
    assert not (tmp_path / ".venv").exists()
