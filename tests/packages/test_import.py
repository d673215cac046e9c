"""``import`` from the indexes that people come from, with real servers and clients on both sides."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from pseudo_terminal import session_of_ours

from generator.commands import main

from ..server.tasks import READER, Task, sdist, visible, wheel
from .conftest import Import
from .sources import Scripted

ROOT = Path(__file__).parents[2]


def test_uv_excludes_what_was_uploaded_later(bring: Import, target: Task, tmp_path: Path, scripted: Scripted) -> None:
    times = {"1.0": "2021-03-04T05:06:07Z", "2.0": "2023-03-04T05:06:07.5Z"}
    scripted.page("acme", *(scripted.file(*wheel("acme", it)) | {"upload-time": times[it]} for it in times))
    assert bring(scripted.url) == 0

    def installed(before: str) -> str:
        command = [sys.executable, "-m", "uv", "pip", "install", "--no-cache", "--dry-run", "--python", sys.executable]
        options = ["--default-index", f"{target.with_credentials()}/simple/", "--exclude-newer", before, "acme"]
        return subprocess.run([*command, *options], capture_output=True, text=True, cwd=tmp_path).stderr

    assert "+ acme==1.0" in installed("2022-01-01T00:00:00Z")
    assert "+ acme==2.0" in installed("2024-01-01T00:00:00Z")
    assert "No solution found" in installed("2020-01-01T00:00:00Z")


def test_only_the_projects_that_are_named(scripted: Scripted, bring: Import, directory: Path) -> None:
    for project in ("acme-core", "other"):
        scripted.page(project, scripted.file(*wheel(project.replace("-", "_"), "1.0")))
    assert bring(scripted.url, "Acme.Core") == 0
    assert visible(directory) == [wheel("acme_core", "1.0")[0]]
    assert [path for path, _ in scripted.asked] == ["/simple/acme-core/", "/files/acme_core-1.0-py3-none-any.whl"]


def test_the_target_is_not_asked_for_what_it_does_not_list(
    scripted: Scripted, bring: Import, target: Task, directory: Path
) -> None:
    """With UpstreamUrl it would ask there, and take a stranger's project of the same name."""
    assert target.upload(*wheel("acme", "1.0")).status_code == 200
    before = len(target.access_log())
    for project in ("acme", "secret"):
        scripted.page(project, scripted.file(*wheel(project, "2.0")))
    assert bring(scripted.url) == 0
    assert len(visible(directory)) == 3
    asked = [line["path"] for line in target.access_log()[before:] if line["method"] == "GET"]
    assert asked == ["/simple/", "/simple/acme/"]


def test_a_dry_run_reads_pages_only(
    scripted: Scripted, target: Task, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.page("acme", *(scripted.file(*wheel("acme", version)) for version in ("1.0", "2.0")))
    assert target.upload(*wheel("acme", "1.0")).status_code == 200
    changes = target.changes()
    assert main(["import", scripted.url, "--to", target.url, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert f"{scripted.url} → {target.url}/simple/\nprojects: 1; files: 1 to import, 1 are here\n" in printed
    assert (len(visible(directory)), target.changes()) == (1, changes)
    assert not [path for path, _ in scripted.asked if path.startswith("/files/")]
    # Nobody is there to be asked.
    assert main(["import", scripted.url, "--to", target.url]) == 2
    assert len(visible(directory)) == 1


def test_other_content_under_a_name_is_told_and_stays(
    scripted: Scripted, bring: Import, target: Task, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, ours = wheel("acme", "1.0")
    assert target.upload(name, ours).status_code == 200
    scripted.page("acme", scripted.file(*wheel("acme", "1.0", extra=b"other")), scripted.file(*wheel("acme", "2.0")))
    assert bring(scripted.url, "--dry-run") == 1
    assert f"refused  {name}: other content is here under this name" in capsys.readouterr().out
    assert main(["import", scripted.url, "--to", target.url]) == 2, "nobody to ask"
    assert f"refused  {name}: other content is here under this name" in capsys.readouterr().out, "before the question"
    assert bring(scripted.url) == 1
    assert f"refused  {name}: other content is here under this name" in capsys.readouterr().out
    assert (directory / name).read_bytes() == ours
    assert len(visible(directory)) == 2


def test_releases_that_are_withdrawn_there_are_withdrawn_here(
    scripted: Scripted, bring: Import, target: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also those that were here, as when a run was cut off; a release of which one file is left is not."""
    withdrawn = {"yanked": "lo\u017fes data\n" + "\U0001f4a5" * 400}
    scripted.page(
        "acme",
        *(scripted.file(*kind("acme", "1.0")) | withdrawn for kind in (wheel, sdist)),
        scripted.file(*wheel("acme", "2.0")) | {"yanked": True},
        scripted.file(*wheel("acme", "3.0")) | {"yanked": True},
        scripted.file(*sdist("acme", "3.0")),
        scripted.file(*wheel("acme", "4.0")) | {"yanked": False},
    )
    assert target.upload(*wheel("acme", "2.0")).status_code == 200
    expected = {
        wheel("acme", "1.0")[0]: withdrawn["yanked"].encode()[:1024].decode(errors="ignore"),
        sdist("acme", "1.0")[0]: withdrawn["yanked"].encode()[:1024].decode(errors="ignore"),
        wheel("acme", "2.0")[0]: True,
    }
    for to_withdraw in (2, 0):
        assert bring(scripted.url) == 0
        listed = {it["filename"]: it["yanked"] for it in target.project("acme")["files"] if "yanked" in it}
        assert listed == expected
        printed = capsys.readouterr().out
        assert (f"releases to withdraw, as they are there: {to_withdraw}" in printed) == bool(to_withdraw)


@pytest.mark.parametrize("account", [READER, ("publisher", "wrong")])
def test_an_account_that_may_not_upload_fetches_nothing(
    account: tuple[str, str],
    scripted: Scripted,
    bring: Import,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TWINE_USERNAME", account[0])
    monkeypatch.setenv("TWINE_PASSWORD", account[1])
    scripted.page("acme", scripted.file(*wheel("acme", "1.0")))
    assert bring(scripted.url) in (1, 2)
    captured = capsys.readouterr()
    assert "check TWINE_USERNAME and TWINE_PASSWORD" in captured.out + captured.err
    assert visible(directory) == []
    assert not [path for path, _ in scripted.asked if path.startswith("/files/")]


def test_an_interrupted_run_is_resumed(
    scripted: Scripted, bring: Import, target: Task, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends it although a file is stuck; the next run brings the rest."""
    files = dict(wheel("acme", f"1.{number}") for number in range(8))
    scripted.page("acme", *(scripted.file(name, content) for name, content in files.items()))
    stuck = wheel("acme", "1.7")[0]
    good = scripted.answers[f"/files/{stuck}"]

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(files[stuck])))
        handler.end_headers()
        try:
            for byte in files[stuck]:
                handler.wfile.write(bytes([byte]))
                time.sleep(0.2)
        except OSError:
            pass

    scripted.answers[f"/files/{stuck}"] = drip
    command = [sys.executable, "-m", "generator", "import", scripted.url, "--to", target.url, "--yes"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(visible(directory)) < 7 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (130, False), output + errors
    assert len(visible(directory)) == 7
    scripted.answers[f"/files/{stuck}"] = good
    assert bring(scripted.url) == 0
    assert "1 imported, 7 were here" in capsys.readouterr().out
    assert {name: (directory / name).read_bytes() for name in files} == files


def test_an_account_of_the_address_is_refused(target: Task, capsys: pytest.CaptureFixture[str]) -> None:
    account = "user:password@127.0.0.1"
    for source in (
        f"http://{account}/simple/",
        f"http://{account}/simple/?a=b",
        f"ftp://{account}/simple/",
        f"{account}/simple/",
        f"http://{account}:x[/simple/",
        "file:///packages",
        "127.0.0.1/simple",
        "http://[/",
    ):
        for words in (["import", source, "--to", target.url], ["yank", "acme", "1", "--to", source]):
            assert main(words) == 2
            captured = capsys.readouterr()
            assert "password" not in (captured.out + captured.err).replace("IMPORT_PASSWORD", "")


def test_the_commands_of_the_page(
    scripted: Scripted,
    target: Task,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each of docs/import.md, with addresses on loopback."""
    for project in ("acme-core", "acme-tools"):
        scripted.page(project, scripted.file(*wheel(project.replace("-", "_"), "1.0")))
    commands = re.findall(r"^pypiserver-aws (import .*)$", (ROOT / "docs" / "import.md").read_text(), re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        for example, real in {
            "https://old.example.com/simple/": scripted.url,
            '"${ENDPOINT}simple/" $NAMES': f"{scripted.url} acme-core",
            " --to https://pypi.example.com": "",
        }.items():
            command = command.replace(example, real)
        assert main([*shlex.split(command), "--dry-run", "--to", target.url]) == 0
        assert "refused" not in capsys.readouterr().out


def test_in_a_terminal_it_asks_and_shows_how_far_it_is(
    scripted: Scripted, target: Task, directory: Path, tmp_path: Path
) -> None:
    files = [scripted.file(*wheel("acme", f"1.{number}")) for number in range(12)]
    files[3]["hashes"] = {"sha256": "0" * 64}
    scripted.page("acme", *files)
    command = ["import", scripted.url, "--to", target.url]
    environment = {name: os.environ[name] for name in ("PATH", "TWINE_USERNAME", "TWINE_PASSWORD", "NETRC")}
    for answer, code in (("n", 3), ("y", 1)):
        with session_of_ours(command, 80, environment, tmp_path) as terminal:
            terminal.expect("Import 12 files? (y/N)")
            assert len(visible(directory)) == 0
            terminal.type(answer)
            assert terminal.end() == code, terminal.text
            if answer == "y":
                assert "12/12 files" in terminal.text
                assert "damaged  acme-1.3-py3-none-any.whl: the sha256 of what arrived is" in terminal.text
                assert "incomplete: 11 imported, 0 were here, 1 damaged" in terminal.text
    assert len(visible(directory)) == 11
