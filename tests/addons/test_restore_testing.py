"""The tests of the backups: of what, how often, by whom, and that a failed one is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployments import Editions
from resolve import PLACES, Data, Evaluation, Place

from generator.addons.restore_testing import FILE_SYSTEM_ID, VAULT_NAME
from generator.build.validators import REGIONS, REGIONS_OF
from generator.parts import backups

GIVEN = {"FileSystemId": "fs-0123456789abcdef0", "BackupVaultName": "packages-0a1b2c3d"}


def resources(editions: Editions, place: Place = PLACES[0]) -> Data:
    return Evaluation(editions.templates["restore-testing.yaml"], GIVEN, place).resources


def test_what_it_asks_for_are_outputs_of_the_servers_stack(editions: Editions) -> None:
    template = editions.templates["restore-testing.yaml"]
    required = {name for name, it in template["Parameters"].items() if "Default" not in it}
    assert required == {FILE_SYSTEM_ID.name, VAULT_NAME.name}
    assert required <= editions.parent["Outputs"].keys()
    assert required <= editions.single_file["Outputs"].keys()


def test_the_newest_backup_of_our_vault_is_restored_and_nothing_else(editions: Editions) -> None:
    found = resources(editions)
    plan, selection = (found[f"RestoreTesting{name}"]["Properties"] for name in ("Plan", "Selection"))
    place = PLACES[0]
    where = f"{place.region}:{place.account}"
    assert plan["RecoveryPointSelection"]["IncludeVaults"] == [
        f"arn:{place.partition}:backup:{where}:backup-vault:{GIVEN['BackupVaultName']}"
    ]
    assert plan["RecoveryPointSelection"]["Algorithm"] == "LATEST_WITHIN_WINDOW"
    assert plan["RecoveryPointSelection"]["SelectionWindowDays"] > 31, "a BackupSchedule may be of once a month"
    # Continuous ones are not of EFS: https://docs.aws.amazon.com/aws-backup/latest/devguide/point-in-time-recovery.html
    assert plan["RecoveryPointSelection"]["RecoveryPointTypes"] == ["SNAPSHOT"]
    assert selection["ValidationWindowHours"] == 1, "after which the restored file system is deleted"
    assert re.fullmatch("[A-Za-z0-9_]+", plan["RestoreTestingPlanName"]), "what AWS Backup takes for a name"
    assert selection["RestoreTestingPlanName"] == "<RestoreTestingPlan>"
    assert selection["ProtectedResourceType"] == "EFS"
    assert selection["ProtectedResourceArns"] == [
        f"arn:{place.partition}:elasticfilesystem:{where}:file-system/{GIVEN['FileSystemId']}"
    ]
    assert plan["StartWindowHours"] * 60 >= backups.START_WINDOW


def test_the_role_restores_and_cannot_back_up(editions: Editions) -> None:
    role = resources(editions)["RestoreRole"]["Properties"]
    (policy,) = role["ManagedPolicyArns"]
    assert policy.endswith(":policy/service-role/AWSBackupServiceRolePolicyForRestores")


def test_it_is_validated_where_its_types_are(editions: Editions) -> None:
    """And is a template of its own because elsewhere they are not."""
    kinds = {it["Type"] for it in resources(editions).values() if it["Type"].startswith("AWS::Backup")}
    regions = REGIONS_OF["restore-testing.yaml"]

    def lacking(region: str) -> set[str]:
        known = PROVIDER_SCHEMA_MANAGER.get_resource_types(region)
        return {kind for kind in kinds if kind not in known}

    assert not set().union(*(lacking(region) for region in regions))
    assert all(lacking(region) for region in REGIONS if region not in regions)


@pytest.mark.parametrize("page", ["runbooks/backups.md"])
def test_the_page_that_shows_it_names_both_outputs(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    (command,) = re.findall(
        r"aws cloudformation deploy --template-file templates/restore-testing.yaml[\s\S]+?```", text
    )
    assert {f"{name}=" for name in GIVEN} <= set(re.findall(r"\w+=", command))
