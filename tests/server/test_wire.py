"""Parts of the engine that no request shows by itself: who gets a place, whose answer is given up first, how a form is cut up."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from server.wire.body import Body, StalledBody
from server.wire.calls import Calls
from server.wire.connection import SHORT_BYTES, Answer, Connection, FileBody
from server.wire.gate import Gate
from server.wire.messages import Response
from server.wire.multipart import Malformed, parts
from server.wire.request import Request
from server.wire.unsent import Unsent

from .connections import everything


@pytest.fixture
def connections() -> Iterator[list[Connection]]:
    pairs = [socket.socketpair() for _ in range(30)]
    yield [Connection(ours, "192.0.2.1") for ours, _ in pairs]
    for pair in pairs:
        for end in pair:
            end.close()


def test_no_account_takes_the_places_of_another(connections: list[Connection]) -> None:
    gate = Gate[Connection](8)
    hog, other, third = connections[:10], connections[10:15], connections[15]
    entered = [it for it in hog if gate.enter(it, "hog")]
    assert entered == hog[:4]
    assert [it for it in other if gate.enter(it, "other")] == other[:2]
    assert gate.enter(third, "third")
    # A place that becomes free is for who has fewer than are left.
    assert gate.leave("hog") is None
    assert gate.leave("hog") is hog[4]
    assert gate.leave("third") is other[2]


def test_an_account_that_gave_a_place_back_takes_one_other(connections: list[Connection]) -> None:
    gate = Gate[Connection](8)
    assert all(gate.enter(it, "hog") for it in connections[:4])
    assert gate.leave("hog") is None
    assert [gate.enter(it, "hog") for it in connections[4:6]] == [True, False]


def test_every_connection_gets_its_place_in_the_end(connections: list[Connection]) -> None:
    gate = Gate[Connection](3)
    accounts = {connection: f"account-{number % 4}" for number, connection in enumerate(connections)}
    inside = [connection for connection, account in accounts.items() if gate.enter(connection, account)]
    served = list(inside)
    while inside:
        assert len(inside) <= 3
        following = gate.leave(accounts[inside.pop(0)])
        if following:
            inside.append(following)
            served.append(following)
    assert sorted(served, key=id) == sorted(connections, key=id)


def test_who_shares_with_nobody_takes_every_place(connections: list[Connection]) -> None:
    gate = Gate[Connection](2)
    assert [gate.enter(connection) for connection in connections[:3]] == [True, True, False]
    assert gate.leave() is connections[2]
    assert gate.leave() is None


def test_the_longest_waiting_are_given_up_until_the_rest_fits(connections: list[Connection]) -> None:
    unsent = Unsent(100)
    shared = bytes(80)
    for connection in connections[:3]:
        unsent.hold(connection, shared)
    assert list(unsent.excess()) == []
    for connection in connections[3:5]:
        unsent.hold(connection, connection.fd.to_bytes(30, "big"))
    # The shared page is gone only with the last that waits for it.
    assert list(unsent.excess()) == connections[:3]
    for connection in connections[:3]:
        unsent.forget(connection)
    assert list(unsent.excess()) == []
    unsent.hold(connections[3], bytes(60))
    unsent.hold(connections[4], bytes(41))
    assert list(unsent.excess()) == [connections[3]]
    full = Unsent(100)
    full.hold(connections[0], bytes(100))
    assert list(full.excess()) == []


@pytest.mark.parametrize("size", [0, 1, SHORT_BYTES, SHORT_BYTES + 1])
def test_a_file_is_sent_to_its_end_or_the_answer_is_broken_off(connections: list[Connection], size: int) -> None:
    length = [("Content-Length", str(size))]
    for left in {size, size // 2}:
        file = io.FileIO(os.memfd_create("file"), "r+")
        file.write(bytes(10) + b"x" * left)
        file.seek(10)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs, pytest.raises(OSError, match="truncated") if left < size else contextlib.nullcontext():
            answer = Answer({}, Response(200, length, FileBody(file)), 0, keeps_alive=True)
            assert answer.send(ours)
            assert theirs.recv(1 << 16).endswith(b"\r\n\r\n" + b"x" * size)
        file.close()


def sent(response: Response, method: str = "GET", *, keeps_alive: bool = True) -> tuple[str, list[str], bytes, Answer]:
    """The status line, the fields without the date, and the body of an answer, and what was sent."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        answer = Answer({"REQUEST_METHOD": method}, response, 0, keeps_alive=keeps_alive)
        assert answer.send(ours)
        ours.close()
        received = everything(theirs)
    answer.close()
    head, _, body = received.partition(b"\r\n\r\n")
    assert (answer.sent, answer.sent - answer.head_bytes) == (len(received), len(body))
    line, *fields = head.decode("latin-1").split("\r\n")
    (date,) = [it.removeprefix("Date: ") for it in fields if it.startswith("Date: ")]
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 60
    return line, [it for it in fields if not it.startswith("Date: ")], body, answer


LONG = bytes(SHORT_BYTES + 1)


@pytest.mark.parametrize("pieces", [[], [b"abc"], [b"a", b"", b"never"], [LONG], [b"a", LONG, b"b"], [LONG, LONG]])
def test_an_answer_is_sent_with_its_head_and_ends_with_its_length_or_the_connection(pieces: list[bytes]) -> None:
    content = b"".join(itertools.takewhile(bool, pieces))
    length = f"content-length: {len(content)}"
    for keeps_alive in (True, False):
        connection = f"Connection: {'keep-alive' if keeps_alive else 'close'}"
        response = Response(200, [("X", "\u20acy"), ("content-length", str(len(content)))], pieces)
        line, fields, body, answer = sent(response, keeps_alive=keeps_alive)
        assert (line, fields, body) == ("HTTP/1.1 200 OK", ["X: ?y", length, connection], content)
        assert (answer.status, answer.keeps_alive) == (200, keeps_alive)
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
            _, fields, body, answer = sent(response._replace(status=status), method, keeps_alive=keeps_alive)
            assert (fields[-1], body, answer.keeps_alive) == (connection, b"", keeps_alive)
    line, fields, body, answer = sent(Response(404, [], pieces, "gone\r\nSet-Cookie: \xe9"))
    assert (line, fields) == ("HTTP/1.1 404 gone Set-Cookie:", ["Connection: close"])
    assert (body, answer.keeps_alive) == (content, False)


@pytest.mark.parametrize("content", [b"abc", LONG])
def test_the_end_of_an_answer_is_not_held_back(content: bytes) -> None:
    """By the kernel, which would wait a fifth of a second for more."""

    def arrives_at_once() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        with ours, theirs:
            response = Response(200, [("Content-Length", str(len(content)))], [content])
            assert Answer({}, response, 0, keeps_alive=True).send(ours)
            received = b""
            while not received.endswith(b"\r\n\r\n" + content) and select.select([theirs], [], [], 0.1)[0]:
                received += theirs.recv(1 << 16)
        return received.endswith(b"\r\n\r\n" + content)

    assert any(arrives_at_once() for _ in range(5))


def test_a_file_of_unknown_length_is_sent_to_its_end_and_closed() -> None:
    file = io.BytesIO(bytes(30_000))
    _, fields, body, answer = sent(Response(200, [], FileBody(file, 7_000)))
    assert (fields, len(body), answer.keeps_alive, file.closed) == (["Connection: close"], 30_000, False, True)


# What looks like the boundary, and what ends like one that is cut off.
CONTENT = b"\r\n--B\r\r\n--BOUND\r\n-\r\n--BOUNDARx\n\r\n--BOUNDAR\r"
FORM = (
    b'--BOUNDARY\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    b'--BOUNDARY\r\nContent-Disposition: form-data; name="b"; filename="c"\r\n\r\n' + CONTENT + b"\r\n"
    b"--BOUNDARY--\r\n"
)


def received(form: bytes, at: int, size: int) -> list[tuple[str, bytes]]:
    """A form of which `at` bytes arrive first, and then so many at a time."""
    arriving = io.BytesIO(form)
    sizes = iter([at])
    return [
        (part.name, b"".join(part.chunks))
        for part in parts(lambda limit: arriving.read(min(next(sizes, size), limit)), b"BOUNDARY")
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 11, 1 << 16])
def test_a_form_is_the_same_wherever_it_is_cut(size: int) -> None:
    assert received(FORM, len(FORM), size) == [("a", b""), ("b", CONTENT)]
    for at in range(1, len(FORM)):
        assert received(FORM, at, size) == [("a", b""), ("b", CONTENT)], at


def test_a_form_that_ends_early_is_malformed_wherever_it_does() -> None:
    assert received(FORM, len(FORM) - len(b"\r\n"), 1) == [("a", b""), ("b", CONTENT)]
    for end in range(1, len(FORM) - len(b"\r\n")):
        with pytest.raises(Malformed):
            received(FORM[:end], end, 1)


def test_a_call_that_failed_is_made_again_unless_its_failures_are_remembered() -> None:
    def fail() -> None:
        failed.append(len(failed))
        raise OSError(str(failed))

    for seconds, times in ((0.0, 3), (3600.0, 1)):
        failed: list[int] = []
        calls = Calls(1, seconds)
        for _ in range(3):
            assert isinstance(calls.wait("one", fail, 60).exception(60), OSError)
        assert len(failed) == times
        # Not another's failure; and of its own kind of failure nothing is left once it went well.
        assert calls.wait("other", lambda: None, 60).exception(60) is None
    default = Calls(1)
    assert isinstance(default.wait("one", fail, 60).exception(60), OSError)
    assert default.wait("one", lambda: None, 60).exception(60) is None


@pytest.mark.parametrize("pause", [0.02, 30], ids=["trickles", "is silent"])
@pytest.mark.parametrize("length", [1000, None], ids=["announced", "in chunks"])
def test_a_body_is_not_waited_for_longer_than_patience(length: int | None, pause: float) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    body = Body(ours, bytearray(), Request({}, length, keeps_alive=True, expects_continue=False), 0.3)
    ended = threading.Event()

    def trickle() -> None:
        while not ended.wait(pause):
            theirs.sendall(b"1")

    client = threading.Thread(target=trickle)
    with ours, theirs:
        client.start()
        try:
            with pytest.raises(StalledBody, match="too slowly"):
                body.read(100)
        finally:
            ended.set()
            client.join()


@pytest.mark.parametrize(("patience", "hastened"), [(10, 0.1), (0.1, 10)])
def test_a_body_is_waited_for_as_long_as_the_shorter_patience(patience: float, hastened: float) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        body = Body(ours, bytearray(), Request({}, 1000, keeps_alive=True, expects_continue=False), patience)
        body.hasten(hastened)
        began = time.monotonic()
        with pytest.raises(StalledBody, match="too slowly"):
            body.read(100)
        assert time.monotonic() - began < 5


def test_a_body_that_arrives_steadily_may_take_longer_than_patience() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def send() -> None:
        for _ in range(5):
            theirs.sendall(bytes(2000))
            time.sleep(0.22)

    client = threading.Thread(target=send)
    with ours, theirs:
        body = Body(ours, bytearray(), Request({}, 10_000, keeps_alive=True, expects_continue=False), 0.8)
        client.start()
        try:
            assert len(body.read()) == 10_000
        finally:
            client.join()
