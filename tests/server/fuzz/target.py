"""The servers under test, and what must be true of them whatever they were sent."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from secrets_manager import secrets_manager

from ..conftest import IMAGES, python_with
from ..issuers import AUDIENCE
from ..tasks import Task, sdist, sha256, staged, wheel
from ..upstream import playing
from .wire import TOKEN

GROWTH_LIMIT_BYTES = 150 << 20
# Of an answer, on a machine that does much else.
PATIENCE_SECONDS = 60.0
# What a client can bring about; a 500 is a failure of ours, and the storage is well.
STATUSES = {200, 202, 206, 301, 303, 304, 400, 401, 403, 404, 405, 408, 409, 413, 416, 417, 422, 431, 501, 505}

_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ([\x20-\x7e]*)")
_FIELD = re.compile(rb"([A-Za-z-]+): ([\t\x20-\x7e\x80-\xff]*)")


class Finding(AssertionError):
    """Something that must never be; the message says what, and what was sent."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def answers(stream: bytes) -> list[Answer]:
    """All final responses on a connection, which is closed after them. Raises Finding."""
    found = []
    while stream:
        head, end, stream = stream.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        matched = _STATUS_LINE.fullmatch(line)
        parsed = [_FIELD.fullmatch(field) for field in fields]
        if not end or matched is None or not all(parsed):
            raise Finding(f"an answer has a malformed head: {head[:300]!r}")
        headers = {field[1].decode().lower(): field[2].decode("latin-1") for field in parsed if field}
        status = int(matched[1])
        if status == 100:
            continue
        length = int(headers.get("content-length", len(stream)))
        # An answer to HEAD is followed by the next one, or by nothing.
        body = b"" if stream.startswith(b"HTTP/1.1 ") else stream[:length]
        if body and len(body) < length:
            raise Finding(f"an answer is cut off: {head!r}")
        stream = stream[len(body) :]
        found.append(Answer(status, headers, body))
    return found


def is_health(answer: Answer) -> bool:
    """Whether it is the answer that is not logged."""
    return answer.status == 200 and (
        answer.headers.get("content-length"),
        answer.headers.get("content-type"),
    ) == ("2", "text/plain; charset=utf-8")


class Server:
    """A task. `statuses` counts what it answered; `immutable` is whether it replaces and removes no file."""

    def __init__(self, task: Task, statuses: Counter[int], *, immutable: bool = True) -> None:
        self.task = task
        self.statuses = statuses
        self.immutable = immutable
        self.slowest_health = 0.0
        self._log = task.log.open("rb")
        self._begun = b""
        self._errors = task.errors.open("rb")
        self.workers = self._workers()
        self._at_rest = self._sockets_at_rest()
        self._peaks_from_now()
        self._rest = self._peak_bytes()

    def close(self) -> None:
        self._log.close()
        self._errors.close()

    def exchange(self, raw: bytes, cuts: tuple[int, ...] = (), port: int | None = None) -> tuple[bytes, bool]:
        """What is answered to `raw`, sent in pieces, here or through the proxy at `port`; whether it was reset."""
        with socket.create_connection(("127.0.0.1", port or self.task.port), timeout=PATIENCE_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(ConnectionError):
                places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
                for number, (begin, end) in enumerate(itertools.pairwise(places)):
                    if number:
                        time.sleep(0.001)
                    connection.sendall(raw[begin:end])
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            received = b""
            try:
                while data := connection.recv(1 << 16):
                    received += data
            except ConnectionResetError:
                return received, True
            except TimeoutError:
                raise Finding(f"no end of the answer: {received[:300]!r} to {raw!r}") from None
        return received, False

    def ask(self, raw: bytes, cuts: tuple[int, ...] = ()) -> list[Answer]:
        """The answers, each of which is logged, and none of which is a failure. Raises Finding."""
        self.logged()
        stream, reset = self.exchange(raw, cuts)
        try:
            if reset:
                # Whoever sends on after a request that ends the connection may lose its answer, and not the work.
                self.logged()
                return []
            found = answers(stream)
            told = [answer.status for answer in found if not is_health(answer)]
            logged = [line["status"] for line in self.logged()]
            if told != logged:
                raise Finding(f"answered {told}, logged {logged}")
            self.statuses.update(answer.status for answer in found)
            if failures := {answer.status for answer in found} - STATUSES:
                raise Finding(f"answered {[answer for answer in found if answer.status in failures]}")
            self.check_errors()
        except Finding as finding:
            raise Finding(f"{finding}\nsent: {raw[:20_000]!r}") from None
        return found

    def logged(self) -> list[dict[str, Any]]:
        """The lines of the access log since the last call, without those of failed probes. Raises Finding."""
        # A request is logged after its answer, and before its connection is closed.
        if not eventually(lambda: self._sockets() <= self._at_rest, PATIENCE_SECONDS):
            raise Finding("a connection that the client has closed stays open")
        # The last line may be half written.
        whole, _, self._begun = (self._begun + self._log.read()).rpartition(b"\n")
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if "path" in line and (line["path"] != "/health" or line["status"] != 503)]

    def check_errors(self) -> None:
        errors = self._errors.read().decode("utf-8", "replace")
        if "Traceback" in errors or "could not be answered" in errors:
            raise Finding(f"an error is logged:\n{errors[-3000:]}")

    def check(self) -> None:
        """Raises Finding if a worker ended, grew, or does not answer."""
        self.check_errors()
        if self._workers() != self.workers:
            raise Finding("a worker process ended")
        peak = self._peak_bytes() - self._rest
        self._peaks_from_now()
        if peak > GROWTH_LIMIT_BYTES:
            raise Finding(f"a worker grew by {peak >> 20} MiB")
        self.check_health()

    def check_health(self) -> None:
        """
        Raises Finding unless /health answers.

        How soon depends on the machine, and is only noted; that it waits for no client is shown by slow.py.
        """
        began = time.monotonic()
        stream, _ = self.exchange(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.slowest_health = max(self.slowest_health, time.monotonic() - began)
        if [answer.status for answer in answers(stream)] != [200]:
            raise Finding(f"/health is not well: {stream!r}")

    def _workers(self) -> list[int]:
        process = self.task.process.pid
        return sorted(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))

    def _sockets(self) -> int:
        """Connections, and what listens. Files do not count: the thread that reads summaries opens some at any time."""
        found = 0
        for worker in self.workers:
            for descriptor in Path(f"/proc/{worker}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found += str(descriptor.readlink()).startswith("socket:")
        return found

    def _sockets_at_rest(self) -> int:
        """Without the connection by which the task was found ready, which it may still be about to close."""
        deadline = time.monotonic() + 1
        found = self._sockets()
        while time.monotonic() < deadline:
            found = min(found, self._sockets())
            time.sleep(0.05)
        return found

    def _peak_bytes(self) -> int:
        status = "".join(Path(f"/proc/{worker}/status").read_text() for worker in self.workers)
        return sum(int(kibibytes) << 10 for kibibytes in re.findall(r"^VmHWM:\s+(\d+)", status, re.MULTILINE))

    def _peaks_from_now(self) -> None:
        for worker in self.workers:
            Path(f"/proc/{worker}/clear_refs").write_text("5")


class World:
    """
    A package directory with files that nobody may change, and its servers: the oldest engine, and the newest.

    With `mutable`, files may be replaced and removed, by two worker processes. `upstream` has packages of its own, and `outside` behind it.
    `secrets` are what no stranger may be told, and `beyond`, no token of demo. Requests may name demo and inner, and never the hidden project.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.closing = contextlib.ExitStack()
        self.directory = home / "packages"
        (self.directory / "sub").mkdir(parents=True)
        marker = secrets.token_hex(16).encode()
        self.kept = dict(
            [
                wheel("demo", "1.0", marker),
                sdist("demo", "1.1", marker),
                wheel("zqhidden", "7.7", marker),
                ("sub/inner-1.0.tar.gz", b"inner " + marker),
            ]
        )
        for name, content in self.kept.items():
            (self.directory / name).write_bytes(content)
        # What a token for demo must not be told either; whatever it asks for, it is told the names that it asked for.
        self.beyond = [b"zqhidden", b"inner " + marker]
        self.beyond += [sha256(it).encode() for name, it in self.kept.items() if not name.startswith("demo")]
        self.secrets = [b"zqhidden", marker, *(sha256(content).encode() for content in self.kept.values())]
        self.statuses: Counter[int] = Counter()
        manager = self.closing.enter_context(secrets_manager())
        digest = sha256(TOKEN[1].encode())
        token = {"name": "demo", "sha256": digest, "may": "upload", "projects": ["demo"], "expires": None}
        arn = manager.create(f"tokens-{secrets.token_hex(4)}", [token])
        # Read once: what a process opens meanwhile would be taken for a connection that stays.
        self._tokens = manager.environment(TOKENS_SECRET=arn) | {"POLL_SECONDS": "3600", "AUDIENCE": AUDIENCE}
        self.servers = [self._start(image) for image in IMAGES]
        self.mutable = self._start("newest", IMMUTABLE_PACKAGES="false", GUNICORN_WORKERS="2")
        self.outside = playing.Index(playing.certificate_below(home))
        self.closing.callback(self.outside.stop)
        self.upstream = self._start("newest", directory=self._behind(), **self._upstream())
        self.all = [*self.servers, self.mutable, self.upstream]
        self.seen = self.snapshot()

    def _behind(self) -> Path:
        """The packages of the server with an index behind it, whose own files are among them."""
        directory = self.home / "behind"
        directory.mkdir()
        name, content = wheel("demo", "1.0")
        (directory / name).write_bytes(content)
        return directory

    def _upstream(self) -> dict[str, str]:
        outside = playing.World(self.home / "outside", self.outside.port)
        settings = playing.environment(outside, self.home / "certificate.pem")
        return settings | {"PRIVATE_NAMES": "acme-*"}

    def _start(self, image: str, directory: Path | None = None, **settings: str) -> Server:
        # glibc keeps memory apart for each of 128 threads; musl, the image's C library, does not.
        settings |= {"MALLOC_ARENA_MAX": "2", **self._tokens}
        home = self.home / f"{image}{len(settings)}"
        task = Task(python_with(image, IMAGES[image]), directory or self.directory, home, settings)
        self.closing.callback(task.kill)
        task.wait_until_ready()
        # Whatever is imported late is no growth.
        for path in ("/simple/", "/simple/demo/", "/packages/", "/demo/json") * 8:
            assert task.get(path).status_code == 200
        server = Server(task, self.statuses, immutable=settings.get("IMMUTABLE_PACKAGES") != "false")
        self.closing.callback(server.close)
        return server

    def snapshot(self) -> dict[str, str]:
        """The SHA-256 of each file by its path, of all but the servers' own."""
        found = {}
        for path in self.directory.rglob("*"):
            name = str(path.relative_to(self.directory))
            if not name.startswith(".index") and path.is_file():
                found[name] = sha256(path.read_bytes())
        return found

    def changes(self) -> dict[str, str]:
        """New files with their SHA-256. Raises Finding if another is gone or changed, or something lies aside."""
        now = self.snapshot()
        for name, digest in self.seen.items():
            if now.get(name) != digest:
                raise Finding(f"{name} is gone or changed")
        if left := staged(self.directory):
            raise Finding(f"an upload stays aside: {left}")
        return {name: digest for name, digest in now.items() if name not in self.seen}

    def clear(self) -> None:
        """Remove what is not `kept`."""
        for name in self.changes():
            (self.directory / name).unlink()

    def check(self) -> None:
        for server in self.all:
            server.check()

    def check_told_nothing(self, stream: bytes, role: str = "stranger") -> None:
        """Raises Finding if a stranger, or a token for demo, who was sent this, learnt something that is not his."""
        told = stream.lower()
        for secret in self.beyond if role == "token" else self.secrets:
            if secret in told:
                raise Finding(f"a {role} was told {secret!r}")


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
