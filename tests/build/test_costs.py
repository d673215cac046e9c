"""That the bill has everything that is billed, counted in the templates as they are deployed."""

from __future__ import annotations

import pytest
from cloudwatch import metrics
from deployments import Editions, of_type
from resolve import Data

from generator.build.costs import COUNTED

FREE = {
    *(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::CertificateManager::Certificate",
        "AWS::EC2::LaunchTemplate",
    ),
    *("AWS::AutoScaling::AutoScalingGroup", "AWS::ECS::Service"),  # hosts and tasks, which the bill has by their number
    *(
        "AWS::Backup::BackupPlan",
        "AWS::Backup::BackupSelection",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupIngress",
    ),
    *("AWS::ECS::CapacityProvider", "AWS::ECS::Cluster", "AWS::ECS::ClusterCapacityProviderAssociations"),
    *("AWS::ECS::TaskDefinition", "AWS::EFS::AccessPoint", "AWS::EFS::MountTarget", "AWS::Events::Rule"),
    *("AWS::ElasticLoadBalancingV2::Listener", "AWS::ElasticLoadBalancingV2::ListenerRule"),
    *(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::Role",
        "AWS::IAM::RolePolicy",
    ),
    *("AWS::Logs::QueryDefinition", "AWS::Route53::RecordSetGroup", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"),
    *("AWS::ApplicationAutoScaling::ScalingPolicy",),  # but for its alarms, see below
    *("AWS::SecretsManager::ResourcePolicy",),
}
BY_USE = {
    *("AWS::Backup::BackupVault", "AWS::EFS::FileSystem", "AWS::Logs::LogGroup", "AWS::S3::Bucket", "AWS::SNS::Topic"),
}
ONE_EACH = {
    "AWS::CloudWatch::CompositeAlarm": "composite alarm",
    "AWS::CloudWatch::Dashboard": "dashboard",
    "AWS::KMS::Key": "key of the topic, in its first year",
    "AWS::SecretsManager::Secret": "{} secrets",
}
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
OF_ALL = {
    *("CpuReserved", "CpuUtilized", "MemoryReserved", "MemoryUtilized", "NetworkRxBytes", "NetworkTxBytes"),
    *("StorageReadBytes", "StorageWriteBytes"),
}
OF_FARGATE = {"EphemeralStorageReserved", "EphemeralStorageUtilized"}
OF_CLUSTER = {"ContainerInstanceCount", "ServiceCount", "TaskCount"}
OF_SERVICE = {"DeploymentCount", "DesiredTaskCount", "PendingTaskCount", "RunningTaskCount", "TaskSetCount"}


def _counted(resources: Data) -> dict[str, int]:
    kinds = [it["Type"] for it in resources.values()]
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    everywhere = OF_ALL | (set() if "AWS::ECS::CapacityProvider" in kinds else OF_FARGATE)
    families, services = kinds.count("AWS::ECS::TaskDefinition"), kinds.count("AWS::ECS::Service")
    sent = len(everywhere | OF_CLUSTER) + services * len(everywhere | OF_SERVICE) + families * len(everywhere)
    # Target tracking has an alarm on each side: https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    scaling = kinds.count("AWS::ApplicationAutoScaling::ScalingPolicy") + kinds.count("AWS::ECS::CapacityProvider")
    return {
        **{what: kinds.count(kind) for kind, what in ONE_EACH.items()},
        "{} metrics that alarms watch, those of the scaling too": sum(len(metrics(it)) for it in alarms) + 2 * scaling,
        "about {} metrics: Container Insights, and the tasks' log": sent + kinds.count("AWS::Logs::MetricFilter"),
    }


@pytest.mark.parametrize("capacity", ["fargate", "ec2"])
def test_the_bill_has_what_the_defaults_make(editions: Editions, capacity: str) -> None:
    resources = editions.single({"Capacity": capacity, "CpuArchitecture": "ARM64"}).resources
    billed = {it.what: it.hosts if capacity == "ec2" else it.fargate for it in COUNTED}
    assert billed == _counted(resources)
    elsewhere = {"AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter", "AWS::ElasticLoadBalancingV2::LoadBalancer"}
    unpriced = {it["Type"] for it in resources.values()} - FREE - BY_USE - ONE_EACH.keys() - elsewhere
    assert not unpriced, f"{sorted(unpriced)}: give it a line in generator/build/costs.py, or say that it is free"
