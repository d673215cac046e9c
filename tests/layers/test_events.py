"""Which events are told: the templates' rules on events as the services send them."""

from __future__ import annotations

from typing import Any

import boto3  # type: ignore[import-untyped] # boto3 has no types
import pytest
from deployments import DEFAULTS, Editions, everything, extras, of_type
from eventbridge import matches, told
from resolve import PLACES, Data, Place, Values

SERVICE = "<Service>"
COPIES = extras()["BackupCopyVaultArn"]
OTHER_SERVICE = "arn:aws:ecs:eu-west-1:123456789012:service/other/other"


def file_system(place: Place, identity: str = "<FileSystem>") -> str:
    return f"arn:{place.partition}:elasticfilesystem:{place.region}:{place.account}:file-system/{identity}"


def deployment(name: str, service: str = SERVICE) -> Data:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html"""
    return {
        "version": "0",
        "id": "ddca6449-b258-46c0-8653-e0e3aEXAMPLE",
        "detail-type": "ECS Deployment State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2020-05-23T12:31:14Z",
        "region": "eu-west-1",
        "resources": [service],
        "detail": {
            "eventType": "ERROR" if name.endswith("FAILED") else "INFO",
            "eventName": name,
            "deploymentId": "ecs-svc/123",
            "updatedAt": "2020-05-23T11:11:11Z",
            "reason": "ECS deployment circuit breaker: task failed to start.",
        },
    }


def backup(state: str, place: Place, resource: str) -> Data:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html"""
    return {
        "version": "0",
        "id": "710b0398-d48e-f3c3-afca-cfeb2fdaa656",
        "detail-type": "Backup Job State Change",
        "source": "aws.backup",
        "account": place.account,
        "time": "2020-07-29T20:15:26Z",
        "region": place.region,
        "resources": [],
        "detail": {
            "backupJobId": "34176239-e96d-4e1d-9fad-529dbb3c3556",
            "backupVaultName": "packages-0a1b2c3d-1-2-3-4e5f",
            "bytesTransferred": "0",
            "creationDate": "2020-07-29T20:13:07.392Z",
            "iamRoleArn": "arn:aws:iam::123456789012:role/backups",
            "resourceArn": resource,
            "resourceType": "EFS",
            "state": state,
            "statusMessage": "Insufficient permissions",
        },
    }


def copy(state: str, source: str) -> Data:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html"""
    return {
        "detail-type": "Copy Job State Change",
        "source": "aws.backup",
        "resources": ["arn:aws:backup:eu-west-1:123456789012:recovery-point:1EB3B5E7-9EB0-435A-A80B-108B488B0D45"],
        "detail": {
            "copyJobId": "F9C6F5A2-3E3A-4F0C-9E65-4C0A3A4F6B1E",
            "sourceBackupVaultArn": source,
            "destinationBackupVaultArn": COPIES,
            "resourceType": "EFS",
            "state": state,
            "statusMessage": "Access denied trying to call AWS Backup service",
        },
    }


def restore(status: str, kind: str = "EFS") -> Data:
    """Neither the vault nor what was backed up is in it; and ``status`` where the others have ``state``.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
    """
    return {
        "detail-type": "Restore Job State Change",
        "source": "aws.backup",
        "resources": ["arn:aws:backup:eu-west-1:123456789012:recovery-point:1EB3B5E7-9EB0-435A-A80B-108B488B0D45"],
        "detail": {
            "restoreJobId": "9FE5D3B2-1D3B-6C5D-8E6A-0C0D5E5E5B5A",
            "creationDate": "2020-07-29T20:13:07.392Z",
            "resourceType": kind,
            "status": status,
        },
    }


def messages(editions: Editions, event: Data, place: Place = PLACES[0], values: Values = DEFAULTS) -> list[str]:
    """What the topic is told of the event, by every rule that takes it."""
    rules = of_type(editions.nested(values, place).resources, "AWS::Events::Rule").values()
    taking = [rule for rule in rules if matches(rule["EventPattern"], event)]
    assert all(rule.get("State", "ENABLED") == "ENABLED" for rule in taking)
    assert all(target["Arn"] == "<Topic>" for rule in taking for target in rule["Targets"])
    return [told(target, event) for rule in taking for target in rule["Targets"]]


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("SERVICE_DEPLOYMENT_FAILED", True),
        ("SERVICE_DEPLOYMENT_IN_PROGRESS", False),
        ("SERVICE_DEPLOYMENT_COMPLETED", False),
    ],
)
def test_deployments(editions: Editions, name: str, is_told: bool) -> None:
    found = messages(editions, deployment(name))
    assert len(found) == is_told
    for message in found:
        assert SERVICE in message
        assert "circuit breaker: task failed to start" in message
    assert not messages(editions, deployment(name, OTHER_SERVICE)), "of a service that is not ours"


CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/<Cluster>"


def stopped(code: str, group: str = "service:<Service.Name>", cluster: str = CLUSTER) -> Data:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html"""
    task = cluster.replace(":cluster/", ":task/") + "/158d1c8083dd49d6b527399fd6414f5c"
    return {
        "version": "0",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "region": "eu-west-1",
        "resources": [task],
        "detail": {
            "clusterArn": cluster,
            "taskArn": task,
            "group": group,
            "lastStatus": "STOPPED",
            "desiredStatus": "STOPPED",
            "stopCode": code,
            "stoppedReason": "CannotPullContainerError: pull image manifest has been retried 5 time(s)",
        },
    }


@pytest.mark.parametrize(
    ("code", "is_told"),
    [
        ("TaskFailedToStart", True),
        ("EssentialContainerExited", True),
        ("ServiceSchedulerInitiated", False),  # a deployment, or a health check, which alarms see
        ("UserInitiated", False),
        ("SpotInterruption", False),
    ],
)
def test_tasks(editions: Editions, code: str, is_told: bool) -> None:
    found = messages(editions, stopped(code))
    assert len(found) == is_told
    assert all(code in message and "CannotPullContainerError" in message for message in found)
    assert not messages(editions, stopped(code, group="service:other"))
    assert not messages(editions, stopped(code, cluster=CLUSTER.replace("<Cluster>", "other")))
    running = stopped(code)
    running["detail"]["lastStatus"] = "DEPROVISIONING"
    assert not messages(editions, running), "each task is told once"


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("SERVICE_TASK_PLACEMENT_FAILURE", True),
        ("SERVICE_TASK_START_IMPAIRED", True),
        ("SERVICE_TASK_CONFIGURATION_FAILURE", True),
        ("SERVICE_STEADY_STATE", False),
        ("SERVICE_DESIRED_COUNT_UPDATED", False),
    ],
)
def test_placement(editions: Editions, name: str, is_told: bool) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html"""

    def event(service: str) -> Data:
        detail = {"eventType": "ERROR", "eventName": name, "clusterArn": CLUSTER, "reason": "RESOURCE:MEMORY"}
        return {
            "detail-type": "ECS Service Action",
            "source": "aws.ecs",
            "resources": [service],
            "detail": detail,
        }

    found = messages(editions, event(SERVICE))
    assert len(found) == is_told
    assert all(name in message and SERVICE in message for message in found)
    assert not messages(editions, event(OTHER_SERVICE))


@pytest.mark.parametrize(
    ("what", "is_told"),
    [
        ("EC2 Instance Launch Unsuccessful", True),
        ("EC2 Instance Terminate Unsuccessful", True),
        ("EC2 Auto Scaling Instance Refresh Failed", True),
        ("EC2 Auto Scaling Instance Refresh Cancelled", True),
        ("EC2 Auto Scaling Instance Refresh Succeeded", False),
        ("EC2 Instance Launch Successful", False),
    ],
)
def test_hosts(editions: Editions, what: str, is_told: bool) -> None:
    """https://docs.aws.amazon.com/autoscaling/ec2/userguide/automating-ec2-auto-scaling-with-eventbridge.html"""

    def event(group: str) -> Data:
        return {"detail-type": what, "source": "aws.autoscaling", "detail": {"AutoScalingGroupName": group}}

    found = messages(editions, event("<AutoScalingGroup>"))
    assert len(found) == is_told
    assert all(what in message and "<AutoScalingGroup>" in message for message in found)
    assert not messages(editions, event("other"))


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        ("ALARM", "OK", True),
        ("INSUFFICIENT_DATA", "OK", False),  # a new one
        ("OK", "ALARM", False),  # which it tells itself
        ("ALARM", "INSUFFICIENT_DATA", False),
    ],
)
@pytest.mark.parametrize("kind", ["AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"])
def test_alarms_that_ended(editions: Editions, kind: str, before: str, after: str, is_told: bool) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html"""

    def event(name: str) -> Data:
        return {
            "detail-type": "CloudWatch Alarm State Change",
            "source": "aws.cloudwatch",
            "resources": [f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name}"],
            "detail": {
                "alarmName": name,
                "configuration": {"description": "Goes into alarm when server CPU utilization is too high!"},
                "previousState": {"value": before, "reason": "Threshold Crossed", "timestamp": "2019-10-02T17:04:40Z"},
                "state": {"value": after, "reason": "Threshold Crossed", "timestamp": "2019-10-02T17:08:40Z"},
            },
        }

    (name, *_) = (it["AlarmName"] for it in of_type(editions.nested().resources, kind).values())
    found = messages(editions, event(name))
    assert len(found) == is_told
    assert all(name in message for message in found)
    # Of another stack with the same ServiceName, and of one whose name only begins alike.
    assert not messages(editions, event(name.replace("0a1b2c3d", "9f8e7d6c")))
    assert not messages(editions, event(name.replace("pypiserver-", "pypiserver-dev-")))


def _states(shape: str) -> list[str]:
    model = boto3.client("backup", region_name="eu-west-1").meta.service_model
    states: list[str] = model.shape_for(shape).enum
    return states


GOING_WELL = {"CREATED", "PENDING", "RUNNING", "COMPLETED"}
UNDER_WAY = {"ABORTING"}
"""Ends as ABORTED, which is told."""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
@pytest.mark.parametrize("state", _states("BackupJobState"))
def test_backups(editions: Editions, state: str, place: Place) -> None:
    """Every state that the service knows: what does not go well is told, once it has ended."""
    found = messages(editions, backup(state, place, file_system(place)), place)
    assert len(found) == (state not in GOING_WELL | UNDER_WAY), f"{state}: told of {found}"
    for message in found:
        assert state in message
        assert "file-system/<FileSystem>" in message
    assert not messages(editions, backup(state, place, file_system(place, "fs-other")), place)


@pytest.mark.parametrize("state", _states("CopyJobState"))
def test_copies(editions: Editions, state: str) -> None:
    ours = "arn:aws:backup:eu-west-1:123456789012:backup-vault:<BackupVault>"
    values = {"BackupCopyVaultArn": COPIES}
    found = messages(editions, copy(state, ours), values=values)
    assert len(found) == (state not in GOING_WELL)
    assert all(COPIES in message and state in message for message in found)
    assert not messages(editions, copy(state, ours.replace("<BackupVault>", "other")), values=values)


@pytest.mark.parametrize("status", _states("RestoreJobStatus"))
def test_restores_and_tests_of_them(editions: Editions, status: str) -> None:
    found = messages(editions, restore(status))
    assert len(found) == (status not in GOING_WELL)
    assert all(status in message and "9FE5D3B2" in message for message in found)
    assert not messages(editions, restore(status, "RDS"))


def test_an_adopted_file_systems_backups(editions: Editions) -> None:
    place, adopted = PLACES[0], "fs-0123456789abcdef0"
    rules = of_type(editions.nested({"ExistingFileSystemId": adopted}).resources, "AWS::Events::Rule")
    event = backup("FAILED", place, file_system(place, adopted))
    assert [title for title, rule in rules.items() if matches(rule["EventPattern"], event)] == ["FailedBackup"]


def test_events_are_of_aws_itself(editions: Editions) -> None:
    """Whoever may put events can give them any detail, but no source of AWS's."""
    rules = of_type(editions.nested(everything()).resources, "AWS::Events::Rule").values()
    assert len(rules) > 5
    for rule in rules:
        (source,) = rule["EventPattern"]["source"]
        assert source.startswith("aws.")
        assert rule["EventPattern"]["detail-type"]


def test_an_event_of_the_console_is_not_a_failure(editions: Editions) -> None:
    """CloudTrail's events of the same services have another detail-type."""
    event: Any = {**deployment("SERVICE_DEPLOYMENT_FAILED"), "detail-type": "AWS API Call via CloudTrail"}
    assert not messages(editions, event)
