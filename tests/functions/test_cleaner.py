"""The cleaner as Lambda runs it: its own file, a real ResponseURL, moto's S3 and Auto Scaling behind boto3.

moto's AWS Backup has no recovery points, so a small HTTP server of ours stands for the calls that the cleaner makes
of it, reached through boto3's own ``AWS_ENDPOINT_URL_BACKUP``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3  # type: ignore[import-untyped] # boto3 has no types
import pytest
from custom_resource import Answer, CloudFormation, cloudformation, module, serving
from deployments import Editions
from moto import mock_aws
from moto.s3.models import S3Backend

HANDLER = Path(__file__).parents[2] / "functions" / "cleaner.py"
BUCKET, VAULT, GROUP = "access-logs", "packages", "hosts"
UNMARKED = [{}, {"force-destroy": "false"}, {"force-destroy": "True"}, {"owner": "true"}]
"""Tags that do not let the cleaner delete anything; the second is what turning the option off leaves."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    """CloudFormation, in an account whose S3 goes on with a listing where S3 does.

    moto looks for the version that ended the last page, and gives nothing if that has been deleted meanwhile. Here
    the whole page has been, so that what comes next is what comes first.
    """
    moto_list = S3Backend.list_object_versions

    def list_object_versions(self: Any, bucket: str, **query: Any) -> Any:
        ids = {version.version_id for _, versions in self.get_bucket(bucket).keys.iterlists() for version in versions}
        if query.get("version_id_marker") not in ids:
            query |= {"key_marker": None, "version_id_marker": None}
        return moto_list(self, bucket, **query)

    monkeypatch.setattr(S3Backend, "list_object_versions", list_object_versions)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Nobody looks at moto's images, of which it makes thousands each time.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws(), cloudformation() as service:
        yield service


@pytest.fixture
def index() -> ModuleType:
    """The handler, for which waiting takes no time."""
    index = module(HANDLER.read_text())
    index.time = SimpleNamespace(sleep=lambda _seconds: None)  # type: ignore[attr-defined] # the handler's import
    return index


def assert_answer(answer: Answer, status: str, reason: str = "") -> None:
    assert (answer["Status"], answer["PhysicalResourceId"]) == (status, "cleaner")
    assert reason in answer["Reason"]


@dataclass
class Vault:
    """A backup vault with ``points``; each listing shows up to two a page, and those being deleted ``linger``."""

    tags: dict[str, str]
    points: dict[str, str]
    linger: int = 0
    denied: str = ""
    """Start of the path, with its method, that is denied."""
    exists: bool = True
    untagged: set[str] = field(default_factory=set)
    """Recovery points of somebody else's."""
    requests: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str) -> tuple[int, dict[str, Any]]:
        url = urlsplit(target)
        match [method, *(unquote(part) for part in url.path.strip("/").split("/"))]:
            case _ if self.denied and f"{method} {unquote(url.path)}".startswith(self.denied):
                return 403, {"Code": "AccessDeniedException", "Message": f"not authorized to {self.denied}"}
            case ["GET", "backup-vaults", name] if self.exists:
                return 200, {
                    "BackupVaultName": name,
                    "BackupVaultArn": f"arn:aws:backup:us-east-1:1:backup-vault:{name}",
                }
            case ["GET", "tags", arn] if ":recovery-point:" in arn:
                return 200, {"Tags": {} if arn in self.untagged else {"backup-vault": VAULT}}
            case ["GET", "tags", _]:
                return 200, {"Tags": self.tags}
            case ["GET", "backup-vaults", _, "recovery-points"] if self.exists:
                return 200, self._page(int(parse_qs(url.query).get("nextToken", ["0"])[0]))
            case ["DELETE", "backup-vaults", _, "recovery-points", arn] if self.points.get(arn) == "COMPLETED":
                self.points[arn] = "DELETING"
                return 200, {}
            case ["DELETE", "backup-vaults", _] if not self.points:
                self.exists = False
                return 200, {}
            case ["DELETE", *_]:
                return 400, {"Code": "InvalidRequestException", "Message": "cannot be deleted now"}
        return 400, {"Code": "ResourceNotFoundException", "Message": "no such vault"}

    def _page(self, start: int) -> dict[str, Any]:
        if start == 0 and all(arn in self.untagged for arn, it in self.points.items() if it == "COMPLETED"):
            if self.linger == 0:
                self.points = {arn: it for arn, it in self.points.items() if it == "COMPLETED"}
            self.linger -= 1
        arns = sorted(self.points)
        points = [{"RecoveryPointArn": arn, "Status": self.points[arn]} for arn in arns[start : start + 2]]
        return {"RecoveryPoints": points, **({"NextToken": str(start + 2)} if arns[start + 2 :] else {})}


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch, service: CloudFormation) -> Iterator[Vault]:
    """Marked, with five recovery points."""
    points = {f"arn:aws:ec2:us-east-1::recovery-point:{number}": "COMPLETED" for number in range(5)}
    vault = Vault(tags={"force-destroy": "true"}, points=points)

    class Backup(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            vault.requests.append(f"{self.command} {unquote(self.path)}")
            status, content = vault.answer(self.command, self.path)
            body = json.dumps(content).encode()
            self.send_response(status)
            if "Code" in content:
                self.send_header("x-amzn-ErrorType", content["Code"])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_DELETE = _answer

        def log_message(self, *_line: object) -> None:
            """Silent: the output is pytest's."""

    with serving(Backup) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BACKUP", url)
        yield vault


def bucket(tags: dict[str, str], objects: int) -> Any:
    """A versioned bucket with two versions of each object, and a delete marker on every other one."""
    it = boto3.resource("s3").create_bucket(Bucket=BUCKET)
    it.Versioning().enable()
    if tags:
        it.Tagging().put(Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]})
    for number in range(objects):
        for version in (b"first", b"second"):
            it.put_object(Key=f"AWSLogs/{number}.gz", Body=version)
        if number % 2:
            it.Object(f"AWSLogs/{number}.gz").delete()
    return it


def group(tags: dict[str, str]) -> Any:
    """A group of two hosts that are protected from being scaled in."""
    autoscaling = boto3.client("autoscaling")
    autoscaling.create_launch_configuration(
        LaunchConfigurationName="host", ImageId="ami-12c6146b", InstanceType="t3.micro"
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchConfigurationName="host",
        MinSize=2,
        MaxSize=2,
        AvailabilityZones=["us-east-1a"],
        NewInstancesProtectedFromScaleIn=True,
        Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": False} for key, value in tags.items()],
    )
    return autoscaling


def groups() -> list[Any]:
    found: list[Any] = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return found


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

    assert_answer(answer, "FAILED", "5 recovery points of packages are still being deleted: delete the stack again")
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


@pytest.mark.parametrize("target", ["BucketName", "BackupVaultName", "AutoScalingGroupName"])
def test_what_is_gone_counts_as_deleted(target: str, service: CloudFormation, index: ModuleType, vault: Vault) -> None:
    vault.exists = False

    assert_answer(service.ask(index, "Delete", {target: "gone"}), "SUCCESS")


@pytest.mark.parametrize(
    "denied",
    [
        f"GET /backup-vaults/{VAULT}",
        "GET /tags",
        f"GET /backup-vaults/{VAULT}/recovery-points",
        f"DELETE /backup-vaults/{VAULT}/recovery-points",
        f"DELETE /backup-vaults/{VAULT}",
    ],
)
def test_reports_what_a_vault_denies(denied: str, service: CloudFormation, index: ModuleType, vault: Vault) -> None:
    vault.denied = denied

    answer = service.ask(index, "Delete", {"BackupVaultName": VAULT})

    assert_answer(answer, "FAILED", "AccessDenied")
    assert vault.exists


def test_reports_objects_that_may_not_be_deleted(service: CloudFormation, index: ModuleType) -> None:
    """S3 answers the request that deletes many with 200, and names in its body what it has kept."""
    it = bucket({"force-destroy": "true"}, objects=2)
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    it.Policy().put(Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    answer = service.ask(index, "Delete", {"BucketName": BUCKET})

    assert_answer(answer, "FAILED", "cannot be deleted: AccessDenied")
    assert len(list(it.object_versions.all())) == 5


def test_answers_before_the_time_for_a_large_bucket_is_up(service: CloudFormation, index: ModuleType) -> None:
    it = bucket({"force-destroy": "true"}, objects=2)

    answer = service.ask(index, "Delete", {"BucketName": BUCKET}, seconds=59)

    assert_answer(answer, "FAILED", "delete the stack again")
    assert it.creation_date


def test_reports_a_bucket_that_may_not_be_read(
    service: CloudFormation, index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto enforces permissions from here on, and the function's credentials have none."""
    it = bucket({"force-destroy": "true"}, objects=1)
    user = boto3.client("iam")
    user.create_user(UserName="nobody")
    key = user.create_access_key(UserName="nobody")["AccessKey"]
    with monkeypatch.context() as nobody:
        nobody.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        nobody.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        nobody.setattr(boto3, "DEFAULT_SESSION", None)
        nobody.setattr("moto.core.responses.ActionAuthenticatorMixin.request_count", 0)
        nobody.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
        answer = service.ask(index, "Delete", {"BucketName": BUCKET})
        assert_answer(answer, "FAILED", "AccessDenied")
    assert len(list(it.object_versions.all())) == 2


ACTIONS = {
    # Where the action that a request needs is not named as the request is.
    "s3:DeleteObjects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"""
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
