"""What a small listing costs other servers on the same packages, in turns: a table of CPU-seconds."""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from generator.local import free_port

from .load import PUBLISHER, SMALL, get
from .servers import Server, cost, guarded, ours, populate, serving, stock_program

ROUNDS = 5


def best(directory: Path, home: Path, python: str) -> tuple[list[str], int, dict[str, str]]:
    """Stock pypiserver at its best: the index in memory (cached-dir), one gevent worker, SHA-1 instead of bcrypt."""
    digest = base64.b64encode(hashlib.sha1(PUBLISHER[1].encode(), usedforsecurity=False).digest()).decode()
    (home / "htpasswd").write_text(f"{PUBLISHER[0]}:{{SHA}}{digest}\n")
    (home / "gunicorn.conf.py").write_text("worker_class = 'gevent'\nworkers = 1\nerrorlog = '-'\n")
    return stock_program(directory, home, python, "cached-dir")


def simple_repository_server(directory: Path, _home: Path, python: str) -> tuple[list[str], int, dict[str, str]]:
    """It has no accounts, and uvicorn. Its directory holds a directory for each project."""
    port = free_port()
    tree = directory.parent / "tree"
    for wheel in directory.glob("project*.whl"):
        project = tree / wheel.name.partition("-")[0]
        project.mkdir(parents=True, exist_ok=True)
        if not (project / wheel.name).exists():
            (project / wheel.name).hardlink_to(wheel)
    return [str(Path(python).with_name("simple-repository-server")), "--port", str(port), str(tree)], port, {}


def compare(files: int, seconds: float, python: str, original: str, others: str) -> dict[str, float]:
    """CPU-seconds for a thousand small listings by name; all run at once, and are asked in turns."""
    servers: dict[str, tuple[Server, str]] = {
        "ours": (ours, python),
        "nginx with basic authentication": (guarded, python),
        "pypiserver at its best": (best, original),
        "simple-repository-server, without accounts": (simple_repository_server, others),
    }
    costs: dict[str, list[float]] = {name: [] for name in servers}
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as scratch, ExitStack() as stack:
        Path(scratch).chmod(0o755)
        directory = Path(scratch) / "packages"
        populate(directory, files)
        running = {
            name: stack.enter_context(serving(server, directory, interpreter))
            for name, (server, interpreter) in servers.items()
        }
        for port, _ in running.values():
            get(port, SMALL)
        for _ in range(ROUNDS):
            for name, (port, group) in running.items():
                costs[name].append(cost(port, group, SMALL, seconds))
    return {name: statistics.median(figures) for name, figures in costs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for each server and round")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--python", default=sys.executable, help="with pypiserver and gunicorn")
    parser.add_argument("--original", required=True, help="with pypiserver, watchdog, gunicorn, gevent, passlib")
    parser.add_argument("--others", required=True, help="with simple-repository-server")
    options = parser.parse_args()
    # Core 0 is the servers'.
    os.sched_setaffinity(0, {1})
    costs = compare(options.files, options.seconds, options.python, options.original, options.others)
    print("| | CPU-seconds for 1,000 small listings | ours / its |\n|---|---|---|")
    for name, figure in costs.items():
        print(f"| {name} | {figure:.3f} | {costs['ours'] / figure:.2f} |")


if __name__ == "__main__":
    main()
