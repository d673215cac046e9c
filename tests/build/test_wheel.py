"""The wheel, built from this checkout and installed elsewhere, does all that the checkout does."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator import DIRECTLY, emulator, environment
from stacks import give

from generator import __version__
from generator.local.processes import free_port

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built], cwd=ROOT, check=True)
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed script, in an environment that has the libraries and not this checkout."""
    home = tmp_path_factory.mktemp("elsewhere")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel], check=True)
    (library,) = home.glob("lib/*/site-packages")
    (library / "libraries.pth").write_text("\n".join(it for it in sys.path if it.endswith("-packages")))
    return home / "bin" / "pypiserver-aws"


def ran(program: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_it_has_what_git_has(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "generator", "server", "functions", "templates"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    carried = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert sorted(carried) == sorted(tracked)


def test_an_index_takes_it_from_twine(wheel: Path) -> None:
    subprocess.run([Path(sys.executable).with_name("twine"), "check", wheel], check=True)


def test_it_writes_the_templates_of_this_checkout(program: Path, tmp_path: Path) -> None:
    assert ran(program, "--version", cwd=tmp_path).stdout == f"{__version__}\n"
    written = ran(program, "templates", "--no-validate", cwd=tmp_path)
    assert (written.returncode, written.stderr) == (0, ""), "nothing is validated"
    committed = {path.name: path.read_text() for path in (ROOT / "templates").iterdir()}
    assert {path.name: path.read_text() for path in (tmp_path / "templates").iterdir()} == committed


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Path]:
    with emulator() as url, pytest.MonkeyPatch.context() as patch:
        patch.delenv(DIRECTLY)
        for name, value in environment(url, tmp_path).items():
            patch.setenv(name, value)
        patch.chdir(tmp_path)
        yield tmp_path


def test_it_deploys(program: Path, account: Path) -> None:
    give()
    deployed = ran(program, "deploy", "--yes", cwd=account)
    assert deployed.returncode == 0, deployed.stderr
    assert f"{os.path.relpath(program, account)} credentials" in deployed.stdout or str(program) in deployed.stdout


def test_it_runs_the_server(program: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [program, "local", "--port", str(free_port())], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as local:
        assert local.stdout is not None
        try:
            assert any("serving" in line for line in local.stdout)
        finally:
            local.terminate()
            local.stdout.read()
    assert local.returncode == 0
