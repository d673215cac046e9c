"""Clients around each change of the protocol, on the releases of the matrix."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from .clients import CLIENTS, address
from .environments import python, python_for_pip
from .matrix import attempt, start

CACHE = Path(tempfile.gettempdir()) / f"clients-{os.getuid()}"
# HTML; JSON (22.2); metadata of its own (22.3); Debian 12's; PEP 714 (23.2); the newest.
PIPS = ("19.3.1", "22.2.2", "22.3.1", "23.0.1", "23.1.2", "23.2.1", "26.3")


@pytest.mark.slow
@pytest.mark.parametrize("label", [*(f"pip {version}" for version in PIPS), "uv 0.2.37", "uv 0.13.9"])
def test_it_installs_what_it_should_and_asks_for_little_again(label: str, tmp_path: Path) -> None:
    name, version = label.split()
    if name == "pip" and python(python_for_pip(version)) is None:
        pytest.skip(f"Python {python_for_pip(version)} is not there")
    CACHE.mkdir(exist_ok=True)
    client = CLIENTS[label](CACHE)
    task = start(tmp_path / "server")
    try:
        cold, warm = (attempt(client, task, tmp_path / "client", address(task)) for _ in range(2))
    finally:
        task.kill()
    assert (cold.wrong, warm.wrong) == ({}, {}), cold.output + warm.output
    if label in ("pip 26.3", "uv 0.13.9"):
        # One for each listing, which has not changed.
        assert set(warm.answers) == {304}
        assert warm.answers.total() <= 12 < cold.answers.total()
