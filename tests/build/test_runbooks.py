"""Whatever wakes or tells somebody leads to a heading of docs/operations.md, and the commands there are AWS's."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from deployments import Editions, everything, of_type

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
RUNBOOKS = PAGE.partition("\n## Runbooks\n")[2].partition("\n## ")[0]
HEADINGS = set(re.findall(r"^### (.+)$", RUNBOOKS, re.MULTILINE))
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", RUNBOOKS, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("aws ")
]


def led_to(text: str) -> str:
    found = re.search(r"Runbook: ([^.]+)\.", text)
    assert found, f"{text!r} names no runbook"
    return found[1]


def test_every_alarm_and_message_leads_to_a_runbook(editions: Editions) -> None:
    resources = editions.nested({**everything(), "EfsThroughputMode": "bursting"}).resources
    alarms = [
        it["AlarmDescription"]
        for kind in ("Alarm", "CompositeAlarm")
        for it in of_type(resources, f"AWS::CloudWatch::{kind}").values()
    ]
    messages = [
        target["InputTransformer"]["InputTemplate"]
        for rule in of_type(resources, "AWS::Events::Rule").values()
        for target in rule["Targets"]
    ]
    assert len(alarms) > 10
    assert len(messages) > 4
    assert {led_to(text) for text in [*alarms, *messages]} <= HEADINGS


def test_the_situations_are_there() -> None:
    assert {
        "An update's rollback failed",
        "The stack cannot be deleted",
        "A host drains and does not end",
        "Credits are exhausted",
        "A zone is lost",
        "The region is lost",
        "A credential leaked",
        "A wrong package was published",
    } <= HEADINGS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_aws_cli_takes_the_command(command: str, tmp_path: Path) -> None:
    """It parses its arguments by the service's model, and sends nothing: the address is nobody's."""
    words = shlex.split(command.replace("CERTIFICATE_ARN", "arn:aws:acm:eu-west-1:123456789012:certificate/1"))[1:]
    asked = [*words, "--endpoint-url", "http://127.0.0.1:9", "--cli-connect-timeout", "1"]
    done = subprocess.run(
        [Path(sys.executable).parent / "aws", *asked],
        env={
            "PATH": os.defpath,
            "HOME": str(tmp_path),
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
    assert "Could not connect to the endpoint URL" in done.stderr, done.stderr
