"""Where the packages live and how they survive: file system, access point, mount targets, backups."""

from __future__ import annotations

from dataclasses import dataclass

from awacs import backup as backup_actions
from awacs import elasticfilesystem, ssmmessages
from awacs.aws import Action, Allow, Bool, Condition, Deny, Principal, Statement, StringEquals
from troposphere import GetAtt, If, Join, NoValue, Ref, Select, Split, Sub
from troposphere.backup import (
    BackupPlan,
    BackupPlanResourceType,
    BackupRuleResourceType,
    BackupSelection,
    BackupSelectionResourceType,
    BackupVault,
    LifecycleResourceType,
)
from troposphere.efs import (
    AccessPoint,
    BackupPolicy,
    CreationInfo,
    FileSystem,
    LifecyclePolicy,
    MountTarget,
    PosixUser,
    RootDirectory,
)
from troposphere.iam import Policy, Role

from generator import conditions, kinds, settings
from generator.language.retention import RETAIN
from generator.language.wiring import Expression, Stack, Wire, after, layer
from generator.parts.cleaners import FORCE_DESTROY, Cleaner, cleaner
from generator.parts.iam import ECS_TASKS, document, managed, role
from generator.parts.lists import SUBNETS
from generator.parts.tags import tag_map, tags

PYPISERVER_ID = "9898"
"""User and group of the pypiserver image."""


@dataclass(frozen=True, kw_only=True)
class Storage:
    file_system: Wire[kinds.FileSystemId]
    access_point: Wire[kinds.AccessPointId]
    task_role: Wire[kinds.RoleArn]


@layer
def storage(stack: Stack, *, file_system_group: Wire[kinds.SecurityGroupId]) -> Storage:
    file_system = If(
        stack.when(conditions.HAS_NEW_FILE_SYSTEM),
        Ref(_file_system(stack)),
        stack.take(settings.EXISTING_FILE_SYSTEM_ID),
    )
    arn = Sub(
        "arn:${AWS::Partition}:elasticfilesystem:${AWS::Region}:${AWS::AccountId}:file-system/${FileSystemId}",
        FileSystemId=file_system,
    )
    mount_targets = _mount_targets(stack, file_system, stack.take(file_system_group))
    access_point = stack.add(
        AccessPoint(
            "AccessPoint",
            FileSystemId=file_system,
            PosixUser=PosixUser(Uid=PYPISERVER_ID, Gid=PYPISERVER_ID),
            RootDirectory=RootDirectory(
                Path=stack.take(settings.PACKAGES_PATH),
                CreationInfo=CreationInfo(OwnerUid=PYPISERVER_ID, OwnerGid=PYPISERVER_ID, Permissions="0755"),
            ),
            AccessPointTags=tags(stack, "packages"),
        )
    )
    task_role = _task_role(stack, arn, GetAtt(access_point, "Arn"))
    _backup(stack, arn)
    return Storage(
        file_system=stack.offer("FileSystemId", file_system, "File system of the packages."),
        access_point=stack.offer(
            "AccessPointId",
            # Nothing can be mounted before the mount targets are there.
            after(Ref(access_point), *mount_targets),
            "Access point of the packages' directory.",
        ),
        task_role=stack.offer("TaskRoleArn", GetAtt(task_role, "Arn"), "Role of the pypiserver tasks."),
    )


def _file_system(stack: Stack) -> FileSystem:
    """Encrypted under the AWS managed key, open only to TLS clients with a role that may mount it.

    KmsKeyId and PerformanceMode are not parameters, as a change of either replaces the file system.
    """
    only_tls = Statement(
        Sid="DenyUnencryptedTransport",
        Effect=Deny,
        Principal=Principal("AWS", "*"),
        Action=[Action("*")],
        Resource=["*"],
        Condition=Condition(Bool("aws:SecureTransport", "false")),
    )
    days_to_ia = If(
        stack.when(conditions.IS_ONE_DAY_LIFECYCLE),
        "AFTER_1_DAY",
        Sub("AFTER_${Days}_DAYS", Days=stack.take(settings.EFS_LIFECYCLE_POLICY)),
    )
    days_to_archive = Sub("AFTER_${Days}_DAYS", Days=stack.take(settings.EFS_ARCHIVE_POLICY))
    return stack.add(
        FileSystem(
            "FileSystem",
            **RETAIN,
            Condition=stack.when(conditions.HAS_NEW_FILE_SYSTEM),
            Encrypted=True,
            PerformanceMode="generalPurpose",
            ThroughputMode=stack.take(settings.EFS_THROUGHPUT_MODE),
            ProvisionedThroughputInMibps=If(
                stack.when(conditions.IS_PROVISIONED), stack.take(settings.EFS_PROVISIONED_THROUGHPUT), NoValue
            ),
            LifecyclePolicies=[
                If(stack.when(conditions.HAS_LIFECYCLE), LifecyclePolicy(TransitionToIA=days_to_ia), NoValue),
                If(stack.when(conditions.HAS_ARCHIVE), LifecyclePolicy(TransitionToArchive=days_to_archive), NoValue),
            ],
            # The plan below backs it up; EFS's own would be a second one that cannot be deleted.
            BackupPolicy=BackupPolicy(Status="DISABLED"),
            FileSystemPolicy=document(only_tls),
            FileSystemTags=tags(stack, "packages"),
        )
    )


def _mount_targets(stack: Stack, file_system: Expression, group: Expression) -> list[Expression]:
    """One in each of the hosts' subnets, which have to be in different Availability Zones; gives their IDs."""
    wanted = conditions.HAS_MOUNT_TARGETS
    targets: list[Expression] = []
    for slot in SUBNETS.of(stack):
        here = (
            wanted
            if slot.index == 1
            else conditions.both(f"HasMountTarget{slot.index}", wanted, SUBNETS.has(slot.index))
        )
        target = stack.add(
            MountTarget(
                f"MountTarget{slot.index}",
                Condition=stack.when(here),
                FileSystemId=file_system,
                SubnetId=slot.value,
                SecurityGroups=[group],
            )
        )
        targets.append(If(stack.when(here), Ref(target), ""))
    return targets


def _task_role(stack: Stack, file_system_arn: Expression, access_point_arn: Expression) -> Role:
    """May read and write files through the access point, over TLS, and nothing else; no root access."""
    mount = Statement(
        Effect=Allow,
        Action=[elasticfilesystem.ClientMount, elasticfilesystem.ClientWrite],
        Resource=[file_system_arn],
        Condition=Condition(
            [
                StringEquals("elasticfilesystem:AccessPointArn", access_point_arn),
                Bool("aws:SecureTransport", "true"),
            ]
        ),
    )
    # These four actions know no resources:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions
    channels = Statement(
        Effect=Allow,
        Action=[
            ssmmessages.CreateControlChannel,
            ssmmessages.CreateDataChannel,
            ssmmessages.OpenControlChannel,
            ssmmessages.OpenDataChannel,
        ],
        Resource=["*"],
    )
    return role(
        stack,
        "TaskRole",
        "tasks",
        trusted=ECS_TASKS,
        policies=[
            Policy(PolicyName="packages", PolicyDocument=document(mount)),
            If(
                stack.when(conditions.IS_EXECUTE_COMMAND),
                Policy(PolicyName="execute-command", PolicyDocument=document(channels)),
                NoValue,
            ),
        ],
    )


def _backup(stack: Stack, file_system_arn: Expression) -> None:
    """A daily backup into a vault of its own, which stays with its recovery points unless told otherwise."""
    enabled = stack.when(conditions.HAS_BACKUP)
    destroyed = stack.when(conditions.IS_VAULT_DESTROYED)
    # Unique to the stack, and the same for all of its life: a new name would be a new vault.
    stack_uuid = Select(2, Split("/", Ref("AWS::StackId")))
    vault = stack.add(
        BackupVault(
            "BackupVault",
            **RETAIN,
            # There also while EnableEfsBackup is false: a retained vault would be in the way of a new one.
            BackupVaultName=Join("-", ["packages", stack_uuid]),
            BackupVaultTags={**tag_map(stack, "backups"), FORCE_DESTROY: stack.take(settings.BACKUPS_FORCE_DESTROY)},
        )
    )
    # The ARN of a recovery point does not name its vault.
    recovery_points = Sub("arn:${AWS::Partition}:backup:${AWS::Region}:${AWS::AccountId}:recovery-point:*")
    vault_cleaner = cleaner(
        stack,
        Cleaner(
            resource="VaultCleaner",
            function="VaultCleanerFunction",
            role="VaultCleanerRole",
            logs="VaultCleanerLogs",
            noun="vault-cleaner",
        ),
        destroyed,
        {"BackupVaultName": Ref(vault)},
        Statement(
            Effect=Allow,
            Action=[
                backup_actions.DescribeBackupVault,
                backup_actions.ListTags,
                backup_actions.ListRecoveryPointsByBackupVault,
                backup_actions.DeleteBackupVault,
            ],
            Resource=[GetAtt(vault, "BackupVaultArn")],
        ),
        Statement(
            Effect=Allow,
            Action=[backup_actions.DeleteRecoveryPoint],
            Resource=[recovery_points],
        ),
    )
    plan = stack.add(
        BackupPlan(
            "BackupPlan",
            Condition=enabled,
            BackupPlan=BackupPlanResourceType(
                BackupPlanName=Join("-", [stack.take(settings.SERVICE_NAME), "packages"]),
                BackupPlanRule=[
                    BackupRuleResourceType(
                        RuleName="daily_backup",
                        # Deleted before the cleaner empties the vault.
                        TargetBackupVault=after(Ref(vault), If(destroyed, Ref(vault_cleaner), "")),
                        ScheduleExpression=stack.take(settings.BACKUP_SCHEDULE),
                        StartWindowMinutes=60,
                        CompletionWindowMinutes=180,
                        Lifecycle=LifecycleResourceType(DeleteAfterDays=stack.take(settings.BACKUP_RETENTION_DAYS)),
                        RecoveryPointTags=tag_map(stack, "backups"),
                    )
                ],
            ),
            BackupPlanTags=tag_map(stack, "backups"),
        )
    )
    backup_role = role(
        stack,
        "BackupRole",
        "backups",
        trusted="backup.amazonaws.com",
        managed_policies=[
            managed("service-role/AWSBackupServiceRolePolicyForBackup"),
            managed("service-role/AWSBackupServiceRolePolicyForRestores"),
        ],
        condition=enabled,
    )
    stack.add(
        BackupSelection(
            "BackupSelection",
            Condition=enabled,
            BackupPlanId=Ref(plan),
            BackupSelection=BackupSelectionResourceType(
                SelectionName="packages", IamRoleArn=GetAtt(backup_role, "Arn"), Resources=[file_system_arn]
            ),
        )
    )
