"""What serves has been deleted with its mount targets: a backup of it is restored, and served as the template has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from calls import REGION, Json, client
from deployments import Editions
from emulator import ACCOUNT
from moto.efs.models import efs_backends
from restores import Restores, restores
from stacks import DEPLOY, deploy_once, outputs, physical_ids

from generator.commands import main
from generator.operations.aws import Account
from generator.operations.exits import Problem
from generator.operations.file_systems import Traits, give, traits_by_template
from generator.operations.terminal import Terminal

DIRECTORY = "aws-backup-restore_2026-01-03T04-05-06-789Z"


@pytest.fixture
def account(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Restores]:
    """The stack's account; its parameters are in the current directory."""
    assert here == Path.cwd()
    monkeypatch.setenv("GENERATOR_PROGRAM", "generator")
    with restores() as found:
        # Which EFS admits beside elastic throughput alone, that a restored file system has not.
        deploy_once(EfsArchivePolicy="90")
        yield found


def lose(identity: str) -> None:
    efs = client("efs")
    for it in efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]:
        efs.delete_mount_target(MountTargetId=it["MountTargetId"])
    efs.delete_file_system(FileSystemId=identity)


def traits(identity: str) -> tuple[Json, list[Json], str]:
    """Name and vault among its tags, its lifecycle, its throughput."""
    (found,) = client("efs").describe_file_systems(FileSystemId=identity)["FileSystems"]
    tags = {it["Key"]: it["Value"] for it in found["Tags"]}
    lifecycle = client("efs").describe_lifecycle_configuration(FileSystemId=identity)["LifecyclePolicies"]
    return {name: tags[name] for name in ("Name", "backup-vault")}, lifecycle, found["ThroughputMode"]


def test_a_backup_of_it_is_served_and_guarded_like_it(
    account: Restores, editions: Editions, capsys: pytest.CaptureFixture[str]
) -> None:
    old = outputs()["FileSystemId"]
    before = traits(old)
    point = account.add_point(outputs()["BackupVaultName"], old)
    lose(old)
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    out = capsys.readouterr().out
    assert f"{old}, which was in service, is gone" in out
    assert "left alone" not in out
    (new,) = re.findall("restored into (fs-[0-9a-f]+)", out)
    assert main(["restore", "--recovery-point", point, "--directory", DIRECTORY, "--yes"]) == 0
    assert outputs()["FileSystemId"] == new
    assert traits(new) == before
    policy = json.loads(client("efs").describe_file_system_policy(FileSystemId=new)["Policy"])
    assert policy == editions.nested({}).resources["FileSystem"]["Properties"]["FileSystemPolicy"]
    out = capsys.readouterr().out
    (told, ended) = (line for line in out.splitlines() if line.startswith(f"{old} is gone"))
    assert told == (
        f"{old} is gone: {new} has the policy, lifecycle, throughput and tags that the template gives with the stack's parameters"
    )
    assert ended == f"{old} is gone, with every upload since the backup"
    assert "still has" not in out
    assert client("efs").describe_mount_targets(FileSystemId=new)["MountTargets"]
    access_points = client("efs").describe_access_points(AccessPointId=physical_ids()["AccessPoint"])["AccessPoints"]
    assert [(it["FileSystemId"], it["RootDirectory"]["Path"]) for it in access_points] == [
        (new, f"/{DIRECTORY}/packages")
    ]
    assert main([*DEPLOY, "--parameters", "parameters.restored.json"]) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("state", ["deleting", "deleted"])
def test_it_is_gone_while_efs_still_describes_it(
    account: Restores, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old = outputs()["FileSystemId"]
    point, new = account.add_restored(outputs()["BackupVaultName"], old)
    efs_backends[ACCOUNT][REGION].file_systems_by_id[old].life_cycle_state = state
    Path("parameters.restored.json").mkdir()
    assert main(["restore", "--recovery-point", point, "--directory", DIRECTORY, "--yes"]) == 2
    assert f"{old} is gone: {new} has the policy" in capsys.readouterr().out


def test_the_new_one_gets_its_key(account: Restores) -> None:
    """The one that the backup's metadata has, otherwise the stack's, which encrypted it. Another's is not known."""
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    given = json.loads(Path("parameters.json").read_text())
    Path("parameters.json").write_text(json.dumps([*given, f"EfsKmsKeyArn={key}"]))
    assert main([*DEPLOY, "--allow-data-loss", "FileSystem"]) == 0
    old, vault = outputs()["FileSystemId"], outputs()["BackupVaultName"]
    lose(old)
    points = [account.add_point(vault, it) for it in (old, old, "fs-0")]
    account.keys[points[1]] = {"KmsKeyId": f"{key}0"}
    for point in points:
        assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    assert [it["Metadata"].get("KmsKeyId") for it in account.asked] == [key, f"{key}0", None]


@pytest.mark.parametrize(
    "given",
    [
        {"EfsLifecyclePolicy": "1", "EfsArchivePolicy": "7"},
        {
            "EfsLifecyclePolicy": "none",
            "EfsThroughputMode": "provisioned",
            "EfsProvisionedThroughputInMibps": "7",
            "ServiceName": "wheels",
        },
    ],
)
@pytest.mark.parametrize("vault", ["packages-0", ""])
def test_other_parameters_say_the_same_as_in_the_template(
    editions: Editions, given: dict[str, str], vault: str
) -> None:
    """And a stack of 1.0.0 has no vault to tag it with."""
    made = editions.nested(given).resources["FileSystem"]["Properties"]
    defaults = {name: it["Default"] for name, it in editions.parent["Parameters"].items() if "Default" in it}
    found = traits_by_template({**defaults, **given}, vault)
    throughput = ("ThroughputMode", "ProvisionedThroughputInMibps")
    assert found.throughput == {
        name: float(made[name]) if name == throughput[1] else made[name] for name in throughput if name in made
    }
    assert found.lifecycle == made["LifecyclePolicies"]
    tags = {it["Key"]: it["Value"] for it in made["FileSystemTags"]}
    assert {it["Key"]: it["Value"] for it in found.tags} == {
        "Name": tags["Name"],
        **({"backup-vault": vault} if vault else {}),
    }


def test_one_that_is_gone_as_well_is_restored_again(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is served, and nothing begun, before there is one."""
    old = outputs()["FileSystemId"]
    point, new = account.add_restored(outputs()["BackupVaultName"], old)
    for it in (old, new):
        lose(it)
    assert main(["restore", "--recovery-point", point, "--directory", DIRECTORY, "--yes"]) == 2
    assert "leave --directory out" in capsys.readouterr().err
    assert outputs()["FileSystemId"] == old


def test_one_that_goes_meanwhile_is_given_nothing(here: Path) -> None:
    assert here == Path.cwd()
    has = Traits("", {"ThroughputMode": "bursting"}, [], [])
    with pytest.raises(Problem, match="fs-0123 is gone: leave --directory out"):
        give(Account(), Terminal(StringIO(), live=False), "fs-0123", has)


def test_status_and_deploy_without_it(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    """``status`` says what is wrong, ``deploy`` goes on."""
    old = outputs()["FileSystemId"]
    main(["status"])
    assert "is gone" not in capsys.readouterr().out
    lose(old)
    assert main(["status"]) == 1
    assert re.search(rf"^BAD +file system +{old} is gone", capsys.readouterr().out, re.MULTILINE)
    assert main([*DEPLOY]) == 0
    assert "nothing to do" in capsys.readouterr().out
