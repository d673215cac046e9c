"""Events sent to the topic: failures of a deployment, of tasks, of hosts, of a backup; and alarms that are over."""

from __future__ import annotations

from troposphere import Join, Sub, events

from generator import conditions
from generator.language.wiring import Expression, Stack
from generator.parts import names, runbooks
from generator.parts.file_system import file_system_arn
from generator.parts.tags import tags


def failures(
    stack: Stack,
    topic: Expression,
    *,
    cluster: Expression,
    service: Expression,
    service_arn: Expression,
    auto_scaling_group: Expression,
    file_system: Expression,
    vault: Expression,
) -> None:
    """Rules that report failures to ``topic``, each with what is known of the reason.

    Of the service ``service``, ARN ``service_arn``, in the cluster ``cluster`` (names); of the hosts in
    ``auto_scaling_group``; of backups of ``file_system``, and of their copies from ``vault`` (a name).
    """
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
                runbooks.DEPLOYMENT,
                service="$.resources[0]",
                reason="$.detail.reason",
            ),
            Tags=tags(stack, "failed-deployment"),
        )
    )
    _alarms(stack, topic)
    _tasks(stack, topic, cluster, service, service_arn)
    _hosts(stack, topic, auto_scaling_group)
    _backups(stack, topic, file_system_arn(file_system), vault)


def _alarms(stack: Stack, topic: Expression) -> None:
    """An alarm's own message for OK would also come when it is new, as it starts without a state.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
    """
    stack.add(
        events.Rule(
            "EndedAlarm",
            Description="An alarm is over",
            EventPattern={
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "detail": {
                    "alarmName": [{"prefix": Join("-", [names.in_region(stack), ""])}],
                    "previousState": {"value": ["ALARM"]},
                    "state": {"value": ["OK"]},
                },
            },
            Targets=_tell(topic, "OK again: <alarm>", alarm="$.detail.alarmName"),
            Tags=tags(stack, "ended-alarm"),
        )
    )


def _backups(stack: Stack, topic: Expression, file_system: Expression, vault: Expression) -> None:
    """Restores have ``status`` where backups and copies have ``state``, and name neither the vault nor the resource backed up.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
    """
    stack.add(
        events.Rule(
            "FailedBackup",
            Condition=stack.when(conditions.HAS_BACKUP),
            Description="A backup of the packages failed",
            EventPattern={
                "source": ["aws.backup"],
                "detail-type": ["Backup Job State Change"],
                "detail": {"state": ["ABORTED", "EXPIRED", "FAILED", "PARTIAL"], "resourceArn": [file_system]},
            },
            Targets=_tell(
                topic,
                "The backup of <file> ended as <state>: see AWS Backup",
                runbooks.BACKUP,
                file="$.detail.resourceArn",
                state="$.detail.state",
            ),
            Tags=tags(stack, "failed-backup"),
        )
    )
    vault_arn = Sub("arn:${AWS::Partition}:backup:${AWS::Region}:${AWS::AccountId}:backup-vault:${Vault}", Vault=vault)
    stack.add(
        events.Rule(
            "FailedBackupCopy",
            Condition=stack.when(conditions.HAS_BACKUP_COPY),
            Description="A backup was not copied to the other vault",
            EventPattern={
                "source": ["aws.backup"],
                "detail-type": ["Copy Job State Change"],
                "detail": {"state": ["FAILED", "PARTIAL"], "sourceBackupVaultArn": [vault_arn]},
            },
            Targets=_tell(
                topic,
                "The copy of a backup to <vault> ended as <state>: see the copy jobs of AWS Backup",
                runbooks.BACKUP,
                vault="$.detail.destinationBackupVaultArn",
                state="$.detail.state",
            ),
            Tags=tags(stack, "failed-backup-copy"),
        )
    )
    stack.add(
        events.Rule(
            "FailedRestore",
            Condition=stack.when(conditions.HAS_BACKUP),
            Description="A restore of an EFS file system failed, or a test of one",
            EventPattern={
                "source": ["aws.backup"],
                "detail-type": ["Restore Job State Change"],
                "detail": {"status": ["ABORTED", "FAILED"], "resourceType": ["EFS"]},
            },
            Targets=_tell(
                topic,
                "The restore <job> of an EFS file system of this account ended as <status>: see the restore jobs of AWS Backup",
                runbooks.RESTORE,
                job="$.detail.restoreJobId",
                status="$.detail.status",
            ),
            Tags=tags(stack, "failed-restore"),
        )
    )


def _tasks(stack: Stack, topic: Expression, cluster: Expression, service: Expression, service_arn: Expression) -> None:
    """Tasks that fail to start or stop unexpectedly, and those for which there is no host.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html
    """
    cluster_arn = Sub("arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:cluster/${Cluster}", Cluster=cluster)
    stack.add(
        events.Rule(
            "FailedTask",
            Description="A task of the service failed to start, or stopped unexpectedly",
            EventPattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                "detail": {
                    "clusterArn": [cluster_arn],
                    "group": [Join(":", ["service", service])],
                    "lastStatus": ["STOPPED"],
                    "stopCode": ["TaskFailedToStart", "EssentialContainerExited"],
                },
            },
            Targets=_tell(
                topic,
                "The task <task> stopped (<code>): <reason>. See its log",
                runbooks.TASKS,
                task="$.detail.taskArn",
                code="$.detail.stopCode",
                reason="$.detail.stoppedReason",
            ),
            Tags=tags(stack, "failed-task"),
        )
    )
    stack.add(
        events.Rule(
            "UnplacedTask",
            Description="A task of the service found no host, or repeatedly fails to start",
            EventPattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Service Action"],
                "resources": [service_arn],
                "detail": {
                    "eventName": [
                        "SERVICE_TASK_PLACEMENT_FAILURE",
                        "SERVICE_TASK_START_IMPAIRED",
                        "SERVICE_TASK_CONFIGURATION_FAILURE",
                    ]
                },
            },
            Targets=_tell(
                topic,
                "<service>: <event>. See the service's events, and with Capacity ec2 whether AsgMaxSize leaves room",
                runbooks.TASKS,
                service="$.resources[0]",
                event="$.detail.eventName",
            ),
            Tags=tags(stack, "unplaced-task"),
        )
    )


def _hosts(stack: Stack, topic: Expression, auto_scaling_group: Expression) -> None:
    """https://docs.aws.amazon.com/autoscaling/ec2/userguide/automating-ec2-auto-scaling-with-eventbridge.html"""
    stack.add(
        events.Rule(
            "FailedHosts",
            Condition=stack.when(conditions.IS_EC2),
            Description="Hosts could not be launched, terminated or replaced",
            EventPattern={
                "source": ["aws.autoscaling"],
                "detail-type": [
                    "EC2 Instance Launch Unsuccessful",
                    "EC2 Instance Terminate Unsuccessful",
                    "EC2 Auto Scaling Instance Refresh Failed",
                    "EC2 Auto Scaling Instance Refresh Cancelled",
                ],
                "detail": {"AutoScalingGroupName": [auto_scaling_group]},
            },
            Targets=_tell(
                topic,
                "<what> in <group>: see the group's activity history",
                runbooks.HOST,
                what="$.detail-type",
                group="$.detail.AutoScalingGroupName",
            ),
            Tags=tags(stack, "failed-hosts"),
        )
    )


def _tell(topic: Expression, message: str, runbook: str = "", **paths: str) -> list[events.Target]:
    """Send ``message`` and its runbook to ``topic``; ``<name>`` in it stands for what the event has at that JSON path."""
    text = runbooks.named(message, runbook) if runbook else message
    transformer = events.InputTransformer(InputPathsMap=paths, InputTemplate=f'"{text}"')
    return [events.Target(Id="Topic", Arn=topic, InputTransformer=transformer)]
