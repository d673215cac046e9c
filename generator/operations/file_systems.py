"""File systems: whether one exists, and what it has beside its files, which AWS Backup does not restore."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator.operations.aws import Account, Client
from generator.operations.errors import ClientError, code
from generator.operations.exits import Problem
from generator.operations.terminal import Terminal
from generator.parts.data_bearing import VAULT_TAG
from generator.parts.only_tls import ONLY_TLS

_POLL_SECONDS = 5


@dataclass(frozen=True)
class Traits:
    """As EFS has them. ``policy`` is empty if there is none: whoever reaches a mount target can mount everything as root.

    https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html
    """

    policy: str
    throughput: dict[str, Any]
    lifecycle: list[dict[str, str]]
    tags: list[dict[str, str]]


def file_system(account: Account, identity: str) -> dict[str, Any] | None:
    """The file system's description; ``None`` if there is none, or it is being deleted, which EFS still describes.

    https://docs.aws.amazon.com/efs/latest/ug/API_DeleteFileSystem.html
    """
    if not identity:
        return None
    try:
        (found,) = account.client("efs").describe_file_systems(FileSystemId=identity)["FileSystems"]
    except ClientError as error:
        if code(error) == "FileSystemNotFound":
            return None
        raise
    return None if found["LifeCycleState"] in ("deleting", "deleted") else dict(found)


def traits(account: Account, identity: str) -> Traits | None:
    """Those of the file system; ``None`` if it is gone."""
    found = file_system(account, identity)
    if found is None:
        return None
    efs = account.client("efs")
    throughput: dict[str, Any] = {"ThroughputMode": found.get("ThroughputMode", "bursting")}
    if throughput["ThroughputMode"] == "provisioned":
        throughput["ProvisionedThroughputInMibps"] = found["ProvisionedThroughputInMibps"]
    return Traits(
        _policy(efs, identity),
        throughput,
        efs.describe_lifecycle_configuration(FileSystemId=identity)["LifecyclePolicies"],
        # Recovery points inherit the tags of what they are of, and the vault's cleaner relies on them.
        [it for it in found.get("Tags", []) if it["Key"] in (VAULT_TAG, "Name")],
    )


def traits_by_template(values: Mapping[str, str], vault: str) -> Traits:
    """Those that the template gives a new file system of a stack with these parameters and this ``vault``, if it has one."""
    throughput: dict[str, Any] = {"ThroughputMode": values["EfsThroughputMode"]}
    if throughput["ThroughputMode"] == "provisioned":
        throughput["ProvisionedThroughputInMibps"] = int(values["EfsProvisionedThroughputInMibps"])
    days = {"TransitionToIA": values["EfsLifecyclePolicy"], "TransitionToArchive": values["EfsArchivePolicy"]}
    tags = {"Name": f"{values['ServiceName']}-packages", **({VAULT_TAG: vault} if vault else {})}
    return Traits(
        json.dumps(ONLY_TLS),
        throughput,
        [{to: f"AFTER_{it}_DAY{'' if it == '1' else 'S'}"} for to, it in days.items() if it != "none"],
        [{"Key": key, "Value": value} for key, value in tags.items()],
    )


def give(account: Account, terminal: Terminal, identity: str, has: Traits) -> None:
    """Give the file system these. Raises Problem if it is gone."""
    efs = account.client("efs")
    target = file_system(account, identity)
    if target is None:
        raise Problem(f"{identity} is gone: leave --directory out to restore again")
    if has.policy:
        efs.put_file_system_policy(FileSystemId=identity, Policy=has.policy)
    # Setting the mode that it already has is refused.
    if not has.throughput.items() <= target.items():
        efs.update_file_system(FileSystemId=identity, **has.throughput)
        with terminal.waiting(f"changing the throughput of {identity} …"):
            while (file_system(account, identity) or {}).get("LifeCycleState") == "updating":
                time.sleep(_POLL_SECONDS)
    # Afterwards, as only elastic throughput allows Archive: https://github.com/aws/aws-cdk/pull/33713
    efs.put_lifecycle_configuration(FileSystemId=identity, LifecyclePolicies=has.lifecycle)
    if has.tags:
        efs.tag_resource(ResourceId=identity, Tags=has.tags)


def _policy(efs: Client, identity: str) -> str:
    try:
        return str(efs.describe_file_system_policy(FileSystemId=identity)["Policy"])
    except ClientError as error:
        if code(error) != "PolicyNotFound":
            raise
        return ""
