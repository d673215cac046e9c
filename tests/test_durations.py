"""What a step took is said when it is done again, and nothing is where the file is missing or odd."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator import durations


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pypiserver-aws" / "durations.json"


def test_the_longest_of_the_steps_is_said() -> None:
    assert durations.last("one", "two") == ""
    durations.remember({"one": 31.4, "two": 700, "short": 0.3})
    durations.remember({"three": 65})
    assert durations.last("one", "two", "unknown") == "12 minutes"
    assert durations.last("one") == "31 seconds"
    assert durations.last("three") == "65 seconds"
    assert durations.last("short") == ""
    assert durations.last() == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b'{"one": "long"}', b'{"one": NaN}', b'{"one": true}', b'{"one": 1e300}', b"\xff", b"[" * 100_000],
)
def test_a_file_that_is_odd_says_nothing_and_is_replaced(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    assert durations.last("one") == ""
    durations.remember({"two": 5})
    assert durations.last("two") == "5 seconds"


def test_what_cannot_be_written_stops_nothing(file: Path) -> None:
    file.parent.write_text("in the way")
    durations.remember({"one": 5})
    assert durations.last("one") == ""
