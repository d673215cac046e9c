"""What backs the packages up: when, for how long, where, under which key, and who may delete it."""

from __future__ import annotations

import pytest
from deployments import DEFAULTS, Editions, everything, extras, of_type
from resolve import Data, Values

COPIES = extras()["BackupCopyVaultArn"]
LONGER = {"BackupWeeklyRetentionDays": "35", "BackupMonthlyRetentionDays": "400"}


def of(editions: Editions, title: str, values: Values = DEFAULTS) -> Data:
    properties: Data = editions.nested(values).resources[title]["Properties"]
    return properties


def rules(editions: Editions, values: Values = DEFAULTS) -> dict[str, Data]:
    return {it["RuleName"]: it for it in of(editions, "BackupPlan", values)["BackupPlan"]["BackupPlanRule"]}


@pytest.mark.parametrize("values", [DEFAULTS, everything()], ids=["defaults", "everything"])
def test_one_plan_backs_packages_up(editions: Editions, values: Values) -> None:
    """EFS's own would be a second one, in a vault that cannot be deleted."""
    assert of(editions, "FileSystem", values)["BackupPolicy"] == {"Status": "DISABLED"}
    assert len(of_type(editions.nested(values).resources, "AWS::Backup::BackupPlan")) == 1
    for rule in rules(editions, values).values():
        assert rule["TargetBackupVault"] == "<BackupVault>"
        # In which AWS Backup makes one of two that are due; docs/runbooks/backups.md says so. One that waits for longer expires.
        assert rule["StartWindowMinutes"] == 8 * 60
        assert rule["CompletionWindowMinutes"] > rule["StartWindowMinutes"]


def test_a_backup_of_a_large_file_system_may_take_days(editions: Editions) -> None:
    """10 TiB at 100 MB/s take 30 hours; what is not complete by then is cancelled.

    https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html
    """
    assert rules(editions)["daily_backup"]["CompletionWindowMinutes"] >= 2 * 24 * 60


def test_one_daily_backup_by_default_as_in_the_first_release(editions: Editions) -> None:
    """What a stack of 1.0.0 has: the vault is neither locked nor of another key, and nothing is copied."""
    (rule,) = rules(editions).values()
    assert (rule["RuleName"], rule["Lifecycle"]) == ("daily_backup", {"DeleteAfterDays": "7"})
    assert "CopyActions" not in rule
    assert not {"EncryptionKeyArn", "LockConfiguration"} & of(editions, "BackupVault").keys()
    assert "KmsKeyId" not in of(editions, "FileSystem")


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"BackupWeeklyRetentionDays": "35"}, {"daily_backup": "7", "weekly_backup": "35"}),
        ({"BackupMonthlyRetentionDays": "400"}, {"daily_backup": "7", "monthly_backup": "400"}),
        (LONGER, {"daily_backup": "7", "weekly_backup": "35", "monthly_backup": "400"}),
    ],
)
def test_backups_that_are_kept_longer(editions: Editions, values: Values, kept: dict[str, str]) -> None:
    found = rules(editions, values)
    assert {name: rule["Lifecycle"]["DeleteAfterDays"] for name, rule in found.items()} == kept
    schedules = {name: rule["ScheduleExpression"].strip("cron()").split() for name, rule in found.items()}
    for name, (_, hour, month_day, _, week_day, _) in schedules.items():
        assert hour.isdigit(), "once in its day"
        expected = {"daily_backup": ("*", "?"), "weekly_backup": ("?", "SUN"), "monthly_backup": ("1", "?")}
        assert (month_day, week_day) == expected[name]


def test_every_backup_is_copied_and_the_copy_kept_as_long(editions: Editions) -> None:
    """A copy without a lifecycle would be kept, and billed, for ever."""
    found = rules(editions, {**LONGER, "BackupCopyVaultArn": COPIES})
    assert len(found) == 3
    for rule in found.values():
        assert rule["CopyActions"] == [{"DestinationBackupVaultArn": COPIES, "Lifecycle": rule["Lifecycle"]}]


@pytest.mark.parametrize(
    ("mode", "lock"),
    [
        ("governance", {"MinRetentionDays": "14"}),
        # AWS asks for three days at least: https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
        ("compliance", {"MinRetentionDays": "14", "ChangeableForDays": 7}),
    ],
)
def test_the_lock_is_final_in_compliance_alone(editions: Editions, mode: str, lock: Data) -> None:
    values = {"BackupVaultLock": mode, "BackupLockMinDays": "14"}
    assert of(editions, "BackupVault", values)["LockConfiguration"] == lock


def test_keys_of_the_operator(editions: Editions) -> None:
    values = {name: extras()[name] for name in ("EfsKmsKeyArn", "BackupKmsKeyArn")}
    assert of(editions, "FileSystem", values)["KmsKeyId"] == values["EfsKmsKeyArn"]
    assert of(editions, "FileSystem", values)["Encrypted"] is True
    assert of(editions, "BackupVault", values)["EncryptionKeyArn"] == values["BackupKmsKeyArn"]


def test_what_the_form_says_of_the_lock(editions: Editions) -> None:
    """The one choice of the form that nobody can take back."""
    said = editions.parent["Parameters"]["BackupVaultLock"]["Description"]
    assert "7 days after this is set nobody can, not even AWS" in said
    assert "can never be removed" in said
