"""
`make clients`: runs the matrix, and writes its table into docs/clients.md.

    python -m tests.clients CACHE [--minutes N] [CLIENT …]

Environments stay in CACHE, an absolute directory; with names of clients, the table keeps the others' lines.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .clients import Client, Maker, all_clients
from .fronts import FRONTS, bandersnatch, through
from .matrix import Outcome, Tried, start, tried

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
HEAD = "| Client | Python | Installs or locks | netrc | keyring | Cold requests | Warm requests |\n|---|---|---|---|---|---|---|\n"
_TABLE = re.compile(r"(?<=<!-- works -->\n).*?(?=<!-- /works -->)", re.DOTALL)
RUN_AT_ONCE = 2
BANDERSNATCH = "bandersnatch 8.2.0"
# Whose fault it is where a client makes something else of a release, by client and the oldest version that does not.
KNOWN = {
    ("pip", "acme-yanked", (19, 2)): "takes what is withdrawn: PEP 592 came with 19.2",
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("clients", nargs="*")
    options = parser.parse_intermixed_args()
    makers = all_clients()
    labels = [*makers, *FRONTS, BANDERSNATCH]
    if unknown := set(options.clients) - set(labels):
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    options.cache.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * options.minutes
    chosen = [label for label in labels if not options.clients or label in options.clients]

    def line(label: str) -> str | None:
        if time.monotonic() > until:
            return None
        try:
            written = run(label, makers[label], options.cache) if label in makers else run_front(label, options.cache)
        except Exception as error:  # one client that cannot be installed stops none of the others
            written = f"| {label} | | could not be run: {str(error).splitlines()[0][:100]} | | | | |\n"
        print(written, end="", flush=True)
        return written

    with ThreadPoolExecutor(RUN_AT_ONCE) as pool:
        lines = dict(zip(chosen, pool.map(line, chosen), strict=True))
    text = PAGE.read_text()
    (table,) = _TABLE.findall(text)
    kept = {match[1]: match[0] for match in re.finditer(r"\| ([^|]+?) \|.*\n", table)}
    kept |= {label: found for label, found in lines.items() if found}
    PAGE.write_text(_TABLE.sub(lambda _: HEAD + "".join(kept[label] for label in labels if label in kept), text))
    return 1 if any(found is None for found in lines.values()) else 0


def run(label: str, make: Maker, cache: Path) -> str:
    """The client's line of the table."""
    home = Path(tempfile.mkdtemp(prefix="client"))
    client = make(cache)
    task = start(home)
    try:
        found = tried(client, task, home)
    finally:
        task.kill()
        shutil.rmtree(home, ignore_errors=True)
    if found.cold.wrong:
        print(label, found.cold.output[-2000:], file=sys.stderr)
    words = {None: "", True: "yes", False: "no"}
    cells = (label, client.python, outcome(client, found), words[found.netrc], words[found.keyring])
    return f"| {' | '.join((*cells, statuses(found.cold.answers), statuses(found.warm.answers)))} |\n"


def run_front(label: str, cache: Path) -> str:
    """The line of what stands between a client and the server, or copies it."""
    home = Path(tempfile.mkdtemp(prefix="client"))
    task = start(home)
    try:
        front = FRONTS.get(label)
        cold, warm = through(front, cache, home, task) if front else bandersnatch(cache, home, task)
    finally:
        task.kill()
        shutil.rmtree(home, ignore_errors=True)
    cells = (label, "3.13", wrong_of(cold), "", "", statuses(cold.answers), statuses(warm.answers) or "none")
    return f"| {' | '.join(cells)} |\n"


def wrong_of(outcome: Outcome) -> str:
    return f"all but: {', '.join(sorted(outcome.wrong))}" if outcome.wrong else "all"


def outcome(client: Client, found: Tried) -> str:
    """What it makes of the releases, and whose fault the rest is."""
    release = tuple(int(part) for part in re.findall(r"\d+", client.version)[:2])
    if len(found.cold.wrong) > 5:
        return (
            f"nothing: {found.cold.output.strip().splitlines()[-1][:120] if found.cold.output.strip() else 'no output'}"
        )
    said = []
    for name, instead in found.cold.wrong.items():
        known = (
            why for (who, what, since), why in KNOWN.items() if (who, what) == (client.name, name) and release < since
        )
        said.append(next(known, f"{name}: {instead}"))
    if found.warm.wrong != found.cold.wrong:
        said.append("another outcome with a warm cache")
    return "all" if not said else f"all but: {'; '.join(said)}"


def statuses(answers: Counter[int]) -> str:
    return ", ".join(f"{count} of {status}" for status, count in sorted(answers.items()))


if __name__ == "__main__":
    sys.exit(main())
