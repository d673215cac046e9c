"""What CloudFormation finds wrong with a change set is told, resource by resource, before the change set is deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import botocore.client  # type: ignore[import-untyped] # botocore has no types
import botocore.exceptions  # type: ignore[import-untyped] # see above
import pytest
from calls import client
from change_sets import EARLY, early
from stacks import DEPLOY, Parameters, give, give_again

from generator.commands import main

pytestmark = pytest.mark.usefixtures("here")
EXISTS = {
    "LogicalResourceId": "AccessLogs",
    "ResourceType": "AWS::S3::Bucket",
    "ValidationFailureMode": "FAIL",
    "ValidationName": "NAME_CONFLICT_VALIDATION",
    "ValidationPath": "/Resources/AccessLogs/Properties/BucketName",
    "ValidationStatusReason": "Resource of type 'AWS::S3::Bucket' with identifier 'logs' already exists.",
}
PROPERTY = {
    "LogicalResourceId": "Monitoring",
    "ResourceType": "AWS::CloudFormation::Stack",
    "ValidationFailureMode": "FAIL",
    "ValidationPath": "/Resources/Monitoring/Properties",
    "ValidationStatusReason": "#: extraneous key [Colour] is not permitted",
}
QUOTA = {
    "LogicalResourceId": "LoadBalancer",
    "ResourceType": "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "ValidationFailureMode": "WARN",
    "ValidationName": "SERVICE_QUOTA_VALIDATION",
    "ValidationStatusReason": "The quota of 50 load balancers would be exceeded.",
}


@pytest.fixture(autouse=True)
def nothing_else() -> Iterator[None]:
    yield
    early.found.clear()


def test_each_reason_of_the_parent(capsys: pytest.CaptureFixture[str]) -> None:
    early.found = {"": [PROPERTY, QUOTA, {"LogicalResourceId": "Security"}]}
    give()
    assert main([*DEPLOY, "--stack-name", "new"]) == 2
    said = capsys.readouterr().err
    assert "error: Monitoring (AWS::CloudFormation::Stack): #: extraneous key [Colour] is not permitted, at " in said
    assert "error: Security: CloudFormation gives no reason\n" in said
    assert EARLY not in said
    assert "quota" not in said, "a warning is not why it fails"
    assert "new" not in [it["StackName"] for it in client("cloudformation").describe_stacks()["Stacks"]]


def test_of_a_nested_stack_alone(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    """The parent's own reason is only that the nested change set failed, and it lists no changes."""
    early.found = {"Edge": [EXISTS] * 5}
    give_again(deployed, TaskMinCount="4")
    assert main([*DEPLOY]) == 2
    said = (
        "error: Edge/AccessLogs (AWS::S3::Bucket): Resource of type 'AWS::S3::Bucket' with identifier 'logs' already "
        "exists, at /Resources/AccessLogs/Properties/BucketName\n"
        "error:   to do: delete or adopt what an earlier stack has left under this name\n"
    )
    assert capsys.readouterr().err.count(said) == 5


def test_warnings_are_shown_and_deployed(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    early.found = {"Edge": [QUOTA]}
    give_again(deployed, TaskMinCount="3")
    assert main([*DEPLOY, "--dry-run", "--json"]) == 0
    line = "Edge/LoadBalancer (AWS::ElasticLoadBalancingV2::LoadBalancer): The quota of 50 load balancers would be exceeded"
    assert json.loads(capsys.readouterr().out)["warnings"] == [line]
    assert main([*DEPLOY]) == 0
    assert f"warning: {line}" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [True, False])
def test_whoever_may_not_read_them_is_told_so(
    wrong: bool, deployed: Parameters, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = botocore.client.BaseClient._make_api_call

    def denied(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "DescribeEvents":
            raise botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        return call(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", denied)
    early.found = {"Edge": [EXISTS]} if wrong else {}
    give_again(deployed, TaskMinCount="5")
    assert main([*DEPLOY]) == (2 if wrong else 0)
    captured = capsys.readouterr()
    assert "validation found was not read: these credentials may not DescribeEvents" in captured.out
    assert (f"cannot compare: Edge: {EARLY}" in captured.err) is wrong
