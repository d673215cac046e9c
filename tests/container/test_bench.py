"""The benchmark's short form runs, as `make bench-short` does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .mounts import missing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


def test_latencies_are_measured(newest_image: Path) -> None:
    program = [sys.executable, "-m", "bench.latency", "--seconds", "2", "--files", "300", "--python", str(newest_image)]
    table = subprocess.check_output(program, text=True, cwd=Path(__file__).parents[2], timeout=300)
    print(table)
    assert [line.split("|")[1].strip() for line in table.splitlines()] == ["files", "---", "300", "300"]
