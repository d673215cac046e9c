"""Every command of the AWS CLI that README and docs show is one that the AWS CLI takes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Values whose form the AWS CLI checks.
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/1"


def shown() -> Iterator[tuple[str, str]]:
    """Page and command, of the blocks of code."""
    for page in PAGES:
        for block in BLOCKS.findall(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                if found := re.fullmatch(r"(?:(aws .*?)(?: > .*)?|\w+=\$\((aws .*)\))", line):
                    yield page.name, found[1] or found[2]


def mentioned() -> Iterator[tuple[str, str]]:
    """Page and command, of the text; a command may be the beginning of one."""
    for page in PAGES:
        for command in re.findall(r"`(aws [^`]+)`", BLOCKS.sub("", page.read_text())):
            yield page.name, command


def run(command: str, home: Path) -> str:
    """What the AWS CLI says: it parses its arguments by the service's model, and the address is nobody's."""
    command = command.replace("CERTIFICATE_ARN", CERTIFICATE).replace("VERSION_ID", "0" * 32)
    command = command.replace("OTHER_REGION", "eu-central-1")
    # A time that the shell computes.
    command = re.sub(r"\$\(\(.*?\)\)", "1700000000", command)
    words = [word for word in shlex.split(command)[1:] if word != "…"]
    done = subprocess.run(
        [
            Path(sys.executable).parent / "aws",
            *words,
            "--endpoint-url",
            "http://127.0.0.1:9",
            "--cli-connect-timeout",
            "1",
        ],
        cwd=home,
        env={
            "PATH": os.defpath,
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_MAX_ATTEMPTS": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands read is there."""
    directory = tmp_path_factory.mktemp("clone")
    (directory / "templates").symlink_to(ROOT / "templates")
    for name in ("parameters.json", "parameters.other.json"):
        copy(ROOT / "templates" / "parameters.example.json", directory / name)
    copy(ROOT / "templates" / "network.yaml", directory / "packaged.yaml")
    (directory / "credentials.json").write_text("{}")
    return directory


def test_commands_are_found() -> None:
    assert {page for page, _ in shown()} >= {"README.md", "host-is-lost.md", "troubleshooting.md", "private-network.md"}


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), sorted(set(shown())))
def test_a_shown_command_reaches_the_network(page: str, command: str, home: Path) -> None:
    assert re.search("Could not connect|Unable to upload artifact", said := run(command, home)), said


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), sorted(set(mentioned())))
def test_a_mentioned_command_is_one(page: str, command: str, home: Path) -> None:
    assert not re.search("Invalid choice|Unknown options|invalid choice", said := run(command, home)), said
