"""What real build tools make is accepted from real clients, and can be installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .clients import pip_install, run, twine, uv_publish
from .conftest import StartTask, python_with
from .tasks import PUBLISHER, READER, Task

pytestmark = pytest.mark.slow

# setuptools before 69.3 calls a source distribution as the project is spelled: Built.Demo-pkg-1.0rc1.tar.gz.
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
requires-python = ">=3.8"
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
# Tools that publish; what tells them the address, the user and the password. poetry is in test_clients.py.
PUBLISHERS = {
    "flit": ("FLIT_INDEX_URL", "FLIT_USERNAME", "FLIT_PASSWORD"),
    "hatch": ("HATCH_INDEX_REPO", "HATCH_INDEX_USER", "HATCH_INDEX_AUTH"),
}


def environment_of(backend: str) -> Path:
    return python_with(f"build-{backend}", [BACKENDS[backend][1], "wheel", "build"])


def built(backend: str, home: Path) -> list[Path]:
    """A source distribution and a wheel."""
    python = environment_of(backend)
    (home / "built_demo_pkg").mkdir(parents=True)
    (home / "built_demo_pkg" / "__init__.py").write_text('"""A demonstration"""\n')
    (home / "README.md").write_text("A demonstration")
    (home / "pyproject.toml").write_text(PROJECT.format(backend=BACKENDS[backend][0]))
    # uv_build looks for its program in the PATH.
    path = f"{python.parent}:{os.environ['PATH']}"
    command: list[str | Path] = [python, "-m", "build", "--no-isolation", home]
    made = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stdout + made.stderr
    return sorted((home / "dist").iterdir())


def publish(task: Task, file: Path) -> None:
    """With twine and with uv, each as the first that sends it; one of them may not want to."""
    stored = task.directory / file.name
    sent = twine(task, file)
    # twine sends no version of core metadata that is younger than it is.
    by_twine = "valid metadata version" not in " ".join(sent.stdout.split())
    if by_twine:
        assert sent.returncode == 0, sent.stdout + sent.stderr
        assert stored.read_bytes() == file.read_bytes()
        stored.unlink()
    published = uv_publish(task, file, check=False)
    assert published.returncode == 0, published.stderr
    # Nor uv what is called otherwise than PEP 625 and the wheel's specification have it.
    if "has a non-normalized filename" in published.stderr:
        assert by_twine, published.stderr
        assert twine(task, file).returncode == 0
    assert stored.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_build_tools_make_is_published_and_installed(
    start_newest: StartTask, directory: Path, tmp_path: Path, backend: str
) -> None:
    task = start_newest(directory)
    files = built(backend, tmp_path / "project")
    (wheel,) = [file for file in files if file.suffix == ".whl"]
    assert len(files) == 2
    for file in files:
        publish(task, file)
    listed = task.project("built-demo-pkg")
    assert (listed["versions"], len(listed["files"])) == (["1.0rc1"], 2)
    assert {file["requires-python"] for file in listed["files"]} == {">=3.8"}
    installed = pip_install(task, tmp_path / "pip", "built_demo.pkg==1.0rc1")
    assert installed.returncode == 0, installed.stderr
    assert (tmp_path / "pip" / "built_demo_pkg").is_dir()
    # From the source distribution, with the tool that made it.
    (directory / wheel.name).unlink()
    python = environment_of(backend)
    installed = run(
        *(sys.executable, "-m", "uv", "pip", "install", "--no-config", "--no-cache", "--no-build-isolation"),
        *("-p", python, "--target", tmp_path / "uv", "--index-url", f"{task.with_credentials(READER)}/simple/"),
        "BUILT-demo_pkg==1.0rc1",
        PATH=f"{python.parent}:{os.defpath}",
    )
    assert installed.returncode == 0, installed.stderr
    assert (tmp_path / "uv" / "built_demo_pkg").is_dir()


@pytest.mark.parametrize("tool", PUBLISHERS)
def test_tools_publish_themselves(start_newest: StartTask, directory: Path, tmp_path: Path, tool: str) -> None:
    task = start_newest(directory)
    files = built(tool, tmp_path / "project")
    python = python_with(f"publish-{tool}", [tool])
    settings = dict(zip(PUBLISHERS[tool], (f"{task.url}/", *PUBLISHER), strict=True))

    def publish() -> subprocess.CompletedProcess[str]:
        return run(python.parent / tool, "publish", cwd=tmp_path / "project", HOME=str(tmp_path), **settings)

    sent = publish()
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert sorted(it.name for it in directory.glob("*-1.0rc1*")) == [file.name for file in files]
    # A release that is there with other content: the tool prints why it is refused.
    for file in files:
        (directory / file.name).write_bytes(b"other")
    again = publish()
    assert "already exists" in " ".join((again.stdout + again.stderr).split()), again.stdout + again.stderr


def test_twine_prints_why_a_file_is_refused(start_newest: StartTask, directory: Path, tmp_path: Path) -> None:
    task = start_newest(directory)
    files = built("uv", tmp_path / "project")
    (wheel,) = [file for file in files if file.suffix == ".whl"]
    other = wheel.with_name(wheel.name.replace("built", "Other"))
    wheel.rename(other)
    sent = twine(task, other)
    assert sent.returncode != 0
    assert "the form names the project" in sent.stdout + sent.stderr, sent.stdout + sent.stderr
    other.rename(wheel)
    assert twine(task, wheel).returncode == 0
    spelled = wheel.with_name(wheel.name.replace("built", "Built"))
    wheel.rename(spelled)
    sent = twine(task, spelled)
    assert sent.returncode != 0
    printed = " ".join((sent.stdout + sent.stderr).split())
    assert f"is stored as {spelled.name.lower()}" in printed, printed
