"""What runs the server: cluster, hosts, capacity provider, service and scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from awacs import kms, secretsmanager
from awacs.aws import Allow, Statement
from troposphere import (
    GetAtt,
    Join,
    NoValue,
    Ref,
    Sub,
    applicationautoscaling,
    ecs,
)
from troposphere.iam import Policy, Role
from troposphere.logs import LogGroup

from generator import conditions, kinds, settings
from generator.language.retention import RETAIN_EXCEPT_ON_CREATE
from generator.language.wiring import Expression, Stack, Wire, after
from generator.parts import container_program, fargate, hosts, tasks
from generator.parts.iam import ECS_TASKS, document, managed, may_use_secret_key, role
from generator.parts.log_groups import log_group, may_write
from generator.parts.tags import tags
from generator.parts.user_data import user_data
from server import contract

SCALING_TARGET = 60
"""Percentage of the tasks' reserved CPU that scaling aims at."""
COOLDOWN = 300


@dataclass(frozen=True, kw_only=True)
class Compute:
    cluster: Wire[kinds.ClusterName]
    service: Wire[kinds.ServiceName]
    service_arn: Wire[kinds.Arn]
    log_agent: Wire[kinds.ServiceName]
    auto_scaling_group: Wire[kinds.AutoScalingGroupName]
    logs: Wire[kinds.LogGroupName]
    task_min_count: Wire[kinds.Text]
    capacity: Wire[kinds.Text]


def compute(
    stack: Stack,
    *,
    host_group: Wire[kinds.SecurityGroupId],
    task_group: Wire[kinds.SecurityGroupId],
    host_profile: Wire[kinds.InstanceProfileArn],
    publisher: Wire[kinds.SecretArn],
    reader: Wire[kinds.SecretArn],
    tokens: Wire[kinds.TokensSecretArn],
    file_system: Wire[kinds.FileSystemId],
    access_point: Wire[kinds.AccessPointId],
    task_role: Wire[kinds.RoleArn],
    target_group: Wire[kinds.TargetGroupArn],
) -> Compute:
    """The server's tasks, on hosts that join the cluster, next to an agent that ships the hosts' logs; or on Fargate.

    ``host_group``: security group of the hosts.
    ``task_group``: security group of the tasks on Fargate.
    ``host_profile``: instance profile of the hosts.
    ``publisher``, ``reader``: secrets with the credentials of the server's two accounts.
    ``tokens``: secret with the digests of its tokens.
    ``file_system``, ``access_point``: where the tasks mount the packages.
    ``task_role``: the role of the tasks, which may mount them.
    ``target_group``: where the load balancer looks for the tasks.
    """
    cluster = _cluster(stack)
    cluster_name = after(Ref(cluster), stack.if_(conditions.IS_CONTAINER_INSIGHTS, Ref(_insights(stack, cluster)), ""))
    # People also ask who uploaded what after the stack is gone.
    task_logs = log_group(stack, "TaskLogs", "tasks", retention=RETAIN_EXCEPT_ON_CREATE)
    with_hosts = stack.only(conditions.IS_EC2)
    host_logs = log_group(with_hosts, "HostLogs", "hosts")

    template = hosts.launch_template(
        with_hosts, stack.take(host_group), stack.take(host_profile), user_data(stack, cluster_name, Ref(host_logs))
    )
    group = hosts.auto_scaling_group(with_hosts, template)
    provider = hosts.capacity_provider(with_hosts, cluster, group)
    association = hosts.association(stack, cluster, provider)

    execution_role = _execution_role(stack, task_logs, stack.take(publisher), stack.take(reader))
    server = tasks.pypiserver(
        stack, task_logs, publisher=stack.take(publisher), reader=stack.take(reader), tokens=stack.take(tokens)
    )
    task = tasks.on_packages(
        stack,
        server,
        execution_role=GetAtt(execution_role, "Arn"),
        task_role=stack.take(task_role),
        file_system=stack.take(file_system),
        access_point=stack.take(access_point),
    )
    service = _service(
        stack, cluster_name, provider, association, task, stack.take(target_group), stack.take(task_group)
    )
    _scaling(stack, cluster, service)
    agent = _log_agent(with_hosts, cluster, association, host_logs)
    return Compute(
        cluster=stack.offer("EcsClusterName", Ref(cluster), "Name of the ECS cluster."),
        service=stack.offer("EcsServiceName", GetAtt(service, "Name"), "Name of the ECS service."),
        service_arn=stack.offer("EcsServiceArn", Ref(service), "ARN of the ECS service."),
        log_agent=with_hosts.offer(
            "LogAgentServiceName", GetAtt(agent, "Name"), "Name of the ECS service of the hosts' log agent."
        ),
        auto_scaling_group=with_hosts.offer("AsgName", Ref(group), "Name of the Auto Scaling group of the hosts."),
        logs=stack.offer("TaskLogGroup", Ref(task_logs), "Log group of the tasks."),
        task_min_count=stack.offer("TaskMinCount", stack.take(settings.TASK_MIN_COUNT), "Minimum number of tasks."),
        capacity=stack.offer("CapacityInfo", _capacity(stack), "Tasks, and hosts at the least."),
    )


def _cluster(stack: Stack) -> ecs.Cluster:
    return stack.add(
        ecs.Cluster(
            "Cluster",
            ClusterSettings=[
                ecs.ClusterSetting(
                    Name="containerInsights", Value=stack.if_(conditions.IS_CONTAINER_INSIGHTS, "enabled", "disabled")
                )
            ],
            Tags=tags(stack, "cluster"),
        )
    )


def _insights(stack: Stack, cluster: ecs.Cluster) -> LogGroup:
    """The log of Container Insights. ECS writes under this name, and creates the group if it does not exist.

    So it must exist before the hosts and tasks that ECS measures.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference-performance-logs-ECS.html
    """
    return log_group(
        stack.only(conditions.IS_CONTAINER_INSIGHTS),
        "InsightsLogs",
        "insights",
        LogGroupName=Sub("/aws/ecs/containerinsights/${Cluster}/performance"),
    )


def _service(
    stack: Stack,
    cluster: Expression,
    provider: ecs.CapacityProvider,
    association: ecs.ClusterCapacityProviderAssociations,
    task: ecs.TaskDefinition,
    target_group: Expression,
    task_group: Expression,
) -> ecs.Service:
    """Tasks in all zones behind the load balancer; new ones are healthy before old ones stop."""
    return stack.add(
        ecs.Service(
            "Service",
            DependsOn=[association.title],
            Cluster=cluster,
            TaskDefinition=Ref(task),
            CapacityProviderStrategy=stack.if_(
                conditions.IS_EC2,
                [ecs.CapacityProviderStrategyItem(CapacityProvider=Ref(provider), Base=1, Weight=100)],
                fargate.strategy(stack, ecs.CapacityProviderStrategyItem),
            ),
            NetworkConfiguration=fargate.network(stack, task_group),
            DeploymentConfiguration=ecs.DeploymentConfiguration(
                MinimumHealthyPercent=100,
                MaximumPercent=200,
                DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(Enable=True, Rollback=True),
            ),
            LoadBalancers=[
                ecs.LoadBalancer(
                    ContainerName=stack.take(settings.SERVICE_NAME),
                    ContainerPort=contract.PORT.default,
                    TargetGroupArn=target_group,
                )
            ],
            # None: ECS begins with one and keeps what scaling has chosen, which is never zero again:
            # https://github.com/aws/aws-cdk/pull/13130
            DesiredCount=stack.if_(conditions.HAS_ALWAYS_TASKS, NoValue, 0),
            HealthCheckGracePeriodSeconds=60,
            AvailabilityZoneRebalancing="ENABLED",
            # Fargate takes none, and spreads over the zones itself.
            PlacementStrategies=stack.if_(
                conditions.IS_EC2,
                [
                    ecs.PlacementStrategy(Type="spread", Field="attribute:ecs.availability-zone"),
                    ecs.PlacementStrategy(Type="spread", Field="instanceId"),
                ],
            ),
            EnableExecuteCommand=stack.if_(conditions.IS_EXECUTE_COMMAND, True, False),
            EnableECSManagedTags=True,
            PropagateTags="SERVICE",
            Tags=tags(stack, "service"),
        )
    )


def _capacity(stack: Stack) -> Sub:
    """A sentence on how many tasks of which size run on what."""
    on_hosts = Sub("${HostMin} or more x ${Type}", HostMin=hosts.group_min(stack), Type=hosts.instance_type(stack))
    on_fargate = Join(" ", [stack.take(settings.CAPACITY), stack.take(settings.CPU_ARCHITECTURE)])
    return Sub(
        "${TaskMin} to ${TaskMax} tasks of ${Memory} MiB on ${Capacity}",
        TaskMin=stack.take(settings.TASK_MIN_COUNT),
        TaskMax=stack.take(settings.TASK_MAX_COUNT),
        Memory=stack.take(settings.CONTAINER_MEMORY),
        Capacity=stack.if_(conditions.IS_EC2, on_hosts, on_fargate),
    )


def _execution_role(stack: Stack, log: LogGroup, publisher: Expression, reader: Expression) -> Role:
    """May pull the image, write the tasks' log, and read the accounts' secrets and the server's program.

    Any program: while one definition follows another, tasks of both start.
    """
    programs = f"arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:{container_program.SECRET}*"
    read_secrets, read_program = (
        Statement(Effect=Allow, Action=[secretsmanager.GetSecretValue], Resource=secrets)
        for secrets in ([publisher, reader], [Sub(programs)])
    )
    return role(
        stack,
        "ExecutionRole",
        "task-execution",
        trusted=ECS_TASKS,
        managed_policies=[managed("service-role/AmazonECSTaskExecutionRolePolicy")],
        policies=[
            Policy(PolicyName="start-tasks", PolicyDocument=document(may_write(log), read_secrets)),
            Policy(PolicyName="read-program", PolicyDocument=document(read_program)),
            stack.if_(
                conditions.HAS_SECRET_KEY,
                Policy(PolicyName="decrypt-secrets", PolicyDocument=may_use_secret_key(stack, kms.Decrypt)),
            ),
        ],
    )


def _scaling(stack: Stack, cluster: ecs.Cluster, service: ecs.Service) -> None:
    target = stack.add(
        applicationautoscaling.ScalableTarget(
            "ScalableTarget",
            ServiceNamespace="ecs",
            ScalableDimension="ecs:service:DesiredCount",
            ResourceId=Join("/", ["service", Ref(cluster), GetAtt(service, "Name")]),
            MinCapacity=stack.take(settings.TASK_MIN_COUNT),
            MaxCapacity=stack.take(settings.TASK_MAX_COUNT),
            Tags=tags(stack, "tasks"),
        )
    )
    stack.add(
        applicationautoscaling.ScalingPolicy(
            "ScalingPolicy",
            PolicyName="cpu",
            PolicyType="TargetTrackingScaling",
            ScalingTargetId=Ref(target),
            TargetTrackingScalingPolicyConfiguration=applicationautoscaling.TargetTrackingScalingPolicyConfiguration(
                PredefinedMetricSpecification=applicationautoscaling.PredefinedMetricSpecification(
                    PredefinedMetricType="ECSServiceAverageCPUUtilization"
                ),
                TargetValue=SCALING_TARGET,
                ScaleInCooldown=COOLDOWN,
                ScaleOutCooldown=COOLDOWN,
            ),
        )
    )


def _log_agent(
    stack: Stack, cluster: ecs.Cluster, association: ecs.ClusterCapacityProviderAssociations, log: LogGroup
) -> ecs.Service:
    """The CloudWatch agent on every host."""
    agent = _log_writer(stack, "LogAgentRole", "log-agent", "host-logs", log)
    execution = _log_writer(
        stack,
        "LogAgentExecutionRole",
        "log-agent-execution",
        "start-tasks",
        log,
        # The image may be a mirror in ECR.
        managed_policies=[managed("service-role/AmazonECSTaskExecutionRolePolicy")],
    )
    task = tasks.log_agent(stack, log, execution_role=GetAtt(execution, "Arn"), task_role=GetAtt(agent, "Arn"))
    return stack.add(
        ecs.Service(
            "LogAgentService",
            DependsOn=[association.title],
            Cluster=Ref(cluster),
            TaskDefinition=Ref(task),
            LaunchType="EC2",
            SchedulingStrategy="DAEMON",
            DeploymentConfiguration=ecs.DeploymentConfiguration(
                DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(Enable=True, Rollback=True)
            ),
            EnableECSManagedTags=True,
            PropagateTags="SERVICE",
            Tags=tags(stack, "log-agent"),
        )
    )


def _log_writer(stack: Stack, title: str, noun: str, policy: str, log: LogGroup, **more: Any) -> Role:
    """A role of tasks that may write ``log``, by the policy named ``policy``, with ``more`` arguments for ``role``."""
    may = Policy(PolicyName=policy, PolicyDocument=document(may_write(log)))
    return role(stack, title, noun, trusted=ECS_TASKS, policies=[may], **more)
