"""How long uploads take ours and stock pypiserver at its best, on a directory each, in turns: a table."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from .costs import best
from .load import form, upload
from .servers import ours, populate, serving

MIB = 1 << 20
AT_ONCE = 64


def at_once(port: int) -> float:
    """Seconds until all of 64 uploads of 1 MiB, begun together, are answered."""
    forms = [form(MIB) for _ in range(AT_ONCE)]
    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda body: upload(port, body), forms))
    return time.perf_counter() - began


MEASURES: dict[str, Callable[[int], float]] = {
    "2 KB": upload,
    "1 MiB": lambda port: upload(port, form(MIB)),
    "8 MiB": lambda port: upload(port, form(8 * MIB)),
    "64 of 1 MiB at once": at_once,
}


def compare(files: int, rounds: int, python: str, original: str) -> dict[str, tuple[float, float]]:
    """Seconds that ours and the other took, by measure, where there are `files` files; none if 0."""
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as scratch, ExitStack() as stack:
        ports = []
        for server, interpreter in ((ours, python), (best, original)):
            directory = Path(scratch) / server.__name__
            if files:
                populate(directory, files)
            else:
                directory.mkdir()
            ports.append(stack.enter_context(serving(server, directory, interpreter))[0])
        taken = {}
        for name, measure in MEASURES.items():
            # With many files, stock's workers do not live long enough to answer so many.
            if measure is at_once and files > 1000:
                continue
            times = [[measure(port) for port in ports] for _ in range(rounds)]
            mine, theirs = map(statistics.median, zip(*times, strict=True))
            taken[name] = (mine, theirs)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--files", type=int, nargs="+", default=[0, 300, 50_000])
    parser.add_argument("--python", default=sys.executable, help="with pypiserver and gunicorn")
    parser.add_argument("--original", required=True, help="with pypiserver, watchdog, gunicorn, gevent, passlib")
    options = parser.parse_args()
    # Core 0 is the servers'.
    os.sched_setaffinity(0, {1})
    print("| files | upload of | ours | stock at its best | ours / stock |\n|---|---|---|---|---|", flush=True)
    for files in options.files:
        for name, (mine, theirs) in compare(files, options.rounds, options.python, options.original).items():
            figures = f"{mine * 1000:.0f} ms | {theirs * 1000:.0f} ms | {mine / theirs:.2f}"
            print(f"| {files:,} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
