"""The original's exact configuration and ours, side by side on the same data: table, JSON and SVG chart."""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from generator.local import free_port
from generator.parts.container_program import command, entry_point

PUBLISHER = ("publisher", "a-long-random-password-of-32-chars")
AUTHORIZATION = "Basic " + b64encode(":".join(PUBLISHER).encode()).decode()
# As the Terraform module configures it.
ORIGINAL_GUNICORN = "preload_app = True\nworker_class = 'gevent'\nworkers = 4\nerrorlog = '-'\ntimeout = 300\n"
BURST = 510

Server = Callable[[Path, Path, str], tuple[list[str], int, dict[str, str]]]
"""Program, port and environment of a server of a directory, with a directory and a Python interpreter to use."""

SMALL, LARGE = "/simple/project7/", "/simple/versions/"
SMALL_WHEEL, LARGE_WHEEL = "/packages/project7-1.0-py3-none-any.whl", "/packages/large-1.0-py3-none-any.whl"
FIGURES = {
    "small listing": SMALL,
    "200 versions": LARGE,
    "/simple/": "/simple/",
    "small wheel": SMALL_WHEEL,
    "1 MiB wheel": LARGE_WHEEL,
}


def resident_mib(group: int) -> float:
    """Proportional set size of a process group: pages shared by forks count once."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            if os.getpgid(int(status.parent.name)) == group:
                total += sum(int(line.split()[1]) for line in status.read_text().splitlines() if line[:4] == "Pss:")
        except (OSError, ValueError):
            continue
    return total / 1024


def cpu_ticks(group: int) -> int:
    """CPU time that a process group has used."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += int(fields[11]) + int(fields[12])
    return total


def populate(directory: Path, files: int) -> None:
    """`files` files: one project of 200 versions, a wheel of 1 MiB, projects of three 2 KB versions."""
    directory.mkdir(parents=True)
    for version in range(200):
        (directory / f"versions-1.{version}-py3-none-any.whl").write_bytes(os.urandom(1 << 16))
    (directory / "large-1.0-py3-none-any.whl").write_bytes(os.urandom(1 << 20))
    for number in range(max(files - 201, 30)):
        (directory / f"project{number // 3}-1.{number % 3}-py3-none-any.whl").write_bytes(os.urandom(2048))


@contextmanager
def serving(server: Server, directory: Path, python: str) -> Iterator[tuple[int, int]]:
    """The server of `directory` on one core, answering; yields its port and process group."""
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as scratch:
        home = Path(scratch)
        program, port, environment = server(directory, home, python)
        with (home / "server.log").open("wb") as log:
            process = subprocess.Popen(
                ["taskset", "-c", "0", *program],
                env={"PATH": os.environ["PATH"], "HOME": scratch, **environment},
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        try:
            for _ in range(600):
                try:
                    get(port, "/health")
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                sys.exit(f"{program[0]} does not answer:\n{(home / 'server.log').read_text()}")
            yield port, process.pid
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def original(directory: Path, home: Path, python: str) -> tuple[list[str], int, dict[str, str]]:
    """htpasswd with bcrypt of cost 10, four gevent workers, simple-dir, sha256."""
    make = "import bcrypt, sys; print(sys.argv[1] + ':' + bcrypt.hashpw(sys.argv[2].encode(), bcrypt.gensalt(10)).decode())"
    (home / "htpasswd").write_text(subprocess.check_output([python, "-c", make, *PUBLISHER], text=True))
    (home / "gunicorn.conf.py").write_text(ORIGINAL_GUNICORN)
    port = free_port()
    program = [
        python,
        "-m",
        "pypiserver",
        "run",
        "-p",
        str(port),
        "--server",
        "gunicorn",
        "--backend",
        "simple-dir",
        "--authenticate",
        "download,list,update",
        "-P",
        str(home / "htpasswd"),
        str(directory),
    ]
    return program, port, {"GUNICORN_CMD_ARGS": f"-c {home}/gunicorn.conf.py"}


def ours(directory: Path, home: Path, python: str) -> tuple[list[str], int, dict[str, str]]:
    port = free_port()
    environment = {
        "PUBLISHER_USERNAME": PUBLISHER[0],
        "PUBLISHER_PASSWORD": PUBLISHER[1],
        "PACKAGES_DIRECTORY": str(directory),
        "PORT": str(port),
        "TMPDIR": str(home),
    }
    return [*entry_point(python), *command()], port, environment


def static(directory: Path, home: Path, _python: str) -> tuple[list[str], int, dict[str, str]]:
    """nginx serving the same bytes without credentials: the limit."""
    port = free_port()
    (home / "nginx.conf").write_text(
        f"daemon off; pid {home}/pid; error_log {home}/e.log; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; sendfile on; client_body_temp_path {home}/b; proxy_temp_path {home}/p;"
        f" fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;"
        f" keepalive_requests 1000000; server {{ listen 127.0.0.1:{port};"
        f" location /packages/ {{ alias {directory}/; }} location /health {{ return 200; }} }} }}\n"
    )
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    return [nginx, "-e", str(home / "e.log"), "-p", str(home), "-c", str(home / "nginx.conf")], port, {}


def get(port: int, path: str) -> int:
    """The status; raises OSError."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("GET", path, headers={"Authorization": AUTHORIZATION})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


_versions = itertools.count()


def sdist(version: str, size: int) -> bytes:
    """The contents of a source distribution that holds `size` bytes beside its metadata."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in (
            ("PKG-INFO", f"Metadata-Version: 2.1\nName: uploaded\nVersion: {version}\n".encode()),
            ("data", os.urandom(size)),
        ):
            member = tarfile.TarInfo(f"uploaded-{version}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def upload(port: int) -> float:
    """Seconds for one upload of 2 KB."""
    version = f"1.{next(_versions)}"
    body = (
        b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--B\r\nContent-Disposition:'
        b' form-data; name="content"; filename="uploaded-%s.tar.gz"\r\n\r\n%s\r\n--B--\r\n'
        % (version.encode(), sdist(version, 2048))
    )
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    began = time.perf_counter()
    headers = {"Authorization": AUTHORIZATION, "Content-Type": "multipart/form-data; boundary=B"}
    connection.request("POST", "/", body, headers)
    status = connection.getresponse().status
    connection.close()
    assert status == 200, status
    return time.perf_counter() - began


def rate(port: int, paths: Sequence[str], seconds: float, clients: int = 32) -> float:
    """Requests per second that succeeded, of clients that keep their connections. Raises RuntimeError on others."""
    script = (
        f"local paths = {{{', '.join(map(json.dumps, paths))}}} local n = 0\n"
        'request = function() n = n + 1 return wrk.format("GET", paths[n % #paths + 1]) end\n'
        'done = function(s) io.write(string.format("\\nRESULT %d %d %d\\n", s.requests, s.errors.status, s.duration)) end\n'
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        output = subprocess.check_output(
            [
                "wrk",
                "-t1",
                f"-c{clients}",
                f"-d{max(1, round(seconds))}",
                "--timeout",
                "120",
                "-H",
                f"Authorization: {AUTHORIZATION}",
                "-s",
                file.name,
                f"http://127.0.0.1:{port}",
            ],
            text=True,
        )
    requests, errors, microseconds = map(int, output.rsplit("RESULT", 1)[1].split())
    if errors:
        raise RuntimeError(f"{errors} of {requests} requests failed:\n{output}")
    return requests / (microseconds / 1e6)


def mixed(port: int, seconds: float, clients: int) -> float:
    """Requests per second of listings and downloads while one file a second is uploaded."""
    done = threading.Event()

    def upload_every_second() -> None:
        while not done.wait(1):
            upload(port)

    uploader = threading.Thread(target=upload_every_second)
    uploader.start()
    try:
        return rate(port, [SMALL, SMALL_WHEEL, "/simple/project8/", LARGE], seconds, clients)
    finally:
        done.set()
        uploader.join()


def in_turns(port: int, other: int, path: str) -> float:
    """The first server's rate as a share of the other's: a shared machine's speed changes from second to second."""
    return statistics.median(rate(port, [path], 1) / rate(other, [path], 1) for _ in range(20))


async def burst(port: int) -> tuple[float, int]:
    """P95 in seconds, and errors, of 510 simultaneous requests as three steps of an installation."""
    began = time.perf_counter()

    async def one(number: int) -> tuple[float, bool]:
        name = f"project{number % 10}"
        path = (f"/{name}/", f"/simple/{name}/", f"/packages/{name}-1.0-py3-none-any.whl")[number % 3]
        request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {AUTHORIZATION}\r\nConnection: close\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request.encode())
            answer = await reader.read()
            writer.close()
        except OSError:
            answer = b""
        return time.perf_counter() - began, answer[9:12] in (b"200", b"303")

    answers = await asyncio.gather(*map(one, range(BURST)))
    return statistics.quantiles((seconds for seconds, _ in answers), n=20)[18], sum(not good for _, good in answers)


def progress(step: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {step} …", file=sys.stderr, flush=True)


def rest(group: int) -> None:
    """Wait until a process group has finished the requests whose clients are gone."""
    spent = -1
    while spent != (spent := cpu_ticks(group)):
        time.sleep(0.5)


def compare(directory: Path, seconds: float, python: str, *, bursts: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of ours and of the original: rates in requests per second, times in seconds."""
    # The original completes few requests a second: two clients keep its core busy, and it needs more time.
    long = 6 * seconds
    with serving(ours, directory, python) as (port, group):
        with serving(original, directory, python) as (other, other_group):
            for each, path in itertools.product((port, other), (SMALL, LARGE, LARGE_WHEEL)):
                get(each, path)
            mine, theirs = ({"uploads/s": 5 / sum(upload(each) for _ in range(5))} for each in (port, other))
            # It is from the first request that sees a change that the index is distrusted.
            get(port, SMALL)
            time.sleep(2.5)
            get(port, SMALL)
            measures = {name: partial(rate, paths=[path]) for name, path in FIGURES.items()}
            for name, measure in {**measures, "mixed, 1 upload/s": mixed}.items():
                progress(f"    {name}")
                before = measure(port, seconds=seconds, clients=32)
                theirs[name] = measure(other, seconds=long, clients=2)
                rest(other_group)
                # Before and after the original, as the machine's speed changes.
                mine[name] = (before + measure(port, seconds=seconds, clients=32)) / 2
            if bursts:
                progress("    burst")
                some = [asyncio.run(burst(port)) for _ in range(5)]
                theirs["burst P95 s"], theirs["burst errors"] = asyncio.run(burst(other))
                rest(other_group)
                some += [asyncio.run(burst(port)) for _ in range(5)]
                mine["burst P95 s"] = statistics.median(p95 for p95, _ in some)
                mine["burst errors"] = sum(errors for _, errors in some)
            theirs["resident MiB"] = resident_mib(other_group)
        mine["resident MiB"] = resident_mib(group)
    return mine, theirs


def run(seconds: float, sizes: Sequence[int], python: str, root: Path) -> dict[str, dict[str, float]]:
    """Figures by "NAME SIZE"."""
    results: dict[str, dict[str, float]] = {}
    # nginx gives its workers to an unprivileged user, who must get at the files.
    root.chmod(0o755)
    for files in sizes:
        progress(f"{files:,} files")
        directory = root / str(files)
        populate(directory, files)
        mine, theirs = compare(directory, seconds, python, bursts=files == sizes[0])
        with serving(static, directory, python) as (port, _):
            limit = {name: rate(port, [FIGURES[name]], seconds) for name in ("small wheel", "1 MiB wheel")}
        results |= {f"original {files}": theirs, f"ours {files}": mine, f"nginx {files}": limit}
        for uploaded in directory.glob("uploaded-*"):
            uploaded.unlink()
    progress("in turns")
    fewest, most = sizes[0], sizes[-1]
    with (
        serving(ours, root / str(fewest), python) as (few, _),
        serving(ours, root / str(most), python) as (many, _),
        serving(static, root / str(fewest), python) as (port, _),
    ):
        results[f"ours {fewest}"]["1 MiB wheel, share of nginx"] = in_turns(few, port, LARGE_WHEEL)
        results[f"ours {most}"][f"small listing, cost / at {fewest:,} files"] = in_turns(few, many, SMALL)
    return results


def table(results: dict[str, dict[str, float]], sizes: Sequence[int]) -> str:
    lines = ["| files | | nginx | ours | original | ours / original |", "|---|---|---|---|---|---|"]
    for files in sizes:
        first, second, limit = (results[f"{name} {files}"] for name in ("original", "ours", "nginx"))
        for figure, value in second.items():
            theirs = f"{first[figure]:,.2f}" if figure in first else "-"
            ratio = f"{value / first[figure]:,.3g}" if first.get(figure) else "-"
            beside = f"{limit[figure]:,.0f}" if figure in limit else "-"
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
        # A hundred pixels are a power of ten, from 0.1 requests a second.
        width = max(1.0, 100 * math.log10(value * 10))
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
    parser.add_argument("--python", default=sys.executable, help="with pypiserver, gunicorn, gevent, passlib, bcrypt<4")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="for benchmark.json and benchmark.svg")
    options = parser.parse_args()
    # Core 0 is the server's.
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as root:
        results = run(options.seconds, options.files, options.python, Path(root))
    options.output.mkdir(exist_ok=True)
    (options.output / "benchmark.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.output / "benchmark.svg").write_text(chart(results, options.files))
    print(table(results, options.files))


if __name__ == "__main__":
    main()
