"""CPU-seconds that answers cost ours and other servers on the same packages, in turns: a table."""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from generator.local.processes import free_port

from .load import HUGE, LARGE, LARGE_WHEEL, PUBLISHER, SMALL, SMALL_WHEEL, get
from .servers import Server, cost, nginx, nginx_with_accounts, ours, populate, record, serving, stock_program

QUESTIONS = {
    "small listing": SMALL,
    "200 versions": LARGE,
    "3,000 versions": HUGE,
    "2 KB wheel": SMALL_WHEEL,
    "1 MiB wheel": LARGE_WHEEL,
}
LIMIT = "nginx, accounts"


class Rival(NamedTuple):
    """A server, the interpreter beside which it is installed, and what it can be asked."""

    server: Server
    python: str
    questions: Iterable[str] = QUESTIONS


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


def pypiron(_directory: Path, home: Path, python: str) -> tuple[list[str], int, dict[str, str]]:
    """It takes packages by uploads alone, into a storage of its own: see ``fill``."""
    port = free_port()
    user, password = PUBLISHER
    options = ["--data-dir", str(home), "--bind-addr", f"127.0.0.1:{port}", "--advisory-feed", ""]
    accounts = ["--uploader-user", user, "--uploader-pass", password, "--read-user", "reader", "--read-pass", password]
    return [str(Path(python).with_name("pypiron")), "serve", *options, *accounts], port, {}


def fill(port: int, directory: Path) -> None:
    """Give pypiron the project of the small listing."""
    twine = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
    target = ["--repository-url", f"http://127.0.0.1:{port}/", "-u", PUBLISHER[0], "-p", PUBLISHER[1]]
    subprocess.run([*twine, *target, *directory.glob("project7-*")], check=True, stdout=subprocess.DEVNULL)


def compare(files: int, seconds: float, rounds: int, rivals: dict[str, Rival]) -> dict[str, dict[str, float]]:
    """CPU-seconds for a thousand answers, by question and server; all run at once, and are asked in turns."""
    costs: dict[str, dict[str, list[float]]] = {
        question: {name: [] for name, rival in rivals.items() if question in rival.questions} for question in QUESTIONS
    }
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as scratch, ExitStack() as stack:
        Path(scratch).chmod(0o755)
        directory = Path(scratch) / "packages"
        populate(directory, files, releases=3000)
        running = {
            name: stack.enter_context(serving(rival.server, directory, rival.python)) for name, rival in rivals.items()
        }
        record(running["ours"][0], directory, (SMALL, LARGE, HUGE))
        if "pypiron" in running:
            fill(running["pypiron"][0], directory)
        for question, by_server in costs.items():
            for _ in range(rounds):
                for name, figures in by_server.items():
                    port, group = running[name]
                    get(port, QUESTIONS[question])
                    figures.append(cost(port, group, QUESTIONS[question], seconds))
    return {
        question: {name: statistics.median(figures) for name, figures in by_server.items()}
        for question, by_server in costs.items()
    }


def table(costs: dict[str, dict[str, float]], names: Iterable[str]) -> str:
    names = list(names)
    lines = [f"| CPU-seconds for 1,000 | {' | '.join(names)} | share of {LIMIT} |", "|---" * (len(names) + 2) + "|"]
    for question, by_server in costs.items():
        cells = [f"{by_server[name]:.3f}" if name in by_server else "" for name in names]
        lines.append(f"| {question} | {' | '.join(cells)} | {by_server[LIMIT] / by_server['ours']:.0%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for each server, question and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--python", default=sys.executable, help="with pypiserver and gunicorn")
    parser.add_argument("--original", help="with pypiserver, watchdog, gunicorn, gevent, passlib")
    parser.add_argument("--others", help="with simple-repository-server and pypiron")
    options = parser.parse_args()
    # Core 0 is the servers'.
    os.sched_setaffinity(0, {1})
    rivals = {
        "ours": Rival(ours, options.python),
        LIMIT: Rival(nginx_with_accounts, ""),
        "nginx": Rival(nginx, ""),
    }
    if options.original:
        rivals["stock at its best"] = Rival(best, options.original)
    if options.others:
        one = ("small listing",)
        rivals["simple-repository-server"] = Rival(simple_repository_server, options.others, one)
        rivals["pypiron"] = Rival(pypiron, options.others, one)
    print(table(compare(options.files, options.seconds, options.rounds, rivals), rivals))


if __name__ == "__main__":
    main()
