"""`local.py` prints commands that work as pasted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .tasks import free_port, wheel

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="nginx is not installed")
def test_the_printed_commands_work_as_pasted(newest_image: Path, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "generator.local",
            "--python",
            newest_image,
            "--port",
            str(port),
            "--directory",
            "served",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline().strip() for _ in range(12)]
        for version, tool in (("1.0", "twine"), ("2.0", "uv publish")):
            name, content = wheel("pasted", version)
            for old in (tmp_path / "dist").iterdir():
                old.unlink()
            (tmp_path / "dist" / name).write_bytes(content)
            paste(next(line for line in lines if f"{tool} " in line), tmp_path)
        assert len(list((tmp_path / "served").iterdir())) == 2
        for tool in ("pip install", "uv pip install"):
            line = next(line for line in lines if line.partition(" ")[2].startswith(tool) or line.startswith(tool))
            target = tmp_path / tool.replace(" ", "-")
            paste(line.replace("PROJECT", f"--target {target} pasted==2.0"), tmp_path)
            assert (target / "pasted.py").exists()
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        assert process.wait(30) == 0


def paste(line: str, cwd: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        line,
        shell=True,
        cwd=cwd,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, line + result.stdout + result.stderr
