"""``uv audit`` warns of projects with a status, private ones too, in the words of whoever gave it (PEP 792)."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from .clients import run
from .conftest import StartTask
from .tasks import PUBLISHER, READER, wheel

PROJECT = """
[project]
name = "app"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["demo", "plain"]

[[tool.uv.index]]
name = "private"
url = "{url}/simple/"
default = true
"""


class NoVulnerabilities(BaseHTTPRequestHandler):
    """OSV's answer for packages of which it knows nothing: https://google.github.io/osv.dev/post-v1-querybatch/."""

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        body = json.dumps({"results": [{} for _ in queries]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def osv() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), NoVulnerabilities) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("status", ["deprecated", "archived"])
def test_uv_audit_prints_status_and_reason(
    status: str, osv: str, start_newest: StartTask, directory: Path, tmp_path: Path
) -> None:
    for name in ("demo", "plain"):
        file, content = wheel(name, "1.0")
        (directory / file).write_bytes(content)
    task = start_newest(directory)
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(url=task.url))
    environment = {
        "UV_PYTHON": sys.executable,
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_INDEX_PRIVATE_USERNAME": READER[0],
        "UV_INDEX_PRIVATE_PASSWORD": READER[1],
    }

    def audit() -> str:
        done = run(
            *(sys.executable, "-m", "uv", "audit", "--service-url", osv, "--preview-features", "audit"),
            cwd=tmp_path,
            **environment,
        )
        return done.stdout + done.stderr

    before = audit()
    assert "no known vulnerabilities" in before
    assert "demo" not in before
    form = {":action": "status", "name": "demo", "status": status, "reason": "use acme-next instead"}
    assert requests.post(task.url, data=form, auth=PUBLISHER, timeout=60).ok
    after = audit()
    assert f"demo is {status}: use acme-next instead" in after
    assert "plain" not in after
