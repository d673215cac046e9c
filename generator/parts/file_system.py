"""The EFS file system of the packages."""

from __future__ import annotations

from troposphere import Sub, Tags
from troposphere.efs import BackupPolicy, FileSystem, LifecyclePolicy

from generator import conditions, settings
from generator.language.retention import RETAIN_EXCEPT_ON_CREATE
from generator.language.wiring import Expression, Stack
from generator.parts.backups import vault_tag
from generator.parts.only_tls import ONLY_TLS
from generator.parts.tags import tags


def file_system_arn(file_system: Expression) -> Sub:
    """The ARN of the file system with the ID ``file_system``, which may be one that EFS knows only by its ID."""
    return Sub(
        "arn:${AWS::Partition}:elasticfilesystem:${AWS::Region}:${AWS::AccountId}:file-system/${FileSystemId}",
        FileSystemId=file_system,
    )


def new_file_system(stack: Stack) -> FileSystem:
    """Encrypted, open only to TLS clients with a role that may mount it; exists only if the operator has none.

    Changing the key replaces it, which `deploy` and the stack policy refuse. So would PerformanceMode, which is not a
    parameter.
    """
    there = stack.when(conditions.HAS_NEW_FILE_SYSTEM)
    days_to_ia = stack.if_(
        conditions.IS_ONE_DAY_LIFECYCLE,
        "AFTER_1_DAY",
        Sub("AFTER_${Days}_DAYS", Days=stack.take(settings.EFS_LIFECYCLE_POLICY)),
    )
    days_to_archive = Sub("AFTER_${Days}_DAYS", Days=stack.take(settings.EFS_ARCHIVE_POLICY))
    return stack.add(
        FileSystem(
            "FileSystem",
            **RETAIN_EXCEPT_ON_CREATE,
            Condition=there,
            Encrypted=True,
            KmsKeyId=stack.if_(conditions.HAS_FILE_SYSTEM_KEY, settings.EFS_KMS_KEY_ARN),
            PerformanceMode="generalPurpose",
            ThroughputMode=stack.take(settings.EFS_THROUGHPUT_MODE),
            ProvisionedThroughputInMibps=stack.if_(conditions.IS_PROVISIONED, settings.EFS_PROVISIONED_THROUGHPUT),
            LifecyclePolicies=[
                stack.if_(conditions.HAS_LIFECYCLE, LifecyclePolicy(TransitionToIA=days_to_ia)),
                stack.if_(conditions.HAS_ARCHIVE, LifecyclePolicy(TransitionToArchive=days_to_archive)),
            ],
            # The plan of parts/backups.py backs it up; EFS's own would be a second one that cannot be deleted.
            BackupPolicy=BackupPolicy(Status="DISABLED"),
            FileSystemPolicy=ONLY_TLS,
            FileSystemTags=tags(stack, "packages") + Tags(vault_tag()),
        )
    )
