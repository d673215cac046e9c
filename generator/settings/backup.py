"""Backups of the packages."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import KEY_ARN, SWITCH, VAULT_ARN, optional

LOCK_GRACE_DAYS = 7
"""Days in which a compliance lock can still be removed; AWS requires at least 3.

https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
"""

ENABLE_EFS_BACKUP = Setting(
    name="EnableEfsBackup",
    label="Backups",
    description="Vault, plan and selection of AWS Backup.",
    default="true",
    values=SWITCH,
)
BACKUP_SCHEDULE = Setting(
    name="BackupSchedule",
    label="Schedule",
    description="Cron expression, UTC.",
    default="cron(0 2 * * ? *)",
    pattern=r"^cron\(\S+( \S+){5}\)$",
    constraint="must be cron( with six fields ), e.g. cron(0 2 * * ? *)",
)
BACKUP_RETENTION_DAYS = Setting(
    name="BackupRetentionDays",
    label="Days to keep a scheduled backup",
    description="1 to 36500.",
    default="7",
    type="Number",
    minimum=1,
    maximum=36500,
)
BACKUP_WEEKLY_RETENTION_DAYS = Setting(
    name="BackupWeeklyRetentionDays",
    label="Days to keep a weekly backup",
    description="Made on Sundays at 02:00 UTC. 0: none.",
    default="0",
    type="Number",
    minimum=0,
    maximum=36500,
)
BACKUP_MONTHLY_RETENTION_DAYS = Setting(
    name="BackupMonthlyRetentionDays",
    label="Days to keep a monthly backup",
    description="Made on the first of the month at 02:00 UTC. 0: none.",
    default="0",
    type="Number",
    minimum=0,
    maximum=36500,
)
BACKUP_COPY_VAULT_ARN = Setting(
    name="BackupCopyVaultArn",
    label="Vault for copies",
    description="In another region or account; every backup is copied there and kept as long. Empty: no copies.",
    default="",
    pattern=optional(VAULT_ARN),
    constraint="must be the ARN of a backup vault, or empty",
)
BACKUP_KMS_KEY_ARN = Setting(
    name="BackupKmsKeyArn",
    label="KMS key of the vault",
    description="Fixed when the vault is created: a change is refused, as it would leave the backups behind. Empty: the AWS managed key.",
    default="",
    pattern=optional(KEY_ARN),
    constraint="must be the ARN of a KMS key, not of an alias, or empty",
)
BACKUP_VAULT_LOCK = Setting(
    name="BackupVaultLock",
    label="Vault lock",
    description=(
        f"governance: nobody deletes a backup early unless allowed to remove the lock. compliance: {LOCK_GRACE_DAYS} days after "
        "this is set nobody can, not even AWS, and the lock can never be removed or changed."
    ),
    default="none",
    values=("none", "governance", "compliance"),
)
BACKUP_LOCK_MIN_DAYS = Setting(
    name="BackupLockMinDays",
    label="Minimum retention under the lock (days)",
    description="A backup that would be kept for fewer days fails, so choose no more than the retention above. 1 to 36500.",
    default="1",
    type="Number",
    minimum=1,
    maximum=36500,
)
BACKUPS_FORCE_DESTROY = Setting(
    name="BackupsForceDestroy",
    label="Delete backups with the stack",
    description="true: recovery points and vault are deleted, which no lock admits. false: they stay.",
    default="false",
    values=SWITCH,
)

BACKUP = Group(
    "Backup",
    (
        ENABLE_EFS_BACKUP,
        BACKUP_SCHEDULE,
        BACKUP_RETENTION_DAYS,
        BACKUP_WEEKLY_RETENTION_DAYS,
        BACKUP_MONTHLY_RETENTION_DAYS,
        BACKUP_COPY_VAULT_ARN,
        BACKUP_KMS_KEY_ARN,
        BACKUP_VAULT_LOCK,
        BACKUP_LOCK_MIN_DAYS,
        BACKUPS_FORCE_DESTROY,
    ),
)
