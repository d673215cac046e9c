"""``yank`` and ``unyank`` against a real task, as the documents show them."""

from __future__ import annotations

import re
import shlex
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from generator.commands import main
from generator.packages import transport

from ..server.tasks import READER, Task, free_port, wheel
from .sources import Scripted, answer

ROOT = Path(__file__).parents[2]


def listed(task: Task) -> list[Any]:
    return [file.get("yanked", False) for file in task.project("acme-core")["files"]]


def test_a_release_is_withdrawn_and_taken_back(target: Task, capsys: pytest.CaptureFixture[str]) -> None:
    """By the commands of docs/server.md and of the help."""
    assert target.upload(*wheel("acme_core", "1.2")).status_code == 200
    page = (ROOT / "docs" / "server.md").read_text()
    (command,) = re.findall(r"`pypiserver-aws (yank [^`]+)`", page)
    assert main([*shlex.split(command), "--to", target.url]) == 0
    assert listed(target) == ["loses data"]
    assert main(["unyank", "Acme.Core", "1.2.0", "--to", target.url]) == 0
    assert listed(target) == [False]
    assert main(["yank", "acme-core", "1.2", "--reason", "é" * 512, "--to", target.url]) == 0
    assert listed(target) == ["é" * 512]
    assert capsys.readouterr().err == ""


def test_a_project_is_quarantined_and_let_go(target: Task, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command of docs/server.md."""
    name, content = wheel("acme_core", "1.2")
    assert target.upload(name, content).status_code == 200
    page = (ROOT / "docs" / "server.md").read_text()
    (command,) = re.findall(r"`pypiserver-aws (project-status [^`]+)`", page)
    assert main([*shlex.split(command), "--to", target.url]) == 0
    assert target.project("acme-core")["project-status"] == {"status": "quarantined", "reason": "stolen credentials"}
    assert target.get(f"/packages/{name}").status_code == 403
    assert main(["project-status", "Acme.Core", "active", "--to", target.url]) == 0
    assert target.get(f"/packages/{name}").status_code == 200
    assert main(["project-status", "absent", "archived", "--to", target.url]) == 2
    assert "there is no absent here" in capsys.readouterr().err


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_change_is_not_taken_elsewhere(
    status: int,
    scripted: Scripted,
    elsewhere: Scripted,
    target: Task,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As from http to https: a client that follows asks for a page, which says nothing of the change."""

    def moved(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        answer(handler, status, Location=elsewhere.url)

    elsewhere.page("acme")
    monkeypatch.setattr(scripted.handler, "do_POST", moved, raising=False)
    assert main(["yank", "acme", "1.0", "--to", scripted.url]) == 2
    assert elsewhere.asked == []
    assert "error: " in capsys.readouterr().err


def test_refusals_say_why(target: Task, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert target.upload(*wheel("acme_core", "1.2")).status_code == 200
    for words, reason in (
        (["acme-core", "1.3"], "there is no acme-core 1.3 here"),
        (["acme-core", "1.2", "--reason", "x" * 1025], "longer than 1024 bytes"),
    ):
        assert main(["yank", *words, "--to", target.url]) == 2
        assert reason in capsys.readouterr().err
    monkeypatch.setattr(transport, "_PAUSE_SECONDS", 0.01)
    assert main(["yank", "acme-core", "1.2", "--to", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "error: " in capsys.readouterr().err
    for password, reason in ((READER[1], "The account reader may not upload"), ("wrong", "check TWINE_USERNAME")):
        monkeypatch.setenv("TWINE_USERNAME", READER[0])
        monkeypatch.setenv("TWINE_PASSWORD", password)
        assert main(["yank", "acme-core", "1.2", "--to", target.url]) == 2
        assert reason in capsys.readouterr().err
    assert listed(target) == [False]
