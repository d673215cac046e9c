"""Clients that stall, trickle, or open more connections than there is room for: nobody else waits for them."""

from __future__ import annotations

import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from .conftest import StartTask
from .connections import MULTIPART, WRONG, cut_off, everything, head
from .tasks import PUBLISHER, READER, Task, status_of, wait_for, wheel

NAME, CONTENT = wheel("demo", "1.0")


def allow_connections(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 1000)), hard))


def stall(task: Task, count: int) -> None:
    """Clients that may do nothing: without or with a wrong password, slow at their head, body or answer."""
    allow_connections(count)
    upload = f"Content-Type: {MULTIPART}", "Content-Length: 1000000"
    beginnings = [
        b"",
        b"G",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: ",
        head("POST / HTTP/1.1", None, *upload) + b"--B",
        head("POST / HTTP/1.1", WRONG, *upload) + b"--B",
        head("GET /simple/ HTTP/1.1", WRONG),
        head("POST / HTTP/1.1", None, f"Content-Type: {MULTIPART}", "Transfer-Encoding: chunked") + b"5\r\n",
    ]
    for n in range(count):
        task.connect().sendall(beginnings[n % len(beginnings)])


def use(task: Task) -> None:
    for path, account in (
        ("/health", None),
        ("/simple/", READER),
        ("/simple/demo/", READER),
        (f"/packages/{NAME}", READER),
    ):
        for _ in range(5):
            assert task.get(path, account).status_code == 200


@pytest.mark.parametrize("count", [400, pytest.param(2000, marks=pytest.mark.slow)])
def test_stalled_strangers_stop_nobody(start: StartTask, directory: Path, count: int) -> None:
    (directory / NAME).write_bytes(CONTENT)
    task = start(directory)
    stall(task, count)
    use(task)
    assert task.upload(*wheel("new", "1.0")).status_code == 200


def test_slow_downloads_of_one_account_stop_nobody(start: StartTask, directory: Path) -> None:
    (directory / NAME).write_bytes(CONTENT)
    (directory / "large-1.0.tar.gz").write_bytes(bytes(20_000_000))
    task = start(directory)
    for _ in range(300):
        task.connect().sendall(head("GET /packages/large-1.0.tar.gz HTTP/1.1", READER))
    use(task)
    assert task.upload(*wheel("new", "1.0")).status_code == 200


@pytest.mark.parametrize(
    ("count", "wrapper"), [(300, "prlimit --nofile=200:200"), pytest.param(4300, "", marks=pytest.mark.slow)]
)
def test_more_connections_than_are_kept_close_the_oldest(
    start_newest: StartTask, directory: Path, count: int, wrapper: str
) -> None:
    (directory / NAME).write_bytes(CONTENT)
    task = start_newest(directory, wrapper)
    allow_connections(count)
    connections = [task.connect() for _ in range(count)]
    use(task)
    assert task.upload(*wheel("new", "1.0")).status_code == 200
    # Their clients learn of it, and the youngest are served.
    assert wait_for(lambda: _closed(connections[0]))
    connections[-1].sendall(head("GET /health HTTP/1.1"))
    assert status_of(connections[-1]) == 200
    assert "Too many open files" not in task.errors.read_text()


def ask_and_never_read(task: Task) -> socket.socket:
    """A stranger's connection, full of answers: each is as long as the name that was asked for."""
    request = head(f"GET /{'a' * 7000} HTTP/1.1")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", task.port))
    connection.settimeout(0.3)
    with suppress(TimeoutError):
        while True:
            connection.sendall(request)
    return connection


def test_clients_that_ask_on_and_never_read_are_closed_first(start_newest: StartTask, directory: Path) -> None:
    (directory / NAME).write_bytes(CONTENT)
    task = start_newest(directory, "prlimit --nofile=60:60")
    with ThreadPoolExecutor(28) as pool:
        strangers = [*pool.map(ask_and_never_read, [task] * 28)]
    honest = [task.connect() for _ in range(15)]
    use(task)
    for connection in honest[-5:]:
        connection.sendall(head("GET /health HTTP/1.1"))
        assert status_of(connection) == 200
    for connection in strangers:
        connection.close()


def test_of_more_unread_answers_than_memory_has_room_for_the_longest_waiting_end(
    start_newest: StartTask, directory: Path
) -> None:
    """Metadata is read anew for each client: 24 of them would hold 96 MB, and 64 MiB are there."""
    name, content = wheel("long", "1.0", metadata="\n" + "x" * 4_000_000)
    (directory / name).write_bytes(content)
    task = start_newest(directory, GUNICORN_WORKERS="1")
    # The first answers fill what the kernel keeps.
    request = head(f"GET /packages/{name}.metadata HTTP/1.1", READER)
    last = head(f"GET /packages/{name}.metadata HTTP/1.1", READER, "Connection: close")
    clients = []
    for _ in range(24):
        clients.append(task.connect())
        clients[-1].sendall(request * 3 + last)
        clients[-1].recv(1, socket.MSG_PEEK)
    assert wait_for(lambda: any(line["bytes"] < 4_000_000 for line in task.access_log()))
    assert len(everything(clients[-1])) > 4 * 4_000_000
    assert len(everything(clients[0])) < 4 * 4_000_000


def test_no_kind_of_waiting_holds_a_stopping_task(start_newest: StartTask, directory: Path) -> None:
    (directory / NAME).write_bytes(CONTENT)
    (directory / "large-1.0.tar.gz").write_bytes(bytes(20_000_000))
    task = start_newest(directory, STALL_TIMEOUT="2")
    waiting = [ask_and_never_read(task)]
    upload = f"Content-Type: {MULTIPART}", "Content-Length: 100000000"
    for request in (
        b"",
        b"GET / HTTP",
        head("GET /health HTTP/1.1") + b"GET",
        head("GET /packages/large-1.0.tar.gz HTTP/1.1", READER),
        head("POST / HTTP/1.1", None, *upload),
        head("POST / HTTP/1.1", WRONG, *upload) + bytes(10),
        head("POST / HTTP/1.1", PUBLISHER, *upload) + b"--B",
        head("GET /simple/ HTTP/1.1", READER, "Transfer-Encoding: nonsense"),
    ):
        waiting.append(connection := task.connect())
        connection.sendall(request)
    use(task)
    task.terminate()
    assert task.process.wait(60) == 0
    for connection in waiting:
        connection.close()


@pytest.mark.slow
def test_a_stopping_task_does_not_wait_as_long_as_others_for_who_takes_nothing(
    start_newest: StartTask, directory: Path
) -> None:
    """ECS kills it after two minutes; here a client may be silent for three."""
    (directory / "large-1.0.tar.gz").write_bytes(bytes(20_000_000))
    task = start_newest(directory, STALL_TIMEOUT="180")
    connection = task.connect()
    connection.sendall(head("GET /packages/large-1.0.tar.gz HTTP/1.1", READER))
    assert connection.recv(1)
    task.terminate()
    assert task.process.wait(100) == 0


@pytest.mark.slow
def test_slow_readers_are_served_and_silent_ones_are_not(start_newest: StartTask, directory: Path) -> None:
    size = 9_000_000
    (directory / "large-1.0.tar.gz").write_bytes(bytes(size))
    task = start_newest(directory, STALL_TIMEOUT="4")
    with socket.socket() as slow, socket.socket() as silent:
        for connection in (slow, silent):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", task.port))
            connection.sendall(head("GET /packages/large-1.0.tar.gz HTTP/1.1", READER, "Connection: close"))
        received = 0
        for _ in range(20):
            received += len(slow.recv(6_000))
            time.sleep(0.7)
        assert received + len(everything(slow)) > size
        assert len(everything(silent)) < size


def _closed(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False


def test_stalled_uploads_of_the_publisher_stop_no_reader(start: StartTask, directory: Path) -> None:
    (directory / NAME).write_bytes(CONTENT)
    task = start(directory)
    for number in range(200):
        task.begin_upload(f"stalled-1.{number}.tar.gz", 1_000_000)
    use(task)


@pytest.mark.slow
def test_slow_clients_are_cut_off_whatever_they_trickle(start: StartTask, directory: Path) -> None:
    task = start(directory, STALL_TIMEOUT="2")
    upload = head("POST / HTTP/1.1", PUBLISHER, f"Content-Type: {MULTIPART}", "Content-Length: 1000000")
    for request in (b"GET / HTTP/1.1\r\nX: ", upload):
        connection = task.connect()
        connection.sendall(request)
        assert cut_off(connection, b"-", 200, pause=0.1)
    assert wait_for(lambda: sorted(line["status"] for line in task.access_log()) == [408, 408])


def test_idle_connections_do_not_hold_a_stopping_task(start: StartTask, directory: Path) -> None:
    task = start(directory)
    session = requests.Session()
    assert session.get(f"{task.url}/health", timeout=30).status_code == 200
    task.connect()
    task.terminate()
    assert task.process.wait(60) == 0
    session.close()
