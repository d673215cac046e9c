"""What is printed to be called next can be called, from where it was printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from generator.operations.invocation import called_as

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("below", [".", "environment", "two words/environment"])
def test_the_printed_program_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    python = tmp_path / below / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    for directory in (tmp_path, tmp_path.parent):
        monkeypatch.chdir(directory)
        assert subprocess.run(f"{called_as()} --version", shell=True, capture_output=True).returncode == 0
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path) not in called_as()


def test_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATOR_PROGRAM", "pypiserver-aws")
    assert called_as() == "pypiserver-aws"
