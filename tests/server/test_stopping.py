"""Whom the engine waits for, and for how long: while it runs, and once it has to stop."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from server.wire import engine
from server.wire.engine import Engine
from server.wire.messages import Environ, Outcome, Response, Work, plain, whole

from .connections import everything, head
from .tasks import status_of, wait_for

LARGE = bytes(20_000_000)


class Paths:
    """Answers each path with what the test says."""

    def __init__(self) -> None:
        self.calls: dict[str, Callable[[], Outcome]] = {
            "/small": lambda: plain(200, "small"),
            "/large": lambda: whole(200, "text/plain", LARGE),
        }

    def admit(self, environ: Environ) -> Response | Work:
        return Work("storage", self.calls[environ["PATH_INFO"]])

    def perform(self, call: Callable[[], Outcome], environ: Environ) -> Outcome:
        return call()


class Served:
    """An engine of one thread, on loopback."""

    def __init__(self) -> None:
        self.paths = Paths()
        self.engine = Engine(self.paths, lambda answer: None, threads=1, stall_seconds=600)
        listener = socket.create_server(("127.0.0.1", 0))
        self._address = listener.getsockname()
        self._clients: list[socket.socket] = []
        self.engine.start([listener])

    def connect(self, request: bytes = b"") -> socket.socket:
        client = socket.create_connection(self._address, timeout=30)
        self._clients.append(client)
        client.sendall(request)
        return client

    def ends(self, client: socket.socket) -> bytes:
        """What still arrives, while the engine is swept, until the connection is closed."""
        client.settimeout(0.02)
        received, deadline = b"", time.monotonic() + 20
        while time.monotonic() < deadline:
            self.engine.sweep()
            try:
                data = client.recv(1 << 20)
            except TimeoutError:
                continue
            if not data:
                return received
            received += data
        raise AssertionError("it is not closed")

    def stays(self, client: socket.socket) -> bool:
        """Whether it is open, with nothing to read, after some sweeps."""
        client.settimeout(0.05)
        for _ in range(3):
            self.engine.sweep()
            try:
                client.recv(1)
            except TimeoutError:
                continue
            return False
        client.settimeout(30)
        return True

    def close(self) -> None:
        self.engine.stop()
        for client in self._clients:
            client.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


def test_who_says_nothing_is_closed_in_time_and_who_says_half_is_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that was answered may ask again."""
    half, small = b"GET /small HTTP/1.1\r\n", head("GET /small HTTP/1.1")
    clients = [served.connect(it) for it in (b"", half, small)]
    assert status_of(clients[-1]) == 200
    assert all(map(served.stays, clients))
    monkeypatch.setattr(engine, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(engine, "HEAD_SECONDS", 0.1)
    clients = [served.connect(it) for it in (b"", half, small)]
    assert status_of(clients[-1]) == 200
    assert [served.ends(client)[:12] for client in clients] == [b"", b"HTTP/1.1 408", b""]


def test_who_is_being_answered_when_it_stops_gets_all_and_who_idles_nothing(served: Served) -> None:
    taking, idle, answered = served.connect(head("GET /large HTTP/1.1")), served.connect(), served.connect()
    assert taking.recv(1000)
    answered.sendall(head("GET /small HTTP/1.1"))
    assert status_of(answered) == 200
    half = served.connect(b"GET /small HTTP/1.1\r\n")
    assert served.stays(half)
    served.engine.stop()
    assert (everything(idle), everything(answered)) == (b"", b"")
    assert not served.engine.idle
    assert served.ends(taking).count(0) > 0.99 * len(LARGE)
    half.sendall(b"Host: x\r\n\r\n")
    assert served.ends(half).startswith(b"HTTP/1.1 200")
    assert wait_for(lambda: served.engine.idle)
    with pytest.raises(ConnectionRefusedError):
        served.connect()


def test_who_waits_for_a_second_step_when_it_stops_is_answered(served: Served) -> None:
    begun, first, other = Event(), Event(), Event()

    def step() -> Outcome:
        begun.set()
        first.wait()
        return Work("storage", lambda: plain(200, "second"))

    def occupy() -> Outcome:
        begun.set()
        other.wait()
        return plain(200, "other")

    served.paths.calls |= {"/steps": step, "/other": occupy}
    client = served.connect(head("GET /steps HTTP/1.1"))
    assert begun.wait(20)
    begun.clear()
    # Its turn comes before that of the second step.
    served.connect(head("GET /other HTTP/1.1"))
    first.set()
    assert begun.wait(20)
    served.engine.stop()
    served.engine.sweep()
    other.set()
    assert status_of(client) == 200
    assert wait_for(lambda: served.engine.idle)


def test_who_takes_nothing_is_waited_for_less_long_once_it_stops(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "STOPPING_SECONDS", 0.3)
    silent = served.connect(head("GET /large HTTP/1.1"))
    assert silent.recv(1, socket.MSG_PEEK)

    def is_gone() -> bool:
        served.engine.sweep()
        return served.engine.idle

    for _ in range(8):
        time.sleep(0.1)
        assert not is_gone()
    served.engine.stop()
    assert wait_for(is_gone)
    assert len(everything(silent)) < len(LARGE)


def test_who_takes_a_little_now_and_then_gets_all_however_long_it_has_been_stopping(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "STOPPING_SECONDS", 0.2)
    slow = served.connect(head("GET /large HTTP/1.1"))
    taken = len(slow.recv(1))
    served.engine.stop()
    for _ in range(3):
        time.sleep(0.25)
        taken += len(slow.recv(300_000, socket.MSG_WAITALL))
        time.sleep(0.05)
        served.engine.sweep()
    assert taken + len(everything(slow)) > len(LARGE)
