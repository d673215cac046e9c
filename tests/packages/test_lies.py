"""Sources that lie, break off, send elsewhere or say no: nothing wrong is stored, and the rest is imported."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests

from generator.commands import main
from generator.packages import simple, transport

from ..server.tasks import JSON_TYPE, Task, basic, sdist, visible, wheel
from .conftest import Import
from .sources import Scripted, answer

GOOD, GOOD_CONTENT = wheel("acme", "1.0")
NAME, CONTENT = wheel("acme", "2.0")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_PAUSE_SECONDS", 0.01)


def _truncated(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 200, CONTENT[:-5], Content_Length=str(len(CONTENT)))


LIES: dict[str, dict[str, Any]] = {
    "another hash": {"hashes": {"sha256": hashlib.sha256(b"").hexdigest()}},
    "a hash of another kind": {"hashes": {"md5": hashlib.md5(b"").hexdigest()}},
    "a hash that is none": {"hashes": {"sha256": "latest"}},
    "another size": {"size": len(CONTENT) + 1},
    "longer than its size": {"size": len(CONTENT) - 1},
    "a data URL": {"url": f"data:application/zip;base64,{base64.b64encode(CONTENT).decode()}"},
    "a file URL": {"url": "file:///etc/hostname"},
    "no address": {"url": "http://:1:2/"},
    "a port that is none": {"url": "http://127.0.0.1:99999999/x"},
    "no address at all": {"url": "http://["},
    "an account in its address": {"url": "http://user:pw@127.0.0.1:1/x"},
    "nothing there": {"url": "/gone"},
    "another version within": {"filename": wheel("acme", "3.0")[0]},
    "no entry's address": {"url": None},
    "a size below zero": {"size": -1, "hashes": {"sha256": "0"}},
}
SAID = {
    "another hash": "the sha256 of what arrived is",
    "another size": f"{len(CONTENT)} bytes arrived, and its page promises {len(CONTENT) + 1}",
    "longer than its size": f"more arrived than the {len(CONTENT) - 1} bytes that its page promises",
    "a file URL": "is not the URL of a file",
}
NO_PACKAGES: dict[str, str] = {
    "a name with a separator": f"../{NAME}",
    "a name with a line end": f"acme-2.0\r\nX: y{NAME}",
    "another project's name": wheel("other", "2.0")[0],
    "an egg": "acme-2.0-py3.9.egg",
    "an installer": "acme-2.0.win32.exe",
    "no version": "acme-latest.tar.gz",
    "a signature without its file": "acme-2.0.tar.gz.asc",
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_as_its_page_says_is_not_stored(
    lie: str, scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.page("acme", scripted.file(NAME, CONTENT, **LIES[lie]), scripted.file(GOOD, GOOD_CONTENT))
    assert bring(scripted.url) == 1
    assert visible(directory) == [GOOD]
    printed = capsys.readouterr().out
    assert "1 imported, 0 were here, " in printed
    assert SAID.get(lie, "") in " ".join(printed.split())
    assert "user:pw" not in printed
    assert max(map(len, printed.splitlines())) < 1200


def test_what_another_changes_on_its_way_here_is_refused(
    scripted: Scripted,
    elsewhere: Scripted,
    target: Task,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As a proxy may, even for a file that is good by itself."""
    (name, ours), (_, theirs) = (wheel("acme", "1.0", extra=it) for it in (b"good", b"evil"))

    def passed_on(handler: BaseHTTPRequestHandler) -> None:
        form = handler.rfile.read(int(handler.headers["Content-Length"])).replace(ours, theirs)
        headers = {it: handler.headers[it] for it in ("Content-Type", "Authorization")}
        answered = requests.post(target.url, data=form, headers=headers, timeout=60)
        answer(handler, answered.status_code, answered.content)

    monkeypatch.setattr(elsewhere.handler, "do_POST", passed_on, raising=False)
    scripted.page("acme", scripted.file(name, ours))
    elsewhere.page("acme")
    assert main(["import", scripted.url, "--to", elsewhere.url, "--yes"]) == 1
    assert f"refused  {name}: " in capsys.readouterr().out
    assert visible(directory) == []
    theirs = ours
    assert main(["import", scripted.url, "--to", elsewhere.url, "--yes"]) == 0
    assert visible(directory) == [name]


@pytest.mark.parametrize("name", NO_PACKAGES.values(), ids=NO_PACKAGES)
def test_what_pip_would_not_install_is_counted_and_leaves_the_import_complete(
    name: str, scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.page("acme", scripted.file(NAME, CONTENT, filename=name), scripted.file(GOOD, GOOD_CONTENT))
    assert bring(scripted.url) == 4
    assert visible(directory) == [GOOD]
    assert "complete: 1 imported, 0 were here, 1 no package" in capsys.readouterr().out
    assert bring(scripted.url) == 4
    printed = capsys.readouterr().out
    assert "0 to import, 1 are here, 1 no package" in printed
    assert "1 no package: pip and uv install none of them" in printed


def test_a_page_brings_files_of_its_own_project_alone(
    scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A good file of another, which nobody asked for."""
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT), scripted.file(*wheel("other", "1.0")))
    assert bring(scripted.url, "acme") == 4
    assert visible(directory) == [GOOD]
    assert "it is a file of other" in capsys.readouterr().out


def test_what_a_source_says_moves_no_cursor(
    scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of files and projects, and the reason of an answer; nor does a name lead to another path there."""
    scripted.page(
        "acme", scripted.file("acme\x1b[2J-1.0.egg", b""), scripted.file(GOOD, GOOD_CONTENT, url="/gone\x1b[2J")
    )
    names = ["acme", "x\x1b[2J", "../../admin", "", "a b"]
    root = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}
    scripted.answers["/simple/"] = lambda handler: answer(handler, 200, json.dumps(root).encode(), JSON_TYPE)
    assert bring(scripted.url) == 1
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert [path for path, _ in scripted.asked][:2] == ["/simple/", "/simple/acme/"]
    assert not any("admin" in path for path, _ in scripted.asked)
    for name in ("../admin", "x\x1b[2J", "a b"):
        assert bring(scripted.url, name) == 2
        assert "give names of projects" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"<html><title>Sign in</title><a href='/login'>Sign in</a></html>",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"<a " * 500_000,
    ],
    ids=["a sign-in page", "cut off", "no text", "nested", "made to be slow"],
)
@pytest.mark.parametrize("kind", ["text/html", "application/vnd.pypi.simple.v1+json", "text/plain"])
def test_a_page_that_is_none_stops_no_other_project(
    content: bytes, kind: str, scripted: Scripted, bring: Import, directory: Path
) -> None:
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT))
    scripted.page("broken")
    scripted.answers["/simple/broken/"] = lambda handler: answer(handler, 200, content, kind)
    bring(scripted.url)
    assert visible(directory) == [GOOD]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"{", "it is not JSON", id="cut off"),
        pytest.param(b"[" * 100_000, "it is not JSON", id="nested"),
        *(
            (content, "it is not a JSON object")
            for content in (b"[]", b'[{"projects": []}]', b"null", b"1", b'"files"')
        ),
        (b"{}", "it has no list of projects or files"),
        (b'{"files": {}, "projects": null}', "it has no list of projects or files"),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', "it is of version 2.0 of the interface"),
    ],
)
def test_a_document_that_is_none_is_told_so(
    content: bytes, reason: str, scripted: Scripted, bring: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.answers["/simple/acme/"] = lambda handler: answer(handler, 200, content, JSON_TYPE)
    assert bring(scripted.url, "acme") == 1
    assert f"/simple/acme/ is not a page of an index: {reason}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/x", "http://:1:2/", "/\xff"], ids=["ftp", "no host", "no text"])
def test_a_file_that_leads_nowhere_is_asked_for_once(
    address: str, scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.page("acme", scripted.file(NAME, CONTENT), scripted.file(GOOD, GOOD_CONTENT))
    scripted.answers[f"/files/{NAME}"] = lambda handler: answer(handler, 302, Location=address)
    assert bring(scripted.url) == 1
    assert visible(directory) == [GOOD]
    assert f"damaged  {NAME}: " in capsys.readouterr().out
    assert [path for path, _ in scripted.asked].count(f"/files/{NAME}") == 1


@pytest.mark.parametrize(
    "moment", ["x", "Mon, 01 Jan 99999999999999 00:00:00 GMT", "Mon, 01 Jan 2020 00:00:00 +999999"]
)
def test_a_moment_that_is_none_costs_no_file(moment: str, scripted: Scripted, bring: Import, directory: Path) -> None:
    scripted.page("acme", scripted.file(NAME, CONTENT))
    scripted.answers[f"/files/{NAME}"] = lambda it: answer(it, 200, CONTENT, Last_Modified=moment)
    assert bring(scripted.url) == 0
    assert visible(directory) == [NAME]


def test_broken_connections_and_failing_servers_are_asked_again(
    scripted: Scripted, bring: Import, directory: Path
) -> None:
    scripted.page("acme", scripted.file(NAME, CONTENT))
    good = scripted.answers[f"/files/{NAME}"]
    script = [_truncated, lambda handler: answer(handler, 503), lambda handler: handler.connection.close(), good]
    scripted.answers[f"/files/{NAME}"] = lambda handler: script.pop(0)(handler)
    assert bring(scripted.url) == 0
    assert (directory / NAME).read_bytes() == CONTENT


def test_of_what_broke_off_nothing_is_kept(scripted: Scripted, bring: Import, directory: Path) -> None:
    """Even if it was longer than what comes then."""
    scripted.page("acme", scripted.file(NAME, CONTENT, size=None))
    longer, good = CONTENT + b"x" * 5000, scripted.answers[f"/files/{NAME}"]
    script = [lambda handler: answer(handler, 200, longer, Content_Length=str(len(longer) + 1)), good]
    scripted.answers[f"/files/{NAME}"] = lambda handler: script.pop(0)(handler)
    assert bring(scripted.url) == 0
    assert (directory / NAME).read_bytes() == CONTENT


def test_what_stays_broken_is_told_and_comes_with_the_next_run(
    scripted: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.page("acme", scripted.file(NAME, CONTENT), scripted.file(GOOD, GOOD_CONTENT))
    scripted.answers[f"/files/{NAME}"], good = _truncated, scripted.answers[f"/files/{NAME}"]
    assert bring(scripted.url) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert f"{NAME}: 127.0.0.1" in said
    assert f"broke off in the middle of {scripted.url.removesuffix('/simple/')}/files/{NAME}" in said
    assert "incomplete: 1 imported, 0 were here, 1 failed" in said
    scripted.answers[f"/files/{NAME}"] = good
    scripted.asked.clear()
    assert bring(scripted.url) == 0
    assert visible(directory) == [GOOD, NAME]
    assert "1 imported, 1 were here" in capsys.readouterr().out
    assert f"/files/{GOOD}" not in dict(scripted.asked)


def test_credentials_are_for_the_source_alone(
    scripted: Scripted, elsewhere: Scripted, bring: Import, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a host of files, nor one that a redirect names, nor one with the same name and another port has them."""
    monkeypatch.setenv("IMPORT_USERNAME", "somebody")
    monkeypatch.setenv("IMPORT_PASSWORD", "pässwörd→")
    moved, moved_content = sdist("acme", "3.0")
    within, within_content = sdist("acme", "4.0")
    elsewhere.file(NAME, CONTENT)
    elsewhere.file(moved, moved_content)
    scripted.page(
        "acme",
        scripted.file(GOOD, GOOD_CONTENT),
        scripted.file(NAME, CONTENT, url=f"{elsewhere.root.replace('//', '//user:word@')}/files/{NAME}"),
        scripted.file(moved, moved_content),
        scripted.file(within, within_content, url="/moved"),
    )
    scripted.answers["/moved"] = lambda handler: answer(handler, 302, Location=f"/files/{within}")
    scripted.answers[f"/files/{moved}"] = lambda handler: answer(
        handler, 302, Location=f"{elsewhere.root}/files/{moved}"
    )
    assert bring(scripted.url) == 0
    assert visible(directory) == sorted([GOOD, NAME, moved, within])
    assert {authorization for _, authorization in scripted.asked} == {basic(("somebody", "pässwörd→"))}
    assert [authorization for _, authorization in elsewhere.asked] == [None, None]


@pytest.mark.parametrize("account", [("token", ""), ("", "token")])
def test_a_token_is_sent_without_a_word_beside_it(
    account: tuple[str, str], scripted: Scripted, bring: Import, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, word in zip(("IMPORT_USERNAME", "IMPORT_PASSWORD"), account, strict=True):
        monkeypatch.setenv(name, word)
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT))
    assert bring(scripted.url) == 0
    assert {authorization for _, authorization in scripted.asked} == {basic(account)}


def test_netrc_is_read_for_the_source_alone(
    scripted: Scripted, elsewhere: Scripted, bring: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    elsewhere.file(NAME, CONTENT)
    scripted.page("acme", scripted.file(NAME, CONTENT, url=f"{elsewhere.root}/files/{NAME}"))
    assert bring(scripted.url) == 0
    assert {authorization for _, authorization in scripted.asked} == {basic(("somebody", "word"))}
    assert elsewhere.asked == [(f"/files/{NAME}", None)]


def test_another_index_that_the_source_sends_to_is_not_asked(
    scripted: Scripted, elsewhere: Scripted, bring: Import, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """pypiserver sends to PyPI for what it does not have: private names would be told there, and public files taken."""
    elsewhere.page("acme", elsewhere.file(NAME, CONTENT))
    scripted.answers["/simple/acme/"] = lambda handler: answer(handler, 303, Location=f"{elsewhere.url}acme/")
    assert bring(scripted.url, "acme") == 1
    assert (elsewhere.asked, visible(directory)) == ([], [])
    assert "acme: " in capsys.readouterr().out


@pytest.mark.parametrize("status", [401, 403])
def test_a_source_that_wants_credentials_says_which_to_give(
    status: int, scripted: Scripted, bring: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.answers["/simple/"] = lambda handler: answer(handler, status)
    assert bring(scripted.url) == 2
    assert "IMPORT_USERNAME" in capsys.readouterr().err
    assert len(scripted.asked) == 1


def test_files_without_hashes_are_counted_and_compared_by_content(
    scripted: Scripted, bring: Import, directory: Path, target: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT, hashes={}), scripted.file(NAME, CONTENT, hashes={}))
    assert target.upload(NAME, wheel("acme", "2.0", extra=b"other")[1]).status_code == 200
    assert bring(scripted.url) == 1
    printed = capsys.readouterr().out
    assert "files without a hash there, which cannot be verified: 2" in printed
    assert "incomplete: 1 imported, 0 were here, 1 refused" in printed
    assert (directory / GOOD).read_bytes() == GOOD_CONTENT
    assert bring(scripted.url) == 1
    assert "0 imported, 1 were here, 1 refused" in capsys.readouterr().out


def test_what_never_ends_is_cut_off(
    scripted: Scripted, bring: Import, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page, and a file whose size its page does not say, that never end."""

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(os.urandom(1 << 16))
        except OSError:
            pass

    monkeypatch.setattr(simple, "PAGE_BYTES", 1 << 20)
    monkeypatch.setattr(simple, "FILE_BYTES", 1 << 20)
    scripted.page("acme", scripted.file(NAME, CONTENT, size=None))
    scripted.answers[f"/files/{NAME}"] = endless
    scripted.page("endless")
    scripted.answers["/simple/endless/"] = endless
    assert bring(scripted.url) == 1
    assert capsys.readouterr().out.count(f"is longer than {1 << 20} bytes") == 2
