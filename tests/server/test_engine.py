"""The engine: how it reads what arrives on a connection, and what it refuses."""

from __future__ import annotations

import os
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import StartTask
from .connections import AMBIGUOUS, MULTIPART, SMUGGLED, WRONG, ask, cut_off, everything, head
from .tasks import PUBLISHER, READER, Task, status_of, wait_for, wheel

NAME, CONTENT = wheel("demo", "1.0")


@pytest.fixture(scope="module")
def task(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    home = tmp_path_factory.mktemp("engine")
    directory = home / "packages"
    directory.mkdir()
    (directory / NAME).write_bytes(CONTENT)
    (directory / "large-1.0.tar.gz").write_bytes(bytes(20_000_000))
    running = Task(image, directory, home / "task", {})
    running.wait_until_ready()
    yield running
    running.kill()


@pytest.mark.parametrize("method", [b"GET /health", b"POST /"])
def test_an_ambiguous_request_is_refused_and_what_follows_is_not_read(task: Task, method: bytes) -> None:
    found = {}
    for fields in AMBIGUOUS:
        connection = task.connect()
        connection.sendall(method + b" HTTP/1.1\r\nHost: index\r\n" + fields + b"\r\n\r\n" + SMUGGLED)
        answers = everything(connection)
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", answers)
        assert b"demo" not in answers
        assert b"\r\nConnection: close\r\n" in answers, fields
        found[fields] = int(statuses[0]) if len(statuses) == 1 else statuses
    assert found == AMBIGUOUS


LINES = {
    b"GET /health": 400,
    b"GET  /health HTTP/1.1": 400,
    b"GET /health  HTTP/1.1": 400,
    b"GET\t/health HTTP/1.1": 400,
    b" GET /health HTTP/1.1": 400,
    b"GET /health HTTP/1.1 ": 400,
    b"GET /hea lth HTTP/1.1": 400,
    b"GET /health HTTP/1.10": 400,
    b"GET /health HTTP/11": 400,
    b"GET /health http/1.1": 400,
    b"GET /health HTTP/2.0": 505,
    b"PRI * HTTP/2.0": 505,
    b"GET /health HTTP/0.9": 505,
    b"G\xc3T /health HTTP/1.1": 400,
    b"\x16\x03\x01\x02": 400,
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1": 431,
}


def test_a_malformed_request_line_is_refused(task: Task) -> None:
    found = {}
    for line in LINES:
        connection = task.connect()
        connection.sendall(line + b"\r\nHost: index\r\n\r\n")
        found[line] = status_of(connection)
    assert found == LINES


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "a,b", "a:b", "a:123456", "[::1", "\xe9"])
def test_a_malformed_host_is_refused(task: Task, host: str) -> None:
    assert ask(task, f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")).status == 400
    assert ask(task, b"GET /health HTTP/1.1\r\n\r\n").status == 400


@pytest.mark.parametrize("count", [1, 2, 3, 4000])
def test_empty_lines_before_a_request_are_passed_over(task: Task, count: int) -> None:
    with task.connect() as connection:
        for _ in range(2):
            connection.sendall(b"\r\n" * count)
            assert not select.select([connection], [], [], 0.2)[0], "nothing was asked yet"
            connection.sendall(b"\r\n" * count + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_of(connection) == 200
    assert "Traceback" not in task.errors.read_text()


def test_refused_requests_are_logged(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory)
    for request in (
        b"junk\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        head("PUT / HTTP/1.1"),
        head("GET /a/b HTTP/1.1"),
    ):
        ask(task, request)
    assert wait_for(lambda: len(task.access_log()) == 4)
    assert sorted(line["status"] for line in task.access_log()) == [400, 400, 401, 405]
    fields = {"time", "client", "user", "login", "method", "path", "status", "bytes", "seconds", "agent", "trace"}
    assert all(set(line) == fields for line in task.access_log())


def test_a_request_in_pieces_and_two_at_once(task: Task) -> None:
    connection = task.connect()
    request = head("GET /simple/demo/ HTTP/1.1", READER)
    for byte in request:
        connection.sendall(bytes([byte]))
    assert status_of(connection) == 200
    connection = task.connect()
    last = head("GET /simple/absent/ HTTP/1.1", READER, "Connection: close")
    connection.sendall(request + request + head("HEAD /simple/demo/ HTTP/1.1", READER) + b"\r\n" + last)
    answers = everything(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"200", b"200", b"404"]


def test_a_body_of_a_read_is_never_the_next_request(task: Task) -> None:
    connection = task.connect()
    connection.sendall(head("GET /health HTTP/1.1", None, f"Content-Length: {len(SMUGGLED)}") + SMUGGLED)
    answer = everything(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200"]
    assert b"\r\nConnection: close\r\n" in answer


def form(name: str, content: bytes) -> bytes:
    return (
        b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--B\r\n'
        b'Content-Disposition: form-data; name="content"; filename="%s"\r\n\r\n%s\r\n--B--\r\n'
        % (name.encode(), content)
    )


def test_chunks_are_put_together(task: Task) -> None:
    name, content = wheel("chunked", "1.0")
    body = form(name, content)
    lines = (f"Content-Type: {MULTIPART}", "Transfer-Encoding: chunked")
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in (body[:1], body[1:99], body[99:]))
    follower = head("GET /simple/demo/ HTTP/1.1", READER, "Connection: close")
    connection = task.connect()
    connection.sendall(head("POST / HTTP/1.1", PUBLISHER, *lines) + chunks + b"0\r\nTrailer: x\r\n\r\n" + follower)
    assert re.findall(rb"HTTP/1\.1 (\d+)", everything(connection)) == [b"200", b"200"]
    assert (task.directory / name).read_bytes() == content


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\r\nabc\r\n0\r\n\r\n",
        b"-1\r\n",
        b"0x5\r\nabcde\r\n",
        b"\r\n",
        b"5 5\r\n",
        b"5 \r\nabcde\r\n0\r\n\r\n",
        b"5\n",
        b"f" * 20,
        b"1;\x00\r\na\r\n0\r\n\r\n",
        b"5;" + b"a" * 2000,
        b"0\r\n" + b"a: b\r\n" * 100 + b"\r\n",
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"1\r\na0\r\n\r\n",
    ],
)
def test_malformed_chunks_are_refused(task: Task, chunks: bytes) -> None:
    before = os.listdir(task.directory)
    connection = task.connect()
    lines = (f"Content-Type: {MULTIPART}", "Transfer-Encoding: chunked")
    connection.sendall(head("POST / HTTP/1.1", PUBLISHER, *lines) + chunks + SMUGGLED)
    connection.shutdown(socket.SHUT_WR)
    answers = everything(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"400"]
    assert b"demo" not in answers
    assert os.listdir(task.directory) == before


def test_who_waits_for_a_continue_gets_it_or_the_refusal(task: Task) -> None:
    name, content = wheel("continued", "1.0")
    body = form(name, content)
    lines = (f"Content-Type: {MULTIPART}", f"Content-Length: {len(body)}", "Expect: 100-continue")
    connection = task.connect()
    connection.sendall(head("POST / HTTP/1.1", READER, *lines))
    assert status_of(connection) == 403
    connection = task.connect()
    connection.sendall(head("POST / HTTP/1.1", PUBLISHER, *lines))
    assert status_of(connection) == 100
    connection.sendall(body)
    assert status_of(connection) == 200


def test_a_refused_upload_reads_its_answer_and_is_not_drained(task: Task) -> None:
    for account, status in ((WRONG, 401), (READER, 403), (None, 401)):
        connection = task.connect()
        connection.sendall(
            head("POST / HTTP/1.1", account, f"Content-Type: {MULTIPART}", "Content-Length: 1000000000000")
        )
        assert status_of(connection) == status
    # A client that reads only when it has sent all.
    assert task.upload("refused-1.0.tar.gz", bytes(20_000_000), account=WRONG).status_code == 401
    # One that never stops sending is left.
    connection = task.connect()
    connection.sendall(head("POST / HTTP/1.1", WRONG, f"Content-Type: {MULTIPART}", "Content-Length: 1000000000000"))
    assert cut_off(connection, bytes(1 << 20), 2000)


def test_a_form_that_ends_in_line_ends_for_ever_is_refused(task: Task) -> None:
    lines = (f"Content-Type: {MULTIPART}", "Content-Length: 1000000000000")
    connection = task.connect()
    connection.sendall(head("POST / HTTP/1.1", PUBLISHER, *lines) + form(*wheel("endless", "1.0")) + b"\r\n" * 50_000)
    assert status_of(connection) == 400
