"""What real build tools make is accepted from real clients, and can be installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .conftest import StartTask, python_with
from .tasks import READER
from .test_clients import pip_install, run, twine, uv_publish

# setuptools before 69.3 spells the names of files as the project does: Built.Demo-pkg-1.0rc1.tar.gz.
BACKENDS = {
    "old-setuptools": ("setuptools.build_meta", "setuptools==68.2.2"),
    "setuptools": ("setuptools.build_meta", "setuptools"),
    "flit": ("flit_core.buildapi", "flit-core"),
    "hatch": ("hatchling.build", "hatchling"),
    "poetry": ("poetry.core.masonry.api", "poetry-core"),
    "pdm": ("pdm.backend", "pdm-backend"),
    "uv": ("uv_build", "uv-build"),
}
PROJECT = """[project]
name = "Built.Demo-pkg"
version = "1.0rc1"
description = "A demonstration"
[build-system]
requires = []
build-backend = "{backend}"
[tool.setuptools]
packages = ["built_demo_pkg"]
[tool.flit.module]
name = "built_demo_pkg"
[tool.hatch.build.targets.wheel]
packages = ["built_demo_pkg"]
[tool.poetry]
packages = [{{include = "built_demo_pkg"}}]
[tool.uv.build-backend]
module-name = "built_demo_pkg"
module-root = ""
"""


def built(name: str, home: Path) -> list[Path]:
    """A source distribution and a wheel."""
    backend, requirement = BACKENDS[name]
    python = python_with(f"build-{name}", [requirement, "wheel", "build"])
    (home / "built_demo_pkg").mkdir(parents=True)
    (home / "built_demo_pkg" / "__init__.py").write_text("")
    (home / "pyproject.toml").write_text(PROJECT.format(backend=backend))
    made = run(python, "-m", "build", "--no-isolation", home, PATH=f"{python.parent}:{os.defpath}")
    assert made.returncode == 0, made.stdout + made.stderr
    return sorted((home / "dist").iterdir())


def stored(directory: Path) -> dict[str, bytes]:
    return {it.name: it.read_bytes() for it in directory.iterdir() if it.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_build_tools_make_is_published_and_installed(
    start_newest: StartTask, directory: Path, tmp_path: Path, backend: str
) -> None:
    task = start_newest(directory)
    files = built(backend, tmp_path / "project")
    (wheel,) = [file for file in files if file.suffix == ".whl"]
    assert len(files) == 2
    sent = twine(task, *files)
    # twine's own check may be older than the core metadata that a tool writes.
    if "valid metadata version" not in sent.stdout:
        assert sent.returncode == 0, sent.stdout + sent.stderr
        assert stored(directory) == {file.name: file.read_bytes() for file in files}
    for file in files:
        (directory / file.name).unlink(missing_ok=True)
        sent = uv_publish(task, file, check=False)
        assert sent.returncode == 0, sent.stderr
        if "non-normalized filename" in sent.stderr:
            assert backend == "old-setuptools"
            assert twine(task, file).returncode == 0
    assert stored(directory) == {file.name: file.read_bytes() for file in files}
    listed = task.project("built-demo-pkg")
    assert (listed["versions"], len(listed["files"])) == (["1.0rc1"], 2)
    installed = pip_install(task, tmp_path / "pip", "built_demo.pkg==1.0rc1")
    assert installed.returncode == 0, installed.stderr
    assert (tmp_path / "pip" / "built_demo_pkg").is_dir()
    # From the source distribution, with the tool that made it.
    (directory / wheel.name).unlink()
    python = python_with(f"build-{backend}", [])
    installed = run(
        *(sys.executable, "-m", "uv", "pip", "install", "--no-config", "--no-cache", "--no-build-isolation"),
        *("-p", python, "--target", tmp_path / "uv", "--index-url", f"{task.with_credentials(READER)}/simple/"),
        "BUILT-demo_pkg==1.0rc1",
        PATH=f"{python.parent}:{os.defpath}",
    )
    assert installed.returncode == 0, installed.stderr
    assert (tmp_path / "uv" / "built_demo_pkg").is_dir()
