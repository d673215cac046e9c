"""The server's credentials, from Secrets Manager to a file."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

from generator.operations.aws import Account
from generator.operations.exits import Problem
from generator.operations.formats import Credentials, User
from generator.operations.stacks import get, has_reader, outputs_of_deployed

_SECRETS: dict[str, str] = {User.PUBLISHER: "PypiUserSecretArn", User.READER: "ReaderSecretArn"}
"""Outputs by account."""


def secret_arn(account: Account, stack_name: str, user: str) -> str:
    """The credentials of ``user``. Raises Problem if stack, outputs or that account are missing."""
    return _given(account, stack_name, user)[_SECRETS[user]]


def _given(account: Account, stack_name: str, user: str) -> dict[str, str]:
    """The stack's outputs, including that for ``user``. Raises Problem."""
    stack = get(account, stack_name)
    given = outputs_of_deployed(stack)
    if user == User.READER and not has_reader(stack):
        raise Problem(f"{stack_name} has no {user}: add --account publisher, or deploy with ReaderAccount=true")
    return given


def read(account: Account, stack_name: str, user: str) -> Credentials:
    """The current value in Secrets Manager for ``user``. Raises Problem if stack, outputs or that account are missing."""
    given = _given(account, stack_name, user)
    secret = account.client("secretsmanager").get_secret_value(SecretId=given[_SECRETS[user]])
    try:
        values = json.loads(secret["SecretString"])
        username, password = str(values["username"]), str(values["password"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Problem(
            f"the secret {given[_SECRETS[user]]} is not JSON with username and password: docs/runbooks/rotate-a-password.md "
            "says how to give it a new value"
        ) from error
    if not re.fullmatch("[ -~]+", username + password):
        raise Problem(
            f"the secret {given[_SECRETS[user]]} has characters that clients encode in different ways: give {user} a new "
            "password of printable ASCII"
        )
    return Credentials(given["PypiServerUrls"].split(",")[0].rstrip("/"), username, password)


def write(text: str, path: Path) -> None:
    """A new file that only its owner can read.

    Raises Problem if the path is taken or cannot be written, and if git would commit the file.
    """
    _refuse_unignored(path)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except FileExistsError as error:
        raise Problem(f"{path} exists: remove it first, or choose another name") from error
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}") from error


def _refuse_unignored(path: Path) -> None:
    """Raises Problem for a path in a git repository that does not ignore it."""
    git = ["git", "-C", str(path.parent)]
    try:
        # 0: ignored, 1: not, 128: no repository: https://git-scm.com/docs/git-check-ignore#_exit_status
        if subprocess.run([*git, "check-ignore", "--quiet", "--", path.name], capture_output=True).returncode != 1:
            return
        where = [*git, "rev-parse", "--path-format=absolute", "--git-path", "info/exclude"]
        exclude = subprocess.run(where, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return
    raise Problem(
        f"{path}: git would commit this password: write it elsewhere, or make git ignore it with "
        f"`echo {shlex.quote(path.name)} >> {shlex.quote(exclude)}`"
    )
