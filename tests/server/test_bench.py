"""Each part of `make bench` runs, and prints its table, in a short form."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.server import chart

from .conftest import python_with
from .mounts import missing

ROOT = Path(__file__).parents[2]
# The Makefile's, whose original is measured.
ORIGINAL = [
    "pypiserver==2.4.1",
    "gunicorn==20.0.4",
    "gevent==24.11.1",
    "passlib==1.7.4",
    "bcrypt<4",
    "setuptools<81",
    "watchdog<7",
]

pytestmark = pytest.mark.slow
needs_load = pytest.mark.skipif(
    not all(shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") for program in ("wrk", "nginx", "taskset")),
    reason="wrk, nginx or taskset is not installed",
)


def rows(part: str, *options: str) -> list[list[str]]:
    """The cells of the first table that a part prints, without its two heading lines."""
    table = subprocess.check_output([sys.executable, "-m", f"bench.{part}", *options], text=True, cwd=ROOT, timeout=300)
    print(table)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.partition("\n\n")[0].splitlines()[2:]]


def test_what_was_not_answered_in_time_has_a_bar_too() -> None:
    rates = {"original 300": {"small listing": 0.0}, "ours 300": {"small listing": 1000.0}}
    drawn = ElementTree.fromstring(chart(rates, [300])).findall("{*}rect")
    assert [it.get("width") for it in drawn] == ["1", "400"]


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_latencies_are_measured(newest_image: Path) -> None:
    measured = rows("latency", "--seconds", "1", "--files", "300", "--wheel-mib", "1", "--python", str(newest_image))
    assert [row[0] for row in measured] == ["300", "300"]


@needs_load
def test_costs_are_measured(newest_image: Path) -> None:
    measured = rows("costs", "--seconds", "1", "--rounds", "1", "--python", str(newest_image))
    assert [row[0] for row in measured] == [
        "small listing",
        "200 versions",
        "3,000 versions",
        "2 KB wheel",
        "1 MiB wheel",
    ]
    assert all(float(cost) > 0 for row in measured for cost in row[1:4])


@needs_load
def test_what_uv_asks_for_is_measured(newest_image: Path) -> None:
    measured = rows("syncs", "--projects", "3", "--times", "2", "--python", str(newest_image))
    cold = str(2 * 3 * len(("listing", "metadata", "wheel")))
    # With a warm cache only for the listings, whether they have changed.
    assert [row[:3] for row in measured] == [["ours", cold, "6"], ["nginx, from files", cold, "0"]]
    assert all(float(row[3]) > 0.3 > float(row[4]) for row in measured)


@needs_load
def test_the_original_is_measured(newest_image: Path, tmp_path: Path) -> None:
    original = python_with("original", ORIGINAL)
    short = ["--seconds", "0.3", "--files", "300", "--bursts", "0", "--rounds", "1", "--output", str(tmp_path)]
    measured = rows("server", *short, "--python", str(newest_image), "--original", str(original))
    figures = {row[1]: row[2:] for row in measured}
    assert figures.keys() >= {"small listing", "200 versions", "1 MiB wheel", "mixed, 1 upload/s", "resident MiB"}
    assert all(float(it.replace(",", "")) > 0 for row in figures.values() for it in row if it != "-")
    assert {it.name for it in tmp_path.iterdir()} == {"benchmark.json", "benchmark.svg"}


@needs_load
def test_uploads_are_measured(newest_image: Path) -> None:
    original = python_with("original", ORIGINAL)
    short = ["--rounds", "1", "--files", "0"]
    measured = rows("uploads", *short, "--python", str(newest_image), "--original", str(original))
    assert [row[:2] for row in measured] == [["0", name] for name in ("2 KB", "1 MiB", "8 MiB", "64 of 1 MiB at once")]
    assert all(float(row[4]) > 0 for row in measured)
