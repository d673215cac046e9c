"""Backups of the packages on schedules, in their own vault, and their copies in another."""

from __future__ import annotations

from awacs import backup as backup_actions
from awacs import iam as iam_actions
from awacs.aws import Allow, Condition, Statement, StringEquals
from troposphere import GetAtt, Join, Ref, Select, Split, Sub
from troposphere.backup import (
    BackupPlan,
    BackupPlanResourceType,
    BackupRuleResourceType,
    BackupSelection,
    BackupSelectionResourceType,
    BackupVault,
    CopyActionResourceType,
    LifecycleResourceType,
    LockConfigurationType,
)
from troposphere.iam import Role

from generator import conditions, settings
from generator.language.retention import RETAIN_EXCEPT_ON_CREATE
from generator.language.wiring import Expression, Setting, Stack, after
from generator.parts.cleaners import FORCE_DESTROY, cleaner
from generator.parts.data_bearing import VAULT_TAG
from generator.parts.iam import managed, role
from generator.parts.tags import tag_map

START_WINDOW = 8 * 60
COMPLETION_WINDOW = 7 * 24 * 60
"""Minutes, AWS Backup's own defaults. A backup that is not complete by then is cancelled; the first one of a file system
copies all of it, at 100 MB/s or 500 small files a second.

https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html
"""


def backups(stack: Stack, file_system_arn: Expression) -> BackupVault:
    """The vault, which stays with its recovery points unless told otherwise; and what fills it."""
    # Declared here, before everything that follows uses it.
    enabled = stack.when(conditions.HAS_BACKUP)
    vault = _vault(stack)
    backup_role = role(
        stack,
        "BackupRole",
        "backups",
        trusted="backup.amazonaws.com",
        managed_policies=[
            managed("service-role/AWSBackupServiceRolePolicyForBackup"),
            managed("service-role/AWSBackupServiceRolePolicyForRestores"),
        ],
        condition=conditions.HAS_BACKUP,
    )
    # No more backups may arrive while the cleaner empties the vault.
    plan = _plan(stack, after(Ref(vault), _vault_cleaner(stack, vault)), backup_role)
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
    return vault


def _vault_name() -> Join:
    """Unique to the stack, and the same for its whole life: a new name would be a new vault."""
    return Join("-", ["packages", Select(2, Split("/", Ref("AWS::StackId")))])


def vault_tag() -> dict[str, Expression]:
    """The tag of recovery points that the cleaner may delete; neither their ARN nor a condition of IAM ties them to a vault.

    On the file system too: recovery points inherit its tags, including those of a job that somebody starts by hand.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/recovery-points.html
    """
    return {VAULT_TAG: _vault_name()}


def _vault(stack: Stack) -> BackupVault:
    """Exists even while EnableEfsBackup is false: a retained vault would block a new one of its name.

    Changing the key would replace it, and fail because of its name; `deploy` and the stack policy refuse that first.
    """
    lock = LockConfigurationType(
        MinRetentionDays=stack.take(settings.BACKUP_LOCK_MIN_DAYS),
        ChangeableForDays=stack.if_(conditions.IS_LOCK_FINAL, settings.LOCK_GRACE_DAYS),
    )
    return stack.add(
        BackupVault(
            "BackupVault",
            **RETAIN_EXCEPT_ON_CREATE,
            BackupVaultName=_vault_name(),
            EncryptionKeyArn=stack.if_(conditions.HAS_BACKUP_KEY, settings.BACKUP_KMS_KEY_ARN),
            LockConfiguration=stack.if_(conditions.HAS_VAULT_LOCK, lock),
            BackupVaultTags={**tag_map(stack, "backups"), FORCE_DESTROY: stack.take(settings.BACKUPS_FORCE_DESTROY)},
        )
    )


def _vault_cleaner(stack: Stack, vault: BackupVault) -> Expression:
    # The ARN of a recovery point does not name its vault.
    recovery_points = Sub("arn:${AWS::Partition}:backup:${AWS::Region}:${AWS::AccountId}:recovery-point:*")
    return cleaner(
        stack,
        "VaultCleaner",
        conditions.IS_VAULT_DESTROYED,
        {"BackupVaultName": Ref(vault)},
        Statement(
            Effect=Allow,
            Action=[
                backup_actions.ListTags,
                backup_actions.ListRecoveryPointsByBackupVault,
                backup_actions.DeleteBackupVault,
            ],
            Resource=[GetAtt(vault, "BackupVaultArn")],
        ),
        # Whether the vault exists at all; it cannot be limited to one.
        Statement(Effect=Allow, Action=[backup_actions.ListBackupVaults], Resource=["*"]),
        Statement(Effect=Allow, Action=[backup_actions.ListTags], Resource=[recovery_points]),
        Statement(
            Effect=Allow,
            Action=[backup_actions.DeleteRecoveryPoint],
            Resource=[recovery_points],
            Condition=Condition(StringEquals(f"aws:ResourceTag/{VAULT_TAG}", _vault_name())),
        ),
        # Otherwise AWS Backup claims to delete a recovery point, but lets it expire and stay:
        # https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteRecoveryPoint.html
        Statement(
            Effect=Allow,
            Action=[iam_actions.CreateServiceLinkedRole],
            Resource=[
                Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/backup.amazonaws.com/*"),
            ],
        ),
    )


def _plan(stack: Stack, vault: Expression, backup_role: Role) -> BackupPlan:
    """After ``backup_role``: AWS Backup refuses a selection whose role it does not see yet.

    If the start windows of several rules overlap, AWS Backup makes one backup, for the rule that keeps it longest.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/plan-options-and-configuration.html
    https://github.com/hashicorp/terraform-provider-aws/issues/9297
    """

    def rule(name: str, schedule: Expression, days: Setting) -> BackupRuleResourceType:
        lifecycle = LifecycleResourceType(DeleteAfterDays=stack.take(days))
        copy = CopyActionResourceType(
            DestinationBackupVaultArn=stack.take(settings.BACKUP_COPY_VAULT_ARN), Lifecycle=lifecycle
        )
        return BackupRuleResourceType(
            RuleName=name,
            TargetBackupVault=vault,
            ScheduleExpression=schedule,
            StartWindowMinutes=START_WINDOW,
            CompletionWindowMinutes=COMPLETION_WINDOW,
            Lifecycle=lifecycle,
            CopyActions=stack.if_(conditions.HAS_BACKUP_COPY, [copy]),
            RecoveryPointTags={**tag_map(stack, "backups"), **vault_tag()},
        )

    weekly = rule("weekly_backup", "cron(0 2 ? * SUN *)", settings.BACKUP_WEEKLY_RETENTION_DAYS)
    monthly = rule("monthly_backup", "cron(0 2 1 * ? *)", settings.BACKUP_MONTHLY_RETENTION_DAYS)
    return stack.add(
        BackupPlan(
            "BackupPlan",
            DependsOn=[backup_role.title],
            Condition=stack.when(conditions.HAS_BACKUP),
            BackupPlan=BackupPlanResourceType(
                BackupPlanName=Join("-", [stack.take(settings.SERVICE_NAME), "packages"]),
                BackupPlanRule=[
                    rule("daily_backup", stack.take(settings.BACKUP_SCHEDULE), settings.BACKUP_RETENTION_DAYS),
                    stack.if_(conditions.HAS_WEEKLY_BACKUP, weekly),
                    stack.if_(conditions.HAS_MONTHLY_BACKUP, monthly),
                ],
            ),
            BackupPlanTags=tag_map(stack, "backups"),
        )
    )
