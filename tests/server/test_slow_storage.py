"""A package directory as slow as one on a network: every name, entry and link takes milliseconds."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import StartTask
from .libraries import library
from .mounts import missing, mounts
from .tasks import sha256, staged, wheel

pytestmark = pytest.mark.slow
DELAY_MICROSECONDS = 2000
FILES = 100


@pytest.fixture
def delays(directory: Path, tmp_path: Path) -> dict[str, str]:
    """The environment that slows a task's package directory down; ``tmp_path / "slowed"`` is there once it has."""
    return {
        "LD_PRELOAD": str(library("slow")),
        "SLOW_DIRECTORY": str(directory),
        "SLOW_MICROSECONDS": str(DELAY_MICROSECONDS),
        "SLOW_MARK": str(tmp_path / "slowed"),
    }


def test_two_tasks_on_slow_storage_lose_and_mix_nothing(
    start: StartTask, directory: Path, delays: dict[str, str], tmp_path: Path
) -> None:
    for number in range(FILES):
        name, content = wheel("there", f"1.{number}")
        (directory / name).write_bytes(content)
    first, second = start(directory, **delays), start(directory, **delays)
    assert len(first.project("there")["files"]) == FILES
    assert (tmp_path / "slowed").exists()

    def upload_and_read(number: int) -> None:
        """Through one task; at once, whole and with its hash, from the other."""
        writer, reader = (first, second) if number % 2 else (second, first)
        name, content = wheel(f"slow{number}", "1.0", extra=bytes([number]) * 100_000)
        assert writer.upload(name, content).status_code == 200
        (listed,) = reader.project(f"slow{number}")["files"]
        assert listed["hashes"] == {"sha256": sha256(content)}
        assert reader.get(f"/packages/{name}").content == content

    def race(number: int) -> None:
        """Two contents under one name: one is stored, and it is whole."""
        name, _ = wheel(f"raced{number}", "1.0")
        contents = [wheel(f"raced{number}", "1.0", extra=bytes([it]) * 100_000)[1] for it in (1, 2)]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda task, it: task.upload(name, it).status_code, (first, second), contents))
        assert sorted(answers) == [200, 409]
        assert (directory / name).read_bytes() == contents[answers.index(200)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upload_and_read, range(12)))
        list(pool.map(race, range(4)))
    assert {it["status"] for it in first.access_log() + second.access_log()} <= {200, 409}
    assert not staged(directory)


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_storage_that_stops_leaves_what_needs_none(start: StartTask, directory: Path, tmp_path: Path) -> None:
    """The thread that waits for it had the turn to take requests."""
    name, content = wheel("there", "1.0")
    (directory / name).write_bytes(content)
    home = tmp_path / "mounts"
    home.mkdir()
    with mounts(directory, home, 1, META_US="0", OPEN_US="0", WRITE_US="0", READDIR_US="0") as (mounted,):
        task = start(mounted)
        for _ in range(50):
            assert task.get("/simple/there/").status_code == 200
        # For a second after slow answers, threads pass the turn on before they ask the storage.
        time.sleep(1.5)
        (server,) = (
            int(process.parent.name)
            for process in Path("/proc").glob("[0-9]*/cmdline")
            if process.read_bytes().split(b"\0")[2:3] == [str(mounted).encode()]
        )
        os.kill(server, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(3) as pool:
                stuck = [pool.submit(task.get, "/simple/there/") for _ in range(3)]
                time.sleep(0.3)
                assert task.get("/simple/there/", None).status_code == 401
                assert not any(it.done() for it in stuck)
                os.kill(server, signal.SIGCONT)
                assert [it.result().status_code for it in stuck] == [200] * 3
        finally:
            os.kill(server, signal.SIGCONT)
