"""Accounts, health, storage failures, slow clients, shutdown, settings and the log."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from server.contract import HEALTH_PATH

from .conftest import StartTask
from .tasks import (
    PUBLISHER,
    READER,
    Task,
    basic,
    sdist,
    sha256,
    staged,
    status_of,
    wait_for,
    wheel,
)

NAME, CONTENT = wheel("demo", "1.0", os.urandom(1000))


@pytest.fixture
def task(start: StartTask, directory: Path) -> Task:
    (directory / NAME).write_bytes(CONTENT)
    return start(directory)


def test_wrong_credentials_are_asked_for_again(task: Task) -> None:
    paths = ("/simple/", "/simple/demo/", f"/packages/{NAME}", "/packages/", "/demo/json")
    for path in paths:
        for account in (None, (PUBLISHER[0], READER[1]), ("", ""), ("p\u00fcblisher", "x")):
            response = task.get(path, account)
            assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Basic realm="pypi"')
        for account in (PUBLISHER, READER):
            assert task.get(path, account).status_code == 200
    for header in ("Basic", "Basic !!!", "Bearer " + basic(PUBLISHER)[6:], "Basic \u00e9"):
        assert task.get("/simple/", None, headers={"Authorization": header.encode("latin-1")}).status_code == 401


def test_without_a_reader_there_is_one_account(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory, READER_USERNAME="", READER_PASSWORD="")
    assert task.get("/simple/", READER).status_code == 401
    assert task.get("/simple/", ("", "")).status_code == 401
    assert task.get("/simple/", PUBLISHER).status_code == 200


def test_a_task_that_nobody_asks_does_next_to_nothing(start_newest: StartTask, directory: Path) -> None:
    """Its host counts each second of a processor against credits."""
    (directory / NAME).write_bytes(CONTENT)
    task = start_newest(directory, UPSTREAM_URL="https://index.test/simple/")

    def spent() -> float:
        """In seconds, of the last half."""
        before = processor_seconds(task)
        time.sleep(0.5)
        return processor_seconds(task) - before

    assert wait_for(lambda: spent() < 0.05)


def processor_seconds(task: Task) -> float:
    """Of all processes of its group: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == os.getpgid(task.process.pid):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_unknown_projects_are_absent_unless_there_is_a_fallback(start: StartTask, directory: Path) -> None:
    assert start(directory).get("/simple/absent/").status_code == 404
    response = start(directory, FALLBACK_URL="https://index.example/simple/").get("/simple/absent/")
    assert (response.status_code, response.headers["Location"]) == (
        303,
        "https://index.example/simple/absent/",
    )


def test_a_forged_host_is_not_reflected(task: Task) -> None:
    response = task.get("/simple/Demo/", headers={"X-Forwarded-Host": "evil.example"})
    assert response.status_code == 301
    assert "evil" not in response.headers["Location"]


def test_an_unreadable_directory_is_an_error_until_it_returns(start: StartTask, directory: Path) -> None:
    (directory / NAME).write_bytes(CONTENT)
    task = start(directory, FALLBACK_URL="https://index.example/simple/")
    away = directory.with_name("away")
    for _ in range(3):
        assert task.get("/simple/demo/").status_code == task.get(HEALTH_PATH).status_code == 200
        directory.rename(away)
        for path in (
            "/simple/",
            "/simple/demo/",
            "/simple/absent/",
            f"/packages/{NAME}",
            "/packages/",
            "/demo/json",
        ):
            assert task.get(path).status_code == 503
        assert task.get(HEALTH_PATH, None).status_code == 503
        assert task.upload("other-1.0.tar.gz", b"content").status_code == 503
        away.rename(directory)
    assert task.get(f"/packages/{NAME}").content == CONTENT


def test_a_stuck_directory_fails_the_health_check_in_bounded_time(start_newest: StartTask, directory: Path) -> None:
    """A FIFO in the directory's place: opening it blocks, as everything does on a stuck NFS mount."""
    task = start_newest(directory)
    assert task.get(HEALTH_PATH, None).status_code == 200
    directory.rmdir()
    os.mkfifo(directory)
    assert task.get(HEALTH_PATH, None).status_code == 503


def test_stalled_clients_do_not_starve_others(start: StartTask, directory: Path) -> None:
    (directory / "large-1.0.tar.gz").write_bytes(bytes(20_000_000))
    # As good as never: whatever waits for stalled clients to be cut off fails.
    task = start(directory, STALL_TIMEOUT="3600")
    request = f"GET /packages/large-1.0.tar.gz HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(PUBLISHER)}\r\n\r\n"
    # A third of them are uploads, two fewer than one account has places for.
    for n in range(90):
        if n % 3 == 0:
            task.begin_upload(f"stalled-1.{n}.tar.gz", 1_000_000)
        else:
            task.connect().sendall(request.encode() if n % 3 == 1 else request[:30].encode())
    for _ in range(20):
        assert task.get("/simple/large/").status_code == 200
    assert task.upload(NAME, CONTENT).status_code == 200


@pytest.mark.slow
def test_stalled_clients_are_cut_off_in_the_end(start: StartTask, directory: Path) -> None:
    (directory / "large-1.0.tar.gz").write_bytes(bytes(50_000_000))
    task = start(directory, STALL_TIMEOUT="2")
    upload, _ = task.begin_upload("stalled-1.0.tar.gz", 1_000_000)
    upload.sendall(bytes(500_000))
    download = task.connect()
    download.sendall(
        f"GET /packages/large-1.0.tar.gz HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(PUBLISHER)}\r\n\r\n".encode()
    )
    assert wait_for(lambda: staged(directory))
    assert wait_for(lambda: not staged(directory))
    assert status_of(upload) in (0, 408)
    time.sleep(8)
    received = 0
    try:
        while chunk := download.recv(1 << 20):
            received += len(chunk)
    except ConnectionResetError:
        pass
    assert received < 50_000_000


def test_sigterm_lets_transfers_finish(start: StartTask, directory: Path) -> None:
    content = os.urandom(30_000_000)
    (directory / "large-1.0.tar.gz").write_bytes(content)
    task = start(directory)
    name, last = sdist("last", "1.0", os.urandom(500_000).hex().encode())
    upload, tail = task.begin_upload(name, len(last))
    upload.sendall(last[:200_000])
    response = task.get("/packages/large-1.0.tar.gz", stream=True)
    assert wait_for(lambda: staged(directory))
    task.terminate()
    assert wait_for(lambda: "Handling signal: term" in task.errors.read_text())
    upload.sendall(last[200_000:] + tail)
    assert status_of(upload) == 200
    assert response.content == content
    # Both clients keep their connections.
    assert task.process.wait(60) == 0
    upload.close()
    response.close()
    assert (directory / name).read_bytes() == last


@pytest.mark.slow
def test_requests_are_answered_for_a_while_after_sigterm(start: StartTask, directory: Path) -> None:
    """Those of a load balancer that learns later that the task ends."""
    task = start(directory, DRAIN_SECONDS="12")
    task.terminate()
    assert wait_for(lambda: "Handling signal: term" in task.errors.read_text())
    for number in range(5):
        name, content = sdist(f"late{number}", "1.0")
        assert task.upload(name, content).status_code == 200
        assert task.get(f"/packages/{name}").content == content
        time.sleep(0.5)
    assert task.process.wait(60) == 0


@pytest.mark.slow
def test_nothing_answered_with_success_is_lost_when_tasks_are_killed(start: StartTask, directory: Path) -> None:
    """Uploads and downloads under load, a task killed in the midst of them, several times."""
    stored: dict[str, str] = {}
    survivor = start(directory)
    for round_ in range(3):
        victim = start(directory)

        def load(number: int, victim: Task = victim, round_: int = round_) -> None:
            for n in range(200):
                name, content = sdist(f"load{number}", f"{round_}.{n}", os.urandom(25_000).hex().encode())
                try:
                    if victim.upload(name, content).status_code != 200:
                        return
                    stored[name] = sha256(content)
                    assert sha256(victim.get(f"/packages/{name}").content) == stored[name]
                except OSError:
                    return

        threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        enough = len(stored) + 20
        assert wait_for(lambda enough=enough: len(stored) >= enough)
        victim.kill()
        for thread in threads:
            thread.join()
    listed = {
        file["filename"]: file["hashes"]["sha256"] for n in range(4) for file in survivor.project(f"load{n}")["files"]
    }
    assert stored.items() <= listed.items()
    for name, digest in listed.items():
        assert sha256(survivor.get(f"/packages/{name}").content) == digest


def test_the_access_log_is_json_without_secrets(task: Task) -> None:
    task.get(f"/packages/{NAME}?token=query-secret", READER)
    task.get("/simple/", (PUBLISHER[0], "wrong-secret"))
    task.get(HEALTH_PATH, None)
    assert wait_for(lambda: len(task.access_log()) >= 2)
    # A line is written after its answer is sent.
    download, refused = sorted(task.access_log(), key=lambda line: line["status"])
    assert (download["status"], download["user"], download["path"]) == (200, READER[0], f"/packages/{NAME}")
    assert (download["bytes"], download["method"]) == (len(CONTENT), "GET")
    assert (refused["status"], refused["user"]) == (401, None)
    text = task.log.read_text() + task.errors.read_text()
    assert not any(secret in text for secret in ("query-secret", "wrong-secret", READER[1], basic(READER)[6:]))


def test_a_client_forges_no_log_line_and_hides_no_address(task: Task) -> None:
    """The load balancer appends the address that it saw to what the client sent."""
    for forged in ('", "user": "admin', "\x85\x80", "10.0.0.1, " * 400):
        task.get(f"/packages/{NAME}", READER, headers={"X-Forwarded-For": f"{forged}, 203.0.113.9".encode("latin-1")})
    assert wait_for(lambda: len(task.access_log()) == 3)
    for line in task.access_log():
        assert (line["user"], line["client"].rpartition(", ")[2]) == (READER[0], "203.0.113.9")
        assert len(line["client"]) <= 256


def test_a_fault_of_ours_is_answered_and_logged_and_tells_the_client_nothing(
    start_newest: StartTask, directory: Path, tmp_path: Path
) -> None:
    # A library that fails as nobody foresaw.
    (tmp_path / "sitecustomize.py").write_text(
        "import mimetypes\n"
        "def fail(*arguments, **options): raise RuntimeError('the secret of the library')\n"
        "mimetypes.guess_type = fail\n"
    )
    (directory / NAME).write_bytes(CONTENT)
    task = start_newest(directory, PYTHONPATH=str(tmp_path))
    session = requests.Session()
    session.auth = READER
    answers = [session.get(f"{task.url}/packages/{NAME}", timeout=30) for _ in range(2)]
    for answer in answers:
        assert (answer.status_code, answer.text) == (500, "The server failed; its log has the reason.\n")
        assert "secret" not in f"{answer.reason}{answer.headers}"
    assert task.get("/simple/").status_code == 200
    assert wait_for(lambda: len(task.access_log()) == 3)
    line = task.access_log()[0]
    assert (line["status"], line["path"], line["user"]) == (500, f"/packages/{NAME}", READER[0])
    errors = task.errors.read_text()
    assert "RuntimeError: the secret of the library" in errors
    assert f"GET '/packages/{NAME}'" in errors
