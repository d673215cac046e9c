"""Failures that leave no metric, sent to the topic as events: of a deployment, of a backup."""

from __future__ import annotations

from troposphere import events

from generator import conditions
from generator.language.wiring import Expression, Stack
from generator.parts.file_system import file_system_arn
from generator.parts.tags import tags


def failures(stack: Stack, topic: Expression, *, service_arn: Expression, file_system: Expression) -> None:
    """Rules that tell ``topic`` when a deployment of the service, or a backup of the file system, has failed."""
    stack.add(
        events.Rule(
            "FailedDeployment",
            Description="A deployment of the service failed",
            EventPattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Deployment State Change"],
                "resources": [service_arn],
                "detail": {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]},
            },
            Targets=_tell(
                topic,
                "The deployment of <service> failed and was rolled back: <reason>",
                service="$.resources[0]",
                reason="$.detail.reason",
            ),
            Tags=tags(stack, "failed-deployment"),
        )
    )
    arn = file_system_arn(file_system)
    stack.add(
        events.Rule(
            "FailedBackup",
            Condition=stack.when(conditions.HAS_BACKUP),
            Description="A backup of the packages failed",
            EventPattern={
                "source": ["aws.backup"],
                "detail-type": ["Backup Job State Change"],
                "detail": {"state": ["ABORTED", "EXPIRED", "FAILED", "PARTIAL"], "resourceArn": [arn]},
            },
            Targets=_tell(
                topic,
                "The backup of <file> ended as <state>: see AWS Backup",
                file="$.detail.resourceArn",
                state="$.detail.state",
            ),
            Tags=tags(stack, "failed-backup"),
        )
    )


def _tell(topic: Expression, message: str, **paths: str) -> list[events.Target]:
    """Send ``message`` to ``topic``, in which ``<name>`` stands for what the event has at that JSON path."""
    transformer = events.InputTransformer(InputPathsMap=paths, InputTemplate=f'"{message}"')
    return [events.Target(Id="Topic", Arn=topic, InputTransformer=transformer)]
