"""``status`` of a deployed stack, on ``emulator`` and ``vitals``: well, unwell in each way, and out of reach."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.client  # type: ignore[import-untyped] # botocore has no types
import botocore.exceptions  # type: ignore[import-untyped] # see above
import pytest
from calls import REGION, client
from commands import command
from emulator import ACCOUNT, BUCKET, DIRECTLY, backend, emulator, environment, network
from moto.core.responses import ActionResult
from moto.sns.responses import SNSResponse
from vitals import AT, Vitals, vitals

from generator.operations.aws import Account
from generator.operations.next_steps import show
from generator.operations.terminal import Terminal

from .test_identity import TABLE


@dataclass
class Deployed:
    """The stack ``pypi``, with two tasks running and healthy and a backup made."""

    environment: dict[str, str]
    vitals: Vitals
    outputs: dict[str, str]
    target_group: str
    hosts: list[str]
    parameters: Path

    @property
    def file_system(self) -> str:
        return f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/{self.outputs['FileSystemId']}"

    @property
    def alarms(self) -> list[str]:
        return [arn.partition(":alarm:")[2] for arn in self.outputs["CloudwatchAlarmArns"].split(",")]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return command(arguments, {**self.environment, "COLUMNS": "200", DIRECTLY: "true"})

    def deploy(self, **changed: str) -> None:
        given = {**network(), **changed}
        self.parameters.write_text(json.dumps([f"{name}={value}" for name, value in given.items()]))
        done = self.run("deploy", "--bucket", BUCKET, "--yes", "--parameters", str(self.parameters))
        assert done.returncode == 0, done.stderr

    def status(self, *options: str) -> tuple[int, dict[str, str]]:
        """The exit code and, by subject, the rest of its line with its verdict: ``ok``, ``BAD`` or none."""
        done = self.run("status", *options)
        assert not done.stderr, done.stderr
        return done.returncode, {
            re.split(r"\s{2,}", line.removeprefix("ok").removeprefix("BAD").strip())[0]: line
            for line in done.stdout.splitlines()
        }


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    directory = tmp_path_factory.mktemp("deployed")
    with emulator() as url, vitals() as found:
        made = Deployed(environment(url, directory), found, {}, "", [], directory / "parameters.json")
        made.deploy()
        (stack,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
        made.outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
        (group,) = client("elbv2").describe_target_groups()["TargetGroups"]
        made.target_group = group["TargetGroupArn"]
        (hosts,) = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        made.hosts = [it["InstanceId"] for it in hosts["Instances"]][:2]
        yield made


@pytest.fixture
def well(deployed: Deployed) -> Deployed:
    """Well before each test, whatever the one before it did."""
    deployed.vitals.run_tasks(deployed.outputs["EcsServiceArn"], running=2, desired=2)
    deployed.vitals.drifted.clear()
    deployed.vitals.detected.clear()
    deployed.vitals.last_backup = {deployed.file_system: AT}
    deployed.vitals.last_restore = {}
    client("ec2").start_instances(InstanceIds=deployed.hosts)
    client("elbv2").register_targets(
        TargetGroupArn=deployed.target_group, Targets=[{"Id": it} for it in deployed.hosts]
    )
    for alarm in deployed.alarms:
        client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="test")
    return deployed


def test_well(well: Deployed) -> None:
    well.vitals.last_restore = {well.file_system: AT}
    code, lines = well.status()
    assert code == 0, lines
    assert "2 of 2" in lines["tasks"]
    assert "2 of 2 healthy" in lines["targets"]
    assert "none" in lines["alarms"]
    for subject in ("last backup", "last restore"):
        assert "2026-01-02 03:04 UTC" in lines[subject]
    assert not [line for line in lines.values() if line.startswith("BAD")]


def _fewer_tasks(it: Deployed) -> None:
    it.vitals.run_tasks(it.outputs["EcsServiceArn"], running=1, desired=2)


def _no_target(it: Deployed) -> None:
    client("elbv2").deregister_targets(TargetGroupArn=it.target_group, Targets=[{"Id": host} for host in it.hosts])


def _unused_targets(it: Deployed) -> None:
    client("ec2").stop_instances(InstanceIds=it.hosts)


def _alarm(it: Deployed) -> None:
    client("cloudwatch").set_alarm_state(AlarmName=it.alarms[-1], StateValue="ALARM", StateReason="test")


@pytest.mark.parametrize(
    ("ail", "subject", "text"),
    [
        (_fewer_tasks, "tasks", "1 of 2"),
        (_no_target, "targets", "0 of 0 healthy"),
        (_unused_targets, "targets", "unused"),
        (_alarm, "alarms", "Alarm"),
    ],
)
def test_unwell(well: Deployed, ail: Callable[[Deployed], None], subject: str, text: str) -> None:
    """One thing is wrong: its line says so, no other does, and scripts see it by the exit code."""
    ail(well)
    code, lines = well.status()
    assert code == 1
    assert [name for name, line in lines.items() if line.startswith("BAD")] == [subject]
    assert text in lines[subject]


def test_an_alarm_without_data_is_none_that_rings(well: Deployed) -> None:
    for alarm in well.alarms:
        client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="INSUFFICIENT_DATA", StateReason="test")
    code, lines = well.status()
    assert code == 0
    assert lines["alarms"].startswith("ok")


def test_drift_of_a_nested_stack_is_found(well: Deployed) -> None:
    """CloudFormation's own detection on the parent does not look into its nested stacks."""
    resources = client("cloudformation").list_stack_resources(StackName="pypi")["StackResourceSummaries"]
    nested = {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in resources}
    well.vitals.drifted = {it.split("/")[1] for name, it in nested.items() if name == "Edge"}
    assert well.vitals.drifted
    code, lines = well.status("--detect-drift")
    assert code == 1
    assert [name for name, line in lines.items() if line.startswith("BAD")] == ["Edge"]
    assert "DRIFTED at 2026-01-02 03:04 UTC" in lines["Edge"]
    for name in ("pypi", "Security", "Storage", "Compute", "Monitoring"):
        assert "IN_SYNC" in lines[name]


def test_no_backup_yet_is_nothing_wrong(well: Deployed) -> None:
    well.vitals.last_backup = {}
    code, lines = well.status()
    assert code == 0
    assert "none yet" in lines["last backup"]
    assert "none yet" in lines["last restore"]


def test_a_service_that_was_turned_off_is_well_without_tasks(well: Deployed) -> None:
    well.deploy(TaskMinCount="0")
    _no_target(well)
    well.vitals.run_tasks(well.outputs["EcsServiceArn"], running=0, desired=0)
    code, lines = well.status()
    well.deploy(TaskMinCount="2")
    assert code == 0, lines
    assert "0 of 0 healthy" in lines["targets"]


@pytest.mark.parametrize(("state", "good"), [("UPDATE_COMPLETE", True), ("UPDATE_ROLLBACK_COMPLETE", False)])
def test_a_nested_stack_whose_update_failed(
    well: Deployed, state: str, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (edge,) = (it for it in backend().stacks.values() if it.name.startswith("pypi-Edge-"))
    monkeypatch.setattr(edge, "status", state)
    code, lines = well.status()
    assert code == (0 if good else 1)
    assert re.match(f"{'ok' if good else 'BAD'} +Edge +{state}", lines["Edge"])


@pytest.mark.parametrize(("operation", "subject"), [("DescribeServices", "tasks"), ("DescribeTargetHealth", "targets")])
def test_what_may_not_be_read_is_not_taken_for_well(
    well: Deployed, operation: str, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the rest is told."""
    call = botocore.client.BaseClient._make_api_call

    def denied(self: Any, asked: str, parameters: Any) -> Any:
        if asked == operation:
            raise botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "not yours"}}, asked)
        return call(self, asked, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", denied)
    code, lines = well.status()
    assert code == 1
    assert [name for name, line in lines.items() if line.startswith("BAD")] == [subject]
    assert "not yours" in lines[subject]


def test_before_there_are_outputs(well: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while a creation is under way: what is not there yet is neither well nor the end of the command."""
    call = botocore.client.BaseClient._make_api_call

    def begun(self: Any, asked: str, parameters: Any) -> Any:
        answer = call(self, asked, parameters)
        if asked == "DescribeStacks":
            answer["Stacks"] = [{**it, "Outputs": []} for it in answer["Stacks"]]
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", begun)
    done = well.run("status")
    assert done.returncode == 1
    assert re.search("^BAD tasks +not deployed yet: the stack has no output EcsClusterName$", done.stdout, re.MULTILINE)
    assert "last backup" not in done.stdout
    assert "upload" not in done.stdout, "and no next steps"


def test_no_stack(well: Deployed) -> None:
    done = well.run("status", "--stack-name", "absent")
    assert done.returncode == 2
    assert "absent" in done.stderr


def test_as_json(well: Deployed) -> None:
    """One object, and nothing else on standard output, also while drift is looked for."""
    _fewer_tasks(well)
    done = well.run("status", "--json", "--detect-drift")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["stack"], found["good"]) == ("pypi", False)
    assert found["urls"] == well.outputs["PypiServerUrls"].split(",")
    assert [it["subject"] for it in found["facts"] if it["good"] is False] == ["tasks"]
    assert {"last backup", "last restore"} == {it["subject"] for it in found["facts"] if it["good"] is None}


def test_ends_with_addresses_and_next_steps(well: Deployed) -> None:
    lines = well.run("status").stdout.splitlines()
    address = lines.index(f"{well.outputs['PypiServerUrls'].split(',')[0]}/")
    assert [it for it in lines[:address] if "last restore" in it], "the facts come first"
    assert lines[address - 1] == ""
    for account in ("pip", "pypirc"):
        (line,) = [line for line in lines if f"--format {account} " in line]
        done = well.run(*line.split()[3:-2])
        assert done.returncode == 0, done.stderr
        assert ("publisher" if account == "pypirc" else "reader") in done.stdout


@pytest.mark.parametrize(
    ("given", "subscribed", "left"),
    [
        ({}, "PendingConfirmation", ["alarms: ops@example.com must confirm", "CI: jobs have no access"]),
        ({}, "arn:aws:sns:us-east-1:123456789012:topic:id", ["CI: jobs have no access"]),
        ({}, "", ["alarms: nobody receives them", "CI: jobs have no access"]),
        ({"AlarmTopicArns": "arn:aws:sns:us-east-1:123456789012:ours"}, "", ["CI: jobs have no access"]),
        ({"Tokens": "true"}, "", ["alarms: nobody receives them"]),
        ({"SecretReaders": "arn:aws:iam::123456789012:role/ci"}, "", ["alarms: nobody receives them"]),
        ({"Tokens": "false", "SecretReaders": ""}, "", ["alarms: nobody receives them", "CI: jobs have no access"]),
    ],
)
def test_what_is_not_set_up_yet(
    well: Deployed, given: dict[str, str], subscribed: str, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a stack with these parameters, whose topic has this subscription, or none."""
    has = [{"SubscriptionArn": subscribed, "Endpoint": "ops@example.com"}] if subscribed else []
    monkeypatch.setattr(SNSResponse, "list_subscriptions_by_topic", lambda _: ActionResult({"Subscriptions": has}))
    said = not_set_up(well, monkeypatch, given)
    assert [line[: len(start)] for line, start in zip(said, left, strict=True)] == left


@pytest.mark.parametrize(
    ("output", "ready"), [("PypiUserSecretArn", True), ("ReaderSecretArn", True), ("FileSystemId", False)]
)
def test_jobs_have_access_by_a_stack_of_their_own(
    well: Deployed, output: str, ready: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ci-access.yaml, for either secret of this server."""
    body = {"Parameters": {"SecretArn": {"Type": "String"}}, "Resources": {"Table": TABLE}}
    given = [{"ParameterKey": "SecretArn", "ParameterValue": well.outputs[output]}]
    client("cloudformation").create_stack(StackName="ci", TemplateBody=json.dumps(body), Parameters=given)
    said = not_set_up(well, monkeypatch, {})
    client("cloudformation").delete_stack(StackName="ci")
    assert any(it.startswith("CI:") for it in said) is not ready


@pytest.mark.parametrize(("code", "told"), [("AccessDenied", False), ("InternalError", True)])
def test_what_may_not_be_read_counts_as_set_up(
    well: Deployed, code: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = botocore.client.BaseClient._make_api_call

    def failing(self: Any, operation: str, parameters: Any) -> Any:
        if operation in ("ListSubscriptionsByTopic", "DescribeStacks"):
            raise botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
        return call(self, operation, parameters)

    def fail() -> None:
        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", failing)

    said = not_set_up(well, monkeypatch, {}, fail)
    assert [it.partition(":")[0] for it in said] == ["perhaps more"] * 2 * told


def not_set_up(
    well: Deployed, patch: pytest.MonkeyPatch, given: dict[str, str], before: Callable[[], None] = lambda: None
) -> list[str]:
    """What is said of the stack if it had these parameters."""
    (stack,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
    values = {it["ParameterKey"]: it["ParameterValue"] for it in stack["Parameters"]} | given
    stack["Parameters"] = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    for name, value in well.environment.items():
        patch.setenv(name, value)
    shown = io.StringIO()
    before()
    show(Account(), Terminal(shown, live=False), stack)
    return [it.strip() for it in shown.getvalue().partition("not set up yet:\n")[2].splitlines()]
