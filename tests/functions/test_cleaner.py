"""What the cleaner deletes, what it keeps, and what its role may do. What AWS refuses: ``test_cleaner_errors.py``."""

from __future__ import annotations

from types import ModuleType

import boto3  # type: ignore[import-untyped] # boto3 has no types
import pytest
from cleaned import BUCKET, GROUP, VAULT, Vault, assert_answer, bucket, group, groups
from custom_resource import CloudFormation
from deployments import Editions

UNMARKED = [{}, {"force-destroy": "false"}, {"force-destroy": "True"}, {"owner": "true"}]
"""Tags that do not let the cleaner delete anything; the second is what turning the option off leaves."""


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_deletes_nothing_before_the_stack_is_deleted(
    request_type: str, service: CloudFormation, index: ModuleType, vault: Vault
) -> None:
    marked = {"force-destroy": "true"}
    it = bucket(marked, objects=1)
    group(marked)
    for properties in ({"BucketName": BUCKET}, {"BackupVaultName": VAULT}, {"AutoScalingGroupName": GROUP}):
        assert_answer(service.ask(index, request_type, properties), "SUCCESS")

    assert len(list(it.object_versions.all())) == 2
    assert vault.requests == []
    assert len(groups()) == 1


def test_empties_a_bucket_of_all_versions(service: CloudFormation, index: ModuleType) -> None:
    """Of more than the thousand that one listing gives, and one request deletes: most of them delete markers."""
    it = bucket({"service": "pypiserver", "force-destroy": "true"}, objects=3)
    it.delete_objects(Delete={"Objects": [{"Key": f"AWSLogs/{number % 3}.gz"} for number in range(999)]})
    assert len(list(it.object_versions.all())) == 7 + 999

    assert_answer(service.ask(index, "Delete", {"BucketName": BUCKET}), "SUCCESS")

    assert boto3.client("s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize("tags", UNMARKED)
def test_keeps_a_bucket_without_the_mark(tags: dict[str, str], service: CloudFormation, index: ModuleType) -> None:
    it = bucket(tags, objects=2)

    assert_answer(service.ask(index, "Delete", {"BucketName": BUCKET}), "SUCCESS")

    assert len(list(it.object_versions.all())) == 5


def test_empties_a_vault(service: CloudFormation, index: ModuleType, vault: Vault) -> None:
    """Across pages, and although recovery points linger: each is asked for once."""
    vault.linger = 3

    assert_answer(service.ask(index, "Delete", {"BackupVaultName": VAULT}), "SUCCESS")

    assert not vault.exists
    deletions = [request for request in vault.requests if request.startswith("DELETE")]
    assert len(deletions) == 5 + 1
    assert deletions[-1] == f"DELETE /backup-vaults/{VAULT}"


@pytest.mark.parametrize("tags", UNMARKED)
def test_keeps_a_vault_without_the_mark(
    tags: dict[str, str], service: CloudFormation, index: ModuleType, vault: Vault
) -> None:
    vault.tags = tags

    assert_answer(service.ask(index, "Delete", {"BackupVaultName": VAULT}), "SUCCESS")

    assert vault.exists
    assert set(vault.points.values()) == {"COMPLETED"}


def test_says_which_recovery_points_are_not_of_its_plan(
    service: CloudFormation, index: ModuleType, vault: Vault
) -> None:
    """The role may not delete them; AWS Backup would answer that it does, and let them expire."""
    vault.untagged = {"arn:aws:ec2:us-east-1::recovery-point:1", "arn:aws:ec2:us-east-1::recovery-point:3"}

    answer = service.ask(index, "Delete", {"BackupVaultName": VAULT})

    assert_answer(answer, "FAILED", "2 recovery points of packages lack the tag backup-vault=packages")
    assert vault.points == dict.fromkeys(vault.untagged, "COMPLETED"), "all others are gone"


def test_says_so_before_its_time_is_up(service: CloudFormation, index: ModuleType, vault: Vault) -> None:
    vault.linger = 1_000_000

    answer = service.ask(index, "Delete", {"BackupVaultName": VAULT}, seconds=59)

    assert_answer(answer, "FAILED", "5 recovery points of packages are still being deleted")
    assert vault.exists


def test_deletes_a_group_whose_hosts_are_protected(service: CloudFormation, index: ModuleType) -> None:
    group({"AmazonECSManaged": "true", "force-destroy": "true"})

    assert_answer(service.ask(index, "Delete", {"AutoScalingGroupName": GROUP}), "SUCCESS")

    assert groups() == []


@pytest.mark.parametrize("tags", UNMARKED)
def test_keeps_a_group_without_the_mark(tags: dict[str, str], service: CloudFormation, index: ModuleType) -> None:
    group(tags)

    assert_answer(service.ask(index, "Delete", {"AutoScalingGroupName": GROUP}), "SUCCESS")

    (kept,) = groups()
    assert len(kept["Instances"]) == 2


ACTIONS = {
    # Where the action that a request needs is not named as the request is.
    "backup:DeleteRecoveryPoint": {"backup:DeleteRecoveryPoint", "iam:CreateServiceLinkedRole"},
    "s3:DeleteObjects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteRecoveryPoint.html
"""
ROLES = {
    "BucketName": ("AccessLogsCleanerRole", {"AccessLogForceDestroy": "true"}),
    "BackupVaultName": ("VaultCleanerRole", {"BackupsForceDestroy": "true"}),
    "AutoScalingGroupName": ("GroupCleanerRole", {"ManagedTerminationProtection": "ENABLED"}),
}


@pytest.mark.parametrize("target", ROLES)
def test_its_role_may_do_what_it_does_and_nothing_else(
    target: str,
    service: CloudFormation,
    index: ModuleType,
    vault: Vault,
    editions: Editions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marked = {"force-destroy": "true"}
    bucket(marked, objects=2)
    group(marked)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session())
    asked: set[str] = set()
    boto3.DEFAULT_SESSION.events.register(
        "before-parameter-build", lambda model, **_: asked.add(f"{model.service_model.signing_name}:{model.name}")
    )
    name = {"BucketName": BUCKET, "BackupVaultName": VAULT, "AutoScalingGroupName": GROUP}[target]
    assert_answer(service.ask(index, "Delete", {target: name}), "SUCCESS")
    title, given = ROLES[target]
    (policy,) = editions.nested(given).resources[title]["Properties"]["Policies"]
    allowed = {action for it in policy["PolicyDocument"]["Statement"] for action in it["Action"]}
    needed = set().union(*(ACTIONS.get(it, {it}) for it in asked))
    assert needed, "nothing was asked"
    assert allowed - {"logs:CreateLogStream", "logs:PutLogEvents"} == needed
