"""How long a small listing and an upload take on a file system like NFS: two tasks, a mount each."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from tests.server.mounts import missing, mounts

from .load import AUTHORIZATION, SMALL, get, upload
from .servers import ours, populate, serving

# For every thousand entries that are read of a directory, in microseconds.
READDIR_US = (3000, 20_000)


class Latencies(NamedTuple):
    """In milliseconds; each pair is P50 and P95."""

    files: int
    readdir_us: int
    rest: tuple[float, float]
    uploading: tuple[float, float]
    upload: float
    first_new: float
    first_warm: float


def latencies(files: int, seconds: float, python: str, readdir_us: int) -> Latencies:
    """Of `files` files, each measured for `seconds`."""
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as scratch:
        home = Path(scratch)
        populate(home / "packages", files)
        with (
            mounts(home / "packages", home, READDIR_US=str(readdir_us)) as (first, second),
            serving(ours, first, python) as (one, _),
        ):
            # The hidden directory is made by the first upload; packages are read by the first listing.
            upload(one)
            for path in (SMALL, "/simple/versions/"):
                get(one, path)
            first_warm = statistics.median(_seconds(one, "/simple/versions/") for _ in range(5))
            with serving(ours, second, python) as (other, _):
                first_new = _seconds(other, "/simple/versions/")
                rest, _ = _load([one, other], seconds, uploading=False)
                uploading, uploads = _load([one, other], seconds, uploading=True)
    return Latencies(
        files, readdir_us, rest, uploading, statistics.median(uploads) * 1000, first_new * 1000, first_warm * 1000
    )


def first_listings(wheel_mib: int, python: str) -> tuple[float, float, float]:
    """
    Seconds for listing a project of ten wheels: the very first, which reads them; a new task's first; a warm one's.

    The second is a median of new tasks on hosts of their own.
    """
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as scratch:
        home = Path(scratch)
        populate(home / "packages", 300)
        for version in range(10):
            with (home / "packages" / f"gigabyte-1.{version}-py3-none-any.whl").open("wb") as file:
                for _ in range(wheel_mib):
                    file.write(os.urandom(1 << 20))
        path = "/simple/gigabyte/"
        with mounts(home / "packages", home, count=6) as hosts:
            new = []
            with serving(ours, hosts[0], python) as (port, _):
                upload(port)
                very_first = _seconds(port, path)
            for host in hosts[1:]:
                with serving(ours, host, python) as (port, _):
                    # What the upload changed in the directory is more than a clock tick ago.
                    get(port, SMALL)
                    new.append(_seconds(port, path))
                    warm = statistics.median(_seconds(port, path) for _ in range(9))
    return very_first, statistics.median(new), warm


def _seconds(port: int, path: str) -> float:
    began = time.perf_counter()
    get(port, path)
    return time.perf_counter() - began


def _load(ports: list[int], seconds: float, *, uploading: bool) -> tuple[tuple[float, float], list[float]]:
    """P50 and P95 of listings by one client of each task, and the seconds that each upload took."""
    listings: list[float] = []
    uploads: list[float] = []
    done = threading.Event()

    def read(port: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=300)
        while not done.is_set():
            began = time.perf_counter()
            connection.request("GET", SMALL, headers={"Authorization": AUTHORIZATION})
            connection.getresponse().read()
            listings.append(time.perf_counter() - began)
        connection.close()

    readers = [threading.Thread(target=read, args=(port,)) for port in ports]
    for reader in readers:
        reader.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1)
        if uploading:
            uploads.append(upload(ports[len(uploads) % 2]))
    done.set()
    for reader in readers:
        reader.join()
    cuts = statistics.quantiles(listings, n=20)
    return (cuts[9] * 1000, cuts[18] * 1000), uploads


HEAD = (
    "| files | 1,000 entries take | listing at rest: P50, P95 | with one upload a second | P95 / at rest | upload: P50 "
    "| first of 200 versions: new task, warm |\n|---|---|---|---|---|---|---|"
)


def report(row: Latencies) -> str:
    """A line below HEAD."""
    return (
        f"| {row.files:,} | {row.readdir_us / 1000:g} ms | {row.rest[0]:.1f}, {row.rest[1]:.1f} ms "
        f"| {row.uploading[0]:.1f}, {row.uploading[1]:.1f} ms | {row.uploading[1] / row.rest[1]:.2f} "
        f"| {row.upload:.0f} ms | {row.first_new:.0f}, {row.first_warm:.0f} ms |"
    )


def measure(sizes: Sequence[int], seconds: float, wheel_mib: int, python: str) -> None:
    """Print the tables, unless there can be none here."""
    if reason := missing():
        print(f"No latencies on a network file system: {reason}.")
        return
    print(HEAD, flush=True)
    for files in sizes:
        for readdir_us in READDIR_US:
            print(report(latencies(files, seconds, python, readdir_us)), flush=True)
    times = first_listings(wheel_mib, python)
    print(
        f"\nFirst listing of ten wheels of {wheel_mib} MiB | of a new task | of a warm one | new / warm\n---|---|---|---"
    )
    print(" | ".join(f"{it * 1000:.1f} ms" for it in times), f"| {times[1] / times[2]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--files", type=int, nargs="+", default=[300, 10_000, 50_000])
    parser.add_argument("--wheel-mib", type=int, default=100, help="of each of ten whose first listing is measured")
    parser.add_argument("--python", default=sys.executable, help="with pypiserver and gunicorn")
    options = parser.parse_args()
    measure(options.files, options.seconds, options.wheel_mib, options.python)


if __name__ == "__main__":
    main()
