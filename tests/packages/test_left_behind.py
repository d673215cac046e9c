"""What cannot come, or not all of it: it is told with what to do, everything else goes on, and the exit code says so."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from generator.commands import main
from generator.packages import transport

from ..server.tasks import JSON_TYPE, Task, free_port, sdist, visible, wheel
from .conftest import Import
from .sources import Answer, Scripted, answer

GOOD, GOOD_CONTENT = wheel("acme", "1.0")
NAME, CONTENT = wheel("acme", "2.0")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize(
    ("status", "word"), [(403, "denied"), (404, "missing"), (410, "missing"), (500, "failed"), (418, "failed")]
)
@pytest.mark.parametrize("what", ["file", "page"])
def test_one_answer_of_no_leaves_the_rest_to_come(
    what: str,
    status: int,
    word: str,
    scripted: Scripted,
    bring: Import,
    directory: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for project in ("acme", "other"):
        scripted.page(project, *(scripted.file(*wheel(project, version)) for version in ("1.0", "2.0")))
    path = "/files/other-1.0-py3-none-any.whl" if what == "file" else "/simple/other/"
    scripted.answers[path], good = lambda handler: answer(handler, status), scripted.answers[path]
    assert bring(scripted.url) == 1
    assert len(visible(directory)) == (3 if what == "file" else 2)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(f"1 {word}: ")]
    assert f"1 {word}" in lines[-1]
    scripted.answers[path] = good
    assert bring(scripted.url) == 0
    assert len(visible(directory)) == 4


@pytest.mark.parametrize("what", ["file", "page"])
def test_what_redirects_in_a_circle_is_told_so(
    what: str, scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for project in ("acme", "other"):
        scripted.page(project, scripted.file(*wheel(project, "1.0")))
    path = "/files/other-1.0-py3-none-any.whl" if what == "file" else "/simple/other/"
    scripted.answers[path] = lambda handler: answer(handler, 302, Location=path)
    assert bring(scripted.url) == 1
    assert visible(directory) == [GOOD]
    said = "redirects without end" if what == "file" else "redirects more than 5 times"
    assert f"{scripted.root}{path} {said}" in capsys.readouterr().out


def test_of_a_page_whose_next_part_is_missing_nothing_is_taken(
    scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = {"meta": {"api-version": "1.0"}, "name": "acme", "files": [scripted.file(GOOD, GOOD_CONTENT)]}
    scripted.answers["/simple/acme/"] = lambda handler: answer(
        handler, 200, json.dumps(page).encode(), JSON_TYPE, Link='<?page=2>; rel="next"'
    )
    assert bring(scripted.url, "acme") == 1
    assert visible(directory) == []
    said = f"the next part of {scripted.url}acme/ is missing: {scripted.url}acme/"
    assert said in " ".join(capsys.readouterr().out.split())


def test_a_server_without_room_ends_the_import_with_its_reason(
    scripted: Scripted,
    elsewhere: Scripted,
    target: Task,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """More would not fit either."""
    uploads = itertools.count()

    def full(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        # The first only asks whether the account may upload.
        answer(handler, 507 if next(uploads) else 400)

    monkeypatch.setattr(elsewhere.handler, "do_POST", full, raising=False)
    scripted.page("acme", *(scripted.file(*wheel("acme", f"1.{number}")) for number in range(40)))
    elsewhere.page("acme")
    assert main(["import", scripted.url, "acme", "--to", elsewhere.url, "--yes"]) == 1
    printed = capsys.readouterr().out
    assert f"stopped: {elsewhere.root}/ answers 507 Insufficient Storage" in printed
    assert "incomplete: 0 imported" in printed
    assert next(uploads) < 12


def test_a_password_that_ends_in_the_middle_stops_it(
    scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing more is to be had, and each further request would count against the account."""
    files = [scripted.file(*wheel("acme", f"1.{number}")) for number in range(40)]
    scripted.page("acme", *files)
    for entry in files:
        scripted.answers[f"/files/{entry['filename']}"] = lambda handler: answer(handler, 401)
    assert bring(scripted.url) == 1
    printed = capsys.readouterr().out
    assert "stopped: " in printed
    assert "IMPORT_USERNAME" in printed
    assert "incomplete: 0 imported" in printed
    assert len(scripted.asked) < 12


@pytest.mark.parametrize("other", [{"sha256": "0" * 64}, {}, None], ids=["another", "without a digest", "the same"])
def test_of_a_file_that_a_page_lists_twice_the_first_comes(
    other: dict[str, str] | None, scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As pip takes it. Whether another would have been left behind is told, where digests say so."""
    first = scripted.file(GOOD, GOOD_CONTENT)
    again = first if other is None else {**first, "url": "../../files/elsewhere", "hashes": other}
    scripted.page("acme", first, again)
    assert bring(scripted.url) == 0
    assert visible(directory) == [GOOD]
    printed = capsys.readouterr().out.splitlines()
    told = f"not carried  {GOOD}: the page of acme has it twice: the first is taken"
    assert (told in printed) == bool(other)


@pytest.mark.parametrize(("status", "code"), [(404, 0), (410, 0), (403, 0), (503, 1)])
def test_a_signature_that_is_listed_and_not_there(
    status: int, code: int, scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A definite no leaves the signature behind, what may pass the file, for the next run."""
    scripted.page("acme", scripted.file(NAME, CONTENT, **{"gpg-sig": True}))
    scripted.answers[f"/files/{NAME}.asc"] = lambda handler: answer(handler, status)
    assert bring(scripted.url) == code
    assert (f"not carried  {NAME}.asc: " in capsys.readouterr().out) == (code == 0)
    assert visible(directory) == ([NAME] if code == 0 else [])
    scripted.answers[f"/files/{NAME}.asc"] = lambda handler: answer(handler, 200, b"a signature")
    assert bring(scripted.url) == 0
    assert visible(directory) == ([NAME] if code == 0 else [NAME, f"{NAME}.asc"])


def test_what_has_no_place_here_is_a_line_each(
    scripted: Scripted, bring: Import, target: Task, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        scripted.file(
            GOOD, GOOD_CONTENT, **{"provenance": "https://x/provenance", "upload-time": "2021-03-04T05:06:07Z"}
        ),
        scripted.file(NAME, CONTENT, yanked="broken", **{"upload-time": "2999-01-01T00:00:00Z"}),
        scripted.file(*sdist("acme", "2.0")),
        scripted.file(*wheel("acme", "3.0"), yanked="x" * 2000),
    ]
    page = {"meta": {"api-version": "1.4"}, "name": "acme", "files": files}
    page["project-status"] = {"status": "archived", "reason": "see \x1b[31mbeta"}
    scripted.answers["/simple/acme/"] = lambda handler: answer(handler, 200, json.dumps(page).encode(), JSON_TYPE)
    assert bring(scripted.url, "acme") == 0
    printed = capsys.readouterr().out
    for line in (
        "acme: its status there, archived (see ",
        "acme: attestations (PEP 740) of 1 files",
        "acme 2.0: not all of it is withdrawn there, so none here: acme-2.0-py3-none-any.whl",
        "acme 3.0: the reason for the yank is cut off",
        "upload times, which the source does not give for 3: ",
    ):
        assert f"not carried  {line}" in printed
    assert "\x1b" not in printed
    assert len(visible(directory)) == 4 + (".yanked" in visible(directory))
    assert "complete: 4 imported, 0 were here, 5 not carried" in printed


def test_a_status_that_is_set_here_too_is_no_loss(
    scripted: Scripted, bring: Import, target: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    page = {"meta": {"api-version": "1.4"}, "name": "acme", "files": [scripted.file(GOOD, GOOD_CONTENT)]}
    page["project-status"] = {"status": "archived", "reason": "see beta"}
    scripted.answers["/simple/acme/"] = lambda handler: answer(handler, 200, json.dumps(page).encode(), JSON_TYPE)
    assert bring(scripted.url, "acme") == 0
    assert "acme: its status there, archived (see beta): `project-status` sets it here" in capsys.readouterr().out
    assert main(["project-status", "acme", "archived", "--reason", "see beta", "--to", target.url]) == 0
    assert bring(scripted.url, "acme") == 0
    assert "its status there" not in capsys.readouterr().out


def test_what_pip_builds_from_a_repository_is_told(
    scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.file(GOOD, GOOD_CONTENT)
    page = f'<a href="git+https://git.example.com/acme@v2#egg=acme-2.0">acme</a><a href="/files/{GOOD}">x</a>'
    scripted.answers["/simple/acme/"] = lambda handler: answer(handler, 200, page.encode())
    assert bring(scripted.url, "acme") == 1
    assert "damaged  acme: acme-2.0: pip builds it from git+https://git.example.com/acme@v2" in capsys.readouterr().out
    assert visible(directory) == [GOOD]


@pytest.mark.parametrize("as_date", [False, True])
def test_an_index_that_says_when_to_come_back_is_not_asked_before(
    as_date: bool, scripted: Scripted, bring: Import, directory: Path
) -> None:
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT))
    good, asked = scripted.answers["/simple/acme/"], []

    def limited(handler: BaseHTTPRequestHandler) -> None:
        asked.append(time.monotonic())
        soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if as_date else "1"
        good(handler) if len(asked) > 1 else answer(handler, 429, Retry_After=soon)

    scripted.answers["/simple/acme/"] = limited
    assert bring(scripted.url) == 0
    assert visible(directory) == [GOOD]
    assert asked[1] - asked[0] > 0.9


def test_an_index_that_lets_one_request_in_ten_pass_is_imported_whole(
    scripted: Scripted, bring: Import, directory: Path
) -> None:
    """More tries than an error gets, as it says when to come back."""
    scripted.page("acme", *(scripted.file(*wheel("acme", f"1.{number}")) for number in range(3)))
    asked = itertools.count(1)

    def limit(good: Answer, handler: BaseHTTPRequestHandler) -> None:
        good(handler) if next(asked) % 10 == 0 else answer(handler, 429, Retry_After="0")

    for path, good in list(scripted.answers.items()):
        scripted.answers[path] = partial(limit, good)
    assert bring(scripted.url) == 0
    assert len(visible(directory)) == 3


def test_an_index_that_wants_hours_is_not_waited_for(
    scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT), scripted.file(NAME, CONTENT))
    scripted.answers[f"/files/{NAME}"] = lambda handler: answer(handler, 503, Retry_After="7200")
    assert bring(scripted.url) == 1
    assert f"failed  {NAME}: " in (printed := capsys.readouterr().out)
    assert "asks to retry in 7,200 s" in printed
    assert len([path for path, _ in scripted.asked if path == f"/files/{NAME}"]) == 1


def test_a_source_that_dies_in_the_middle_ends_the_import(
    scripted: Scripted,
    bring: Import,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not each of its files is tried again and again, for days; a host of files that is gone keeps no other back."""
    monkeypatch.setattr(transport, "_PAUSE_SECONDS", 0.0001)
    files = [scripted.file(*wheel("acme", f"1.{number}")) for number in range(60)]
    gone = f"http://127.0.0.1:{free_port()}"
    scripted.page("acme", *({**it, "url": f"{gone}/{it['filename']}"} if n < 30 else it for n, it in enumerate(files)))
    assert bring(scripted.url) == 1
    assert "incomplete: 30 imported, 0 were here, 30 failed" in capsys.readouterr().out
    for entry in files[:30]:
        scripted.answers[f"/files/{entry['filename']}"] = lambda handler: handler.connection.close()
    scripted.page("acme", *files)
    assert bring(scripted.url) == 1
    printed = capsys.readouterr().out
    assert "stopped: the connection to 127.0.0.1:" in printed
    assert " not tried" in printed


def test_each_pause_is_longer_than_the_one_before(
    scripted: Scripted, bring: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_PAUSE_SECONDS", 0.05)
    scripted.page("acme", scripted.file(NAME, CONTENT))
    asked: list[float] = []

    def busy(handler: BaseHTTPRequestHandler) -> None:
        asked.append(time.monotonic())
        answer(handler, 503)

    scripted.answers[f"/files/{NAME}"] = busy
    assert bring(scripted.url) == 1
    assert len(asked) == transport.TRIES
    for number, (before, after) in enumerate(itertools.pairwise(asked)):
        assert after - before >= 0.05 * 2**number


def test_a_source_that_answers_in_between_is_asked_for_all(
    scripted: Scripted, bring: Import, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However often it breaks off in a long import: only silence ends it."""
    monkeypatch.setattr(transport, "SILENT_REQUESTS", 2)
    files = [scripted.file(*wheel("acme", f"1.{number}")) for number in range(13)]
    scripted.page("acme", *files)

    def once_broken(good: Answer) -> Answer:
        script: list[Answer] = [lambda handler: handler.connection.close()]
        return lambda handler: (script.pop() if script else good)(handler)

    for entry in files[:-1]:
        path = f"/files/{entry['filename']}"
        scripted.answers[path] = once_broken(scripted.answers[path])
    scripted.answers[f"/files/{files[-1]['filename']}"] = lambda handler: handler.connection.close()
    assert bring(scripted.url) == 1
    printed = capsys.readouterr().out
    assert "incomplete: 12 imported, 0 were here, 1 failed" in printed
    assert "stopped" not in printed


NO_INDEXES = {
    "a page for people": b"<html><a href='/login'>Sign in</a><a href='/about/us'>About</a></html>",
    "nothing": b"",
    "files that are no packages": b"<a href='README.md'>README.md</a><a href='logo.png'>x</a>",
    "an index without projects": b"<html><title>Simple index</title></html>",
}


@pytest.mark.parametrize("content", NO_INDEXES.values(), ids=NO_INDEXES)
@pytest.mark.parametrize("path", ["/", "/simple/"])
def test_an_address_that_is_no_index_is_refused(
    path: str, content: bytes, scripted: Scripted, bring: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.answers[path] = lambda handler: answer(handler, 200, content)
    assert bring(scripted.root + path) == 2
    assert "give the address of an index" in capsys.readouterr().err


def test_an_empty_index_is_complete(scripted: Scripted, bring: Import) -> None:
    root = {"meta": {"api-version": "1.0"}, "projects": []}
    scripted.answers["/simple/"] = lambda handler: answer(handler, 200, json.dumps(root).encode(), JSON_TYPE)
    assert bring(scripted.url) == 0
    assert bring(scripted.root) == 0


def test_the_index_below_an_address_is_taken_and_told(
    scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``https://HOST/`` of pypiserver, whose welcome page links to ``simple/`` and ``packages/``."""
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT))
    welcome = b"<a href='simple/'>simple</a><a href='packages/'>packages</a>"
    scripted.answers["/"] = lambda handler: answer(handler, 200, welcome)
    for address in (scripted.root, f"{scripted.root}/"):
        assert bring(address) == 0
        assert f"{scripted.root}/ is not an index: using the one at {scripted.url}" in capsys.readouterr().out
    assert bring(scripted.root, "acme") == 0
    assert visible(directory) == [GOOD]


def test_where_a_source_sends_to_is_named(
    scripted: Scripted, elsewhere: Scripted, bring: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, code in ((None, 2), ("acme", 1)):
        path = f"/simple/{name}/" if name else "/simple/"
        target = f"{elsewhere.root}{path}"
        scripted.answers[path] = lambda handler, to=target: answer(handler, 301, Location=f"{to}?token=s3cret")  # type: ignore[misc]
        assert bring(scripted.url, *filter(None, [name])) == code
        captured = capsys.readouterr()
        assert f"sends to {target}, which is not followed" in captured.out + captured.err
        assert "s3cret" not in captured.out + captured.err
    assert elsewhere.asked == []


def test_whoever_stops_reading_is_not_told_of_a_full_disk(scripted: Scripted, target: Task) -> None:
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT))
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "generator", "import", scripted.url, "--to", target.url, "--yes"]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 1
    assert "TMPDIR" not in done.stderr
    assert "Traceback" not in done.stderr
