"""When a password is changed, by whom, and what must be there before."""

from __future__ import annotations

import pytest
from deployments import Editions, of_type

from server.contract import POLL_SECONDS

ROTATING = {"PasswordRotationDays": "30", "PasswordGraceHours": "24"}


@pytest.mark.parametrize(
    ("reader", "secrets"), [("true", ["<PublisherSecret>", "<ReaderSecret>"]), ("false", ["<PublisherSecret>"])]
)
def test_each_account_has_a_schedule_of_its_own_which_no_deployment_begins(
    editions: Editions, reader: str, secrets: list[str]
) -> None:
    """A deployment that began one would change the password before there are tasks that read it again."""
    resources = editions.nested({**ROTATING, "ReaderAccount": reader}).resources
    schedules = of_type(resources, "AWS::SecretsManager::RotationSchedule").values()
    assert sorted(it["SecretId"] for it in schedules) == secrets
    for schedule in schedules:
        assert schedule["RotateImmediatelyOnUpdate"] is False
        assert schedule["RotationRules"] == {"AutomaticallyAfterDays": "30"}
        assert schedule["RotationLambdaARN"] == "<RotationFunction.Arn>"


def test_secrets_manager_alone_may_call_the_function_and_for_this_account_alone(editions: Editions) -> None:
    """https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html"""
    (permission,) = of_type(editions.nested(ROTATING).resources, "AWS::Lambda::Permission").values()
    assert permission == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "<RotationFunction>",
        "Principal": "secretsmanager.amazonaws.com",
        "SourceAccount": "123456789012",
    }


def test_the_function_waits_until_every_task_has_asked_and_has_time_to_wait(editions: Editions) -> None:
    resources = editions.nested(ROTATING).resources
    function = resources["RotationFunction"]["Properties"]
    (task,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    assert POLL_SECONDS.name not in {it["Name"] for it in task["Environment"]}
    given = {name: float(value) for name, value in function["Environment"]["Variables"].items()}
    assert given["GRACE_HOURS"] == 24
    assert given["WAIT_SECONDS"] >= 2 * POLL_SECONDS.default, "a task that has just asked asks again after this"
    assert function["Timeout"] >= given["WAIT_SECONDS"] + 60, "no step waits twice"
