"""What a failed creation and a deletion leave, and how to be rid of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from calls import REGION, client
from emulator import ACCOUNT, DIRECTLY, backend
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend
from stacks import DEPLOY, Parameters, give, give_again, physical_ids

from generator.commands import main
from generator.operations.invocation import called_as
from generator.parts.data_bearing import DATA_BEARING
from generator.parts.descriptions import DESCRIPTIONS, SINGLE

pytestmark = pytest.mark.usefixtures("here")


def test_root_cause_of_a_child_deep_within(capsys: pytest.CaptureFixture[str]) -> None:
    """The web ACL does not exist: the first to notice is a resource of Edge, and the service answers so itself."""
    give(WebAclArn=f"arn:aws:wafv2:{REGION}:123456789012:regional/webacl/wall/0a-1b", ServiceName="broken")
    assert main([*DEPLOY, "--stack-name", "broken"]) == 1
    lines = capsys.readouterr().out
    cause = lines.partition("root cause: ")[2].splitlines()
    assert re.fullmatch(
        r"Edge/WebAclAssociation \(AWS::WAFv2::WebACLAssociation\), CREATE_FAILED after \d+:\d\d", cause[0]
    )
    assert "WAFNonexistentItem" in cause[1]
    assert cause[2].startswith("  to do: ")
    assert (
        f"broken is ROLLBACK_COMPLETE: fix it, then `{called_as()} delete --stack-name broken --region {REGION}`"
        in lines
    )
    assert "stays   FileSystem  fs-" in lines

    assert main([*DEPLOY, "--stack-name", "broken"]) == 2
    again = capsys.readouterr()
    assert "root cause: Edge/WebAclAssociation" in again.out
    assert "can only be deleted" in again.err
    assert "stays   FileSystem  fs-" in again.out


@pytest.mark.parametrize("has_bucket", [False, True])
def test_what_stays_comes_first_and_then_the_bucket_of_templates(
    has_bucket: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bucket is in no stack; each line has a command beneath it that removes what it names."""
    system = {"Type": "AWS::EFS::FileSystem", "DeletionPolicy": "Retain"}
    body = json.dumps({"Description": DESCRIPTIONS[SINGLE], "Resources": {"FileSystem": system}})
    client("cloudformation").create_stack(StackName="small", TemplateBody=body)
    made = physical_ids("small")["FileSystem"]
    bucket = f"pypiserver-templates-{ACCOUNT}-{REGION}"
    if has_bucket:
        client("s3").create_bucket(Bucket=bucket)
    options = ["--stack-name", "small", "--region", REGION, "--yes"]
    assert main(["delete", *options]) == 0
    said = capsys.readouterr().out.partition("small is deleted\n")[2].splitlines()
    assert said[:3] == [
        f"stays   FileSystem  {made}",
        f"  adopt   deploy with ExistingFileSystemId={made}",
        f"  remove  aws efs delete-file-system --file-system-id {made} --region {REGION}",
    ]
    of_the_bucket = [
        f"stays   the bucket of templates  {bucket}",
        f"  remove  aws s3 rb s3://{bucket} --force --region {REGION}  # if nobody deploys in {REGION} any more",
    ]
    assert said[3:] == (of_the_bucket if has_bucket else [])
    if has_bucket:
        client("s3").delete_bucket(Bucket=bucket)


@pytest.mark.slow
def test_deletion_names_what_stays_and_how_to_remove_it(capsys: pytest.CaptureFixture[str]) -> None:
    give(ServiceName="short-lived", DeletionProtection="true")
    assert main([*DEPLOY, "--stack-name", "short"]) == 0
    had = physical_ids("short")
    capsys.readouterr()
    client("cloudformation").update_termination_protection(StackName="short", EnableTerminationProtection=True)

    assert main(["delete", "--stack-name", "short", "--yes"]) == 2
    assert capsys.readouterr().err == (
        "error: the stack has termination protection and its load balancer has deletion protection: "
        "add --unprotect to turn this off and delete\n"
    )
    assert main(["delete", "--stack-name", "short", "--yes", "--unprotect"]) == 0
    lines = capsys.readouterr().out.partition("short is deleted\n")[2]
    for name in DATA_BEARING:
        if name in had:
            assert f"stays   {name}  {had[name]}" in lines
    assert f"adopt   deploy with ExistingFileSystemId={had['FileSystem']}" in lines
    assert f"remove  aws efs delete-file-system --file-system-id {had['FileSystem']}" in lines
    file_systems = client("efs").describe_file_systems()["FileSystems"]
    assert had["FileSystem"] in [it["FileSystemId"] for it in file_systems]


@pytest.mark.slow
def test_what_a_failed_creation_leaves_is_named_with_the_command_that_removes_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nested stacks that were complete, what holds data; and the bucket that `deploy` has made. Said three times."""
    give(WebAclArn=f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/wall/0a-1b", ServiceName="failed", Tokens="true")
    stack = ["--stack-name", "failed"]
    assert main(["deploy", "--yes", *stack]) == 1
    first = capsys.readouterr().out.partition("root cause")[2]
    assert main(["deploy", "--yes", *stack]) == 2
    again = capsys.readouterr().out
    assert main(["delete", "--yes", *stack]) == 0
    deleted = capsys.readouterr().out.partition("failed is deleted\n")[2]

    stays = re.findall(r"^stays   (\w+)  (\S+)$", first, re.MULTILINE)
    # The tasks' log is of a layer that was not begun.
    assert {name for name, _ in stays} == {*DATA_BEARING} - {"TaskLogs"}
    assert stays == re.findall(r"^stays   (\w+)  (\S+)$", again, re.MULTILINE)
    assert stays == re.findall(r"^stays   (\w+)  (\S+)$", deleted, re.MULTILINE)
    file_systems = client("efs").describe_file_systems()["FileSystems"]
    assert dict(stays)["FileSystem"] in [it["FileSystemId"] for it in file_systems]
    monkeypatch.delenv(DIRECTLY)
    for command in re.findall(r"^  remove  (.*)$", first, re.MULTILINE):
        done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert dict(stays)["FileSystem"] not in str(client("efs").describe_file_systems()["FileSystems"])
    buckets = {it["Name"] for it in client("s3").list_buckets()["Buckets"]}
    assert not buckets & {dict(stays)["AccessLogs"], f"pypiserver-templates-{ACCOUNT}-{REGION}"}


@pytest.mark.parametrize(
    "forced", [{}, {"AccessLogs": "AccessLogForceDestroy", "BackupVault": "BackupsForceDestroy"}], ids=["", "forced"]
)
def test_before_the_question_it_says_what_goes_and_what_stays(
    deployed: Parameters, forced: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """``forced``: what the operator lets go with the stack, each by its parameter."""
    give_again(deployed, **dict.fromkeys(forced.values(), "true"))
    assert main([*DEPLOY]) == 0
    capsys.readouterr()
    had = physical_ids()
    assert main(["delete"]) == 2
    captured = capsys.readouterr()
    assert "cannot ask, as this is not a terminal: add --yes" in captured.err
    shown = [it.split("  ", 1) for it in captured.out.splitlines()]
    said = {name: [text.strip() for key, text in shown if key == name] for name, _ in shown}
    assert said["account"] + said["region"] + said["stack"] == [
        *(ACCOUNT, REGION),
        f"pypi ({'UPDATE' if forced else 'CREATE'}_COMPLETE)",
    ]
    stays = {name: had[name] for name in {*DATA_BEARING} & had.keys() - {*forced}}
    assert dict(it.split("  ") for it in said["stays"]) == stays
    removed = {name for it in said["removes"] for name in it.partition(": ")[2].split(", ")}
    layers = {it.partition(":")[0] for it in said["removes"]}
    assert layers == {"Security", "Storage", "Edge", "Compute", "Monitoring"}
    assert removed == had.keys() - stays.keys() - layers
    gone = {"AccessLogs (AWS::S3::Bucket)", "BackupVault (AWS::Backup::BackupVault)"} if forced else set()
    assert {name for it in said.get("data", []) for name in it.partition(": ")[0].split(", ")} == gone
    assert physical_ids() == had


PROTECTED_BY = (["stack"], ["balancer"], ["stack", "balancer"])


@contextmanager
def protected(by: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(backend().get_stack("pypi"), "enable_termination_protection", "stack" in by)
    _protect_balancer("balancer" in by)
    yield
    _protect_balancer(False)


def _protect_balancer(it: bool) -> None:
    attributes = [{"Key": "deletion_protection.enabled", "Value": str(it).lower()}]
    client("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=physical_ids()["LoadBalancer"], Attributes=attributes
    )


def protections() -> set[str]:
    """What protects the stack now."""
    balancer = physical_ids()["LoadBalancer"]
    attributes = client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
    on = {
        "stack": backend().get_stack("pypi").enable_termination_protection,
        "balancer": {"Key": "deletion_protection.enabled", "Value": "true"} in attributes,
    }
    return {name for name, it in on.items() if it}


@pytest.mark.parametrize("by", PROTECTED_BY)
def test_what_protects_the_stack_is_named_and_stays(
    deployed: Parameters, by: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deployed
    with protected(by, monkeypatch):
        assert main(["delete", "--yes"]) == 2
        assert protections() == {*by}
    has = {
        "stack": "the stack has termination protection",
        "balancer": "its load balancer has deletion protection",
    }
    said = f"error: {' and '.join(has[it] for it in by)}: add --unprotect to turn this off and delete\n"
    assert capsys.readouterr().err == said
    assert backend().get_stack("pypi").status.endswith("_COMPLETE")


@pytest.mark.parametrize("by", PROTECTED_BY)
def test_what_protects_the_stack_is_off_when_it_is_deleted_and_not_before(
    deployed: Parameters, by: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deployed
    found = []

    def refuse(_backend: CloudFormationBackend, _stack: str) -> None:
        found.append(protections())
        raise ValidationError(message="somebody else deletes it")

    monkeypatch.setattr(CloudFormationBackend, "delete_stack", refuse)
    with protected(by, monkeypatch):
        assert main(["delete", "--unprotect"]) == 2
        assert "add --yes" in capsys.readouterr().err
        assert protections() == {*by}
        assert main(["delete", "--unprotect", "--yes"]) != 0
        assert "somebody else deletes it" in capsys.readouterr().err
    assert found == [set()]


def test_of_a_failed_creation_nothing_is_said_to_stay(
    deployed: Parameters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has left before what it leaves."""
    assert deployed
    monkeypatch.setattr(backend().get_stack("pypi"), "status", "ROLLBACK_COMPLETE")
    assert main(["delete"]) == 2
    shown = capsys.readouterr().out
    assert "pypi (ROLLBACK_COMPLETE)" in shown
    assert "stays" not in shown


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"])
def test_what_is_in_progress_is_waited_for_first(
    deployed: Parameters, status: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deployed
    monkeypatch.setattr(backend().get_stack("pypi"), "status", status)
    assert main(["delete", "--yes"]) == 2
    assert capsys.readouterr().err == f"error: pypi is {status}: wait until that is done, then delete it\n"
    assert backend().get_stack("pypi").status == status


def test_deletion_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["delete", "--stack-name", "missing", "--yes"]) == 2
    assert capsys.readouterr().err == (f"error: there is no stack missing in {REGION}: check the name and the region\n")
