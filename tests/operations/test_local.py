"""What ``local`` keeps and refuses; how the server runs there is tested in tests/server/test_local.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.commands import main
from generator.local.environment import read
from generator.local.state import ACCOUNTS, passwords
from generator.operations.exits import Problem


def test_passwords_stay_and_are_their_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = passwords()
    assert made.keys() == {*ACCOUNTS}
    assert len({*made.values()}) == len(ACCOUNTS)
    assert passwords() == made
    (file,) = (tmp_path / "state").rglob("*.json")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"publisher": 1}', "\xff"])
def test_a_spoiled_file_is_named(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    passwords()
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(Problem, match=r"passwords\.json cannot be read: remove it"):
        passwords()
    file.unlink()
    assert passwords()


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(Problem, match="name another place in XDG_STATE_HOME"):
        passwords()


def test_variables_of_the_server_are_read() -> None:
    given = ["IMMUTABLE_PACKAGES=false", "FALLBACK_URL=https://pypi.org/simple", "POLL_SECONDS=5", "UPSTREAM_URL="]
    assert read(given) == {
        "IMMUTABLE_PACKAGES": "false",
        "FALLBACK_URL": "https://pypi.org/simple",
        "POLL_SECONDS": "5",
        "UPSTREAM_URL": "",
    }


def test_every_mistake_in_a_variable_is_named_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "IMMUTABLE_PACKAGE=false": "the server has no IMMUTABLE_PACKAGE, but IMMUTABLE_PACKAGES",
        "READER_PASSWORD=x": "the server has no READER_PASSWORD, but READER_SECRET",
        "POLL_SECONDS": "it wants NAME=VALUE",
        "POLL_SECONDS=0": "must be a whole number from 1 to 3600",
        "POLL_SECONDS=\u0664": "must be a whole number from 1 to 3600",
        "IMMUTABLE_PACKAGES=no": "must be true or false",
        "PORT=9000": "give --port",
        "PACKAGES_DIRECTORY=/srv": "give --directory",
    }
    words = [word for it in given for word in ("--environment", it)]
    assert main(["local", *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [f"error: --environment {it}: {why}" for it, why in given.items()]
