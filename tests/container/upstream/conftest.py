"""Tasks with an index outside, which is on loopback."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conftest import StartTask
from ..tasks import Task
from .playing import FILES, INDEX, Index, World

StartUpstream = Callable[..., Task]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for the names outside, and its key."""
    home = tmp_path_factory.mktemp("certificate")
    certificate, key = home / "certificate.pem", home / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=outside", "-addext", f"subjectAltName=DNS:{INDEX},DNS:{FILES},DNS:other.test"]
    files = ["-days", "30", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("building needs gcc")
    library = tmp_path_factory.mktemp("outside") / "outside.so"
    source = Path(__file__).parents[1] / "outside.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def pypi(certificate: tuple[Path, Path]) -> Iterator[Index]:
    index = Index(certificate)
    yield index
    index.stop()


@pytest.fixture
def world(pypi: Index, tmp_path: Path) -> World:
    return World(tmp_path / "outside", pypi.port)


@pytest.fixture
def start_upstream(
    start_newest: StartTask, world: World, library: Path, certificate: tuple[Path, Path]
) -> StartUpstream:
    """`start_upstream(directory, **environment)`: a task that takes from the index what it does not have."""

    def start(directory: Path, **environment: str) -> Task:
        return start_newest(
            directory,
            **{
                "UPSTREAM_URL": f"https://{INDEX}/simple",
                "UPSTREAM_FILE_HOSTS": FILES,
                "SSL_CERT_FILE": str(certificate[0]),
                "LD_PRELOAD": str(library),
                "OUTSIDE": str(world.path),
                **environment,
            },
        )

    return start
