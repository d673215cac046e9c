"""One request, several readers: what ours takes for a request, gunicorn's and nginx take for the same one; forms: bottle."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from server.wire.body import Body, MalformedBody
from server.wire.messages import Refusal
from server.wire.request import HEAD_LIMIT_BYTES, read_request

from ..tasks import READER, basic, free_port
from .target import Finding, Server, World, answers, eventually
from .wire import Sent

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # bottle imports what newer Pythons have no more
    from pypiserver.bottle_wrapper import BaseRequest


class Reading(NamedTuple):
    method: str
    path: str
    body: bytes


def ours(raw: bytes) -> Iterator[Reading]:
    """The requests that the engine would find one after another, if each read its body."""
    near, far = socket.socketpair()
    with near, far:
        far.shutdown(socket.SHUT_WR)
        received = bytearray(raw)
        while True:
            while received.startswith(b"\r\n"):
                del received[:2]
            end = received.find(b"\r\n\r\n")
            if not 0 <= end <= HEAD_LIMIT_BYTES:
                return
            head = bytes(received[: end + 2])
            del received[: end + 4]
            try:
                request = read_request(head, "127.0.0.1")
                content = Body(near, received, request, 1.0).read()
            except (Refusal, MalformedBody):
                return
            yield Reading(request.environ["REQUEST_METHOD"], request.environ["PATH_INFO"], content)
            if not request.keeps_alive:
                return


def gunicorns(raw: bytes) -> Iterator[Reading | Exception]:
    """As gunicorn's own workers would; the last is the error that ends it, if one does."""
    config = Config()
    # What only warns of a danger there is nothing that must be alike.
    for name, value in {
        "permit_unconventional_http_method": True,
        "limit_request_field_size": 8190,
        "limit_request_line": 8190,
    }.items():
        if name in config.settings:
            config.set(name, value)
    parser = RequestParser(config, iter([raw]), ("127.0.0.1", 1))
    while True:
        try:
            request = next(parser)
            yield Reading(request.method, request.path, request.body.read())
        except StopIteration:
            return
        except Exception as error:  # each engine has errors of its own
            yield error
            return
        if request.should_close():
            return


def check_gunicorn(world: World, server: Server, sent: Sent) -> None:
    """Raises Finding if both read a request, and not the same one."""
    for mine, other in zip(ours(sent.raw), gunicorns(sent.raw), strict=False):
        if isinstance(other, Exception):
            # There a blank of Latin-1 is a blank of the request line. Of empty lines before a request it passes over one,
            # and RFC 9112, section 2.2, asks for at least one.
            if type(other).__name__ != "InvalidRequestLine" or (
                sent.raw.isascii() and getattr(other, "req", None) != ""
            ):
                raise Finding(f"read as {mine}, and by gunicorn as {other!r}\nsent: {sent.raw!r}")
            return
        path = unquote_to_bytes(other.path.encode("latin-1")).decode("latin-1")
        if (mine.method, mine.body) != (other.method, other.body) or mine.path != "/" + path.lstrip("/"):
            raise Finding(f"read as {mine}, and by gunicorn as {other}\nsent: {sent.raw!r}")


def bottles_file(content_type: str, body: bytes) -> tuple[str, bytes] | None:
    """The file in the form as bottle, another reader, finds it; None if it finds none."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }
    try:
        file = BaseRequest(environ).files.get("content")  # type: ignore[no-untyped-call]  # bottle has no types
        return file and (file.raw_filename, file.file.read())
    except Exception:  # whatever it makes of a form that it does not understand
        return None


class Proxy:
    """nginx before a server, which keeps its connections to it, and marks every request that it makes."""

    def __init__(self, home: Path, server: Server) -> None:
        home.mkdir()
        self.port = free_port()
        self.server = server
        temporary = "".join(f"{it}_temp_path {home};" for it in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (home / "nginx.conf").write_text(
            f"daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1; {_USER}"
            "events { worker_connections 64; }"
            f"http {{ {temporary} access_log off;"
            f"upstream task {{ server 127.0.0.1:{server.task.port} max_fails=0; keepalive 1; keepalive_timeout 50ms; }}"
            f"server {{ listen 127.0.0.1:{self.port}; ignore_invalid_headers off; underscores_in_headers on;"
            "location / { proxy_pass http://task; proxy_http_version 1.1; proxy_set_header Connection '';"
            "proxy_set_header X-Amzn-Trace-Id $request_id;"
            "proxy_request_buffering off; proxy_next_upstream off; proxy_ignore_client_abort on; } } }"
        )
        self.process = subprocess.Popen(
            ["nginx", "-c", home / "nginx.conf", "-e", home / "error.log"], stderr=subprocess.DEVNULL
        )
        if not eventually(lambda: self.process.poll() is not None or (home / "pid").exists()):
            raise RuntimeError("nginx did not start")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


_USER = "user root;" if os.geteuid() == 0 else ""
_VICTIM = (
    f"GET /simple/demo/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {basic(READER)}\r\n\r\n".encode()
)


_MARK = re.compile("[0-9a-f]{32}")
_proxies: dict[int, Proxy] = {}


def _proxy(world: World, server: Server) -> Proxy:
    """The server's own, started when it is first asked for."""
    port = server.task.port
    if port not in _proxies:
        _proxies[port] = Proxy(world.home / f"nginx{port}", server)
        world.closing.callback(_proxies[port].close)
    return _proxies[port]


def check_nginx(world: World, server: Server, sent: Sent) -> None:
    """Raises Finding if something else was answered than nginx asked for, or the next client got another's answer."""
    proxy = _proxy(world, server)
    server.logged()
    try:
        stream, _ = server.exchange(sent.raw, port=proxy.port)
        if sent.role in ("stranger", "token"):
            world.check_told_nothing(stream, sent.role)
        stream, _ = server.exchange(_VICTIM, port=proxy.port)
        answered = answers(stream)
        if [answer.status for answer in answered] != [200] or b"demo-1.1.tar.gz" not in answered[0].body:
            raise Finding(f"the next client was answered {answered}")
        for line in server.logged():
            # What is no request at all has neither.
            if line["method"] is not None and not _MARK.fullmatch(str(line["trace"])):
                raise Finding(f"answered what nginx did not ask: {line}")
        if sent.role != "publisher" and world.changes():
            raise Finding("the directory was changed")
        server.check_errors()
    except Finding as finding:
        raise Finding(f"{finding}\nsent through nginx by a {sent.role}: {sent.raw!r}") from None
    finally:
        world.clear()
