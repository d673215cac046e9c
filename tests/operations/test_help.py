"""The help shows whole words, in wide terminals and in narrow ones."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import installed
from typer.main import get_command

from generator.commands import app, main


def commands(group: object = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command and of each group."""
    group = group or get_command(app)
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is called where it is installed."""
    script = installed(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(tmp_path))


def shown(words: tuple[str, ...], columns: int, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    patch.setenv("COLUMNS", str(columns))
    assert main([*words, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_no_word_is_cut(
    words: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compared with a terminal that has room for each line."""

    def read(text: str) -> set[str]:
        return {*re.findall("[A-Za-z]{2,}", text)}

    narrow = shown(words, columns, monkeypatch, capsys)
    assert max(map(len, narrow.splitlines())) <= columns
    assert read(narrow) >= read(shown(words, 400, monkeypatch, capsys)) - {"Arguments", "bool"}
