"""The hosts: launch template, Auto Scaling group, and the capacity provider that scales it to the tasks' needs."""

from __future__ import annotations

from awacs import autoscaling as autoscaling_actions
from awacs.aws import Allow, Statement
from troposphere import AWSHelperFn, FindInMap, GetAtt, Join, Ref, Select, Split, Sub, autoscaling, ec2, ecs

from generator import conditions, settings, sizing
from generator.language.wiring import Expression, Stack, after
from generator.parts import fargate
from generator.parts.cleaners import FORCE_DESTROY, cleaner
from generator.parts.lists import SUBNETS, VOLUME_TAGS
from generator.parts.tags import tag_map, tags
from generator.parts.update_policy import instance_refresh

MAX_INSTANCE_LIFETIME = 30 * 24 * 3600
"""Seconds after which a host is replaced, and with it its image if the newest is used."""


def launch_template(
    stack: Stack, security_group: Expression, profile: Expression, data: AWSHelperFn
) -> ec2.LaunchTemplate:
    """Session Manager instead of SSH, IMDSv2 out of the containers' reach, an encrypted root volume."""
    host_tags = tags(stack, "host")
    newest = stack.if_(conditions.IS_ARM, settings.LATEST_ARM_AMI_ID, settings.LATEST_X86_AMI_ID)
    return stack.add(
        ec2.LaunchTemplate(
            "LaunchTemplate",
            LaunchTemplateData=ec2.LaunchTemplateData(
                ImageId=stack.if_(conditions.HAS_AMI, settings.AMI_ID, newest),
                InstanceType=instance_type(stack),
                IamInstanceProfile=ec2.IamInstanceProfile(Arn=profile),
                SecurityGroupIds=[security_group],
                MetadataOptions=ec2.MetadataOptions(
                    HttpEndpoint="enabled", HttpTokens="required", HttpPutResponseHopLimit=1
                ),
                BlockDeviceMappings=[
                    ec2.LaunchTemplateBlockDeviceMapping(
                        DeviceName="/dev/xvda",
                        Ebs=ec2.EBSBlockDevice(
                            Encrypted=True,
                            KmsKeyId=stack.if_(conditions.HAS_EBS_KEY, settings.EBS_KMS_KEY_ARN),
                            VolumeType="gp3",
                            DeleteOnTermination=True,
                        ),
                    )
                ],
                UserData=data,
                TagSpecifications=[
                    ec2.TagSpecifications(ResourceType="instance", Tags=host_tags),
                    ec2.TagSpecifications(ResourceType="volume", Tags=[*host_tags.tags, *_volume_tags(stack)]),
                ],
            ),
            TagSpecifications=[ec2.TagSpecifications(ResourceType="launch-template", Tags=tags(stack, "hosts"))],
        )
    )


def _volume_tags(stack: Stack) -> list[object]:
    """The operator's tags: hosts get the stack's through their group, which does not pass them on to volumes.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html
    """
    tags: list[object] = []
    for slot in VOLUME_TAGS.of(stack):
        # One more "=", so that there are two parts even if the slot is empty.
        parts = Split("=", Join("", [slot.value, "="]))
        tags.append(slot.only({"Key": Select(0, parts), "Value": Select(1, parts)}))
    return tags


def instance_type(stack: Stack) -> Expression:
    """The hosts' type; a host's capacity is always looked up by ``AsgInstanceType``.

    A Mapping without the type would fail the deployment: only the LanguageExtensions transform has defaults.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-findinmap-enhancements.html
    """
    return stack.if_(
        conditions.HAS_INSTANCE_TYPE_OVERRIDE, settings.ASG_INSTANCE_TYPE_OVERRIDE, settings.ASG_INSTANCE_TYPE
    )


def group_min(stack: Stack) -> Expression:
    """The operator's figure, or one host in each subnet."""
    subnets: Expression = "1"
    for index in range(2, sizing.MAX_SUBNETS + 1):
        subnets = stack.if_(SUBNETS.has(index), str(index), subnets)
    return stack.if_(conditions.HAS_GROUP_MIN, settings.ASG_MIN_SIZE, subnets)


def _group_max(stack: Stack) -> Expression:
    """The operator's figure, or ``sizing.group_size``; if the operator sets the CPU, one task per host."""
    tasks_per_instance = FindInMap(
        stack.mapping("Tasks", sizing.tasks_table()),
        stack.take(settings.CONTAINER_MEMORY),
        FindInMap(
            stack.mapping("Instances", sizing.instance_table()), stack.take(settings.ASG_INSTANCE_TYPE), "Capacity"
        ),
    )
    sizes, most = stack.mapping("GroupSize", sizing.group_size_table()), stack.take(settings.TASK_MAX_COUNT)
    automatic = stack.if_(
        conditions.HAS_CONTAINER_CPU, FindInMap(sizes, most, "1"), FindInMap(sizes, most, tasks_per_instance)
    )
    return stack.if_(conditions.HAS_GROUP_MAX, settings.ASG_MAX_SIZE, automatic)


def auto_scaling_group(stack: Stack, template: ec2.LaunchTemplate) -> autoscaling.AutoScalingGroup:
    """Hosts in all subnets, replaced every 30 days and when the launch template changes.

    There is no desired capacity: the capacity provider sets it.
    """
    protected = conditions.IS_TERMINATION_PROTECTED
    group_tags = {
        **tag_map(stack, "host"),
        "AmazonECSManaged": "true",
        FORCE_DESTROY: stack.if_(protected, "true", "false"),
    }
    return stack.add(
        autoscaling.AutoScalingGroup(
            "AutoScalingGroup",
            UpdatePolicy=instance_refresh(),
            VPCZoneIdentifier=stack.take(settings.ASG_SUBNETS),
            MinSize=group_min(stack),
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
            # Without it, a host of that age is terminated before the next one starts:
            # https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-maintenance-policy-overview-and-considerations.html
            InstanceMaintenancePolicy=autoscaling.InstanceMaintenancePolicy(
                MinHealthyPercentage=100, MaxHealthyPercentage=200
            ),
            NewInstancesProtectedFromScaleIn=stack.if_(protected, True, False),
            MetricsCollection=[autoscaling.MetricsCollection(Granularity="1Minute")],
            Tags=[
                {"Key": key, "Value": value, "PropagateAtLaunch": key != FORCE_DESTROY}
                for key, value in sorted(group_tags.items())
            ],
        )
    )


def capacity_provider(stack: Stack, cluster: ecs.Cluster, group: autoscaling.AutoScalingGroup) -> ecs.CapacityProvider:
    """Scales the group to the tasks' needs, and drains a host before it is terminated."""
    return stack.add(
        ecs.CapacityProvider(
            "CapacityProvider",
            DependsOn=[cluster.title],
            # A generated name starts with the stack's, and ECS refuses those that start with aws, ecs or fargate. It
            # changes with the group alone: ECS admits one provider for a group, and a new name makes a second one.
            Name=Join("-", ["pypiserver", Ref(group)]),
            AutoScalingGroupProvider=ecs.AutoScalingGroupProvider(
                # ECS must release the group before the cleaner deletes it.
                AutoScalingGroupArn=after(Ref(group), _group_cleaner(stack, group)),
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


def _group_cleaner(stack: Stack, group: autoscaling.AutoScalingGroup) -> Expression:
    """Deletes the group with its hosts, which scale-in protection would keep, and so the stack."""
    arn = Sub(
        "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}"
        ":autoScalingGroup:*:autoScalingGroupName/${Group}",
        Group=Ref(group),
    )
    return cleaner(
        stack,
        "GroupCleaner",
        conditions.HAS_GROUP_CLEANER,
        {"AutoScalingGroupName": Ref(group)},
        # Cannot be limited to one group.
        Statement(Effect=Allow, Action=[autoscaling_actions.DescribeAutoScalingGroups], Resource=["*"]),
        Statement(Effect=Allow, Action=[autoscaling_actions.DeleteAutoScalingGroup], Resource=[arn]),
    )


def association(
    stack: Stack, cluster: ecs.Cluster, provider: ecs.CapacityProvider
) -> ecs.ClusterCapacityProviderAssociations:
    """Gives the cluster its hosts, or Fargate.

    Services must depend on it: if it were deleted before them, their tasks would lose the hosts while they drain.
    """
    return stack.add(
        ecs.ClusterCapacityProviderAssociations(
            "CapacityProviderAssociation",
            Cluster=Ref(cluster),
            CapacityProviders=stack.if_(conditions.IS_EC2, [Ref(provider)], list(fargate.PROVIDERS)),
            DefaultCapacityProviderStrategy=stack.if_(
                conditions.IS_EC2,
                [ecs.CapacityProviderStrategy(CapacityProvider=Ref(provider), Base=1, Weight=100)],
                fargate.strategy(stack, ecs.CapacityProviderStrategy),
            ),
        )
    )
