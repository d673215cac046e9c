"""Behind a proxy that keeps one connection for all its clients, nobody gets the answer to another's request."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from generator.local.processes import running, wait_for_listener

from .conftest import StartTask
from .connections import AMBIGUOUS, everything
from .connections import SMUGGLED as WHOLE
from .tasks import READER, Task, basic, free_port, wait_for, wheel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]
NAME, CONTENT = wheel("demo", "1.0")
CONFIGURATION = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    underscores_in_headers on;
    ignore_invalid_headers off;
    upstream task {{ server 127.0.0.1:{task}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://task;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
        }}
    }}
}}
"""
# What the next client sends would complete it.
SMUGGLED = WHOLE[:-2] + b"X: "
LENGTH = b"Content-Length: %d" % len(SMUGGLED)
BODIES = {
    LENGTH + b"\r\nSec-WebSocket-Key1: x": SMUGGLED,
    LENGTH + b"\r\nUpgrade: websocket": SMUGGLED,
    b"Sec-WebSocket-Key1: x": b"8 bytes!" + SMUGGLED,
    LENGTH: SMUGGLED,
    LENGTH + b"\r\nExpect: 100-continue": SMUGGLED,
    b"Transfer-Encoding: chunked": b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
    b"Transfer-Encoding: Chunked": b"%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
    b"Transfer-Encoding:  chunked ": b"0\r\n\r\n" + SMUGGLED,
    b"transfer-encoding: chunked": b"1\na\n0\n\n" + SMUGGLED,
    b"Transfer-Encoding:\tchunked": b"1;\r\n\r\n" + SMUGGLED,
    **dict.fromkeys(AMBIGUOUS, SMUGGLED),
}


@pytest.fixture
def proxy(start_newest: StartTask, directory: Path, tmp_path: Path) -> Iterator[tuple[Task, int]]:
    """A task, and the port of its proxy."""
    (directory / NAME).write_bytes(CONTENT)
    task, port = start_newest(directory), free_port()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(home=tmp_path, task=task.port, port=port))
    errors = tmp_path / "nginx.log"
    program = ["nginx", "-c", str(configuration), "-e", str(errors)]
    with (tmp_path / "nginx.out").open("wb") as log, running(program, os.environ, log) as process:
        wait_for_listener(process, port, errors)
        yield task, port


def test_the_next_client_gets_its_own_answer(proxy: tuple[Task, int]) -> None:
    task, port = proxy
    victim = b"GET /simple/absent/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %s\r\n\r\n"
    for line in (b"GET /health", b"GET /simple/", b"POST /"):
        for fields, body in BODIES.items():
            with socket.create_connection(("127.0.0.1", port), timeout=30) as attacker:
                attacker.sendall(line + b" HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n\r\n" + body)
                attacker.settimeout(0.2)
                with suppress(TimeoutError):
                    attacker.recv(1 << 16)
                # The next client's request comes while this connection is open.
                with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                    client.sendall(victim % basic(READER).encode())
                    answer = everything(client)
                assert answer.startswith(b"HTTP/1.1 404 "), (line, fields, answer)
                assert answer.count(b"HTTP/1.1 ") == 1
                assert b"absent does not exist" in answer
    # Some reach the task: the proxy does not refuse all.
    assert wait_for(lambda: len(task.access_log()) > 3 * len(BODIES) + 15)
