"""Tests of the backups: AWS Backup restores one into a separate file system, and deletes that again.

A separate template, as some regions lack the types; its description names them.
https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html
"""

from __future__ import annotations

from troposphere import GetAtt, Join, Ref, Select, Split, Sub, Template
from troposphere.backup import RestoreTestingPlan, RestoreTestingRecoveryPointSelection, RestoreTestingSelection

from generator import settings
from generator.language.editions import Form, Single
from generator.language.wiring import Group, Setting, Stack
from generator.parts.descriptions import DESCRIPTIONS
from generator.parts.file_system import file_system_arn
from generator.parts.iam import managed, role
from generator.parts.tags import tags

FILE_SYSTEM_ID = Setting(
    name="FileSystemId",
    label="File system of the packages",
    description="Output FileSystemId of the server's stack.",
    pattern="^fs-[0-9a-f]{8,17}$",
    constraint="must be the output FileSystemId of the server's stack",
)
VAULT_NAME = Setting(
    name="BackupVaultName",
    label="Vault of the backups",
    description="Output BackupVaultName of the server's stack.",
    pattern="^[A-Za-z0-9_-]{2,50}$",
    constraint="must be the output BackupVaultName of the server's stack",
)
SCHEDULE = Setting(
    name="RestoreTestSchedule",
    label="Schedule",
    description="Cron expression, UTC. A restored file system is billed until it is deleted, within the day.",
    default="cron(0 6 ? * WED *)",
    pattern=settings.BACKUP_SCHEDULE.pattern,
    constraint="must be cron( with six fields ), e.g. cron(0 6 ? * WED *)",
)
_FORM = Form(
    groups=(
        Group(settings.REQUIRED.label, (FILE_SYSTEM_ID, VAULT_NAME)),
        Group("Tests", (SCHEDULE,)),
        Group(settings.NAMING.label, (settings.SERVICE_NAME, settings.ENVIRONMENT)),
        Group(settings.PROTECTION.label, (settings.PERMISSIONS_BOUNDARY_ARN,)),
    )
)
_DESCRIPTION = (
    f"{DESCRIPTIONS['restore-testing.yaml']}. Not in ap-southeast-5, ap-southeast-7, cn-north-1, "
    "cn-northwest-1, us-gov-east-1 and us-gov-west-1, which lack its resource types"
)
_WINDOW_HOURS = 8
_NEWEST_OF_DAYS = 35
"""A month and its start window: if nothing is backed up in these days, nothing is tested, and nobody hears of it."""


def restore_testing() -> dict[str, Template]:
    """The template by its file name; rule FailedRestore of the server's own stack reports a failed test."""
    edition = Single("restore-testing.yaml", _DESCRIPTION, _FORM)
    stack = edition.stack("RestoreTesting", "")
    restorer = role(
        stack,
        "RestoreRole",
        "restore-tests",
        trusted="backup.amazonaws.com",
        managed_policies=[managed("service-role/AWSBackupServiceRolePolicyForRestores")],
    )
    plan = stack.add(
        RestoreTestingPlan(
            "RestoreTestingPlan",
            # Neither hyphens nor a generated name: AWS Backup takes letters, digits and underscores.
            RestoreTestingPlanName=Join("_", ["packages", *_stack_uuid()]),
            ScheduleExpression=stack.take(SCHEDULE),
            StartWindowHours=_WINDOW_HOURS,
            RecoveryPointSelection=RestoreTestingRecoveryPointSelection(
                Algorithm="LATEST_WITHIN_WINDOW",
                IncludeVaults=[_vault_arn(stack)],
                RecoveryPointTypes=["SNAPSHOT"],
                SelectionWindowDays=_NEWEST_OF_DAYS,
            ),
            Tags=tags(stack, "restore-tests"),
        )
    )
    stack.add(
        RestoreTestingSelection(
            "RestoreTestingSelection",
            RestoreTestingPlanName=Ref(plan),
            RestoreTestingSelectionName="packages",
            ProtectedResourceType="EFS",
            ProtectedResourceArns=[file_system_arn(stack.take(FILE_SYSTEM_ID))],
            IamRoleArn=GetAtt(restorer, "Arn"),
            ValidationWindowHours=1,
        )
    )
    return edition.templates()


def _stack_uuid() -> list[Select]:
    """The first two groups of the stack's UUID."""
    uuid = Select(2, Split("/", Ref("AWS::StackId")))
    return [Select(index, Split("-", uuid)) for index in (0, 1)]


def _vault_arn(stack: Stack) -> Sub:
    return Sub(
        "arn:${AWS::Partition}:backup:${AWS::Region}:${AWS::AccountId}:backup-vault:${Vault}",
        Vault=stack.take(VAULT_NAME),
    )
