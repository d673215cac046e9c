"""An index that is slow, lies or is down, tasks that die, and what is removed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from server.wire.calls import CALLS_LIMIT, Calls, TakesLong

from ..fuzz.directories import ODD
from ..tasks import JSON_TYPE, sha256, wheel
from .conftest import StartUpstream
from .playing import CONTENT, NAME, Index, file_url, send

PAGE = "/simple/outer/"


def truncated(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", JSON_TYPE)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{}")


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", JSON_TYPE)
    handler.end_headers()
    for _ in range(64):
        handler.wfile.write(b" " * (1 << 20))


@pytest.mark.parametrize(
    "answer",
    [
        truncated,
        endless,
        lambda handler: send(handler, 200, "text/html", b"<a>"),
        lambda handler: send(handler, 200, JSON_TYPE, b"[]"),
        lambda handler: send(handler, 200, JSON_TYPE, b"["),
        lambda handler: send(handler, 200, JSON_TYPE, b"[" * 100_000),
        lambda handler: send(handler, 200, JSON_TYPE, b'{"meta":{"api-version":"1.1"},"name":"other","files":[]}'),
        lambda handler: send(handler, 302, "text/plain", b"", Location=PAGE),
        lambda handler: send(handler, 500, "text/plain", b""),
        lambda handler: send(handler, 304, "text/plain", b""),
    ],
)
def test_a_page_that_is_none_is_unavailable_and_claims_nothing(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str, answer: object
) -> None:
    pypi.answers[PAGE] = answer  # type: ignore[assignment]  # of a parametrization
    task = start_upstream(directory)
    response = task.get(PAGE)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert task.get("/health").status_code == 200
    assert task.upload(*wheel("outer", "2.0")).status_code == 200


def answering(status: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, status, "text/plain", b"")


def test_a_definite_no_is_passed_on_as_one(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str
) -> None:
    answers = {400: 404, 401: 404, 403: 404, 404: 404, 410: 404, 451: 404, 408: 503, 429: 503, 500: 503, 503: 503}
    for status in answers:
        pypi.answers[pypi.add("outer", *wheel("outer", f"9.{status}"))] = answering(status)
        pypi.answers[f"/simple/page{status}/"] = answering(status)
    task = start_upstream(directory)
    for status, expected in answers.items():
        for _ in range(2):
            assert task.get(file_url(task, "outer", wheel("outer", f"9.{status}")[0])).status_code == expected, status
            assert task.get(f"/simple/page{status}/").status_code == expected, status
    # What may pass does not hide what is there.
    assert task.get(file_url(task, "outer", NAME)).content == CONTENT


@pytest.mark.parametrize("answer", [answering(404), answering(403), lambda it: send(it, 200, "text/plain", b"other")])
def test_metadata_that_is_promised_and_not_there_is_promised_no_more(
    start_upstream: StartUpstream, directory: Path, pypi: Index, answer: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """Installers that are promised it ask for nothing else."""
    path = pypi.add("outer", NAME, CONTENT, facts={"core-metadata": {"sha256": "0" * 64}})
    pypi.answers[f"{path}.metadata"] = answer
    task = start_upstream(directory)
    (file,) = task.project("outer")["files"]
    assert "core-metadata" in file
    assert task.get(f"{file['url']}.metadata").status_code in (404, 503)
    (file,) = task.project("outer")["files"]
    assert "core-metadata" not in file
    assert "data-core-metadata" not in task.get(PAGE).text
    assert task.get(f"{file['url']}.metadata").status_code == 404
    assert task.get(file["url"]).content == CONTENT


def test_metadata_that_fails_for_now_is_still_promised(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    path = pypi.add("outer", NAME, CONTENT, facts={"core-metadata": {"sha256": "0" * 64}})
    pypi.answers[f"{path}.metadata"] = answering(500)
    task = start_upstream(directory)
    (file,) = task.project("outer")["files"]
    assert task.get(f"{file['url']}.metadata").status_code == 503
    assert "core-metadata" in task.project("outer")["files"][0]


def test_files_that_cannot_be_trusted_are_left_out(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str
) -> None:
    for version, facts in {
        "2": {"url": "http://files.test/x"},
        "3": {"url": "https://elsewhere.test/x"},
        "4": {"hashes": {"md5": "0"}},
        "5": {"size": "1"},
        "6": {"size": 6 << 30},
        "7": {"filename": "other-7-py3-none-any.whl"},
        "8": {"filename": "../outer-8-py3-none-any.whl"},
        "9": {"url": "https://user:pw@files.test/x"},
    }.items():
        pypi.add("outer", *wheel("outer", version), facts=facts)
    assert [it["filename"] for it in start_upstream(directory).project("outer")["files"]] == [NAME]


def test_a_chunk_without_a_size_is_not_read_to_the_end(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    """http.client would hold all of it in memory, whatever it was asked for."""
    sent = []

    def unbounded(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", JSON_TYPE)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"-1\r\n")
        with suppress(OSError):
            for _ in range(256):
                handler.wfile.write(b" " * (1 << 20))
                sent.append(1)

    pypi.answers[PAGE] = unbounded
    response = start_upstream(directory).get(PAGE)
    assert (response.status_code, "a chunk has no size" in response.text) == (503, True)
    assert len(sent) < 64


@pytest.mark.parametrize("odd", ["pipe", "dangling link", "link to itself"])
def test_odd_entries_where_pages_and_files_are_kept_are_replaced(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str, odd: str
) -> None:
    home = directory / ".upstream"
    for path in (home / "pages" / sha256(b"outer"), home / "files" / sha256(CONTENT)):
        path.parent.mkdir(parents=True, exist_ok=True)
        ODD[odd](path)
    task = start_upstream(directory)
    assert task.get(file_url(task, "outer", NAME)).content == CONTENT
    assert pypi.asked.count(outer) == 1
    assert (home / "files" / sha256(CONTENT)).read_bytes() == CONTENT


def test_odd_entries_that_cannot_be_replaced_end_a_fetch(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str
) -> None:
    other, content = wheel("outer", "2.0")
    path = pypi.add("outer", other, content)
    home = directory / ".upstream"
    (home / "files" / sha256(CONTENT)).mkdir(parents=True)
    (home / "fetching").mkdir()
    (home / "fetching" / sha256(content)).symlink_to("nowhere")
    task = start_upstream(directory)
    for name in (NAME, other):
        response = task.get(file_url(task, "outer", name))
        assert (response.status_code, "it takes long" in response.text) == (503, False), response.text
    assert (pypi.asked.count(outer), pypi.asked.count(path)) == (1, 0)


def test_so_many_calls_wait_and_no_more() -> None:
    """A client can ask for any number of names, each of which is a call to an index that may not answer."""
    calls, proceed = Calls(1), threading.Event()
    waiters = [calls.wait(number, proceed.wait, 60) for number in range(CALLS_LIMIT + 1)]  # type: ignore[arg-type]  # bool
    assert isinstance(waiters[-1].exception(0), TakesLong)
    again = calls.wait(0, proceed.wait, 60)  # type: ignore[arg-type]  # as above
    proceed.set()
    assert [waiter.exception(60) for waiter in [*waiters[:-1], again]] == [None] * (CALLS_LIMIT + 1)
    assert calls.wait("other", lambda: None, 60).exception(60) is None


@pytest.mark.slow
def test_a_slow_index_holds_up_nothing_else(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str
) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(13)
        pypi.answer(handler)

    task = start_upstream(directory)
    url = file_url(task, "outer", NAME)
    pypi.answers[outer] = slow
    pypi.answers |= {f"/simple/slow{number}/": slow for number in range(40)}
    waiting = [task.connect() for _ in range(60)]
    for number, connection in enumerate(waiting):
        path = url if number % 2 else f"/simple/slow{number % 40}/"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZATION}\r\n\r\n".encode())
    assert task.upload(*wheel("mine", "1.0")).status_code == 200
    assert task.project("mine")["files"]
    assert task.get("/health").status_code == 200
    assert waiting[1].recv(12) == b"HTTP/1.1 503"
    time.sleep(6)
    assert task.get(url).content == CONTENT
    assert pypi.asked.count(outer) == 1


AUTHORIZATION = "Basic cmVhZGVyOmFub3RoZXItbG9uZy1wYXNzd29yZA=="


@pytest.mark.slow
def test_a_fetch_whose_task_died_is_taken_over(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str
) -> None:
    task = start_upstream(directory)
    url = file_url(task, "outer", NAME)
    lock = directory / ".upstream/fetching" / pypi.pages["outer"]["files"][0]["hashes"]["sha256"]
    lock.parent.mkdir()
    lock.touch()
    assert task.get(url).status_code == 503
    deadline = time.monotonic() + 120
    while (response := task.get(url)).status_code != 200 and time.monotonic() < deadline:
        time.sleep(1)
    assert response.content == CONTENT
    assert not lock.exists()


@pytest.mark.slow
def test_only_what_was_fetched_is_removed_and_the_longest_unused_first(
    start_upstream: StartUpstream, directory: Path
) -> None:
    files = directory / ".upstream/files"
    files.mkdir(parents=True)
    (directory / ".upstream/pages").symlink_to(directory)
    kept = [directory / wheel("mine", "1.0")[0], files / "mine-1.0.tar.gz", directory / ("c" * 64)]
    for path in kept:
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    now = time.time()
    for number in range(4):
        path = files / (str(number) * 64)
        path.touch()
        os.truncate(path, 400 << 20)
        os.utime(path, (now, now - number * 86400))
    unused = files / ("8" * 64)
    unused.touch()
    os.utime(unused, (0, 0))
    (files / ("9" * 64)).symlink_to(kept[0])
    (files / ("a" * 64)).mkdir()
    start_upstream(directory, UPSTREAM_CACHE_GIB="1")
    deadline = time.monotonic() + 60
    while (files / ("2" * 64)).exists() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert all(path.exists() for path in kept)
    assert [(files / (str(number) * 64)).exists() for number in range(4)] == [True, True, False, False]
    assert not unused.exists()
