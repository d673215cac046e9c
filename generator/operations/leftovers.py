"""What stays in the account after a deletion or a failed creation, and what to do with each."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from generator.operations.aws import Account
from generator.operations.bucket import bucket_name, has_own_bucket
from generator.operations.errors import AWS_ERRORS
from generator.operations.exits import Problem
from generator.operations.terminal import Terminal
from generator.operations.watch import Event

_REMOVE = {
    "AWS::EFS::FileSystem": "aws efs delete-file-system --file-system-id {}{}",
    "AWS::Backup::BackupVault": "aws backup delete-backup-vault --backup-vault-name {}{}  # once it is empty",
    "AWS::SecretsManager::Secret": "aws secretsmanager delete-secret --secret-id {}{}",
    "AWS::Logs::LogGroup": "aws logs delete-log-group --log-group-name {}{}",
    "AWS::S3::Bucket": "aws s3api delete-bucket --bucket {}{}  # once it has no object versions",
}
_ADOPT = {"AWS::EFS::FileSystem": "deploy with ExistingFileSystemId={}"}


@dataclass(frozen=True)
class Leftover:
    """A resource that is no longer in any stack: its logical ID, type and physical ID."""

    name: str
    kind: str
    physical_id: str


def left(events: Iterable[Event]) -> list[Leftover]:
    """What a deletion left, according to its events: retained (DELETE_SKIPPED), or impossible to delete."""
    last = {event.path: event for event in events}
    return [
        Leftover(it.path.rpartition("/")[2], it.kind, it.physical_id)
        for it in last.values()
        if it.status in ("DELETE_SKIPPED", "DELETE_FAILED") and it.kind in _REMOVE
    ]


def show(account: Account, terminal: Terminal, leftovers: Iterable[Leftover]) -> None:
    """Each with the way to use it again and the command that removes it."""
    options = "".join(f" {shlex.quote(word)}" for word in account.options)
    for it in leftovers:
        terminal.line(f"stays   {it.name}  {it.physical_id}")
        if it.kind in _ADOPT:
            terminal.verbatim(f"  adopt   {_ADOPT[it.kind].format(it.physical_id)}")
        terminal.verbatim(f"  remove  {_REMOVE[it.kind].format(it.physical_id, options)}")


def show_bucket(account: Account, terminal: Terminal) -> None:
    """The bucket of templates that `deploy` creates, which is in no stack; nothing if there is none, or none is visible."""
    try:
        there = has_own_bucket(account)
    except (Problem, *AWS_ERRORS):
        return
    if there:
        name = bucket_name(account)
        options = "".join(f" {shlex.quote(word)}" for word in account.options)
        terminal.line(f"stays   the bucket of templates  {name}")
        terminal.verbatim(
            f"  remove  aws s3 rb s3://{name} --force{options}  # if nobody deploys in {account.region} any more"
        )
