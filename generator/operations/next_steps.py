"""What to do with a server that is deployed: its addresses, the credentials, a first upload and install."""

from __future__ import annotations

import shlex
from typing import Any

from generator.operations.aws import Account
from generator.operations.invocation import called_as
from generator.operations.stacks import outputs
from generator.operations.terminal import Terminal


def urls(stack: dict[str, Any]) -> list[str]:
    """The server's, without a slash at the end; none before the stack has its outputs."""
    return [url.rstrip("/") for url in outputs(stack).get("PypiServerUrls", "").split(",") if url]


def commands(account: Account, stack: dict[str, Any]) -> dict[str, list[str]]:
    """Lines for a shell, by what they are for. They work one after the other, in an empty directory as well."""
    named = shlex.join(["--stack-name", stack["StackName"], *account.options])
    credentials = f"{called_as()} credentials {named}"
    reader = "" if outputs(stack).get("ReaderSecretArn") else " --account publisher"
    return {
        "credentials to upload": [f"{credentials} --format pypirc --output .pypirc"],
        "credentials to install": [f"{credentials} --format pip{reader} --output pip.conf"],
        "first upload, and install": [
            "twine upload --config-file .pypirc --repository private dist/*",
            "PIP_CONFIG_FILE=pip.conf pip install PROJECT",
        ],
    }


def show(account: Account, terminal: Terminal, stack: dict[str, Any]) -> None:
    """Nothing for a stack without outputs."""
    if not urls(stack):
        return
    terminal.line()
    for url in urls(stack):
        terminal.verbatim(f"{url}/")
    for purpose, lines in commands(account, stack).items():
        terminal.line(f"{purpose}:", "bold")
        for line in lines:
            terminal.verbatim(f"  {line}")
