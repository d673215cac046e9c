"""Every command of the AWS CLI that README and docs show is one that the AWS CLI takes."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy

import pytest
from forked import forked

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Values whose form the AWS CLI checks.
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
NOBODYS = ("--endpoint-url", "http://127.0.0.1:9", "--cli-connect-timeout", "1")
# The first command reads what every one does.
AWS = f"""
from awscli.clidriver import create_clidriver
aws = create_clidriver()
main = aws.main
main(["sts", "get-caller-identity", *{NOBODYS}])
"""


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


def words_of(command: str) -> list[str]:
    """Its arguments, with values for what is to be replaced in it."""
    command = command.replace("CERTIFICATE_ARN", CERTIFICATE).replace("VERSION_ID", "0" * 32)
    command = command.replace("OTHER_REGION", "eu-central-1")
    # A time that the shell computes.
    command = re.sub(r"\$\(\(.*?\)\)", "1700000000", command)
    return [word for word in shlex.split(command)[1:] if word != "…"]


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


@pytest.fixture(scope="module")
def said(home: Path) -> Iterator[Callable[[str], str]]:
    """What the AWS CLI says to a command: it parses its arguments by the service's model, and the address is nobody's."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    with forked(AWS, home, environment) as aws:
        yield lambda command: aws(*words_of(command), *NOBODYS).stdout


def test_commands_are_found() -> None:
    assert {page for page, _ in shown()} >= {"README.md", "host-is-lost.md", "troubleshooting.md", "private-network.md"}


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), sorted(set(shown())))
def test_a_shown_command_reaches_the_network(page: str, command: str, said: Callable[[str], str]) -> None:
    assert re.search("Could not connect|Unable to upload artifact", answer := said(command)), answer


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), sorted(set(mentioned())))
def test_a_mentioned_command_is_one(page: str, command: str, said: Callable[[str], str]) -> None:
    assert not re.search("Invalid choice|Unknown options|invalid choice", answer := said(command)), answer
