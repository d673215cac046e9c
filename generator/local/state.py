"""What `local` keeps between runs: the accounts' passwords, and the certificate."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from generator.operations.exits import Problem

ACCOUNTS = ("publisher", "reader")


def state() -> Path:
    """The directory, created for its owner only. Raises Problem.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    directory = home / "pypiserver-aws"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{directory}: {error.strerror}: name another place in XDG_STATE_HOME") from error
    return directory


def passwords() -> dict[str, str]:
    """By account; created once, so that clients configured with them work after the next start. Raises Problem."""
    file = state() / "passwords.json"
    try:
        kept = json.loads(file.read_text())
        return {name: str(kept[name]) for name in ACCOUNTS}
    except FileNotFoundError:
        made = {name: secrets.token_hex(16) for name in ACCOUNTS}
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            json.dump(made, new)
        return made
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Problem(f"{file} cannot be read: remove it, and there will be new passwords") from error
