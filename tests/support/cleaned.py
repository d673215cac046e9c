"""What the cleaner is let loose on: buckets and groups of moto, and a backup vault of ours.

moto's AWS Backup has no recovery points, so ``Vault`` answers the calls that the cleaner makes of it, as AWS does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3  # type: ignore[import-untyped] # boto3 has no types
from custom_resource import Answer

BUCKET, VAULT, GROUP = "access-logs", "packages", "hosts"


def assert_answer(answer: Answer, status: str, reason: str = "") -> None:
    assert (answer["Status"], answer["PhysicalResourceId"]) == (status, "cleaner")
    assert reason in answer["Reason"]


_STATUS = {"AccessDeniedException": 403, "ServiceUnavailableException": 500, "ThrottlingException": 429}


def _arn(vault: str) -> str:
    return f"arn:aws:backup:us-east-1:123456789012:backup-vault:{vault}"


@dataclass
class Vault:
    """A backup vault with ``points``; each listing shows up to two a page, and those being deleted ``linger``.

    Beside it are two others of somebody else's. Asked for one that does not exist, AWS Backup says that access is denied:
    https://github.com/aws/aws-sdk-js/issues/2625, https://github.com/hashicorp/terraform-provider-aws/pull/19749
    """

    tags: dict[str, str]
    points: dict[str, str]
    linger: int = 0
    failures: dict[str, list[str]] = field(default_factory=dict)
    """By the start of method and path the codes that come first, one for each request."""
    exists: bool = True
    untagged: set[str] = field(default_factory=set)
    """Recovery points of somebody else's."""
    requests: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str) -> tuple[int, dict[str, Any]]:
        url = urlsplit(target)
        for start, codes in self.failures.items():
            if codes and f"{method} {unquote(url.path)}".startswith(start):
                code = codes.pop(0)
                return _STATUS.get(code, 400), {"Code": code, "Message": f"for {start}"}
        match [method, *(unquote(part) for part in url.path.strip("/").split("/"))]:
            case ["GET", "backup-vaults"]:
                return 200, self._vaults(int(parse_qs(url.query).get("nextToken", ["0"])[0]))
            case ["GET", "tags", arn] if ":recovery-point:" in arn:
                return 200, {"Tags": {} if arn in self.untagged else {"backup-vault": VAULT}}
            case [_, _, name, *_] if not (self.exists and name in (VAULT, _arn(VAULT))):
                return 403, {
                    "Code": "AccessDeniedException",
                    "Message": "Insufficient privileges to perform this action.",
                }
            case ["GET", "tags", _]:
                return 200, {"Tags": self.tags}
            case ["GET", "backup-vaults", _, "recovery-points"]:
                return 200, self._page(int(parse_qs(url.query).get("nextToken", ["0"])[0]))
            case ["DELETE", "backup-vaults", _, "recovery-points", arn] if self.points.get(arn) == "COMPLETED":
                self.points[arn] = "DELETING"
                return 200, {}
            case ["DELETE", "backup-vaults", _] if not self.points:
                self.exists = False
                return 200, {}
        return 400, {"Code": "InvalidRequestException", "Message": "cannot be deleted now"}

    def _vaults(self, start: int) -> dict[str, Any]:
        names = ["copies", "Default", *([VAULT] if self.exists else [])]
        page = [{"BackupVaultName": name, "BackupVaultArn": _arn(name)} for name in names[start : start + 2]]
        return {"BackupVaultList": page, **({"NextToken": str(start + 2)} if names[start + 2 :] else {})}

    def _page(self, start: int) -> dict[str, Any]:
        if start == 0 and all(arn in self.untagged for arn, it in self.points.items() if it == "COMPLETED"):
            if self.linger == 0:
                self.points = {arn: it for arn, it in self.points.items() if it == "COMPLETED"}
            self.linger -= 1
        arns = sorted(self.points)
        points = [{"RecoveryPointArn": arn, "Status": self.points[arn]} for arn in arns[start : start + 2]]
        return {"RecoveryPoints": points, **({"NextToken": str(start + 2)} if arns[start + 2 :] else {})}


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
