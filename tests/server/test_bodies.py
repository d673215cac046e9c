"""What is read of a request's body, however it arrives: all of it, nothing of what follows, or a reason."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from server.wire import body as bodies
from server.wire.body import Body, MalformedBody, StalledBody
from server.wire.request import Request

NEXT = b"GET / HTTP/1.1\r\n"


@pytest.fixture
def client() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def request(length: int | None, *, expects_continue: bool = False) -> Request:
    return Request({}, length, keeps_alive=True, expects_continue=expects_continue)


def read(data: bytes, length: int | None, size: int, at: int) -> tuple[list[bytes], bytes]:
    """What is read of a body, so much at once, and what is left; `at` bytes arrive with the head."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        theirs.sendall(data[at:])
        theirs.shutdown(socket.SHUT_WR)
        received = bytearray(data[:at])
        body = Body(ours, received, request(length), 30)
        assert body.complete == (length == 0)
        assert body.read(0) == b""
        pieces = [*iter(lambda: body.read(size), b"")]
        assert body.complete
        return pieces, bytes(received) + ours.recv(1 << 16)


CHUNKED = (
    b"3\r\nabc\r\nA;x=y\t\xff\r\n0123456789\r\n000000000000010\r\n0123456789abcdef\r\n1 ;\r\n\n\r\n0\r\n"
    + b"A: b\r\n" * 18
    + b"C:\r\n\r\n"
)


@pytest.mark.parametrize(
    ("data", "length", "content"),
    [
        (b"", 0, b""),
        (b"abc", 3, b"abc"),
        (CHUNKED, None, b"abc01234567890123456789abcdef\n"),
        (b"0\r\n\r\n", None, b""),
    ],
)
@pytest.mark.parametrize("size", [-1, 1, 4, 1000])
def test_a_body_is_read_to_its_end_and_not_beyond(data: bytes, length: int | None, content: bytes, size: int) -> None:
    for at in range(len(data + NEXT) + 1):
        pieces, rest = read(data + NEXT, length, size, at)
        assert (b"".join(pieces), rest) == (content, NEXT)
        if size > 0:
            assert max(map(len, pieces), default=0) <= size
        else:
            assert len(pieces) <= 1


@pytest.mark.parametrize(
    ("data", "length", "why"),
    [
        (b"abc", 5, "the last 2 bytes did not arrive"),
        (b"5\r\nabc", None, "the last 2 bytes did not arrive"),
        (b"", None, "a line does not end"),
        (b"3\r\nabc\r\n0\r\n", None, "a line does not end"),
        (b"3;" + b"x" * 2000, None, "a line does not end"),
        (b"3\r\nabcd\r\n0\r\n\r\n", None, "a chunk is longer than its size"),
        (b"\r\n3\r\nabc\r\n0\r\n\r\n", None, "a chunk begins without its size"),
        (b"3\r\nabc\r\n\r\n0\r\n\r\n", None, "a chunk begins without its size"),
        (b"-3\r\nabc\r\n0\r\n\r\n", None, "a chunk begins without its size"),
        (b"1" * 16 + b"\r\n", None, "a chunk begins without its size"),
        (b"0\r\nA b\r\n\r\n", None, "a trailer is malformed"),
        (b"0\r\n" + b"A: b\r\n" * 20 + b"\r\n", None, "there are too many trailers"),
    ],
)
def test_a_body_that_ends_early_or_has_other_chunks_is_malformed(data: bytes, length: int | None, why: str) -> None:
    for at in (0, 1, len(data)):
        with pytest.raises(MalformedBody, match=why):
            read(data, length, -1, at)


def test_a_client_that_waits_is_told_once_to_go_on(client: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = client
    theirs.sendall(b"abc")
    body = Body(ours, bytearray(), request(3, expects_continue=True), 30)
    assert b"".join(iter(lambda: body.read(1), b"")) == b"abc"
    assert theirs.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    # What has already arrived needs no word.
    body = Body(ours, bytearray(b"abc"), request(3, expects_continue=True), 30)
    assert body.read() == b"abc"
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1000)


def test_a_client_that_is_gone_is_no_failure_of_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        with pytest.raises(StalledBody, match="went away"):
            Body(ours, bytearray(), request(3), 30).read()


@pytest.mark.parametrize(("seconds", "is_waited_for"), [(90, True), (111, False)])
def test_a_body_may_take_a_second_more_for_each_kilobyte_that_arrived(
    client: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, *, seconds: float, is_waited_for: bool
) -> None:
    now = 1000.0
    monkeypatch.setattr(bodies, "time", SimpleNamespace(monotonic=lambda: now))
    ours, theirs = client
    body = Body(ours, bytearray(), request(100 * 1024 + 1), 10)
    theirs.sendall(bytes(100 * 1024))
    assert sum(len(body.read(1024)) for _ in range(100)) == 100 * 1024
    now += seconds
    last = threading.Timer(0.05, theirs.sendall, [b"x"])
    last.start()
    try:
        if is_waited_for:
            assert body.read() == b"x"
        else:
            with pytest.raises(StalledBody, match="too slowly"):
                body.read()
    finally:
        last.join()
