"""New passwords on a schedule: the function that makes them, and when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from awacs import kms, secretsmanager
from awacs.aws import Allow, Statement
from troposphere import GetAtt, Ref
from troposphere.awslambda import Code, Environment, Function, LoggingConfig, Permission
from troposphere.iam import Policy, Role
from troposphere.logs import LogGroup
from troposphere.secretsmanager import RotationRules, RotationSchedule, Secret

from generator import conditions, settings
from generator.language.wiring import Stack, When
from generator.parts.cleaners import RUNTIME
from generator.parts.iam import document, may_use_secret_key, role
from generator.parts.log_groups import log_group, may_write
from generator.parts.tags import tags

WAIT_SECONDS = 150
"""Twice the minute between a task's reads of its secrets, plus time for the request."""
_SOURCE = (Path(__file__).parents[2] / "functions" / "rotation.py").read_text()


def rotation(stack: Stack, schedules: Mapping[str, tuple[Secret, When]]) -> Function:
    """By the logical ID of its schedule, each secret that gets new passwords, and its condition.

    In ``stack`` everything exists only with rotation.
    """
    log = log_group(stack, "RotationLogs", "rotation")
    its_role = _role(stack, log, [Ref(secret) for secret, _ in schedules.values()])
    function = stack.add(
        Function(
            "RotationFunction",
            Description="Gives an account of the server a new password; the old one works beside it for a while",
            Runtime=RUNTIME,
            Handler="index.handler",
            Code=Code(ZipFile=_SOURCE),
            Environment=Environment(
                Variables={"GRACE_HOURS": stack.take(settings.PASSWORD_GRACE_HOURS), "WAIT_SECONDS": str(WAIT_SECONDS)}
            ),
            Role=GetAtt(its_role, "Arn"),
            Timeout=2 * WAIT_SECONDS,
            MemorySize=256,
            LoggingConfig=LoggingConfig(LogGroup=Ref(log)),
            Tags=tags(stack, "rotation"),
        )
    )
    permission = stack.add(
        Permission(
            "RotationPermission",
            FunctionName=Ref(function),
            Action="lambda:InvokeFunction",
            Principal="secretsmanager.amazonaws.com",
            SourceAccount=Ref("AWS::AccountId"),
        )
    )
    for title, (secret, condition) in schedules.items():
        stack.add(
            RotationSchedule(
                title,
                DependsOn=[permission.title],
                Condition=stack.when(condition),
                SecretId=Ref(secret),
                RotationLambdaARN=GetAtt(function, "Arn"),
                RotationRules=RotationRules(AutomaticallyAfterDays=stack.take(settings.PASSWORD_ROTATION_DAYS)),
                # Otherwise a deployment would change the passwords before the tasks that re-read them exist.
                RotateImmediatelyOnUpdate=False,
            )
        )
    return function


def _role(stack: Stack, log: LogGroup, secrets: list[Ref]) -> Role:
    may_rotate = Statement(
        Effect=Allow,
        Action=[
            secretsmanager.DescribeSecret,
            secretsmanager.GetSecretValue,
            secretsmanager.PutSecretValue,
            secretsmanager.UpdateSecretVersionStage,
        ],
        Resource=secrets,
    )
    return role(
        stack,
        "RotationRole",
        "rotation",
        trusted="lambda.amazonaws.com",
        policies=[
            Policy(PolicyName="rotate", PolicyDocument=document(may_write(log), may_rotate)),
            stack.if_(
                conditions.HAS_SECRET_KEY,
                Policy(
                    PolicyName="use-secret-key",
                    PolicyDocument=may_use_secret_key(stack, kms.Decrypt, kms.GenerateDataKey),
                ),
            ),
        ],
    )
