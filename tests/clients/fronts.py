"""What people put in front of an index, and behind which uv is run."""

from __future__ import annotations

import os
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.server.tasks import Task, free_port

from .clients import address, uv
from .environments import installed
from .matrix import SECONDS, Outcome, attempt

PYTHON = "3.13"
# devpi is slow to start where the machine is busy.
START_SECONDS = 150
Front = Callable[[Path, Path, str, int], tuple[list[str | Path], dict[str, str], str]]
"""Command, environment and the index's path, with a cache, a home, the address behind it, and a port."""


def proxpi(cache: Path, home: Path, behind: str, port: int) -> tuple[list[str | Path], dict[str, str], str]:
    gunicorn = installed(cache, PYTHON, "proxpi==1.3.1", "gunicorn==27.0.1") / "gunicorn"
    environment = {"PROXPI_INDEX_URL": behind, "PROXPI_CACHE_DIR": str(home / "cache")}
    return [gunicorn, "--bind", f"127.0.0.1:{port}", "--threads", "4", "proxpi.server:app"], environment, "/index/"


def simple_repository_server(
    cache: Path, _home: Path, behind: str, port: int
) -> tuple[list[str | Path], dict[str, str], str]:
    tool = installed(cache, PYTHON, "simple-repository-server==0.10.0") / "simple-repository-server"
    return [tool, "--port", str(port), "--stream-http-resources", behind], {}, "/simple/"


def devpi(cache: Path, home: Path, _behind: str, port: int) -> tuple[list[str | Path], dict[str, str], str]:
    tools = installed(cache, PYTHON, "devpi-server==6.20.3")
    directory = home / "devpi"
    command: list[str | Path] = [
        tools / "devpi-init",
        "--serverdir",
        directory,
        "--no-root-pypi",
        "--root-passwd",
        "root",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    return [tools / "devpi-server", "--serverdir", directory, "--port", str(port)], {}, "/root/ours/+simple/"


def _make_mirror(port: int, behind: str) -> None:
    """devpi's, of this index."""
    url = f"http://127.0.0.1:{port}"
    login = requests.post(f"{url}/+login", json={"user": "root", "password": "root"}, timeout=60)
    token = b64encode(f"root:{login.json()['result']['password']}".encode()).decode()
    made = requests.put(
        f"{url}/root/ours",
        json={"type": "mirror", "mirror_url": behind, "volatile": True},
        headers={"X-Devpi-Auth": token},
        timeout=60,
    )
    made.raise_for_status()


def pypiron(cache: Path, home: Path, behind: str, port: int) -> tuple[list[str | Path], dict[str, str], str]:
    tool = installed(cache, PYTHON, "pypiron==0.0.29") / "pypiron"
    options = ("--data-dir", home / "pypiron", "--bind-addr", f"127.0.0.1:{port}", "--advisory-feed", "")
    upstream = ("--proxy-upstream", behind, "--allow-insecure-upstream")
    return [tool, "serve", *options, *upstream], {}, "/simple/"


FRONTS: dict[str, Front] = {
    "proxpi 1.3.1": proxpi,
    "simple-repository-server 0.10.0": simple_repository_server,
    "devpi 6.20.3": devpi,
    "pypiron 0.0.29": pypiron,
}


@contextmanager
def serving(front: Front, cache: Path, home: Path, task: Task) -> Iterator[str]:
    """The address of the front's index, once it answers."""
    port, behind = free_port(), address(task)
    command, environment, path = front(cache, home, behind, port)
    with (home / "front.log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command)], env={"PATH": os.defpath, "HOME": str(home), **environment}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((home / "front.log").read_text(errors="replace")[-500:])
            time.sleep(0.2)
        if front is devpi:
            _make_mirror(port, behind)
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=10).status_code < 500
    except requests.RequestException:
        return False


def through(front: Front, cache: Path, home: Path, task: Task) -> tuple[Outcome, Outcome]:
    """uv behind the front; requests are those that reach the task. The second uv has no cache."""
    client = uv(cache, "0.13.9")
    with serving(front, cache, home, task) as index:
        cold, warm = (attempt(client, task, home / name, index) for name in ("first", "second"))
    return cold, warm
