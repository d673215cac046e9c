"""
`make clients`: runs the matrix, and writes its table into docs/clients.md, line by line.

    python -m tests.clients CACHE [CLIENT …]

Environments stay in CACHE, an absolute directory; with names of clients, the table keeps the others' lines. The exit
code is 1 where a client could not be run, or made something else of a release for a reason that nobody knows.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import table
from .clients import CLIENTS
from .matrix import start, tried
from .others import OTHERS

LABELS = [*CLIENTS, *OTHERS]
RUN_AT_ONCE = 2


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path)
    parser.add_argument("clients", nargs="*")
    options = parser.parse_args()
    if unknown := set(options.clients) - set(LABELS):
        parser.error(f"no such client: {', '.join(sorted(unknown))}; there are {', '.join(LABELS)}")
    options.cache.mkdir(parents=True, exist_ok=True)
    chosen = [label for label in LABELS if not options.clients or label in options.clients]
    one_at_a_time = threading.Lock()
    done = 0

    def run(label: str) -> bool:
        nonlocal done
        try:
            line = line_of(label, options.cache)
        except Exception as error:  # one client that cannot be installed stops none of the others
            line = f"| {label} | | could not be run: {str(error).splitlines()[0][:100]} | | | | | {table.UNKNOWN} |\n"
        with one_at_a_time:
            table.put(label, line, LABELS)
            done += 1
            print(f"{time.strftime('%H:%M:%S')} {done}/{len(chosen)} {line}", end="", flush=True)
        return table.UNKNOWN not in line

    with ThreadPoolExecutor(RUN_AT_ONCE) as pool:
        return 0 if all(list(pool.map(run, chosen))) else 1


def line_of(label: str, cache: Path) -> str:
    home = Path(tempfile.mkdtemp(prefix="client"))
    task = start(home)
    netrc = keyring = None
    try:
        if label in CLIENTS:
            client = CLIENTS[label](cache)
            python = client.python
            cold, warm, netrc, keyring = tried(client, task, home)
        else:
            python = OTHERS[label].python
            cold, warm = OTHERS[label].run(cache, home, task)
    finally:
        task.kill()
        shutil.rmtree(home, ignore_errors=True)
    if cold.wrong:
        print(label, cold.output[-2000:], file=sys.stderr)
    return table.line(label, python, cold, warm, netrc, keyring)


if __name__ == "__main__":
    sys.exit(main())
