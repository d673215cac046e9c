"""Keys, retentions and networks that cannot work are refused before anything is uploaded or changed."""

from __future__ import annotations

import re
from contextlib import nullcontext
from io import StringIO
from pathlib import Path

import pytest
from calls import REGION, client
from emulator import ACCOUNT, DIRECTLY, network
from stacks import DEPLOY, Parameters, give, give_again, outputs, physical_ids

from generator.commands import main
from generator.commands.options import TEMPLATES
from generator.operations.aws import Account
from generator.operations.exits import Problem
from generator.operations.form import form
from generator.operations.keys import refuse_keys
from generator.operations.network import refuse_mount_targets, refuse_network
from generator.operations.places import refuse_places
from generator.operations.retention import refuse_retention
from generator.operations.terminal import Terminal
from generator.parts.descriptions import PARENT

pytestmark = pytest.mark.usefixtures("here")


def key(**options: str) -> str:
    return str(client("kms").create_key(**options)["KeyMetadata"]["Arn"])


def refused(capsys: pytest.CaptureFixture[str], stack: str = "keys", **given: str) -> str:
    give(**given)
    capsys.readouterr()
    assert main([*DEPLOY, "--stack-name", stack]) == 2
    return capsys.readouterr().err


def test_every_key_that_cannot_work_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    disabled = key()
    client("kms").disable_key(KeyId=disabled.rpartition("/")[2])
    absent = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
    going = key()
    client("kms").schedule_key_deletion(KeyId=going.rpartition("/")[2])
    signing = key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    said = refused(
        capsys,
        BackupKmsKeyArn=absent,
        EbsKmsKeyArn=disabled,
        SecretKmsKeyArn=going,
        LogKmsKeyArn=signing,
    ).splitlines()
    assert len(said) == 4
    assert "BackupKmsKeyArn" in said[0]
    assert "does not exist" in said[0]
    assert "EbsKmsKeyArn" in said[1]
    assert "is Disabled: enable it" in said[1]
    assert "SecretKmsKeyArn" in said[2]
    assert "is PendingDeletion" in said[2]
    assert "LogKmsKeyArn" in said[3]
    assert "is a key ECC_NIST_P256 for SIGN_VERIFY" in said[3]


@pytest.mark.parametrize("has_it", [True, False])
def test_a_key_that_the_stack_has_already_is_not_looked_at(has_it: bool) -> None:
    """An update does not touch what it has encrypted, whatever became of the key since."""
    absent = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
    said = StringIO()
    given = {"EfsKmsKeyArn": "", "LogKmsKeyArn": absent}
    values = {"EfsKmsKeyArn": absent, "LogKmsKeyArn": absent if has_it else ""}
    with nullcontext() if has_it else pytest.raises(Problem, match=f"^LogKmsKeyArn: {absent} does not exist"):
        refuse_keys(Account(), Terminal(said, live=False), given, values)
    assert said.getvalue() == ""


def test_what_is_in_another_region_or_partition_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A stack would find out at its end, when the alarms are made: `Invalid region us-west-2 specified`."""
    here, there = (f"arn:aws:sns:{region}:{ACCOUNT}:alarms" for region in (REGION, "us-west-2"))
    policy = "arn:aws-us-gov:iam::aws:policy/ReadOnlyAccess"
    elsewhere = {
        "AlarmTopicArns": f"{here},{there}",
        "CertificateArn": f"arn:aws:acm:us-west-2:{ACCOUNT}:certificate/a",
        "EfsKmsKeyArn": f"arn:aws:kms:us-west-2:{ACCOUNT}:key/a",
    }
    fine = {
        "BackupCopyVaultArn": f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:copies",
        "PagerTopicArn": here,
        "SecretReaders": f"arn:aws:iam::{ACCOUNT}:root",
    }
    said = refused(capsys, **elsewhere, **fine, PermissionsBoundaryArn=policy).splitlines()
    assert [line.removeprefix("error: ") for line in said] == [
        *(
            f"{name}: {value.rpartition(',')[2]} is in us-west-2, and must be in {REGION}"
            for name, value in elsewhere.items()
        ),
        f"PermissionsBoundaryArn: {policy} is in the partition aws-us-gov, and {REGION} is in aws",
    ]
    refuse_places(Account(), elsewhere, elsewhere)


def test_backups_that_the_lock_would_refuse(capsys: pytest.CaptureFixture[str]) -> None:
    lock = {"BackupVaultLock": "governance", "BackupLockMinDays": "14"}
    said = refused(capsys, **lock, BackupWeeklyRetentionDays="7", BackupMonthlyRetentionDays="90").splitlines()
    assert said == [
        "error: BackupRetentionDays is 7, fewer than BackupLockMinDays=14: such backups fail",
        "error: BackupWeeklyRetentionDays is 7, fewer than BackupLockMinDays=14: such backups fail",
    ]


@pytest.mark.parametrize("name", ["BackupRetentionDays", "BackupWeeklyRetentionDays", "BackupMonthlyRetentionDays"])
def test_a_lock_admits_what_is_kept_as_long_as_it_says_or_longer(name: str) -> None:
    declared = form(TEMPLATES / PARENT)
    days = {"BackupRetentionDays": "14", "BackupLockMinDays": "14", "EnableEfsBackup": "true"}
    for lock in ("governance", "compliance"):
        given = {**days, "BackupVaultLock": lock}
        refuse_retention(declared, {**given, name: "14"}, {})
        with pytest.raises(Problem, match=f"{name} is 13, fewer than"):
            refuse_retention(declared, {**given, name: "13"}, {})
        with pytest.raises(Problem, match=f"{name} is 13, fewer than"):
            refuse_retention(declared, {"BackupVaultLock": lock}, {**days, name: "13"})
        with pytest.raises(Problem, match=f"{name} is 13, fewer than"):
            refuse_retention(declared, {name: "13"}, {**given, name: "14"})
        refuse_retention(declared, {name: "14"}, {**given, name: "13"})
        refuse_retention(declared, {**given, name: "13", "EnableEfsBackup": "false"}, {})
    refuse_retention(declared, {**days, "BackupVaultLock": "none", name: "13"}, {})


@pytest.fixture(scope="module")
def under_keys() -> Parameters:
    """A stack's parameters with keys of the operator, and what is a second life's worth of backups."""
    return {"EfsKmsKeyArn": key(), "BackupKmsKeyArn": key(), "BackupVaultLock": "compliance", "DnsNames": "keyed"}


@pytest.mark.slow
def test_a_stack_under_keys_of_the_operator_whose_change_is_refused(
    under_keys: Parameters, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = ("--stack-name", "keyed")
    values = give(**under_keys)
    assert main([*DEPLOY, *stack]) == 0
    before = physical_ids("keyed")
    (system,) = client("efs").describe_file_systems(FileSystemId=before["FileSystem"])["FileSystems"]
    assert system["KmsKeyId"] == under_keys["EfsKmsKeyArn"]
    vault = client("backup").describe_backup_vault(BackupVaultName=outputs("keyed")["BackupVaultName"])
    assert vault["EncryptionKeyArn"] == under_keys["BackupKmsKeyArn"]
    for name, holder in (("EfsKmsKeyArn", "FileSystem"), ("BackupKmsKeyArn", "BackupVault")):
        for other in (key(), ""):
            give_again(values, **{name: other})
            assert main([*DEPLOY, *stack]) == 2
            captured = capsys.readouterr()
            assert f"{holder} (replace). If you mean it: --allow-data-loss {holder}" in captured.err
    assert physical_ids("keyed") == before
    # A key that is disabled now is not in the way of what mends the stack, nor is one that is not given again.
    client("kms").disable_key(KeyId=under_keys["EfsKmsKeyArn"].rpartition("/")[2])
    # What is no key changes in place.
    give_again(values, BackupWeeklyRetentionDays="35", BackupVaultLock="none")
    assert main([*DEPLOY, *stack]) == 0
    assert physical_ids("keyed")["BackupVault"] == before["BackupVault"]


@pytest.mark.parametrize(
    ("service", "told"),
    [
        ("EC2", ["network", "AsgSubnets"]),
        ("ROUTE_53", ["hosted zone"]),
        ("ELASTIC_LOAD_BALANCING_V2", ["quotas"]),
    ],
)
def test_a_network_that_may_not_be_read_is_told_and_let_be(
    service: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, output = network(), StringIO()
    terminal = Terminal(output, False, 80, 40)
    monkeypatch.delenv(DIRECTLY)
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    refuse_network(Account(), terminal, given)
    refuse_mount_targets(Account(), terminal, {"AsgSubnets": "subnet-1"}, given)
    assert re.findall(r"(\w[\w ]*) could not be checked: ", output.getvalue()) == told


def test_a_key_that_may_not_be_read_is_told_and_let_be(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it belongs to another team, or the network has no way to KMS."""
    monkeypatch.delenv(DIRECTLY)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    give(EfsKmsKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000")
    assert main([*DEPLOY, "--stack-name", "unread", "--dry-run"]) == 0
    assert "EfsKmsKeyArn could not be checked" in capsys.readouterr().out
