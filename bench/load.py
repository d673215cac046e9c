"""Requests, and how long they take."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import statistics
import subprocess
import tarfile
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Sequence
from http.client import HTTPConnection

PUBLISHER = ("publisher", "a-long-random-password-of-32-chars")
AUTHORIZATION = "Basic " + b64encode(":".join(PUBLISHER).encode()).decode()
BURST = 510
SMALL, LARGE, HUGE = "/simple/project7/", "/simple/versions/", "/simple/releases/"
SMALL_WHEEL, LARGE_WHEEL = "/packages/project7-1.0-py3-none-any.whl", "/packages/large-1.0-py3-none-any.whl"

_versions = itertools.count()


def sdist(version: str, size: int) -> bytes:
    """The contents of a source distribution that holds `size` bytes beside its metadata."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in (
            ("setup.py", b""),
            ("PKG-INFO", f"Metadata-Version: 2.1\nName: uploaded\nVersion: {version}\n".encode()),
            ("data", os.urandom(size)),
        ):
            member = tarfile.TarInfo(f"uploaded-{version}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def get(port: int, path: str) -> int:
    """The status; raises OSError."""
    return fetch(port, path)[0]


def fetch(port: int, path: str) -> tuple[int, bytes]:
    """The status and the body; raises OSError."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("GET", path, headers={"Authorization": AUTHORIZATION})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def form(size: int) -> bytes:
    """An upload of a new source distribution that holds `size` bytes."""
    version = f"1.{next(_versions)}"
    return (
        b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--B\r\nContent-Disposition:'
        b' form-data; name="content"; filename="uploaded-%s.tar.gz"\r\n\r\n%s\r\n--B--\r\n'
        % (version.encode(), sdist(version, size))
    )


def upload(port: int, body: bytes | None = None) -> float:
    """Seconds for one upload of a `form`, of 2 KB unless it is given."""
    body = body or form(2048)
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


def in_turns(port: int, other: int, path: str, rounds: int) -> float:
    """The first server's rate as a share of the other's: a shared machine's speed changes from second to second."""
    return statistics.median(rate(port, [path], 1) / rate(other, [path], 1) for _ in range(rounds))


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
