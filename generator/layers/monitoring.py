"""What wakes somebody up, and what they look at then: topic, alarms, event rules, dashboard."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import FindInMap, Ref, Sub, cloudwatch

from generator import conditions, kinds, settings
from generator.language.partitions import CONSOLES
from generator.language.wiring import Expression, Stack, Wire
from generator.parts import dashboard, names
from generator.parts.alarms import alarms
from generator.parts.failures import failures
from generator.parts.log_metrics import log_metrics
from generator.parts.tasks import memory_reservation
from generator.parts.topic import encrypted_topic


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    topic: Wire[kinds.TopicArn]
    alarms: Wire[kinds.Text]
    dashboard_url: Wire[kinds.Url]


def monitoring(
    stack: Stack,
    *,
    file_system: Wire[kinds.FileSystemId],
    vault: Wire[kinds.VaultName],
    certificate: Wire[kinds.CertificateArn],
    load_balancer_name: Wire[kinds.LoadBalancerFullName],
    target_group_name: Wire[kinds.TargetGroupFullName],
    cluster: Wire[kinds.ClusterName],
    service: Wire[kinds.ServiceName],
    service_arn: Wire[kinds.Arn],
    log_agent: Wire[kinds.ServiceName],
    auto_scaling_group: Wire[kinds.AutoScalingGroupName],
    logs: Wire[kinds.LogGroupName],
    rotation_function: Wire[kinds.FunctionName],
) -> Monitoring:
    """Alarms and failures, sent to a topic, and a dashboard; all about resources of the other layers.

    ``file_system``, ``vault``: where the packages are, and their backups.
    ``certificate``: what the load balancer shows to clients.
    ``load_balancer_name``, ``target_group_name``: as the dimensions of their metrics have them.
    ``cluster``, ``service``, ``log_agent``: as the dimensions of the metrics of tasks and the hosts' log agent have them.
    ``service_arn``: as events of the tasks' deployments have it.
    ``auto_scaling_group``, ``logs``: the hosts' group, and the tasks' log group. ``rotation_function``: makes new passwords.
    """
    topic = encrypted_topic(stack)
    dimensions = {
        "FileSystemId": stack.take(file_system),
        "BackupVaultName": stack.take(vault),
        "CertificateArn": stack.take(certificate),
        "LoadBalancer": stack.take(load_balancer_name),
        "TargetGroup": stack.take(target_group_name),
        "AutoScalingGroupName": stack.take(auto_scaling_group),
        "ClusterName": stack.take(cluster),
        "ServiceName": stack.take(service),
        "LogAgent.ServiceName": stack.take(log_agent),
        "TaskLogs": stack.take(logs),
        "FunctionName": stack.take(rotation_function),
        "Reservation": stack.if_(conditions.IS_EC2, memory_reservation(stack), settings.CONTAINER_MEMORY),
        "Limit": stack.take(settings.CONTAINER_MEMORY),
    }
    log_metrics(stack, stack.take(logs))
    arns = alarms(stack, Ref(topic), dimensions, silent=stack.later(service))
    failures(
        stack,
        Ref(topic),
        cluster=stack.take(cluster),
        service=stack.take(service),
        service_arn=stack.take(service_arn),
        auto_scaling_group=stack.take(auto_scaling_group),
        file_system=stack.take(file_system),
        vault=stack.take(vault),
    )
    url = _dashboard(
        stack,
        cluster=stack.take(cluster),
        service=stack.take(service),
        load_balancer=stack.take(load_balancer_name),
        target_group=stack.take(target_group_name),
        file_system=stack.take(file_system),
        task_logs=stack.take(logs),
    )
    return Monitoring(
        topic=stack.offer("CloudwatchAlarmSnsTopicArn", Ref(topic), "Topic of the alarms and failures."),
        alarms=stack.offer("CloudwatchAlarmArns", arns, "ARNs of the alarms, separated by commas."),
        dashboard_url=stack.offer("CloudwatchDashboardUrl", url, "The dashboard."),
    )


def _dashboard(stack: Stack, **shown: Expression) -> Expression:
    """The dashboard of what is ``shown``, if the operator wants one; returns its URL, or nothing."""
    stack.add(
        cloudwatch.Dashboard(
            "Dashboard",
            Condition=stack.when(conditions.HAS_DASHBOARD),
            DashboardName=names.in_account(stack),
            DashboardBody=dashboard.body(stack, **shown),
        )
    )
    return stack.if_(conditions.HAS_DASHBOARD, _dashboard_url(stack), "")


def _dashboard_url(stack: Stack) -> Sub:
    consoles = stack.mapping("Consoles", {partition: {"Domain": domain} for partition, domain in CONSOLES.items()})
    return Sub(
        "https://${AWS::Region}.${Domain}/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${Dashboard}",
        Domain=FindInMap(consoles, Ref("AWS::Partition"), "Domain"),
    )
