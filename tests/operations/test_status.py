"""The parts of ``status`` that moto does not have, against botocore's own checks of requests and answers (Stubber)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3  # type: ignore[import-untyped] # boto3 has no types
import pytest
from botocore.stub import Stubber  # type: ignore[import-untyped] # nor has botocore

from generator.operations.aws import Account
from generator.operations.status import status
from generator.operations.terminal import Terminal

REGION = "eu-central-1"
STACK_ID = f"arn:aws:cloudformation:{REGION}:123456789012:stack/pypi/1"
SERVICES = ("backup", "cloudformation", "cloudwatch", "ecs", "elbv2")
ALARM = f"arn:aws:cloudwatch:{REGION}:123456789012:alarm:"
FILE_SYSTEM = f"arn:aws:elasticfilesystem:{REGION}:123456789012:file-system/fs-1"
AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
OUTPUTS = {
    "CloudwatchAlarmArns": f"{ALARM}one,{ALARM}two",
    "EcsClusterName": "cluster",
    "EcsServiceArn": "service",
    "FileSystemId": "fs-1",
}


@pytest.fixture
def stubs() -> Iterator[dict[str, Stubber]]:
    made = {
        name: Stubber(boto3.client(name, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"))
        for name in SERVICES
    }
    for stub in made.values():
        stub.activate()
    yield made
    for stub in made.values():
        stub.assert_no_pending_responses()


def prepare(stubs: dict[str, Stubber], drift: str, running: int, health: str, alarm: str, *, backed_up: bool) -> None:
    described = {
        "StackName": "pypi",
        "StackId": STACK_ID,
        "CreationTime": AT,
        "StackStatus": "UPDATE_COMPLETE",
        "DriftInformation": {"StackDriftStatus": drift, "LastCheckTimestamp": AT},
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()],
    }
    group = {
        "LogicalResourceId": "TargetGroup",
        "PhysicalResourceId": "group",
        "ResourceType": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "ResourceStatus": "CREATE_COMPLETE",
        "LastUpdatedTimestamp": AT,
    }
    cloudformation = stubs["cloudformation"]
    cloudformation.add_response("describe_stacks", {"Stacks": [described]}, {"StackName": "pypi"})
    cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": [group]}, {"StackName": STACK_ID})
    cloudformation.add_response("detect_stack_drift", {"StackDriftDetectionId": "detection-1"}, {"StackName": STACK_ID})
    detected = {
        "StackId": STACK_ID,
        "StackDriftDetectionId": "detection-1",
        "DetectionStatus": "DETECTION_COMPLETE",
        "Timestamp": AT,
    }
    cloudformation.add_response(
        "describe_stack_drift_detection_status", detected, {"StackDriftDetectionId": "detection-1"}
    )
    cloudformation.add_response("describe_stacks", {"Stacks": [described]}, {"StackName": STACK_ID})
    stubs["ecs"].add_response(
        "describe_services",
        {"services": [{"runningCount": running, "desiredCount": 2}]},
        {"cluster": "cluster", "services": ["service"]},
    )
    stubs["elbv2"].add_response(
        "describe_target_health",
        {"TargetHealthDescriptions": [{"TargetHealth": {"State": health}}]},
        {"TargetGroupArn": "group"},
    )
    alarms = [{"AlarmName": "one", "StateValue": "OK"}, {"AlarmName": "two", "StateValue": alarm}]
    stubs["cloudwatch"].add_response("describe_alarms", {"MetricAlarms": alarms}, {"AlarmNames": ["one", "two"]})
    if backed_up:
        stubs["backup"].add_response(
            "describe_protected_resource", {"LastBackupTime": AT}, {"ResourceArn": FILE_SYSTEM}
        )
    else:
        stubs["backup"].add_client_error("describe_protected_resource", "ResourceNotFoundException")
    stubs["backup"].add_response(
        "list_restore_jobs_by_protected_resource",
        {"RestoreJobs": [{"CompletionDate": AT}] if backed_up else []},
        {"ResourceArn": FILE_SYSTEM, "ByStatus": "COMPLETED"},
    )


def run(stubs: dict[str, Stubber]) -> tuple[int, list[str]]:
    account = Account(region_name=REGION)
    account._clients.update({name: stub.client for name, stub in stubs.items()})
    output = io.StringIO()
    code = status(account, Terminal(output, False, 80, 24), stack_name="pypi", detect_drift=True)
    return code, output.getvalue().splitlines()


def test_healthy(stubs: dict[str, Stubber]) -> None:
    prepare(stubs, "IN_SYNC", 2, "healthy", "INSUFFICIENT_DATA", backed_up=True)
    assert run(stubs) == (
        0,
        [
            "detecting drift of pypi …",
            "ok  pypi          UPDATE_COMPLETE, drift IN_SYNC at 2026-01-02 03:04 UTC",
            "ok  tasks         2 of 2 running",
            "ok  targets       1 of 1 healthy",
            "ok  alarms        none of 2 in ALARM",
            "    last backup   2026-01-02 03:04 UTC",
            "    last restore  2026-01-02 03:04 UTC",
        ],
    )


def test_unwell(stubs: dict[str, Stubber]) -> None:
    prepare(stubs, "DRIFTED", 1, "draining", "ALARM", backed_up=False)
    assert run(stubs) == (
        1,
        [
            "detecting drift of pypi …",
            "BAD pypi          UPDATE_COMPLETE, drift DRIFTED at 2026-01-02 03:04 UTC",
            "BAD tasks         1 of 2 running",
            "BAD targets       0 of 1 healthy draining",
            "BAD alarms        in ALARM: two",
            "    last backup   none yet",
            "    last restore  none yet",
        ],
    )
