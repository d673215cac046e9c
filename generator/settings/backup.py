"""Backups of the packages."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import SWITCH

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
    label="Days to keep a backup",
    description="1 to 36500.",
    default="7",
    type="Number",
    minimum=1,
    maximum=36500,
)
BACKUPS_FORCE_DESTROY = Setting(
    name="BackupsForceDestroy",
    label="Delete backups with the stack",
    description="true: recovery points and vault are deleted. false: they stay.",
    default="false",
    values=SWITCH,
)

BACKUP = Group("Backup", (ENABLE_EFS_BACKUP, BACKUP_SCHEDULE, BACKUP_RETENTION_DAYS, BACKUPS_FORCE_DESTROY))
