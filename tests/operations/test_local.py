"""``local`` keeps its passwords; how the server runs there is tested in tests/server/test_local.py."""

from __future__ import annotations

from pathlib import Path

import pytest

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
