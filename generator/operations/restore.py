"""The command `restore`, and its last step: a stack serves from a restored file system."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from generator.operations import parameters, recovery_points
from generator.operations.aws import Account
from generator.operations.deploy import Deployment, deploy, refuse_single
from generator.operations.exits import DONE, Problem
from generator.operations.file_systems import give, traits, traits_by_template
from generator.operations.identity import Stack
from generator.operations.stacks import get, outputs_of_deployed, resources
from generator.operations.stacks import parameters as values_of
from generator.operations.terminal import Terminal
from generator.parts.data_bearing import LOCATION

_RESTORED = "aws-backup-restore_[A-Za-z0-9._:-]+"
_DIRECTORY = re.compile(rf"/?({_RESTORED})((?:/(?!\.{{1,2}}(?:/|$))[A-Za-z0-9._:-]+)*)/?")


def run(
    account: Account,
    terminal: Terminal,
    request: recovery_points.Restoration,
    deployment: Deployment,
    directory: str | None,
) -> int:
    """The list, a restore, or, with a ``directory``, the deployment; returns their exit code, and raises what they raise."""
    if request.recovery_point and directory:
        return serve(account, terminal, deployment, request, directory)
    if directory:
        raise Problem("--directory goes with the --recovery-point that was restored into it")
    if request.recovery_point:
        return recovery_points.restore(account, terminal, request, request.recovery_point)
    return recovery_points.show_recovery_points(account, terminal, request.stack_name, request.vault)


def serve(
    account: Account, terminal: Terminal, request: Deployment, restored: recovery_points.Restoration, directory: str
) -> int:
    """Deploy the stack with what was ``restored``, a recovery point; DONE if it serves from there, otherwise FAILED.

    ``directory``: AWS Backup's, at the root of the restored file system, or the packages' own below it. The parameters
    go into a separate file next to the operator's. Raises Problem if there is no such file system, or it is unknown
    where in it the packages are, Declined if the operator says No.
    """
    matched = _DIRECTORY.fullmatch(directory)
    if not matched:
        raise Problem(f"--directory {directory}: the directory that AWS Backup makes is named aws-backup-restore_…")
    stack = get(account, request.stack_name)
    refuse_single(account, stack)
    previous = values_of(stack)
    live = outputs_of_deployed(stack)["FileSystemId"]
    recovery_point = restored.recovery_point or ""
    new = _restored(account, recovery_point, live)
    has = list(resources(account.client("cloudformation"), stack["StackId"]))
    if not matched[2] and recovery_points.source(account, restored, has, recovery_point) != live:
        # An earlier one, or another stack's: an empty directory would be created, and served.
        before = re.sub(f"^(/{_RESTORED})+", "", previous["PackagesPath"])
        raise Problem(
            f"{recovery_point} is not of {live}, which serves: its packages may be elsewhere than in "
            f"{previous['PackagesPath']}. Look where, and give all of it, such as --directory {matched[1]}{before}"
        )
    path = f"/{matched[1]}{matched[2] or previous['PackagesPath']}"
    old_path = previous["PackagesPath"] if _like(account, terminal, stack, live, new) else ""
    chosen = {"ExistingFileSystemId": new, "CreateMountTargets": "true", "PackagesPath": path}
    file = request.parameters.with_name(f"{request.parameters.stem}.restored.json")
    parameters.write(file, {**parameters.read(request.parameters), **chosen})
    terminal.line(f"{file} has the parameters of {request.parameters}, and {', '.join(chosen)} of what is restored")
    done = deploy(account, terminal, replace(request, parameters=file, allowed=frozenset({"FileSystem", *LOCATION})))
    if done == DONE:
        _show_what_is_where(terminal, file, request.parameters, new=new, path=path, old=live, old_path=old_path)
    return done


def _restored(account: Account, recovery_point: str, live: str) -> str:
    """The ID of the file system. Raises Problem if there is none yet, or the stack could not mount it."""
    job = recovery_points.newest_job(account, recovery_point, live)
    if job is None:
        raise Problem(
            f"{recovery_point} is restored into no file system but what serves already: leave --directory out"
        )
    if job["Status"] != "COMPLETED":
        raise Problem(f"the restore {job['RestoreJobId']} is {job['Status']}: leave --directory out to watch it")
    new = recovery_points.created(job)
    targets = account.client("efs").describe_mount_targets(FileSystemId=new)["MountTargets"]
    if targets:
        # There can be one in each zone, and the stack creates its own.
        raise Problem(
            "\n".join(
                f"{new} has the mount target {it['MountTargetId']}, in the way of the stack's own: "
                f"`aws efs delete-mount-target --mount-target-id {it['MountTargetId']}`, and wait a minute"
                for it in targets
            )
        )
    return new


def _like(account: Account, terminal: Terminal, stack: Stack, old: str, new: str) -> bool:
    """Give ``new`` the policy, lifecycle, throughput and tags of ``old``; whether ``old`` still exists.

    If it is gone, by those that the template gives: the stack is of this region, so it is not in another.
    """
    if has := traits(account, old):
        give(account, terminal, new, replace(has, policy=has.policy.replace(old, new)))
        told = (
            "policy, lifecycle, throughput and tags"
            if has.policy
            else "lifecycle, throughput and tags (it has no policy)"
        )
        terminal.line(f"{new} has the {told} of {old}")
        return True
    give(
        account,
        terminal,
        new,
        traits_by_template(values_of(stack), outputs_of_deployed(stack).get("BackupVaultName", "")),
    )
    terminal.line(
        f"{old} is gone: {new} has the policy, lifecycle, throughput and tags that the template gives with the stack's parameters"
    )
    return False


def _show_what_is_where(
    terminal: Terminal, file: Path, given: Path, *, new: str, path: str, old: str, old_path: str
) -> None:
    """``old_path`` is empty if ``old`` is gone."""
    held = "with every upload since the backup"
    for line in (
        f"serves from {new}, {path}; it is in no stack, so no deletion of one removes it",
        f"{old} still has {old_path} {held}, and is billed: copy what is missing, then delete it"
        if old_path
        else f"{old} is gone, {held}",
        f"the stack has the parameters of {file}: put it in place of {given}, or the next deployment goes back",
    ):
        terminal.line(line)
