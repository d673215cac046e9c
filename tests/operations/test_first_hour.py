"""docs/first-hour.md is what a terminal shows; `PYTHONPATH=.:tests:tests/support python -m operations.test_first_hour` records it anew."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from calls import client
from emulator import emulator, environment
from program import installed
from pseudo_terminal import DOWN, ENTER, session

from generator import settings
from tests.server.tasks import Task, wheel

from .test_questions import company_network

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-hour.md"
HOST = "pypiserver.company.example"
WIDTHS = (80, 160)
# What is waited for, and what is typed then.
ANSWERS = [
    ("Fargate, ARM64", ENTER),
    ("company  vpc-", DOWN + ENTER),
    ("Subnets of the load balancer", ENTER),
    ("Subnets of the hosts", ENTER),
    ("Hosted zone", ENTER),
    ("IPv4 ranges that may connect", "203.0.113.0/24" + ENTER),
    ("E-mail addresses for alarms", "platform@company.example" + ENTER),
    ("Create bucket", "y"),
    ("Deploy pypi? (y/N)", "y"),
]
# What differs from run to run.
VARIES = [
    (r"(vpc|subnet)-[0-9a-f]{17}", r"\1-0123456789abcdef0"),
    (r"\bZ[0-9A-Z]{10,}\b", "Z0123456789ABCDEFGHIJK"),
    (r"\b\d+:\d\d\b", "m:ss"),
    (r"http://((?:reader:\*+@)?)127\.0\.0\.1:\d+", rf"https://\1{HOST}"),
    (r"━[^\n]*\n", "━━━━ 100%\n"),
]


def steps(columns: int, directory: Path) -> Iterator[tuple[str, str]]:
    """Each command, and what the screen shows at its end."""
    with emulator() as url, patch.dict(os.environ, environment(url, directory)):
        company_network()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "venv"], check=True)
        pip = installed(directory / "venv" / "bin").with_name("pip")
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python "$(dirname "$0")/python" "$@"\n')
        pip.chmod(0o755)
        path = f"{directory / 'venv' / 'bin'}:{Path(sys.executable).parent}:{os.defpath}"
        env = {**environment(url, directory), "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

        def shown(command: str, answers: list[tuple[str, str]] | None = None) -> tuple[str, str]:
            with session(["sh", "-c", command], columns, env, directory) as terminal:
                for text, keys in answers or []:
                    terminal.expect(text)
                    terminal.type(keys)
                assert terminal.end() == 0, terminal.text
                return command, terminal.text

        yield shown("pypiserver-aws deploy", ANSWERS)
        yield shown("pypiserver-aws credentials --output pip.conf")
        yield shown("pypiserver-aws credentials --format pypirc --output .pypirc")
        name, content = wheel("acme", "1.0")
        (directory / "dist").mkdir()
        (directory / "dist" / name).write_bytes(content)
        with _server(directory) as task:
            for file in ("pip.conf", ".pypirc"):
                written = directory / file
                here = written.read_text().replace(f"https://{HOST}", task.url).replace(f"@{HOST}", "@" + task.url[7:])
                written.write_text(here.replace("https://", "http://"))
            yield shown("twine upload --config-file .pypirc --repository private dist/*")
            yield shown("PIP_CONFIG_FILE=pip.conf pip install acme")


class _server:
    """The server that the stack would run, with its accounts, at an address of this machine."""

    def __init__(self, directory: Path) -> None:
        accounts: dict[str, str] = {}
        for secret in client("secretsmanager").list_secrets()["SecretList"]:
            text = client("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"]
            # The third is the server's program.
            if text.startswith("{"):
                value = json.loads(text)
                accounts |= {f"{value['username'].upper()}_{name.upper()}": it for name, it in value.items()}
        packages = directory / "packages"
        packages.mkdir()
        self.task = Task(Path(sys.executable), packages, directory / "task", accounts)

    def __enter__(self) -> Task:
        self.task.wait_until_ready()
        return self.task

    def __exit__(self, *_error: object) -> None:
        self.task.kill()


def recording(columns: int) -> str:
    with tempfile.TemporaryDirectory() as directory:
        text = "\n\n".join(f"$ {command}\n{screen}".rstrip() for command, screen in steps(columns, Path(directory)))
    for pattern, shown in VARIES:
        text = re.sub(pattern, shown, text + "\n").rstrip()
    return text


def blocks() -> dict[int, str]:
    found = re.findall(r"^## [^\n]* (\d+) columns\n\n```text\n(.*?)\n```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {int(columns): text for columns, text in found}


@pytest.mark.slow
@pytest.mark.parametrize("columns", WIDTHS)
def test_the_first_hour_is_as_recorded(columns: int) -> None:
    assert recording(columns) == blocks()[columns]


def test_the_recorded_commands_are_readmes() -> None:
    readme = (ROOT / "README.md").read_text().replace("PROJECT", "acme")
    commands = [line[2:] for line in blocks()[80].splitlines() if line.startswith("$ ")]
    assert len(commands) == 5
    assert [it for it in commands if it not in readme] == []


def test_the_questions_are_counted() -> None:
    counted = re.search(r"The form has (\d+)\s+parameters; `deploy` asks for (\w+)", PAGE.read_text())
    assert counted
    asked = [line for line in blocks()[80].split("parameters.json has")[0].splitlines() if line.startswith("? ")]
    assert (int(counted[1]), counted[2]) == (len(settings.ALL), {7: "seven"}[len(asked)])


if __name__ == "__main__":
    page = re.sub(r"The form has \d+", f"The form has {len(settings.ALL)}", PAGE.read_text())
    for columns in WIDTHS:
        page = page.replace(blocks()[columns], recording(columns))
    PAGE.write_text(page)
