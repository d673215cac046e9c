"""A real task, and what is sent to it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import signal
import socket
import subprocess
import tarfile
import time
import warnings
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from ..forking import Forked

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "server")
PUBLISHER = ("publisher", "a-long-random-password")
READER = ("reader", "another-long-password")
ASKED_TIMES = 20
JSON_TYPE = "application/vnd.pypi.simple.v1+json"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def environment_of(directory: Path, port: int, **overrides: str) -> dict[str, str]:
    return {
        "PUBLISHER_USERNAME": PUBLISHER[0],
        "PUBLISHER_PASSWORD": PUBLISHER[1],
        "READER_USERNAME": READER[0],
        "READER_PASSWORD": READER[1],
        "PACKAGES_DIRECTORY": str(directory),
        "PORT": str(port),
        **overrides,
    }


class Task:
    def __init__(
        self,
        python: Path,
        directory: Path,
        home: Path,
        overrides: Mapping[str, str],
        wrapper: str = "",
        command: Sequence[str] = PROGRAM,
    ) -> None:
        """`wrapper` is a command that runs the task's; `command` is what Python gets."""
        home.mkdir()
        self.directory = directory
        self.temporary = home / "tmp"
        self.temporary.mkdir()
        self.log = home / "stdout"
        self.errors = home / "stderr"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._connections: list[socket.socket] = []
        environment = environment_of(directory, self.port, TMPDIR=str(self.temporary), **overrides)
        with self.log.open("wb") as stdout, self.errors.open("wb") as stderr:
            variables = {"PATH": os.defpath, **environment}
            self.process: Forked | subprocess.Popen[bytes]
            if command == PROGRAM and not wrapper:
                with open(os.devnull, "rb") as stdin:
                    streams = [it.fileno() for it in (stdin, stdout, stderr)]
                    self.process = Forked(python, "server", (), variables, ROOT, streams)
            else:
                self.process = subprocess.Popen(
                    [*wrapper.split(), python, *command],
                    cwd=ROOT,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(requests.ConnectionError):
                if listens(self.port) and requests.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return
            time.sleep(0.01)
        raise AssertionError(f"the task did not start:\n{self.errors.read_text()}")

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        """SIGKILL for gunicorn and its workers, as when a host dies."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for connection in self._connections:
            connection.close()

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self._connections.append(connection)
        return connection

    def with_credentials(self, account: tuple[str, str] = PUBLISHER) -> str:
        return f"http://{account[0]}:{account[1]}@127.0.0.1:{self.port}"

    def get(self, path: str, account: tuple[str, str] | None = PUBLISHER, **options: Any) -> requests.Response:
        options.setdefault("allow_redirects", False)
        return requests.get(self.url + path, auth=account, timeout=60, **options)

    def project(self, name: str) -> dict[str, Any]:
        """The project's PEP 691 document."""
        response = self.get(f"/simple/{name}/", headers={"Accept": JSON_TYPE})
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    def upload(
        self,
        filename: str,
        content: bytes,
        fields: Mapping[str, str] | None = None,
        *,
        account: tuple[str, str] | None = PUBLISHER,
        agent: str = "uv/1",
        signature: tuple[str, bytes] | None = None,
    ) -> requests.Response:
        files = {"content": (filename, content)}
        if signature:
            files["gpg_signature"] = signature
        return requests.post(
            self.url + "/",
            data={":action": "file_upload", "protocol_version": "1", **(fields or {})},
            files=files,
            auth=account,
            headers={"User-Agent": agent},
            timeout=120,
        )

    def begin_upload(
        self, filename: str, size: int, announced: int | None = None, account: tuple[str, str] = PUBLISHER
    ) -> tuple[socket.socket, bytes]:
        """An open connection with all but the last `size` bytes of an upload sent, and the end to send."""
        head = (
            b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
            b'--B\r\nContent-Disposition: form-data; name="content"; filename="%s"\r\n\r\n' % filename.encode()
        )
        tail = b"\r\n--B--\r\n"
        connection = self.connect()
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
            + f"Content-Length: {announced or len(head) + size + len(tail)}\r\n".encode()
            + f"Authorization: {basic(account)}\r\n\r\n".encode()
            + head
        )
        return connection, tail

    def access_log(self) -> list[dict[str, Any]]:
        """Without the probes that failed until the task was ready."""
        return [line for line in self._lines() if "path" in line and line["path"] != "/health"]

    def changes(self) -> list[dict[str, Any]]:
        """What the log has of packages: uploads, removals, refusals."""
        return [line for line in self._lines() if "change" in line]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def wait_for(condition: object) -> bool:
    """Whether the condition came true before patience ran out."""
    assert callable(condition)
    deadline = time.monotonic() + 15
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(met)


def becomes(wanted: object, ask: Callable[[], object]) -> None:
    """Within what a busy machine may need for a few polls; in every process, and any of them may answer."""
    deadline = time.monotonic() + 30
    while any((found := ask()) != wanted for _ in range(ASKED_TIMES)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def visible(directory: Path) -> list[str]:
    """The names in a package directory that every version of the server and pypiserver see."""
    return sorted(name for name in os.listdir(directory) if name not in (".index", ".yanked"))


STOCK = """
import sys
from pathlib import Path
from pypiserver.backend import SimpleFileBackend
from pypiserver.config import Config

config = Config.default_with_overrides(roots=[Path(sys.argv[1])], backend_arg="simple-dir")
print(*(package.relfn for package in SimpleFileBackend(config).get_all_packages()))
"""


def stock_packages(python: Path, directory: Path) -> list[str]:
    """The files of a package directory that pypiserver's own backend lists."""
    return subprocess.check_output([python, "-c", STOCK, directory], text=True).split()


def staged(directory: Path) -> list[Path]:
    """Uploads under way, and what killed ones left."""
    return list(directory.glob(".index/staging/*"))


def basic(account: tuple[str, str]) -> str:
    return "Basic " + b64encode(":".join(account).encode()).decode()


def status_of(connection: socket.socket) -> int:
    """The status of the response that arrives on a connection; 0 if it is closed without one."""
    data = b""
    while b"\r\n" not in data and (chunk := connection.recv(4096)):
        data += chunk
    return int(data.split()[1]) if data else 0


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(project: str, version: str, extra: bytes = b"", metadata: str = "") -> tuple[str, bytes]:
    """An installable wheel's filename and content."""
    info = f"{project}-{version}.dist-info"
    text = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\nRequires-Python: >=3.8\n{metadata}"
    members = [
        (f"{project}.py", b"VERSION = %r\n" % version.encode() + b"#" + extra),
        (f"{info}/METADATA", text.encode()),
        *beside(info, f"{project}.py,,\n{info}/METADATA,,\n"),
    ]
    return f"{project}-{version}-py3-none-any.whl", zipped(members)


def beside(info: str, record: str = "") -> list[tuple[str, bytes]]:
    """What a wheel needs beside its METADATA, in the directory `info`."""
    return [
        (f"{info}/WHEEL", b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        (f"{info}/RECORD", f"{record}{info}/WHEEL,,\n{info}/RECORD,,\n".encode()),
    ]


def sdist(project: str, version: str, extra: bytes = b"", metadata: str = "") -> tuple[str, bytes]:
    """A source distribution's filename and content."""
    home = f"{project}-{version}"
    text = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n{metadata}"
    return f"{home}.tar.gz", tarball([(f"{home}/PKG-INFO", text.encode()), (f"{home}/setup.py", b"#" + extra)])


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda content: gzip.compress(content, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "none": bytes,
}


def tarball(members: Iterable[tuple[str, bytes]], compression: str = "gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in members:
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return COMPRESSIONS[compression](content.getvalue())


def zipped(members: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(content, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return content.getvalue()
