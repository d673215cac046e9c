"""Twenty `uv sync` of sixty wheels with cold caches and twenty with warm ones, on ours and other servers: a table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.server.tasks import wheel

from .costs import Rival, simple_repository_server
from .load import PUBLISHER, fetch
from .servers import cpu_ticks, nginx, ours, record, serving

WHEEL_BYTES = 50_000


class Crossed:
    """Requests to a server, and bytes from it."""

    requests = bytes = 0


class Figures(NamedTuple):
    """`cpu` is the CPU-seconds of the server's processes."""

    requests: int
    bytes: int
    cpu: float


@contextmanager
def counting(port: int) -> Iterator[tuple[int, Crossed]]:
    """A port in front of another, and what crosses it."""
    crossed = Crossed()

    def asked(data: bytes) -> None:
        crossed.requests += data.count(b" HTTP/1.1\r\n")

    def answered(data: bytes) -> None:
        crossed.bytes += len(data)

    def copy(source: socket.socket, target: socket.socket, count: Callable[[bytes], None]) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                count(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                threading.Thread(target=copy, args=(client, server, asked), daemon=True).start()
                threading.Thread(target=copy, args=(server, client, answered), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], crossed


def names(projects: int) -> list[str]:
    return [f"project{number}" for number in range(projects)]


def sync(project: Path, cache: Path, port: int, projects: int) -> None:
    """One `uv sync` of what is neither locked nor installed yet."""
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    index = f"http://{PUBLISHER[0]}:{PUBLISHER[1]}@127.0.0.1:{port}/simple/"
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.10"\ndependencies = {json.dumps(names(projects))}\n'
        f'[[tool.uv.index]]\nname = "bench"\nurl = "{index}"\ndefault = true\n'
    )
    command = [sys.executable, "-m", "uv", "sync", "--quiet", "--python", sys.executable, "--cache-dir", str(cache)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(project), "UV_LINK_MODE": "hardlink"}
    subprocess.run(command, cwd=project, env=environment, check=True)
    assert len(list(project.glob(".venv/lib/*/site-packages/project*.dist-info"))) == projects


def measure(port: int, group: int, home: Path, projects: int, times: int) -> tuple[Figures, Figures]:
    """Of all the runs together: cold and warm."""
    home.mkdir()
    with counting(port) as (counted, crossed):

        def figures(caches: list[Path]) -> Figures:
            requests, received, ticks = crossed.requests, crossed.bytes, cpu_ticks(group)
            for cache in caches:
                sync(home / "project", cache, counted, projects)
            spent = (cpu_ticks(group) - ticks) / os.sysconf("SC_CLK_TCK")
            return Figures(crossed.requests - requests, crossed.bytes - received, spent)

        cold = figures([home / f"cache{number}" for number in range(times)])
        return cold, figures([home / "cache0"] * times)


def compare(projects: int, times: int, rivals: dict[str, Rival]) -> dict[str, tuple[Figures, Figures]]:
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        directory = root / "packages"
        directory.mkdir()
        for name in names(projects):
            filename, content = wheel(name, "1.0", os.urandom(WHEEL_BYTES))
            (directory / filename).write_bytes(content)
            # As those of most installs: what is younger than a minute may still be copied.
            os.utime(directory / filename, (1_700_000_000,) * 2)
        found = {}
        for label, rival in rivals.items():
            served = directory if rival.server is not nginx else root / "static" / "packages"
            with serving(rival.server, served, rival.python) as (port, group):
                if rival.server is ours:
                    static(port, directory, root / "static" / "packages")
                found[label] = measure(port, group, root / rival.server.__name__, projects, times)
    return found


def static(port: int, directory: Path, target: Path) -> None:
    """The packages with their metadata and listings as files, as our answers have them."""
    target.mkdir(parents=True)
    for file in directory.glob("*.whl"):
        (target / file.name).hardlink_to(file)
        (target / f"{file.name}.metadata").write_bytes(fetch(port, f"/packages/{file.name}.metadata")[1])
    record(port, target, [f"/simple/{file.name.partition('-')[0]}/" for file in directory.glob("*.whl")])


def table(found: dict[str, tuple[Figures, Figures]]) -> str:
    lines = ["| | requests: cold | warm | MB: cold | warm | server's CPU-seconds: cold | warm |", "|---" * 7 + "|"]
    for label, (cold, warm) in found.items():
        cells = [f"{cold.requests:,}", f"{warm.requests:,}", f"{cold.bytes / 1e6:.2f}", f"{warm.bytes / 1e6:.2f}"]
        lines.append(f"| {' | '.join((label, *cells, f'{cold.cpu:.2f}', f'{warm.cpu:.2f}'))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=60, help="with a wheel of 50 KB each")
    parser.add_argument("--times", type=int, default=20, help="that uv runs, cold and then warm")
    parser.add_argument("--python", default=sys.executable, help="with pypiserver and gunicorn")
    parser.add_argument("--others", help="with simple-repository-server")
    options = parser.parse_args()
    # Core 0 is the servers'.
    os.sched_setaffinity(0, {1})
    rivals = {"ours": Rival(ours, options.python), "nginx, from files": Rival(nginx, "")}
    if options.others:
        rivals["simple-repository-server"] = Rival(simple_repository_server, options.others)
    print(table(compare(options.projects, options.times, rivals)))


if __name__ == "__main__":
    main()
