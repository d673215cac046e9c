"""What runs the server: cluster, hosts, capacity provider, service and scaling."""

from __future__ import annotations

from dataclasses import dataclass

from awacs import autoscaling as autoscaling_actions
from awacs import kms, logs, secretsmanager
from awacs.aws import Allow, Statement
from troposphere import (
    AWSHelperFn,
    FindInMap,
    GetAtt,
    If,
    Join,
    NoValue,
    Ref,
    Sub,
    applicationautoscaling,
    autoscaling,
    ec2,
    ecs,
)
from troposphere.iam import Policy, Role
from troposphere.logs import LogGroup

from generator import conditions, instances, settings, tasks
from generator.cleaners import FORCE_DESTROY, Cleaner, cleaner
from generator.iam import ECS_TASKS, document, managed, role
from generator.lists import SUBNETS
from generator.log_groups import log_group
from generator.tags import tag_map, tags
from generator.update_policy import instance_refresh
from generator.user_data import user_data
from generator.wiring import (
    AccessPointId,
    Arn,
    AutoScalingGroupName,
    ClusterName,
    Expression,
    FileSystemId,
    InstanceProfileArn,
    LogGroupName,
    RoleArn,
    SecretArn,
    SecurityGroupId,
    ServiceName,
    Stack,
    TargetGroupArn,
    Text,
    Wire,
    layer,
    once,
)

MAX_INSTANCE_LIFETIME = 30 * 24 * 3600
"""Seconds after which a host is replaced, and with it its image where the newest is used."""
SCALING_TARGET = 60
"""Percentage of the CPU reserved for the tasks that scaling aims at."""
COOLDOWN = 300


@dataclass(frozen=True, kw_only=True)
class Compute:
    cluster: Wire[ClusterName]
    service: Wire[ServiceName]
    service_arn: Wire[Arn]
    group: Wire[AutoScalingGroupName]
    logs: Wire[LogGroupName]
    task_min_count: Wire[Text]
    capacity: Wire[Text]


@layer
def compute(
    stack: Stack,
    *,
    hosts: Wire[SecurityGroupId],
    host_profile: Wire[InstanceProfileArn],
    publisher: Wire[SecretArn],
    reader: Wire[SecretArn],
    file_system: Wire[FileSystemId],
    access_point: Wire[AccessPointId],
    task_role: Wire[RoleArn],
    target_group: Wire[TargetGroupArn],
) -> Compute:
    cluster = stack.add(
        ecs.Cluster(
            "Cluster",
            ClusterSettings=[ecs.ClusterSetting(Name="containerInsights", Value="enabled")],
            Tags=tags(stack, "cluster"),
        )
    )
    task_logs = log_group(stack, "TaskLogs", "tasks")
    host_logs = log_group(stack, "HostLogs", "hosts")
    template = _launch_template(
        stack, stack.take(hosts), stack.take(host_profile), user_data(stack, Ref(cluster), Ref(host_logs))
    )
    group = _group(stack, template)
    provider, association = _capacity_provider(stack, cluster, group)

    task = tasks.pypiserver(
        stack,
        execution_role=GetAtt(_execution_role(stack, task_logs, stack.take(publisher), stack.take(reader)), "Arn"),
        log=task_logs,
        file_system=file_system,
        access_point=access_point,
        task_role=task_role,
        publisher=publisher,
        reader=reader,
    )
    service = stack.add(
        ecs.Service(
            "Service",
            DependsOn=[association.title],
            Cluster=Ref(cluster),
            TaskDefinition=Ref(task),
            CapacityProviderStrategy=[
                ecs.CapacityProviderStrategyItem(CapacityProvider=Ref(provider), Base=1, Weight=100)
            ],
            DeploymentConfiguration=ecs.DeploymentConfiguration(
                MinimumHealthyPercent=100,
                MaximumPercent=200,
                DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(Enable=True, Rollback=True),
            ),
            LoadBalancers=[
                ecs.LoadBalancer(
                    ContainerName=stack.take(settings.SERVICE_NAME),
                    ContainerPort=tasks.CONTAINER_PORT,
                    TargetGroupArn=stack.take(target_group),
                )
            ],
            HealthCheckGracePeriodSeconds=60,
            AvailabilityZoneRebalancing="ENABLED",
            PlacementStrategies=[
                ecs.PlacementStrategy(Type="spread", Field="attribute:ecs.availability-zone"),
                ecs.PlacementStrategy(Type="spread", Field="instanceId"),
            ],
            EnableExecuteCommand=If(stack.when(conditions.IS_EXECUTE_COMMAND), True, False),
            EnableECSManagedTags=True,
            PropagateTags="SERVICE",
            Tags=tags(stack, "service"),
        )
    )
    _scaling(stack, cluster, service)
    _log_agent(stack, cluster, association, host_logs)
    return Compute(
        cluster=stack.offer("EcsClusterName", ClusterName, Ref(cluster), "Name of the ECS cluster."),
        service=stack.offer("EcsServiceName", ServiceName, GetAtt(service, "Name"), "Name of the ECS service."),
        service_arn=stack.offer("EcsServiceArn", Arn, Ref(service), "ARN of the ECS service."),
        group=stack.offer("AsgName", AutoScalingGroupName, Ref(group), "Name of the Auto Scaling group of the hosts."),
        logs=stack.offer("TaskLogGroup", LogGroupName, Ref(task_logs), "Log group of the tasks."),
        task_min_count=stack.offer("TaskMinCount", Text, stack.take(settings.TASK_MIN_COUNT), "Least number of tasks."),
        capacity=stack.offer(
            "CapacityInfo",
            Text,
            Sub(
                "${TaskMin} to ${TaskMax} tasks of ${Memory} MiB on ${HostMin} or more x ${Type}",
                TaskMin=stack.take(settings.TASK_MIN_COUNT),
                TaskMax=stack.take(settings.TASK_MAX_COUNT),
                Memory=stack.take(settings.CONTAINER_MEMORY_LIMIT),
                HostMin=_group_min(stack),
                Type=stack.take(settings.ASG_INSTANCE_TYPE),
            ),
            "Tasks, and hosts at the least.",
        ),
    )


def _launch_template(
    stack: Stack, security_group: Expression, profile: Expression, data: AWSHelperFn
) -> ec2.LaunchTemplate:
    """Session Manager instead of SSH, IMDSv2 out of the containers' reach, an encrypted root volume."""
    host_tags = tags(stack, "host")
    newest = If(
        stack.when(conditions.IS_ARM), stack.take(settings.LATEST_ARM_AMI_ID), stack.take(settings.LATEST_X86_AMI_ID)
    )
    return stack.add(
        ec2.LaunchTemplate(
            "LaunchTemplate",
            LaunchTemplateData=ec2.LaunchTemplateData(
                ImageId=If(stack.when(conditions.HAS_AMI), stack.take(settings.AMI_ID), newest),
                InstanceType=stack.take(settings.ASG_INSTANCE_TYPE),
                IamInstanceProfile=ec2.IamInstanceProfile(Arn=profile),
                SecurityGroupIds=[security_group],
                MetadataOptions=ec2.MetadataOptions(
                    HttpEndpoint="enabled", HttpTokens="required", HttpPutResponseHopLimit=1
                ),
                BlockDeviceMappings=[
                    ec2.LaunchTemplateBlockDeviceMapping(
                        DeviceName="/dev/xvda",
                        Ebs=ec2.EBSBlockDevice(Encrypted=True, VolumeType="gp3", DeleteOnTermination=True),
                    )
                ],
                UserData=data,
                TagSpecifications=[
                    ec2.TagSpecifications(ResourceType=kind, Tags=host_tags) for kind in ("instance", "volume")
                ],
            ),
            TagSpecifications=[ec2.TagSpecifications(ResourceType="launch-template", Tags=tags(stack, "hosts"))],
        )
    )


def _group_min(stack: Stack) -> Expression:
    """The operator's figure, or one host in each subnet."""
    subnets: Expression = "1"
    for index in range(2, instances.MAX_SUBNETS + 1):
        subnets = If(stack.when(SUBNETS.has(index)), str(index), subnets)
    return If(stack.when(conditions.HAS_GROUP_MIN), stack.take(settings.ASG_MIN_SIZE), subnets)


def _group_max(stack: Stack) -> Expression:
    """The operator's figure, or ``instances.group_size``; with the operator's own CPU figure, for one task a host."""
    tasks_per_instance = FindInMap(
        stack.mapping("Tasks", instances.tasks_table()),
        stack.take(settings.CONTAINER_MEMORY_LIMIT),
        FindInMap(
            stack.mapping("Instances", instances.instance_table()), stack.take(settings.ASG_INSTANCE_TYPE), "Capacity"
        ),
    )
    sizes, most = stack.mapping("GroupSize", instances.group_size_table()), stack.take(settings.TASK_MAX_COUNT)
    automatic = If(
        stack.when(conditions.HAS_CONTAINER_CPU),
        FindInMap(sizes, most, "1"),
        FindInMap(sizes, most, tasks_per_instance),
    )
    return If(stack.when(conditions.HAS_GROUP_MAX), stack.take(settings.ASG_MAX_SIZE), automatic)


def _group(stack: Stack, template: ec2.LaunchTemplate) -> autoscaling.AutoScalingGroup:
    """Hosts in all subnets, replaced every 30 days and when the launch template changes.

    No desired capacity: it is the capacity provider's.
    """
    protected = stack.when(conditions.IS_TERMINATION_PROTECTED)
    group_tags = {
        **tag_map(stack, "host"),
        "AmazonECSManaged": "true",
        FORCE_DESTROY: If(protected, "true", "false"),
    }
    return stack.add(
        autoscaling.AutoScalingGroup(
            "AutoScalingGroup",
            UpdatePolicy=instance_refresh(),
            VPCZoneIdentifier=stack.take(settings.ASG_SUBNETS),
            MinSize=_group_min(stack),
            MaxSize=_group_max(stack),
            MixedInstancesPolicy=autoscaling.MixedInstancesPolicy(
                LaunchTemplate=autoscaling.LaunchTemplate(
                    LaunchTemplateSpecification=autoscaling.LaunchTemplateSpecification(
                        LaunchTemplateId=Ref(template), Version=GetAtt(template, "LatestVersionNumber")
                    )
                ),
                InstancesDistribution=autoscaling.InstancesDistribution(
                    OnDemandBaseCapacity=stack.take(settings.ON_DEMAND_BASE_CAPACITY),
                    OnDemandPercentageAboveBaseCapacity=stack.take(settings.ON_DEMAND_PERCENTAGE),
                    SpotAllocationStrategy="price-capacity-optimized",
                ),
            ),
            CapacityRebalance=True,
            MaxInstanceLifetime=MAX_INSTANCE_LIFETIME,
            NewInstancesProtectedFromScaleIn=If(protected, True, False),
            MetricsCollection=[autoscaling.MetricsCollection(Granularity="1Minute")],
            Tags=[
                {"Key": key, "Value": value, "PropagateAtLaunch": key != FORCE_DESTROY}
                for key, value in sorted(group_tags.items())
            ],
        )
    )


def _capacity_provider(
    stack: Stack, cluster: ecs.Cluster, group: autoscaling.AutoScalingGroup
) -> tuple[ecs.CapacityProvider, ecs.ClusterCapacityProviderAssociations]:
    """Scales the group by what the tasks need. A service of the cluster depends on the association."""
    protected = stack.when(conditions.IS_TERMINATION_PROTECTED)
    group_cleaner = cleaner(
        stack,
        Cleaner(
            resource="GroupCleaner",
            function="GroupCleanerFunction",
            role="GroupCleanerRole",
            logs="GroupCleanerLogs",
            noun="group-cleaner",
        ),
        protected,
        {"AutoScalingGroupName": Ref(group)},
        # Knows no resources.
        Statement(Effect=Allow, Action=[autoscaling_actions.DescribeAutoScalingGroups], Resource=["*"]),
        Statement(
            Effect=Allow,
            Action=[autoscaling_actions.DeleteAutoScalingGroup],
            Resource=[
                Sub(
                    "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}"
                    ":autoScalingGroup:*:autoScalingGroupName/${Group}",
                    Group=Ref(group),
                )
            ],
        ),
    )
    provider = stack.add(
        ecs.CapacityProvider(
            "CapacityProvider",
            DependsOn=[cluster.title],
            # A generated name starts with the stack's, and ECS refuses those that start with aws, ecs or fargate.
            Name=Join("-", [stack.take(settings.SERVICE_NAME), Ref(group)]),
            AutoScalingGroupProvider=ecs.AutoScalingGroupProvider(
                # Deleted before the cleaner deletes the group.
                AutoScalingGroupArn=once(Ref(group), If(protected, Ref(group_cleaner), "")),
                ManagedDraining="ENABLED",
                ManagedScaling=ecs.ManagedScaling(
                    Status="ENABLED",
                    TargetCapacity=100,
                    MinimumScalingStepSize=1,
                    MaximumScalingStepSize=10,
                    InstanceWarmupPeriod=300,
                ),
                ManagedTerminationProtection=stack.take(settings.MANAGED_TERMINATION_PROTECTION),
            ),
            Tags=tags(stack, "hosts"),
        )
    )
    association = stack.add(
        ecs.ClusterCapacityProviderAssociations(
            "CapacityProviderAssociation",
            Cluster=Ref(cluster),
            CapacityProviders=[Ref(provider)],
            DefaultCapacityProviderStrategy=[
                ecs.CapacityProviderStrategy(CapacityProvider=Ref(provider), Base=1, Weight=100)
            ],
        )
    )
    return provider, association


def _execution_role(stack: Stack, log: LogGroup, publisher: Expression, reader: Expression) -> Role:
    """May pull the image, write the tasks' log and read the accounts' secrets."""
    read_secret = Statement(Effect=Allow, Action=[secretsmanager.GetSecretValue], Resource=[publisher, reader])
    decrypt = Statement(Effect=Allow, Action=[kms.Decrypt], Resource=[stack.take(settings.SECRET_KMS_KEY_ARN)])
    return role(
        stack,
        "ExecutionRole",
        "task-execution",
        trusted=ECS_TASKS,
        managed_policies=[managed("service-role/AmazonECSTaskExecutionRolePolicy")],
        policies=[
            Policy(PolicyName="start-tasks", PolicyDocument=document(_write(log), read_secret)),
            If(
                stack.when(conditions.HAS_SECRET_KEY),
                Policy(PolicyName="decrypt-secrets", PolicyDocument=document(decrypt)),
                NoValue,
            ),
        ],
    )


def _write(log: LogGroup) -> Statement:
    return Statement(Effect=Allow, Action=[logs.CreateLogStream, logs.PutLogEvents], Resource=[GetAtt(log, "Arn")])


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
) -> None:
    """The CloudWatch agent on every host."""
    agent_role = role(
        stack,
        "LogAgentRole",
        "log-agent",
        trusted=ECS_TASKS,
        policies=[Policy(PolicyName="host-logs", PolicyDocument=document(_write(log)))],
    )
    execution_role = role(
        stack,
        "LogAgentExecutionRole",
        "log-agent-execution",
        trusted=ECS_TASKS,
        policies=[Policy(PolicyName="start-tasks", PolicyDocument=document(_write(log)))],
    )
    task = tasks.log_agent(
        stack, execution_role=GetAtt(execution_role, "Arn"), task_role=GetAtt(agent_role, "Arn"), log=log
    )
    stack.add(
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
