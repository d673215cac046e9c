"""Backups of the packages."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import KEY_ARN, SWITCH, VAULT_ARN, optional, whole_number

LOCK_GRACE_DAYS = 7
"""Days in which a compliance lock can still be removed; AWS requires at least 3.

https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
"""

_MOST_DAYS = 36500
_DAYS = f"^({whole_number(1, _MOST_DAYS)})$"
"""Not a Number, which may be 7.5, or 0.0 where 0 means none."""
_CRON = (
    r"^cron\([0-9,*/-]+ [0-9,*/-]+ "
    r"(\? [0-9A-Za-z,*/-]+ [0-9A-Za-z,*/L#-]+|[0-9,*/LW-]+ [0-9A-Za-z,*/-]+ \?) [0-9,*/-]+\)$"
)
"""Of the days of the month and those of the week, one is a question mark.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
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
    pattern=_CRON,
    constraint="must be cron( with six fields ), e.g. cron(0 2 * * ? *): ? either for the days of the month or for those of the week",
)
BACKUP_RETENTION_DAYS = Setting(
    name="BackupRetentionDays",
    label="Days to keep a scheduled backup",
    description=f"1 to {_MOST_DAYS}.",
    default="7",
    pattern=_DAYS,
    constraint=f"must be a whole number from 1 to {_MOST_DAYS}",
)
BACKUP_WEEKLY_RETENTION_DAYS = Setting(
    name="BackupWeeklyRetentionDays",
    label="Days to keep a weekly backup",
    description="Made on Sundays at 02:00 UTC. 0: none.",
    default="0",
    pattern=f"^({whole_number(0, _MOST_DAYS)})$",
    constraint=f"must be a whole number from 0 to {_MOST_DAYS}",
)
BACKUP_MONTHLY_RETENTION_DAYS = Setting(
    name="BackupMonthlyRetentionDays",
    label="Days to keep a monthly backup",
    description="Made on the first of the month at 02:00 UTC. 0: none.",
    default="0",
    pattern=f"^({whole_number(0, _MOST_DAYS)})$",
    constraint=f"must be a whole number from 0 to {_MOST_DAYS}",
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
    description=f"A backup that would be kept for fewer days fails, so choose no more than the retention above. 1 to {_MOST_DAYS}.",
    default="1",
    pattern=_DAYS,
    constraint=f"must be a whole number from 1 to {_MOST_DAYS}",
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
