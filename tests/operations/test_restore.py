"""Backups that come back: listed, restored beside what serves, and served."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from calls import REGION, client
from emulator import ACCOUNT, DIRECTLY, emulator, environment
from moto.efs.models import efs_backends
from restores import Restores, file_system_arn, restores
from stacks import DEPLOY, Parameters, give, outputs, physical_ids

from generator.commands import main
from generator.operations import recovery_points
from generator.operations.aws import Account
from generator.operations.terminal import Terminal

LIVE = "aws-backup-restore_2026-01-03T04-05-06-789Z"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Restores]]:
    with emulator() as url, restores() as found:
        yield url, found


@pytest.fixture(scope="module")
def deployed(server: tuple[str, Restores], tmp_path_factory: pytest.TempPathFactory) -> Parameters:
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("deployed")
        for name, value in environment(server[0], directory).items():
            patch.setenv(name, value)
        patch.chdir(directory)
        # Which EFS admits beside elastic throughput alone, that a restored file system has not.
        values = give(EfsArchivePolicy="90")
        assert main([*DEPLOY]) == 0
    return values


@pytest.fixture
def account(
    server: tuple[str, Restores], deployed: Parameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Restores:
    """The stack's account with nothing backed up or restored; its parameters are in the current directory."""
    url, found = server
    for name, value in environment(url, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENERATOR_PROGRAM", "generator")
    Path("parameters.json").write_text(json.dumps([f"{name}={value}" for name, value in deployed.items()]))
    found.points.clear()
    found.jobs.clear()
    found.asked.clear()
    found.pauses.clear()
    found.fails = ""
    return found


def vault() -> str:
    return outputs()["BackupVaultName"]


def live() -> str:
    return outputs()["FileSystemId"]


def file_systems() -> set[str]:
    return {it["FileSystemId"] for it in client("efs").describe_file_systems()["FileSystems"]}


def test_what_there_is_newest_first_with_the_command_for_it(
    account: Restores, capsys: pytest.CaptureFixture[str]
) -> None:
    old, unfinished, new = (
        account.add_point(vault(), live(), days=days, status=status)
        for days, status in ((0, "COMPLETED"), (2, "PARTIAL"), (1, "COMPLETED"))
    )
    assert main(["restore"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"arn:aws:backup:\S+recovery-point:\S+", out) == [unfinished, new, old, new]
    assert re.search(rf"2026-01-04 03:04 +\d+ d +5\.0 GB +PARTIAL +{live()} +{unfinished}", out)
    *_, introduction, command = out.splitlines()
    assert introduction == "to restore the newest into a new file system, beside the one that serves:"
    assert command.endswith(f"generator restore --stack-name pypi --recovery-point {new} --region {REGION}")
    assert not account.jobs


def test_a_narrow_terminal_shows_all_of_an_arn(account: Restores) -> None:
    """Which is longer than its column: on several lines."""
    account.add_point(vault(), live())

    def letters(width: int) -> list[str]:
        stream = StringIO()
        terminal = Terminal(stream, live=True, width=width)
        assert recovery_points.show_recovery_points(Account(), terminal, "pypi", None) == 0
        return sorted("".join(stream.getvalue().split()))

    assert letters(80) == letters(300)


def test_nothing_to_restore(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore"]) == 1
    account.add_point(vault(), live(), status="EXPIRED")
    assert main(["restore"]) == 1
    assert capsys.readouterr().out.count(f"the vault {vault()} has no complete recovery point") == 2


def test_a_restore_goes_into_a_new_file_system_and_touches_nothing(
    account: Restores, capsys: pytest.CaptureFixture[str]
) -> None:
    point, before, stack = account.add_point(vault(), live()), file_systems(), physical_ids()
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    (asked,) = account.asked
    assert asked["IamRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{stack['BackupRole']}"
    assert asked["ResourceType"] == "EFS"
    metadata = asked["Metadata"]
    assert asked["IdempotencyToken"] == metadata["CreationToken"], "whoever asks again at once begins nothing new"
    (system,) = client("efs").describe_file_systems(FileSystemId=live())["FileSystems"]
    assert metadata["newFileSystem"] == "true"
    assert metadata["Encrypted"] == "true"
    assert metadata.get("KmsKeyId") == system.get("KmsKeyId")
    assert metadata["file-system-id"] == live()
    (made,) = file_systems() - before
    out = capsys.readouterr().out
    assert f"{live()}, which is in service, is left alone" in out
    assert "RUNNING 50.00%" in out
    assert [1 <= it <= 30 for it in account.pauses] == [True, True]
    following = (
        f"restored into {made}",
        "Its files are in",
        "--directory DIRECTORY",
        "To discard it",
        f"--file-system-id {made}",
    )
    assert sorted(following, key=out.index) == [*following]
    assert f"--recovery-point {point} --directory DIRECTORY" in out
    assert physical_ids() == stack


def test_nothing_is_begun_without_a_yes(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    point = account.add_point(vault(), live())
    assert main(["restore", "--recovery-point", point]) == 2
    captured = capsys.readouterr()
    assert "add --yes" in captured.err
    assert f"a new file system will have what {live()} held" in captured.out, "which is what the answer is to"
    assert not account.jobs


def test_a_second_run_watches_the_first_ones_job(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    """And, when it has ended, offers what it has made; a new one is begun only when that is gone."""
    point = account.add_point(vault(), live())
    account.add_job(
        point,
        Status="RUNNING",
        steps=1,
        metadata={"CreationToken": "first", "Encrypted": "true", "PerformanceMode": "generalPurpose"},
    )
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    assert main(["restore", "--recovery-point", point]) == 0, "nothing to be asked"
    out = capsys.readouterr().out
    assert "is RUNNING already: nothing new is started" in out
    assert "is COMPLETED already: nothing new is started" in out
    assert not account.asked
    (job,) = account.jobs.values()
    client("efs").delete_file_system(FileSystemId=recovery_points.created(job))
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    assert len(account.jobs) == 2
    assert account.asked[0]["Metadata"]["CreationToken"] != "first"


def test_an_answer_that_was_lost_begins_no_second_restore(account: Restores) -> None:
    """The token is the same, and AWS Backup takes it for the same request."""
    point, before = account.add_point(vault(), live()), file_systems()
    account.loses_answer = True
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    assert len(account.jobs) == 1
    assert len(file_systems() - before) == 1
    (asked,) = account.asked
    assert len(asked["Metadata"]["CreationToken"]) <= 64, (
        "https://docs.aws.amazon.com/efs/latest/ug/API_CreateFileSystem.html"
    )


def test_a_test_of_the_backup_is_not_taken_for_a_restore(account: Restores) -> None:
    """AWS Backup deletes what it has restored for a test."""
    point = account.add_point(vault(), live())
    account.add_job(point, Status="RUNNING", steps=9, CreatedBy={"RestoreTestingPlanArn": "arn:aws:backup:plan"})
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    assert len(account.asked) == 1


def test_a_failed_restore_says_why(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    account.fails = "Insufficient privileges to create a file system"
    point = account.add_point(vault(), live())
    assert main(["restore", "--recovery-point", point, "--yes"]) == 1
    assert "the restore is FAILED: Insufficient privileges" in capsys.readouterr().out
    account.fails = ""
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0, "and can be tried again"
    assert account.asked[0]["Metadata"]["CreationToken"] != account.asked[1]["Metadata"]["CreationToken"]


def test_another_vault_and_another_key(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    """As in another region, to which backups were copied; and as the way to a key of one's own."""
    client("backup").create_backup_vault(BackupVaultName="copies")
    point = account.add_point("copies", "fs-0123456789abcdef0")
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    options = ["restore", "--recovery-point", point, "--vault", "copies", "--yes"]
    elsewhere = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0a-1b"
    assert main([*options, "--kms-key", elsewhere]) == 2
    assert capsys.readouterr().err == f"error: --kms-key: {elsewhere} is in eu-west-1, and must be in {REGION}\n"
    absent = elsewhere.replace("eu-west-1", REGION)
    assert main([*options, "--kms-key", absent]) == 2
    assert capsys.readouterr().err == f"error: --kms-key: {absent} does not exist: check the ARN\n"
    assert not account.asked
    assert main([*options, "--kms-key", key]) == 0
    assert account.asked[0]["Metadata"]["KmsKeyId"] == key
    assert "--vault copies --directory" in capsys.readouterr().out


def test_the_key_of_another_region_is_not_asked_for(account: Restores) -> None:
    """What a copy's metadata may say of its source; AWS Backup would refuse it."""
    client("backup").create_backup_vault(BackupVaultName="copied")
    point = account.add_point("copied", "fs-0123456789abcdef0")
    account.keys[point] = {"KmsKeyId": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0a-1b"}
    assert main(["restore", "--recovery-point", point, "--vault", "copied", "--yes"]) == 0
    account.keys[point] = {"KmsKeyId": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a-1b"}
    client("efs").delete_file_system(FileSystemId=recovery_points.created(account.jobs["job-0"]))
    assert main(["restore", "--recovery-point", point, "--vault", "copied", "--yes"]) == 0
    keys = [it["Metadata"].get("KmsKeyId") for it in account.asked]
    assert keys == [None, f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a-1b"]


def test_what_serves_already_is_not_offered_again(account: Restores) -> None:
    """Whoever restores the same backup once more wants it as it was."""
    point = account.add_point(vault(), live())
    account.add_job(point, Status="COMPLETED", CreatedResourceArn=file_system_arn(live()))
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    assert len(account.asked) == 1


def test_nothing_is_served_before_it_is_restored(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    point, before = account.add_point(vault(), live()), live()
    account.add_job(point, Status="RUNNING")
    assert main(["restore", "--recovery-point", point, "--directory", LIVE, "--yes"]) == 2
    assert "is RUNNING: leave --directory out to watch it" in capsys.readouterr().err
    assert live() == before


def test_the_runbooks_commands_run(account: Restores, deployed: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the session on a host, which wants a plugin of the AWS CLI and a host."""
    monkeypatch.delenv(DIRECTLY)
    pages = Path(__file__).parents[2] / "docs" / "runbooks"
    sections = "".join((pages / name).read_text() for name in ("restore.md", "restore-failed.md"))
    commands = [line.strip() for line in sections.splitlines() if line.strip().startswith("aws ")]
    assert len(commands) == 4
    account.add_job(account.add_point(vault(), live()), Status="FAILED", StatusMessage="no room")
    made = client("efs").create_file_system(CreationToken="looked-at", Encrypted=True)["FileSystemId"]
    known = {
        "NEW_FILE_SYSTEM_ID": made,
        "SUBNET": deployed["AsgSubnets"].split(",")[0],
        "FILE_SYSTEM_GROUP": physical_ids()["FileSystemSecurityGroup"],
    }
    for command in (it for it in commands if not it.startswith("aws ssm ")):
        for name, value in known.items():
            command = command.replace(name, value)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout or "{}")
        if "MountTargetId" in answer:
            known["MOUNT_TARGET_ID"] = answer["MountTargetId"]
        if "list-restore-jobs" in command:
            assert [it[1:] for it in answer] == [["FAILED", "no room"]]
    assert client("efs").describe_mount_targets(FileSystemId=made)["MountTargets"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--recovery-point", "arn:aws:backup:none"), "restore without --recovery-point lists what it has"),
        (("--directory", LIVE), "goes with the --recovery-point"),
        (("--recovery-point", "POINT", "--directory", "packages"), "is named aws-backup-restore_"),
        (("--recovery-point", "POINT", "--directory", "aws-backup-restore_a/.."), "is named aws-backup-restore_"),
        (("--recovery-point", "POINT", "--directory", f"{LIVE}/../packages"), "is named aws-backup-restore_"),
        (("--recovery-point", "POINT", "--directory", LIVE), "is restored into no file system"),
        (("--recovery-point", "PARTIAL", "--yes"), "is PARTIAL: choose one that is COMPLETED"),
    ],
)
def test_what_cannot_be_restored_is_refused(
    account: Restores, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    point, partial = (account.add_point(vault(), live(), status=it) for it in ("COMPLETED", "PARTIAL"))
    known = {"POINT": point, "PARTIAL": partial}
    before = file_systems()
    assert main(["restore", *(known.get(it, it) for it in words)]) == 2
    assert said in capsys.readouterr().err
    assert not account.jobs
    assert file_systems() == before


def test_a_file_that_cannot_be_written_stops_it_before_the_stack_changes(
    account: Restores, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The restored file system has what the other has by then; of throughput also how much is provisioned."""
    point, made, before = *account.add_restored(vault(), live()), live()
    serving = efs_backends[ACCOUNT][REGION].file_systems_by_id[before]
    monkeypatch.setattr(serving, "throughput_mode", "provisioned")
    monkeypatch.setattr(serving, "provisioned_throughput_in_mibps", 7.0)
    monkeypatch.setattr(serving, "lifecycle_policies", [])
    Path("parameters.restored.json").mkdir()
    assert main(["restore", "--recovery-point", point, "--directory", LIVE, "--yes"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "error: parameters.restored.json: Is a directory\n"
    assert (
        captured.out
        == f"changing the throughput of {made} …\n{made} has the lifecycle, throughput and tags (it has no policy) of {before}\n"
    )
    (after,) = client("efs").describe_file_systems(FileSystemId=made)["FileSystems"]
    assert (after["ThroughputMode"], after["ProvisionedThroughputInMibps"]) == ("provisioned", 7.0)
    assert live() == before


@pytest.mark.slow
def test_a_mount_target_to_look_by_is_in_the_way_and_said_to_be(
    account: Restores, deployed: Parameters, capsys: pytest.CaptureFixture[str]
) -> None:
    point = account.add_point(vault(), live())
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    (job,) = account.jobs.values()
    made = recovery_points.created(job)
    subnet = deployed["AsgSubnets"].split(",")[0]
    target = client("efs").create_mount_target(FileSystemId=made, SubnetId=subnet)["MountTargetId"]
    capsys.readouterr()
    words = ["restore", "--recovery-point", point, "--directory", LIVE, "--yes"]
    assert main(words) == 2
    assert f"`aws efs delete-mount-target --mount-target-id {target}`" in capsys.readouterr().err
    assert not Path("parameters.restored.json").exists()


def test_the_stack_serves_what_was_restored(account: Restores, capsys: pytest.CaptureFixture[str]) -> None:
    """By the commands that it prints; the old file system stays as it was, and the new one is guarded like it."""
    old = live()
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Resource": f"fs/{old}"}]})
    client("efs").put_file_system_policy(FileSystemId=old, Policy=policy)
    point = account.add_point(vault(), old)
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    (job,) = account.jobs.values()
    made = recovery_points.created(job)
    (printed,) = re.findall(r"generator (restore .* --directory) DIRECTORY", capsys.readouterr().out)
    words = [*printed.split(), f"/{LIVE}/"]
    assert main(words) == 2, "nobody to ask"
    assert live() == old
    capsys.readouterr()
    assert main([*words, "--yes"]) == 0
    out = capsys.readouterr().out
    assert [1 <= it <= 30 for it in account.pauses] == [True, True, True], "the throughput changes, too"
    has = physical_ids()
    assert outputs()["FileSystemId"] == made
    assert "FileSystem" not in has
    (point_of_access,) = client("efs").describe_access_points(AccessPointId=has["AccessPoint"])["AccessPoints"]
    assert point_of_access["FileSystemId"] == made
    assert point_of_access["RootDirectory"]["Path"] == f"/{LIVE}/packages"
    assert client("efs").describe_mount_targets(FileSystemId=made)["MountTargets"]
    guarded = client("efs").describe_file_system_policy(FileSystemId=made)["Policy"]
    assert json.loads(guarded) == json.loads(policy.replace(old, made))
    (before,) = client("efs").describe_file_systems(FileSystemId=old)["FileSystems"]
    (after,) = client("efs").describe_file_systems(FileSystemId=made)["FileSystems"]
    assert after["ThroughputMode"] == before["ThroughputMode"] == "elastic"
    assert {"Key": "backup-vault", "Value": vault()} in after["Tags"]
    assert (
        [it for it in before["Tags"] if it["Key"] == "Name"]
        == [it for it in after["Tags"] if it["Key"] == "Name"]
        != []
    )
    assert f"{made} has the policy, lifecycle, throughput and tags of {old}" in out
    lifecycles = [client("efs").describe_lifecycle_configuration(FileSystemId=it) for it in (old, made)]
    assert lifecycles[0]["LifecyclePolicies"] == lifecycles[1]["LifecyclePolicies"]
    assert any("TransitionToArchive" in it for it in lifecycles[1]["LifecyclePolicies"])
    # Of an adopted file system they were the operator's; a restored one has none.
    assert "CreateMountTargets=true" in json.loads(Path("parameters.restored.json").read_text())
    assert f"{old} still has /packages with every upload since the backup" in out

    # The next deployment with these parameters changes nothing; the policy that guards data is back.
    assert main([*DEPLOY, "--parameters", "parameters.restored.json"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    policy_now = client("cloudformation").get_stack_policy(StackName=has["Storage"])["StackPolicyBody"]
    assert "LogicalResourceId/FileSystem" in policy_now

    # A backup of the file system before has its packages where they were before. An empty directory is not served.
    point = account.add_point(vault(), old)
    assert main(["restore", "--recovery-point", point, "--yes"]) == 0
    later = "aws-backup-restore_2026-02-03T04-05-06-789Z"
    words = ["restore", "--recovery-point", point, "--parameters", "parameters.restored.json", "--yes", "--directory"]
    capsys.readouterr()
    assert main([*words, later]) == 2
    assert f"is not of {made}, which serves" in (told := capsys.readouterr().err)
    assert f"--directory {later}/packages" in told
    assert outputs()["FileSystemId"] == made
    assert main([*words, f"{later}/packages"]) == 0
    access_point = physical_ids()["AccessPoint"]
    (point_of_access,) = client("efs").describe_access_points(AccessPointId=access_point)["AccessPoints"]
    assert point_of_access["FileSystemId"] not in (old, made)
    assert point_of_access["RootDirectory"]["Path"] == f"/{later}/packages"
