"""How long an import is said to take, before it begins."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from generator.commands import main

from ..server.tasks import Task
from .sources import Scripted

MEGABYTE = 1_000_000


def estimated(target: Task, source: Scripted, capsys: pytest.CaptureFixture[str], *sizes: int | None) -> str:
    """What is said of one file for each of ``sizes``."""
    files: list[dict[str, Any]] = [
        {"filename": f"acme-{n}.tar.gz", "url": f"/f{n}", "hashes": {}, "size": it} for n, it in enumerate(sizes)
    ]
    source.page("acme", *files)
    assert main(["import", source.url, "acme", "--to", target.url, "--dry-run"]) == 0
    (line,) = [it for it in capsys.readouterr().out.splitlines() if "100 Mbit/s" in it]
    return line.removesuffix(" at 100 Mbit/s and 40 files a second")


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        # 100 Mbit are 12.5 MB.
        ([737 * MEGABYTE], "737.0 MB, less than a minute"),
        ([900 * MEGABYTE], "900.0 MB, about 1 min"),
        ([119 * 750 * MEGABYTE], "89.2 GB, about 119 min"),
        ([120 * 750 * MEGABYTE], "90.0 GB, about 2 hours"),
        ([60 * 60 * 25 * 12_500_000], "1.1 TB, about 25 hours"),
        ([1] * 4800, "4.8 kB, about 2 min"),
    ],
)
def test_large_files_take_as_long_as_their_bytes_and_small_ones_as_their_number(
    sizes: list[int], said: str, scripted: Scripted, target: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    assert estimated(target, scripted, capsys, *sizes) == said


@pytest.mark.parametrize(
    ("status", "said"), [(200, "about 9.0 GB, about 12 min"), (404, "sizes are not known, less than a minute")]
)
def test_of_files_without_a_size_some_are_asked_for_it(
    status: int,
    said: str,
    scripted: Scripted,
    target: Task,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def head(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        handler.send_response(status)
        handler.send_header("Content-Length", str(90 * MEGABYTE))
        handler.end_headers()

    monkeypatch.setattr(scripted.handler, "do_HEAD", head, raising=False)
    assert estimated(target, scripted, capsys, *[None] * 100) == said
    assert 10 <= len(asked) <= 20
    assert len(set(asked)) == len(asked)
