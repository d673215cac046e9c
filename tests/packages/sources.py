"""Indexes on loopback: a scripted one that can lie, and the ones that people come from."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from ..server.tasks import JSON_TYPE, sha256

Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(
    handler: BaseHTTPRequestHandler, status: int, content: bytes = b"", kind: str = "text/html", **headers: str
) -> None:
    handler.send_response(status)
    headers = {"Content-Type": kind, "Content-Length": str(len(content))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def _absent(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 404)


class Scripted:
    """Answers what ``answers`` has for a path, else 404; ``asked`` are the paths and ``Authorization`` of requests."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.asked.append((self.path, self.headers["Authorization"]))
                source.answers.get(self.path, _absent)(self)

            def log_message(self, *_: object) -> None:
                pass

        self.handler = Handler
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/simple/"

    def __enter__(self) -> Scripted:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def page(self, project: str, *files: dict[str, Any]) -> None:
        """As JSON; the list of projects, too, has it."""
        document = {"meta": {"api-version": "1.1"}, "name": project, "files": list(files)}
        self.answers[f"/simple/{project}/"] = lambda handler: answer(
            handler, 200, json.dumps(document).encode(), JSON_TYPE
        )
        projects = [path.split("/")[2] for path in self.answers if path.startswith("/simple/") and path != "/simple/"]
        root = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in projects]}
        self.answers["/simple/"] = lambda handler: answer(handler, 200, json.dumps(root).encode(), JSON_TYPE)

    def file(self, name: str, content: bytes, **facts: Any) -> dict[str, Any]:
        """Serve it; its entry in a page, in which ``facts`` replace what is true."""
        self.answers[f"/files/{name}"] = lambda handler: answer(handler, 200, content, "application/octet-stream")
        return {
            "filename": name,
            "url": f"../../files/{name}",
            "hashes": {"sha256": sha256(content)},
            "size": len(content),
            **facts,
        }
