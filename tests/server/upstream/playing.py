"""An index that plays PyPI on loopback, and tasks for which it is in the world outside."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..libraries import library
from ..tasks import JSON_TYPE, Task, sha256, wheel

NAME, CONTENT = wheel("outer", "1.0")
DAY = 86400
INDEX, FILES = "pypi.test", "files.test"
ADDRESS = "93.184.216.34"

Answer = Callable[[BaseHTTPRequestHandler], None]


def stamp(days_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - days_ago * DAY)) + ".123456Z"


class Index:
    """`asked` has each path that was asked for; `answers` replaces what is answered at a path."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.files: dict[str, bytes] = {}
        self.pages: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.not_modified: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.down = False
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                if index.down:
                    self.connection.close()
                elif self.path in index.answers:
                    index.answers[self.path](self)
                else:
                    index.answer(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, project: str, name: str, content: bytes, *, days_ago: float | None = 30, facts: Any = None) -> str:
        """A file of a project; its path."""
        path = f"/files/{name}"
        self.files[path] = content
        page = self.pages.setdefault(project, {"meta": {"api-version": "1.1"}, "name": project, "files": []})
        entry = {
            "filename": name,
            "url": f"https://{FILES}{path}",
            "hashes": {"sha256": sha256(content)},
            "size": len(content),
            **({} if days_ago is None else {"upload-time": stamp(days_ago)}),
            **(facts or {}),
        }
        page["files"] = [*page["files"], entry]
        return path

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path
        if path in self.files:
            return send(handler, 200, "application/octet-stream", self.files[path])
        page = self.pages.get(path.removeprefix("/simple/").strip("/"))
        if page is None:
            return send(handler, 404, "text/plain", b"")
        body = json.dumps(page).encode()
        etag = f'"{sha256(body)}"'
        if handler.headers.get("If-None-Match") == etag:
            self.not_modified.append(path)
            handler.send_response(304)
            handler.end_headers()
            return None
        return send(handler, 200, JSON_TYPE, body, ETag=etag)

    def asked_for(self, name: str) -> int:
        return sum(f"/{name}/" in path or path.startswith(f"/files/{name}-") for path in self.asked)


def send(handler: BaseHTTPRequestHandler, status: int, content_type: str, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


class World:
    """What outside.c reads."""

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self.routes = [(ADDRESS, port)]
        self.hosts = [(INDEX, ADDRESS), (FILES, ADDRESS), ("other.test", ADDRESS)]
        self.ahead = 0
        self.write()

    def write(self) -> None:
        hosts = "".join(f"host {name} {address}\n" for name, address in self.hosts)
        temporary = self.path.with_suffix(".new")
        routes = "".join(f"route {address} {port}\n" for address, port in self.routes)
        temporary.write_text(f"{hosts}{routes}clock {self.ahead}\n")
        temporary.replace(self.path)

    def advance(self, seconds: int) -> None:
        """The clock of every task, within a second or two."""
        self.ahead += seconds
        self.write()
        time.sleep(2.1)

    def tried(self) -> set[str]:
        path = Path(f"{self.path}.tried")
        return set(path.read_text().split()) if path.exists() else set()


def certificate_below(home: Path) -> tuple[Path, Path]:
    """A self-signed certificate for the names outside, and its key."""
    certificate, key = home / "certificate.pem", home / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=outside", "-addext", f"subjectAltName=DNS:{INDEX},DNS:{FILES},DNS:other.test"]
    files = ["-days", "30", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return certificate, key


def environment(world: World, certificate: Path) -> dict[str, str]:
    """Of a task that takes from the index what it does not have."""
    return {
        "UPSTREAM_URL": f"https://{INDEX}/simple",
        "UPSTREAM_FILE_HOSTS": FILES,
        "SSL_CERT_FILE": str(certificate),
        "LD_PRELOAD": str(library("outside")),
        "OUTSIDE": str(world.path),
    }


def file_url(task: Task, project: str, name: str) -> str:
    return next(str(it["url"]) for it in task.project(project)["files"] if it["filename"] == name)
