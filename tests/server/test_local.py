"""`make local`: the printed commands work as pasted, and so does what `credentials` writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from generator.operations.formats import FORMATS, Credentials

from .tasks import free_port, wheel

ROOT = Path(__file__).parents[2]
# nginx is Debian's.
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Local:
    home: Path
    url: str
    printed: list[str]

    def credentials(self, account: str) -> Credentials:
        (password,) = [line.split()[-1] for line in self.printed if line.startswith(f"{account} ")]
        return Credentials(self.url, account, password)

    @property
    def trust(self) -> dict[str, str]:
        """Environment in which clients trust the self-signed certificate."""
        if self.url.startswith("http:"):
            return {}
        (line,) = [line for line in self.printed if " uv publish " in line]
        certificate = line.split()[0].partition("=")[2]
        return {"PIP_CERT": certificate, "REQUESTS_CA_BUNDLE": certificate, "SSL_CERT_FILE": certificate}

    def dist(self, name: str, version: str) -> None:
        """Leave one wheel, and no other, in ``dist/``."""
        directory = self.home / "dist"
        directory.mkdir(exist_ok=True)
        for old in directory.iterdir():
            old.unlink()
        file, content = wheel(name, version)
        (directory / file).write_bytes(content)

    def run(self, line: str, **environment: str) -> str:
        """What ``line`` printed."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, **environment}
        ran = subprocess.run(line, shell=True, cwd=self.home, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, line + ran.stdout + ran.stderr
        return ran.stdout + ran.stderr


@pytest.fixture(params=["https", "http"])
def local(request: pytest.FixtureRequest, newest_image: Path, tmp_path: Path) -> Iterator[Local]:
    """Where nginx and openssl are installed, and where Python alone is."""
    port = free_port()
    options = ["--python", str(newest_image), "--port", str(port), "--directory", "served"]
    alone = {"PATH": str(Path(sys.executable).parent)} if request.param == "http" else {}
    process = subprocess.Popen(
        [sys.executable, "-m", "generator", "local", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")} | alone,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline().strip())
            assert process.poll() is None, lines
        assert ("as openssl is not installed" in lines[0]) == (request.param == "http")
        yield Local(tmp_path, f"{request.param}://localhost:{port}", lines)
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        assert process.wait(30) == 0


def test_the_printed_commands_work_as_pasted(local: Local) -> None:
    for version, tool in (("1.0", "twine"), ("2.0", "uv publish")):
        local.dist("pasted", version)
        local.run(next(line for line in local.printed if f"{tool} " in line))
    assert len(list((local.home / "served").glob("*.whl"))) == 2
    for tool in ("pip install", "uv pip install"):
        line = next(line for line in local.printed if line.partition(" ")[2].startswith(tool) or line.startswith(tool))
        target = local.home / tool.replace(" ", "-")
        local.run(line.replace("PROJECT", f"--target {target} pasted==2.0"))
        assert (target / "pasted.py").exists()


def test_clients_read_what_credentials_writes(local: Local) -> None:
    publisher, reader = local.credentials("publisher"), local.credentials("reader")
    for name, form in (("pip.conf", "pip"), ("index.toml", "uv")):
        (local.home / name).write_text(FORMATS[form](reader))
    (local.home / ".pypirc").write_text(FORMATS["pypirc"](publisher))
    for form in ("twine", "uv-publish", "poetry-publish"):
        (local.home / f"{form}.sh").write_text(FORMATS[form](publisher))

    local.dist("formats", "1.0")
    local.run("twine upload --config-file .pypirc --repository private dist/*", **local.trust)
    for version, form, command in (("2.0", "uv-publish", "uv publish dist/*"), ("3.0", "twine", "twine upload dist/*")):
        local.dist("formats", version)
        local.run(f". ./{form}.sh && {command}", **local.trust)

    local.dist("formats", "4.0")
    (local.home / "pyproject.toml").write_text('[project]\nname = "formats"\nversion = "4.0"\n')
    local.run(". ./poetry-publish.sh && poetry publish -r private -n", **local.trust)

    for version, command in (
        ("4.0", "PIP_CONFIG_FILE=pip.conf pip install"),
        ("1.0", "PIP_CONFIG_FILE=pip.conf pip install"),
        ("2.0", "uv pip install --config-file index.toml"),
        ("3.0", "uv pip install --config-file index.toml"),
    ):
        local.run(f"{command} --target there formats=={version}", **local.trust)
        assert (local.home / "there" / f"formats-{version}.dist-info").is_dir()
    for command in ("PIP_CONFIG_FILE=pip.conf pip install", "uv pip install --config-file index.toml"):
        # Whoever asks another index may get a stranger's package.
        assert "pypi.org" not in local.run(f"! ({command} --verbose --target there absent)", **local.trust)
