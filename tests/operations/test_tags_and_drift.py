"""What a deployment asks of CloudFormation beside template and parameters: the stack's tags, and an end of its drift."""

from __future__ import annotations

from typing import Any

import botocore.client  # type: ignore[import-untyped] # botocore has no types
import pytest
from calls import client
from stacks import DEPLOY, Parameters, give, give_again

from generator.commands import main
from generator.operations.exits import Problem
from generator.operations.tags import merged, read

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Each CreateChangeSet, as it is sent."""
    found: list[dict[str, Any]] = []
    call = botocore.client.BaseClient._make_api_call

    def recorded(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "CreateChangeSet":
            found.append(parameters)
        return call(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recorded)
    return found


def tags() -> dict[str, str]:
    (stack,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
    return {it["Key"]: it["Value"] for it in stack["Tags"]}


def test_tags_are_set_kept_and_changed(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    give_again(deployed)
    assert main([*DEPLOY, "--tags", "cost-center=1234", "--tags", "team=a=b"]) == 0
    assert "~ modify" not in capsys.readouterr().out.partition("validation")[2]
    assert tags() == {"cost-center": "1234", "team": "a=b"}
    assert main([*DEPLOY]) == 0
    assert "nothing to do" in capsys.readouterr().out
    give_again(deployed, TaskMinCount="3")
    assert main([*DEPLOY, "--tags", "team=b"]) == 0
    assert tags() == {"cost-center": "1234", "team": "b"}


@pytest.mark.parametrize(
    "given",
    [
        ["team"],
        ["team="],
        ["=a"],
        ["aws:a=b"],
        ["AWS:a=b"],
        ["a=" + "v" * 257],
        ["k" * 129 + "=v"],
        ["a=1", "a=2"],
        ["a=<"],
    ],
)
def test_tags_that_aws_would_not_take(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    give()
    assert main([*DEPLOY, *(word for it in given for word in ("--tags", it))]) == 2
    assert "error: --tags " in capsys.readouterr().err


def test_tags_that_aws_just_takes() -> None:
    assert read(["k" * 128 + "=" + "v" * 256]) == {"k" * 128: "v" * 256}
    assert read(["Team_.:/+-@ 1=a=b _.:/+-@"]) == {"Team_.:/+-@ 1": "a=b _.:/+-@"}
    assert len(merged(None, {str(at): "v" for at in range(50)})) == 50


def test_tags_of_aws_itself_are_not_given_back() -> None:
    """As those of Service Catalog: CloudFormation refuses them."""
    own = [{"Key": "aws:servicecatalog:productArn", "Value": "arn"}, {"Key": "a", "Value": "1"}]
    assert merged({"Tags": own}, {"b": "2"}) == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    with pytest.raises(Problem, match="51 tags"):
        merged({"Tags": own}, {str(at): "" for at in range(50)})


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("Environment", "environment"),
        ("SERVICE", "service"),
        ("name", "Name"),
        ("Account", "account"),
        ("Created_By", "created_by"),
    ],
)
def test_tags_that_iam_would_find_twice_on_a_role(key: str, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`Duplicate tag keys found. Please note that Tag keys are case insensitive`: aws/aws-cdk#26253, serverless#7885."""
    give()
    assert main([*DEPLOY, "--tags", f"{key}=a"]) == 2
    assert f"error: the stack would have the tag {key}, and its roles {ours} too" in capsys.readouterr().err
    assert len(merged(None, {ours: "a", f"{key}-of-team": "b"})) == 2


def test_drift_is_reverted_when_asked_for(deployed: Parameters, asked: list[dict[str, Any]]) -> None:
    give_again(deployed, TaskMinCount="4")
    assert main([*DEPLOY, "--dry-run"]) == 0
    assert main([*DEPLOY, "--dry-run", "--revert-drift"]) == 0
    assert [it.get("DeploymentMode") for it in asked] == [None, "REVERT_DRIFT"]


def test_what_is_not_there_has_not_drifted(capsys: pytest.CaptureFixture[str], asked: list[dict[str, Any]]) -> None:
    give()
    assert main([*DEPLOY, "--stack-name", "new", "--revert-drift"]) == 2
    assert "new is not deployed yet" in capsys.readouterr().err
    assert not asked
