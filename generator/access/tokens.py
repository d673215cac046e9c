"""Tokens of a stack: only the digest of each is stored."""

from __future__ import annotations

import hashlib
import secrets

from rich.table import Table

from generator.access import entries
from generator.access.entries import Entry
from generator.operations.aws import Account

PREFIX = "pypiserver-"
"""The prefix of every token, by which source code scanners can recognise one."""
_RANDOM_BYTES = 32


def create(account: Account, stack_name: str, name: str, may: str, projects: list[str], expires: str) -> str:
    """The new token. ``expires`` is ``90d``, ``12h`` or ``never``. Raises Problem."""
    token = f"{PREFIX}{secrets.token_urlsafe(_RANDOM_BYTES)}"
    digest = hashlib.sha256(token.encode()).hexdigest()
    entries.add(account, stack_name, {**entries.begun(name, may, projects, expires), "sha256": digest})
    return token


def revoke(account: Account, stack_name: str, name: str) -> None:
    """Raises Problem if there is no such token."""
    entries.remove(account, stack_name, name, "token")


def listed(account: Account, stack_name: str) -> list[Entry]:
    """Every token, without its digest, with ``expired``. Raises Problem."""
    return entries.listed(account, stack_name, "token", ("name", "may", "projects", "expires"))


def table(tokens: list[Entry]) -> Table:
    """The result of ``listed``, for a person."""
    grid = Table.grid(padding=(0, 2))
    for it in tokens:
        grid.add_row(it["name"], it["may"], ", ".join(it["projects"]), entries.until(it))
    if not tokens:
        grid.add_row("There are no tokens.")
    return grid
