"""How requests are read: which path, whose, and by whom it may be asked."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from server.contract import IMAGE_TAG

from .conftest import StartTask, python_with
from .connections import MULTIPART, ask, head
from .tasks import JSON_TYPE, PUBLISHER, READER, ROOT, Task, environment_of, wait_for, wheel

NAME, CONTENT = wheel("demo", "1.0")
SECRET_NAME, SECRET_CONTENT = wheel("secret_project", "1.0")
INTRUDER_NAME, INTRUDER = wheel("intruder", "1.0")
FORM = (
    b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
    b'--B\r\nContent-Disposition: form-data; name="content"; filename="%s"\r\n\r\n%s\r\n--B--\r\n'
    % (INTRUDER_NAME.encode(), INTRUDER)
)
REMOVAL = b":action=remove_pkg&name=demo&version=1.0"


@pytest.fixture(scope="module")
def task(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    home = tmp_path_factory.mktemp("requests")
    directory = home / "packages"
    (directory / "sub").mkdir(parents=True)
    (directory / NAME).write_bytes(CONTENT)
    (directory / SECRET_NAME).write_bytes(SECRET_CONTENT)
    (directory / "sub" / "inner-1.0.tar.gz").write_bytes(b"inner")
    running = Task(image, directory, home / "task", {})
    running.wait_until_ready()
    yield running
    running.kill()


def state(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


ROOTS = [
    "/",
    "http://x",
    "http://x/",
    "HTTP://x",
    "//",
    "///",
    "/?",
    "/?:action=file_upload",
    "http://x?a",
    "/;",
    "/./",
]
ROOTS += ["*", "?", ";", "#", "x", "/%2f", "/%2F/", "/.", "/..", "/%2e", "/a/..", "/a/../", "\\", "/\\", "/%5c", "/%00"]
ROOTS += ["http:", "http:/", "http://", "https://x", "ftp://x", "http://x/simple/..", "//x", "/%20", "/\xa0", "/%c2%a0"]
ROOTS += [
    "/simple/..",
    "/simple/../",
    "/simple/%2e%2e/",
    "/health/../",
    "/health",
    "/RPC2",
    "/RPC2/",
    "/simple/",
    "/packages/",
]


@pytest.mark.parametrize("method", ["POST", "post", "Post", "PUT", "PATCH", "DELETE", "GET", "HEAD", "PO\xc5T", "X"])
def test_a_reader_and_a_stranger_change_nothing(task: Task, method: str) -> None:
    before = state(task.directory)
    for target in ROOTS:
        for account in (READER, None, (PUBLISHER[0], READER[1])):
            for kind, body in ((MULTIPART, FORM), ("application/x-www-form-urlencoded", REMOVAL)):
                for override in ("X-A: b", "X-HTTP-Method-Override: POST", "Script-Name: /x", "X-Script-Name: /"):
                    lines = (f"Content-Type: {kind}", f"Content-Length: {len(body)}", override)
                    answer = ask(task, head(f"{method} {target} HTTP/1.1", account, *lines), body)
                    if method in ("POST", "PUT", "PATCH", "DELETE"):
                        assert answer.status not in (200, 500), (target, account)
                    if override == "X-A: b" and target != "/":
                        break
    assert state(task.directory) == before


def test_the_empty_path_is_the_root(task: Task) -> None:
    lines = (f"Content-Type: {MULTIPART}", f"Content-Length: {len(FORM)}")
    assert ask(task, head("POST http://x HTTP/1.1", READER, *lines), FORM).status == 403
    assert ask(task, head("POST http://x HTTP/1.1", PUBLISHER, *lines), FORM).status == 200
    assert (task.directory / INTRUDER_NAME).read_bytes() == INTRUDER
    assert ask(task, head("GET http://x HTTP/1.1")).status == 200


TARGETS = {
    "/simple/": 200,
    "//simple/": 200,
    "http://elsewhere/simple/": 200,
    "http://a@elsewhere/simple/": 400,
    "/s%69mple/": 200,
    "/simple/demo/": 200,
    "/simple/d%65mo/": 200,
    "/simple/demo/?a=b%00": 200,
    "/simple/d%2565mo/": 404,
    "/simple//demo/": 400,
    "/simple/./demo/": 400,
    "/simple/../simple/demo/": 400,
    "/simple/%2e%2e/simple/demo/": 400,
    "/simple%2fdemo/": 400,
    "/simple/demo%00/": 400,
    "/simple/demo%0d%0a/": 400,
    "/simple/de%zzmo/": 400,
    "/simple/demo%": 400,
    "/simple/%ff/": 400,
    "/simple/demo\\": 400,
    "/simple/demo;a=b/": 404,
    "/simple/caf%C3%A9/": 404,
    "/simple/CAF%C3%89/": 301,
    "/packages/sub/inner-1.0.tar.gz": 200,
    "/packages/sub%2Finner-1.0.tar.gz": 400,
    "/packages/../../etc/passwd": 400,
    "/packages/%252e%252e/passwd": 404,
    f"/packages/{'a' * 260}-1.0.tar.gz": 404,
    f"/packages/{'a' * 260}-1.0.tar.gz.metadata": 404,
    f"/packages/{'a' * 260}-1.0-py3-none-any.whl.metadata": 404,
    f"/packages/{'é' * 200}-1.0.tar.gz".encode().decode("latin-1"): 404,
    f"/packages/{'a/' * 200}a-1.0.tar.gz": 404,
    f"/simple/{'a' * 2000}/": 404,
    "/a/b/c": 404,
    "*": 400,
    "simple/": 400,
    "/simple/#demo": 400,
}


def test_each_target_has_one_reading(task: Task) -> None:
    found = {target: ask(task, head(f"GET {target} HTTP/1.1", READER)).status for target in TARGETS}
    assert found == TARGETS


@pytest.mark.parametrize("missing", [1, 5, len(FORM) - 50, len(FORM)])
def test_a_body_that_is_cut_off_changes_nothing(task: Task, missing: int) -> None:
    before = state(task.directory)
    for line, account, kind, body in (
        ("POST / HTTP/1.1", PUBLISHER, MULTIPART, FORM),
        ("POST / HTTP/1.1", PUBLISHER, "application/x-www-form-urlencoded", b"a=" + FORM.hex().encode()),
    ):
        connection = task.connect()
        connection.sendall(head(line, account, f"Content-Type: {kind}", f"Content-Length: {len(body)}"))
        connection.sendall(body[: len(body) - missing])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(4096).split(b"\r\n")[0] == (
            b"HTTP/1.1 400 Nothing was done: the last %d bytes did not arrive." % missing
        )
    assert state(task.directory) == before


def test_a_client_that_goes_away_is_no_failing_storage(task: Task) -> None:
    connection = task.connect()
    fields = f"Content-Type: {MULTIPART}", "Content-Length: 9999", "User-Agent: gone"
    connection.sendall(head("POST / HTTP/1.1", PUBLISHER, *fields) + FORM[:50])
    # It is reset, not shut.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    assert wait_for(lambda: [it["status"] for it in task.access_log() if it["agent"] == "gone"] == [408])
    assert "cannot be read" not in task.errors.read_text()


def test_a_head_request_has_no_body_even_if_it_is_refused(task: Task) -> None:
    for line in (
        "HEAD /simple/%2f HTTP/1.1",
        "HEAD /absent/json HTTP/1.1",
        "HEAD /simple/ HTTP/2.0",
        "HEAD x HTTP/1.1",
    ):
        connection = task.connect()
        connection.sendall(head(line, READER, "Connection: close"))
        answer = b"".join(iter(lambda connection=connection: connection.recv(4096), b""))  # type: ignore[misc]
        assert answer.endswith(b"\r\n\r\n"), answer


def test_an_empty_line_before_a_request_is_passed_over(task: Task) -> None:
    assert ask(task, b"\r\n" + head("GET /health HTTP/1.1")).status == 200


def test_strangers_learn_no_name(task: Task) -> None:
    paths = ["/simple/", "/simple/secret-project/", "/packages/", f"/packages/{SECRET_NAME}", "/secret-project/json"]
    paths += [
        "/simple",
        "/simple/absent/",
        "/packages/absent-1.0.tar.gz",
        "/absent/json",
        f"/packages/{SECRET_NAME}.metadata",
    ]
    answers = {path: ask(task, head(f"GET {path} HTTP/1.1")) for path in paths}
    assert {answer.status for answer in answers.values()} == {401}
    assert len({answer.body for answer in answers.values()}) == 1


def test_an_upload_to_another_path_is_told_the_right_one(task: Task) -> None:
    for path in ("/simple/", "/legacy/", "/upload", "/simple", "/packages/"):
        answer = ask(task, head(f"POST {path} HTTP/1.1", PUBLISHER, "Content-Length: 0"))
        assert (answer.status, answer.phrase) == (405, "Upload to http://index/ and no path below it."), path


def test_redirects_stay_here_and_keep_the_query(task: Task) -> None:
    for path, location in {
        "/simple": "/simple/",
        "/packages": "/packages/",
        "/simple/demo": "/simple/demo/",
        "/simple/De.Mo/": "/simple/de-mo/",
        "/Demo/json": "/demo/json",
        "/demo": "/simple/demo/",
        "/De.mo/1.0/": "/project/de-mo/",
        "/demo/1!2.0rc1+local.1": "/project/demo/",
    }.items():
        answer = ask(task, head(f"GET {path}?a=%20b HTTP/1.1", READER).replace(b"index", b"evil.example"))
        assert answer.headers["location"] == f"{location}?a=%20b"
    # A redirect leads to what answers otherwise.
    for name in ("caf\u00e9", "CAF\u00c9", "a b", "A%20B", "\u0130", "A\u00df\u1e9e"):
        response = requests.get(f"{task.url}/simple/{name}/", auth=READER, timeout=30)
        assert (response.status_code, len(response.history) <= 1) == (404, True), name


def test_errors_are_text_and_their_reason_is_in_the_status_line(task: Task) -> None:
    lines = ("Content-Type: application/x-www-form-urlencoded",)
    for answer, words in (
        (ask(task, head("GET /simple/absent/ HTTP/1.1", READER)), "absent"),
        (ask(task, head("GET /packages/absent-1.0.zip HTTP/1.1", READER)), "absent-1.0.zip"),
        (ask(task, head("GET /absent/json HTTP/1.1", READER)), "absent"),
        (ask(task, head("POST / HTTP/1.1", READER, *lines, "Content-Length: 2"), b"a="), "reader may not upload"),
        (ask(task, head("POST / HTTP/1.1", PUBLISHER, *lines, "Content-Length: 12"), b":action=some"), "some"),
        (ask(task, head("GET /simple/ HTTP/1.1")), "password"),
    ):
        assert words in answer.phrase
        assert words in answer.body.decode()
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_status_line_holds_safe_characters_only(task: Task) -> None:
    for name in ("a%C2%85Set-Cookie:%20a=b", "caf%C3%A9%E2%80%A8x", "x" * 1000):
        answer = ask(task, head(f"GET /packages/{name}-1.0.tar.gz HTTP/1.1", READER))
        assert answer.status in (400, 404)
        assert answer.phrase.isascii()
        assert answer.phrase.isprintable()
        assert len(answer.phrase) < 300
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("", False),
        ("*/*", False),
        ("text/*", False),
        (f"text/*, {JSON_TYPE};q=0.5", False),
        (f"{JSON_TYPE}, text/*", True),
        (f"text/*;q=0.1, {JSON_TYPE};q=0.5", True),
        (f"{JSON_TYPE};q=nan, text/html;q=0.1", False),
        (f"{JSON_TYPE};Q=0, */*", False),
        ("application/*", True),
        ("image/png", False),
    ],
)
def test_the_type_that_a_client_likes_best(shared: Task, accept: str, json: bool) -> None:
    name, content = wheel("liked", "1.0")
    (shared.directory / name).write_bytes(content)
    answer = shared.get("/simple/liked/", headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith(JSON_TYPE if json else "text/html")


def test_conditions_and_ranges(shared: Task) -> None:
    name, content = wheel("conditional", "1.0")
    (shared.directory / name).write_bytes(content)
    for path in (f"/packages/{name}", "/simple/conditional/"):
        etag = shared.get(path).headers["ETag"]
        for header in ("*", etag, f'"a", {etag}', f"W/{etag}"):
            assert shared.get(path, headers={"If-None-Match": header}).status_code == 304
        for header in ("", "a", f'"a{etag[1:]}', etag.strip('"')):
            assert shared.get(path, headers={"If-None-Match": header}).status_code == 200
    for header in ("lines=1", "bytes=", "bytes=a-b", "bytes=0-1,3-4", "bytes=2-1-", "bytes=\u0661-"):
        assert shared.get(f"/packages/{name}", headers={"Range": header.encode()}).content == content
    head_ = requests.head(f"{shared.url}/packages/{name}", auth=READER, headers={"Range": "bytes=0-1"}, timeout=30)
    assert (head_.status_code, head_.headers["Content-Length"]) == (200, str(len(content)))


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("Fri, 01 Jan 2100 00:00:00 GMT", 304),
        ("Fri, 01 Jan 2100 00:00:00 GMT; length=7", 304),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 200),
        # No date is no condition (RFC 9110, section 13.1.3).
        *((text, 200) for text in ("", "nonsense", "0", f"Fri, 01 Jan {'9' * 30} 0:0:0")),
    ],
)
def test_a_file_is_not_sent_to_who_has_it_since(task: Task, since: str, status: int) -> None:
    answer = task.get(f"/packages/{NAME}", headers={"If-Modified-Since": since})
    assert (answer.status_code, answer.content == b"") == (status, status == 304)
    tagged = task.get(f"/packages/{NAME}", headers={"If-Modified-Since": since, "If-None-Match": '"x"'})
    assert tagged.status_code == 200


def test_passwords_beyond_ascii_match_in_the_encodings_of_clients(start_newest: StartTask, directory: Path) -> None:
    password = "p\u00e4ssw\u00f6rd"
    task = start_newest(directory, READER_PASSWORD=password)
    for encoding in ("utf-8", "latin-1"):
        assert task.get("/simple/", (READER[0], password.encode(encoding))).status_code == 200  # type: ignore[arg-type]  # requests takes bytes
    assert task.get("/simple/", (READER[0], "p?ssw?rd")).status_code == 401


@pytest.mark.parametrize("password", [b"ends in a line end\n", b"a\ttab", b"not UTF-8: \xff", b"\xc2\x85"])
def test_passwords_that_never_match_are_refused_at_start(newest_image: Path, directory: Path, password: bytes) -> None:
    result = subprocess.run(
        [newest_image, "-m", "server"],
        cwd=ROOT,
        env={"PATH": os.defpath, **environment_of(directory, 1, READER_PASSWORD=os.fsdecode(password))},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("pypiserver: READER_PASSWORD")


def test_an_engine_that_lets_requests_be_smuggled_is_refused(directory: Path) -> None:
    python = python_with("v2.4.1", ["pypiserver==2.4.1", "gunicorn==20.0.4", "setuptools<81"])
    result = subprocess.run(
        [python, "-m", "server"],
        cwd=ROOT,
        env={"PATH": os.defpath, **environment_of(directory, 1)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert f"pypiserver/pypiserver:{IMAGE_TAG}" in result.stderr
