"""What somebody sees of the commands in a terminal of 80 and of 160 columns, and what is in a log instead."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from calls import client
from emulator import BUCKET, emulator, environment, network
from pseudo_terminal import session, session_of_ours

from generator.operations.terminal import Terminal
from tests.forking import run

ROOT = Path(__file__).parents[2]
DEPLOY = ["deploy", "--bucket", BUCKET]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture
def env(server: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "parameters.json").write_text(json.dumps([f"{name}={value}" for name, value in network().items()]))
    return environment(server, tmp_path)


@pytest.mark.parametrize("columns", [80, 160])
def test_question_shows_what_it_costs_to_say_yes(columns: int, env: dict[str, str], tmp_path: Path) -> None:
    with session_of_ours(DEPLOY, columns, env, tmp_path) as terminal:
        terminal.expect("Deploy pypi? (y/N)")
        for shown in ("account  123456789012", "region   us-east-1", "stack    pypi (new)", "they outlive the stack"):
            assert shown in terminal.text
        assert re.search(r"changes  \d+ to add", terminal.text)
        for layer in ("Security", "Storage", "Edge", "Compute", "Monitoring"):
            assert re.search(rf"^{layer}\n  \+ add +\d+ resources$", terminal.text, re.MULTILINE)
        assert "AccessPoint" not in terminal.text
        assert "…\n" not in terminal.text.partition("comparing")[2].partition("\n")[2]
        terminal.type("n")
        assert terminal.end() == 3
        assert "nothing was changed" in terminal.text
    assert client("cloudformation").describe_stacks()["Stacks"] == []


def test_interrupted_question_changes_nothing(env: dict[str, str], tmp_path: Path) -> None:
    """Of a program that really starts."""
    command = [sys.executable, "-m", "generator", *DEPLOY, "--verbose"]
    with session(command, 80, {**env, "PYTHONPATH": str(ROOT)}, tmp_path) as terminal:
        terminal.expect("Deploy pypi? (y/N)")
        assert re.search(r"  \+ add +AccessPoint", terminal.text)
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "Traceback" not in terminal.text
    assert client("cloudformation").describe_stacks()["Stacks"] == []


def test_dry_run_as_json(env: dict[str, str], tmp_path: Path) -> None:
    done = run("generator", [*DEPLOY, "--dry-run", "--json"], env, tmp_path)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert (plan["account"], plan["region"], plan["stack"], plan["status"]) == (
        "123456789012", "us-east-1", "pypi", "new",
    )  # fmt: skip
    changes = {it["name"]: it for it in plan["changes"]}
    assert changes["FileSystem"]["action"] == "add"
    assert changes["FileSystem"]["layer"] == "Storage"
    assert [name for name, it in changes.items() if it["data"]]
    assert "Storage" in done.stderr


def test_piped_lines_are_whole_and_plain(env: dict[str, str], tmp_path: Path) -> None:
    done = run("generator", [*DEPLOY, "--dry-run", "--verbose"], {**env, "COLUMNS": "40"}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert re.search(r"^  \+ add +AccessPoint +AWS::EFS::AccessPoint$", done.stdout, re.MULTILINE)


def test_in_ci_nobody_is_asked_though_it_looks_like_a_terminal(env: dict[str, str], tmp_path: Path) -> None:
    with session_of_ours(DEPLOY, 80, {**env, "CI": "true"}, tmp_path) as terminal:
        assert terminal.end() == 2
        assert "add --yes" in terminal.text
        assert b"\x1b" not in terminal.raw


def test_steps_are_named_and_counted_where_somebody_looks() -> None:
    shown, log = StringIO(), StringIO()
    for name, number in Terminal(shown, live=True, width=80).steps("checking", {"first": 1, "second": 2}):
        deadline = time.monotonic() + 20
        while f"checking {name}, {number} of 2" not in shown.getvalue():
            assert time.monotonic() < deadline, shown.getvalue()
    assert [*Terminal(log, live=False).steps("checking", {"first": 1, "second": 2})] == [("first", 1), ("second", 2)]
    assert log.getvalue() == ""
