"""Restore a backup into a new file system; the one in service is never touched.

https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-efs.html
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.filesize import decimal
from rich.table import Column, Table

from generator.operations.aws import Account, Client
from generator.operations.exits import DONE, FAILED, Problem
from generator.operations.file_systems import file_system
from generator.operations.invocation import called_as
from generator.operations.keys import refuse_unusable
from generator.operations.places import refuse_places
from generator.operations.stacks import Resource, get, outputs_of_deployed, resources
from generator.operations.stacks import parameters as values_of
from generator.operations.terminal import Terminal

POLL_SECONDS = 5
_RUNNING = ("CREATED", "PENDING", "RUNNING")
RecoveryPoint = dict[str, Any]
Job = dict[str, Any]


@dataclass(frozen=True)
class Restoration:
    """The operator's request: ``recovery_point`` an ARN (``None``: list them), ``vault`` a name (``None``: the stack's own),
    ``key`` the ARN of a KMS key for the new file system (``None``: that of the original).
    """

    stack_name: str
    recovery_point: str | None
    vault: str | None = None
    key: str | None = None
    yes: bool = False


def show_recovery_points(account: Account, terminal: Terminal, stack_name: str, vault: str | None) -> int:
    """A row for each, newest first, and the command that restores it; FAILED if there is none to restore."""
    has = list(resources(account.client("cloudformation"), get(account, stack_name)["StackId"]))
    name = vault or _vault(stack_name, has)
    found = list(_recovery_points(account.client("backup"), name))
    arn = Column("recovery point", overflow="fold")
    table = Table("made (UTC)", "age", "size", "status", "of", arn, box=None, pad_edge=False)
    for it in found:
        made = it["CreationDate"].astimezone(UTC)
        age = datetime.now(UTC) - made
        days = f"{age.days} d" if age.days else f"{age.seconds // 3600} h"
        size = decimal(it.get("BackupSizeInBytes", 0))
        table.add_row(f"{made:%Y-%m-%d %H:%M}", days, size, it["Status"], _source(it), it["RecoveryPointArn"])
    terminal.show(table)
    ready = [it["RecoveryPointArn"] for it in found if it["Status"] == "COMPLETED"]
    if not ready:
        terminal.line(f"the vault {name} has no complete recovery point of a file system", "bold")
        return FAILED
    terminal.line("to restore the newest into a new file system, beside the one that serves:")
    terminal.verbatim(f"  {command(account, stack_name, ready[0], vault)}")
    return DONE


def command(account: Account, stack_name: str, recovery_point: str, vault: str | None, *more: str) -> str:
    """A line for a shell that restores ``recovery_point``."""
    where = ["--vault", vault] if vault else []
    words = ["restore", "--stack-name", stack_name, "--recovery-point", recovery_point, *where, *more]
    return f"{called_as()} {shlex.join([*words, *account.options])}"


def restore(account: Account, terminal: Terminal, request: Restoration, recovery_point: str) -> int:
    """Restore, watch it, and say where the files are; DONE when they are there, FAILED if the restore failed.

    A job in progress, or one that ended in a file system that still exists, counts as the requested one. Raises Problem if
    nothing can be restored, Declined if the operator says No.
    """
    stack = get(account, request.stack_name)
    has = list(resources(account.client("cloudformation"), stack["StackId"]))
    live = outputs_of_deployed(stack)["FileSystemId"]
    point = _recovery_point(account, request, has, recovery_point)
    backup = account.client("backup")
    job = newest_job(account, recovery_point, live)
    if job is None:
        of_stack = values_of(stack).get("EfsKmsKeyArn", "") if _source(point) == live else ""
        metadata = _metadata(account, terminal, point, request, of_stack)
        left = "is in service, is left alone" if file_system(account, live) else "was in service, is gone"
        terminal.line(
            f"a new file system will have what {_source(point)} held at "
            f"{point['CreationDate'].astimezone(UTC):%Y-%m-%d %H:%M} UTC, and is billed like the one in service: "
            f"{decimal(point.get('BackupSizeInBytes', 0))}. {live}, which {left}"
        )
        terminal.must_agree("Restore it?", yes=request.yes)
        started = backup.start_restore_job(
            RecoveryPointArn=recovery_point,
            Metadata=metadata,
            IamRoleArn=_role(account, has),
            ResourceType="EFS",
            # A job that was started and whose answer was lost is not started again.
            IdempotencyToken=metadata["CreationToken"],
        )
        job = {"RestoreJobId": started["RestoreJobId"], "Status": "PENDING"}
    else:
        terminal.line(f"the restore {job['RestoreJobId']} is {job['Status']} already: nothing new is started")
    ended = _watch(backup, terminal, job)
    if ended["Status"] != "COMPLETED":
        terminal.line(
            f"the restore is {ended['Status']}: {ended.get('StatusMessage', 'AWS Backup gives no reason')}", "bold"
        )
        return FAILED
    _show_where(account, terminal, request, recovery_point, created(ended))
    return DONE


def newest_job(account: Account, recovery_point: str, live: str) -> Job | None:
    """The newest restore of ``recovery_point`` that is in progress, or whose file system exists; tests do not count.

    A file system that is already in service, ``live``, or was deleted since, is not offered again.
    """
    pages = account.client("backup").get_paginator("list_restore_jobs").paginate(ByResourceType="EFS")
    jobs = [it for page in pages for it in page["RestoreJobs"] if it["RecoveryPointArn"] == recovery_point]
    for job in sorted(jobs, key=lambda it: it["CreationDate"], reverse=True):
        if "RestoreTestingPlanArn" in job.get("CreatedBy", {}) or created(job) == live:
            continue
        if job["Status"] in _RUNNING or (job["Status"] == "COMPLETED" and file_system(account, created(job))):
            found: Job = job
            return found
    return None


def created(job: Job) -> str:
    """The ID of the file system that ``job`` created; empty before it has one."""
    return str(job.get("CreatedResourceArn", "")).rpartition("/")[2]


def _vault(stack_name: str, has: list[Resource]) -> str:
    vaults = [it.physical_id for it in has if it.name == "BackupVault"]
    if not vaults:
        raise Problem(f"{stack_name} has no vault: name the one that has the backups by --vault")
    return vaults[0]


def _recovery_points(backup: Client, vault: str) -> Iterator[RecoveryPoint]:
    pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(
        BackupVaultName=vault, ByResourceType="EFS"
    )
    found = [it for page in pages for it in page["RecoveryPoints"]]
    yield from sorted(found, key=lambda it: it["CreationDate"], reverse=True)


def _recovery_point(account: Account, request: Restoration, has: list[Resource], arn: str) -> RecoveryPoint:
    """Raises Problem if it is not in the vault, or not complete."""
    vault = request.vault or _vault(request.stack_name, has)
    for it in _recovery_points(account.client("backup"), vault):
        if it["RecoveryPointArn"] == arn:
            if it["Status"] != "COMPLETED":
                raise Problem(f"{arn} is {it['Status']}: choose one that is COMPLETED")
            return {**it, "BackupVaultName": vault}
    raise Problem(f"the vault {vault} has no {arn}: restore without --recovery-point lists what it has")


def source(account: Account, request: Restoration, has: list[Resource], arn: str) -> str:
    """The ID of the file system that the recovery point ``arn`` is of; empty if it is no longer in the vault."""
    points = _recovery_points(account.client("backup"), request.vault or _vault(request.stack_name, has))
    return next((_source(it) for it in points if it["RecoveryPointArn"] == arn), "")


def _source(point: RecoveryPoint) -> str:
    return str(point["ResourceArn"]).rpartition("/")[2]


def _role(account: Account, has: list[Resource]) -> str:
    roles = [it.physical_id for it in has if it.name == "BackupRole"]
    if not roles:
        raise Problem("the stack has no role for restores, as EnableEfsBackup is false: deploy it with true first")
    return f"arn:{account.partition}:iam::{account.number}:role/{roles[0]}"


def _metadata(
    account: Account, terminal: Terminal, point: RecoveryPoint, request: Restoration, key_of_stack: str
) -> dict[str, str]:
    """What AWS Backup needs to know about the new file system.

    ``key_of_stack`` is taken if nothing else says with which key the original was encrypted.

    ``CreationToken`` is the file system's own: different for each restore of a recovery point, and the same for each attempt
    to start one. It contains the day because AWS Backup forgets its jobs after a while.
    """
    backup, arn = account.client("backup"), point["RecoveryPointArn"]
    known = backup.get_recovery_point_restore_metadata(BackupVaultName=point["BackupVaultName"], RecoveryPointArn=arn)[
        "RestoreMetadata"
    ]
    original = file_system(account, _source(point)) or {}
    key = request.key or original.get("KmsKeyId") or known.get("KmsKeyId") or key_of_stack
    if request.key:
        refuse_places(account, {"--kms-key": request.key}, {})
        refuse_unusable(account, terminal, {"--kms-key": request.key})
    pages = backup.get_paginator("list_restore_jobs").paginate(ByResourceType="EFS")
    before = sum(it["RecoveryPointArn"] == arn for page in pages for it in page["RestoreJobs"])
    return {
        "file-system-id": known.get("file-system-id", _source(point)),
        "newFileSystem": "true",
        "Encrypted": "true",
        # A key of another region, such as that of a copy's source, cannot be used here.
        **({"KmsKeyId": key} if key.split(":")[3:4] == [account.region] else {}),
        "PerformanceMode": "generalPurpose",
        "CreationToken": f"restore-{arn.rpartition(':')[2]}-{datetime.now(UTC):%Y%m%d}-{before}"[-64:],
    }


def _watch(backup: Client, terminal: Terminal, job: Job) -> Job:
    """The job when it has ended; prints a line whenever its progress changes."""
    shown = ""
    with terminal.waiting("restoring; interrupting this command does not stop it; run it again to keep watching …"):
        while True:
            found: Job = backup.describe_restore_job(RestoreJobId=job["RestoreJobId"])
            progress = f"{found['Status']} {found.get('PercentDone', '')}".strip()
            if progress != shown:
                terminal.line(f"  {progress}")
                shown = progress
            if found["Status"] not in _RUNNING:
                return found
            time.sleep(POLL_SECONDS)


def _show_where(account: Account, terminal: Terminal, request: Restoration, recovery_point: str, identity: str) -> None:
    terminal.line(f"restored into {identity}", "bold")
    terminal.line(
        "Its files are in a directory aws-backup-restore_… at its root. AWS does not report its name: "
        "look, as docs/runbooks/restore.md has it, then let the stack serve from it:"
    )
    where = ("--directory", "DIRECTORY")
    terminal.verbatim(f"  {command(account, request.stack_name, recovery_point, request.vault, *where)}")
    terminal.line("Nothing serves from it yet. To discard it:")
    options = "".join(f" {shlex.quote(word)}" for word in account.options)
    terminal.verbatim(f"  aws efs delete-file-system --file-system-id {identity}{options}")
