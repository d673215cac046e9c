"""The original's exact configuration and ours, side by side on the same data: table, JSON and SVG chart."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from .load import LARGE, LARGE_WHEEL, SMALL, SMALL_WHEEL, burst, get, in_turns, mixed, rate, upload
from .servers import cost, nginx, nginx_with_accounts, original, ours, populate, record, resident_mib, rest, serving

COST = "CPU s per 1,000 small listings"
FIGURES = {
    "small listing": SMALL,
    "200 versions": LARGE,
    "/simple/": "/simple/",
    "small wheel": SMALL_WHEEL,
    "1 MiB wheel": LARGE_WHEEL,
}


def progress(step: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {step} …", file=sys.stderr, flush=True)


class Pythons(NamedTuple):
    """The interpreters beside which the servers are installed."""

    ours: str
    original: str


def compare(
    directory: Path, seconds: float, pythons: Pythons, *, bursts: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of ours and of the original: rates in requests per second, times in seconds."""
    # The original completes few requests a second: two clients keep its core busy, and it needs more time.
    long = 6 * seconds
    with serving(ours, directory, pythons.ours) as (port, group):
        with serving(original, directory, pythons.original) as (other, other_group):
            for each, path in itertools.product((port, other), (SMALL, LARGE, LARGE_WHEEL)):
                get(each, path)
            record(port, directory, [SMALL])
            mine, theirs = ({"uploads/s": 5 / sum(upload(each) for _ in range(5))} for each in (port, other))
            mine[COST], theirs[COST] = cost(port, group, SMALL, seconds), cost(other, other_group, SMALL, long)
            measures: dict[str, Callable[..., float]] = {
                name: partial(rate, paths=[path]) for name, path in FIGURES.items()
            }
            for name, measure in {**measures, "mixed, 1 upload/s": mixed}.items():
                progress(f"    {name}")
                before = measure(port, seconds=seconds, clients=32)
                theirs[name] = measure(other, seconds=long, clients=2)
                rest(other_group)
                # Before and after the original, as the machine's speed changes.
                mine[name] = (before + measure(port, seconds=seconds, clients=32)) / 2
            if bursts:
                progress("    burst")
                some = [asyncio.run(burst(port)) for _ in range(bursts)]
                theirs["burst P95 s"], theirs["burst errors"] = asyncio.run(burst(other))
                rest(other_group)
                some += [asyncio.run(burst(port)) for _ in range(bursts)]
                mine["burst P95 s"] = statistics.median(p95 for p95, _ in some)
                mine["burst errors"] = sum(errors for _, errors in some)
            theirs["resident MiB"] = resident_mib(other_group)
        mine["resident MiB"] = resident_mib(group)
    return mine, theirs


def run(
    seconds: float, sizes: Sequence[int], pythons: Pythons, root: Path, *, bursts: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Figures by "NAME SIZE"."""
    results: dict[str, dict[str, float]] = {}
    # nginx gives its workers to an unprivileged user, who must get at the files.
    root.chmod(0o755)
    for files in sizes:
        progress(f"{files:,} files")
        directory = root / str(files)
        populate(directory, files)
        mine, theirs = compare(directory, seconds, pythons, bursts=bursts if files == sizes[0] else 0)
        with serving(nginx, directory, "") as (port, _):
            limit = {name: rate(port, [FIGURES[name]], seconds) for name in ("small wheel", "1 MiB wheel")}
        with serving(nginx_with_accounts, directory, "") as (port, group):
            limit[COST] = cost(port, group, SMALL, seconds)
        results |= {f"original {files}": theirs, f"ours {files}": mine, f"nginx {files}": limit}
        for uploaded in directory.glob("uploaded-*"):
            uploaded.unlink()
    progress("in turns")
    fewest, most = sizes[0], sizes[-1]
    with (
        serving(ours, root / str(fewest), pythons.ours) as (few, _),
        serving(ours, root / str(most), pythons.ours) as (many, _),
        serving(nginx, root / str(fewest), "") as (port, _),
    ):
        results[f"ours {fewest}"]["1 MiB wheel, share of nginx"] = in_turns(few, port, LARGE_WHEEL, rounds)
        results[f"ours {most}"][f"small listing, cost / at {fewest:,} files"] = in_turns(few, many, SMALL, rounds)
    return results


def table(results: dict[str, dict[str, float]], sizes: Sequence[int]) -> str:
    lines = ["| files | | nginx | ours | original | ours / original |", "|---|---|---|---|---|---|"]
    for files in sizes:
        first, second, limit = (results[f"{name} {files}"] for name in ("original", "ours", "nginx"))
        for figure, value in second.items():
            theirs = f"{first[figure]:,.2f}" if figure in first else "-"
            ratio = f"{value / first[figure]:,.3g}" if first.get(figure) else "-"
            beside = f"{limit[figure]:,.4g}" if figure in limit else "-"
            lines.append(f"| {files:,} | {figure} | {beside} | {value:,.2f} | {theirs} | {ratio} |")
    return "\n".join(lines)


def chart(results: dict[str, dict[str, float]], sizes: Sequence[int]) -> str:
    """Bars of the small listing's rate on a logarithmic axis, as SVG."""
    rows = [
        (f"{name}, {files:,} files", results[f"{name} {files}"]["small listing"])
        for files in sizes
        for name in ("original", "ours")
    ]
    bars = ""
    for row, (label, value) in enumerate(rows):
        # A hundred pixels are a power of ten, from 0.1 requests a second; on a busy machine nothing may be answered in time.
        width = max(1.0, 100 * math.log10(max(value, 0.1) * 10))
        bars += (
            f'<text x="10" y="{row * 30 + 50}">{label}</text><rect x="180" y="{row * 30 + 36}" width="{width:.0f}" height="20" '
            f'fill="{"#999" if row % 2 == 0 else "#37a"}"/><text x="{190 + width:.0f}" y="{row * 30 + 50}">{value:,.1f}/s</text>'
        )
    height = len(rows) * 30 + 50
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="{height}" font-family="sans-serif" font-size="13">'
        f'<text x="10" y="20">Listings of a small project per second, one core, logarithmic</text>{bars}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="for each figure of ours; six times for the original")
    parser.add_argument("--files", type=int, nargs="+", default=[300, 10_000, 50_000])
    parser.add_argument("--bursts", type=int, default=5, help="before and after the original's; 0 for none")
    parser.add_argument("--rounds", type=int, default=20, help="of what is measured in turns")
    parser.add_argument("--python", default=sys.executable, help="with pypiserver and gunicorn")
    parser.add_argument("--original", required=True, help="with pypiserver, gunicorn, gevent, passlib, bcrypt<4")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="for benchmark.json and benchmark.svg")
    options = parser.parse_args()
    # Core 0 is the server's.
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as root:
        results = run(
            options.seconds,
            options.files,
            Pythons(options.python, options.original),
            Path(root),
            bursts=options.bursts,
            rounds=options.rounds,
        )
    options.output.mkdir(exist_ok=True)
    (options.output / "benchmark.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.output / "benchmark.svg").write_text(chart(results, options.files))
    print(table(results, options.files))


if __name__ == "__main__":
    main()
