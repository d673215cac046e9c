"""What is printed to be called next can be called, from where it was printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from program import ROOT, installed

from generator import __version__
from generator.operations.invocation import called_as


def works(words: str) -> bool:
    ran = subprocess.run(f"{words} --version", shell=True, capture_output=True, text=True)
    return ran.stdout == f"{__version__}\n"


@pytest.mark.parametrize("below", [".", "environment", "two words/environment"])
def test_an_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    python = tmp_path / below / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    for directory in (tmp_path, tmp_path.parent):
        monkeypatch.chdir(directory)
        assert works(called_as())
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path) not in called_as()


def test_a_program_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = installed(tmp_path / "bin")
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert called_as() == "pypiserver-aws"
    assert works(called_as())


@pytest.mark.parametrize("below", ["bin", "two words/bin"])
def test_a_program_that_is_not_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    """Where another is."""
    program, other = installed(tmp_path / below), installed(tmp_path / "other")
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    for directory in (tmp_path, tmp_path.parent):
        monkeypatch.chdir(directory)
        assert "other" not in called_as()
        assert works(called_as())


def test_a_clone_without_its_libraries_says_what_to_do(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-S", "-m", "generator", "deploy"],
        cwd=ROOT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert ran.stderr == (
        "error: typer is not installed in this Python: run `uvx --from . pypiserver-aws`, or `make .venv/generator` and "
        "then `.venv/bin/pypiserver-aws`\n"
    )
