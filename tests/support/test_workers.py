"""Processes that share the tests out run each of them once, and tell all that one process would."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
TESTS = """
import os, time
from pathlib import Path

import pytest

@pytest.fixture(scope="module")
def shared():
    yield
    with open(os.environ["RAN"], "a") as file:
        file.write("torn down\\n")

@pytest.mark.parametrize("number", range(40))
def test_it(number, shared):
    with open(os.environ["RAN"], "a") as file:
        file.write(f"{number}\\n")
    time.sleep(0.2 if number < 3 else 0)
    print(f"said by {number}.")
    os.system(f"echo written by {number}.")
    if number == 7:
        os.kill(os.getpid(), 9)
    if number == 11:
        pytest.skip("no reason")
    assert number != 23
"""


def run(home: Path, *options: str, source: str = TESTS) -> tuple[subprocess.CompletedProcess[str], Counter[str]]:
    """What pytest says, and how often each test ran."""
    (home / "test_it.py").write_text(source)
    (home / "ran").touch()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "workers", "-p", "no:cacheprovider", "-rA", *options, "test_it.py"],
        cwd=home,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(HERE),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "RAN": str(home / "ran"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, Counter((home / "ran").read_text().split("\n")[:-1])


def test_each_test_runs_once_and_what_kills_its_process_is_named(tmp_path: Path) -> None:
    done, ran = run(tmp_path, "--workers", "3")
    assert done.returncode == 1, done.stdout + done.stderr
    assert {name: times for name, times in ran.items() if name != "torn down"} == {str(it): 1 for it in range(40)}
    # By each worker that came to its end.
    assert 1 <= ran["torn down"] <= 3
    assert "2 failed, 37 passed, 1 skipped" in done.stdout
    assert "FAILED test_it.py::test_it[7] - its process ended with -9" in done.stdout
    assert "FAILED test_it.py::test_it[23] - assert 23 != 23" in done.stdout
    failure = done.stdout.partition("test_it[23] _")[2].partition("= PASSES =")[0]
    assert failure.count("said by") == 1 + failure.count('f"said by')
    assert "\nsaid by 23.\n" in failure
    assert "\nwritten by 23.\n" in failure


def test_the_first_failure_can_be_the_last(tmp_path: Path) -> None:
    done, ran = run(tmp_path, "--workers", "2", "-x")
    assert done.returncode == 1
    assert ran.total() < 40
    assert "stopping after 1 failures" in done.stdout


def test_nothing_runs_if_a_file_cannot_be_imported(tmp_path: Path) -> None:
    done, ran = run(tmp_path, "--workers", "2", source="import nothing_of_this_name\n")
    assert done.returncode == 2
    assert "1 error" in done.stdout
    assert not ran
