"""That the bill has everything that is billed, counted in the templates as they are deployed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cloudwatch import metrics
from deployments import Editions, of_type
from resolve import Data

from generator.build.costs import COUNTED, capacities, profiles, table

BENCHMARK = Path(__file__).parents[2] / "docs" / "benchmark.json"
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


BILLED = {
    ("tasks of 0.25 vCPU", "fargate"): "https://aws.amazon.com/fargate/pricing/",
    ("hosts, t3.small", "ec2"): "https://aws.amazon.com/ec2/pricing/on-demand/",
    ("their volumes", "ec2"): "https://aws.amazon.com/ebs/pricing/",
    ("load balancer", "both"): "https://aws.amazon.com/elasticloadbalancing/pricing/",
    ("public addresses", "both"): "https://aws.amazon.com/vpc/pricing/",
    ("secrets", "both"): "https://aws.amazon.com/secrets-manager/pricing/",
    ("key of the topic", "both"): "https://aws.amazon.com/kms/pricing/",
    ("dashboard", "both"): "https://aws.amazon.com/cloudwatch/pricing/",
    ("metrics: Container Insights", "both"): "https://aws.amazon.com/cloudwatch/pricing/",
    ("metrics that alarms watch", "both"): "https://aws.amazon.com/cloudwatch/pricing/",
    ("composite alarm", "both"): "https://aws.amazon.com/cloudwatch/pricing/",
    ("NAT gateway", "both"): "https://aws.amazon.com/vpc/pricing/",
}
"""What each line is for, which capacity pays for it, and AWS's page of its price."""


def _dollars(cell: str) -> float:
    """``2 t3.small: $35`` are 35."""
    return float(cell.rpartition("$")[2].strip("*").replace(",", "") or 0)


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


def _rows(text: str) -> list[list[str]]:
    """The cells of each row below the head of a document's table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_the_bill_adds_up_and_links_to_the_prices() -> None:
    """As README.md shows it: to a dollar together, and with what not everybody has."""
    (together, *sums), (with_nat, *sums_with_nat), *rows = _rows(table())
    assert (together, with_nat) == ("**together**", "**with NAT**")
    assert len(rows) == len(BILLED)
    for (what, fargate, hosts, price), ((subject, capacity), page) in zip(rows, BILLED.items(), strict=True):
        assert subject in what
        assert price.endswith(f"]({page})")
        assert (bool(fargate), bool(hosts)) == (capacity != "ec2", capacity != "fargate")
        each = float(price[2:].split()[0]) * (730 if "per hour" in price else 1) * (2 if "each" in what else 1)
        numbers = re.findall(r"\b\d+\b", what.partition(" of ")[0]) or ["1"]
        for said, number in ((fargate, numbers[0]), (hosts, numbers[-1] if "or" in what.split() else numbers[0])):
            assert abs(_dollars(said) - each * int(number)) < 0.01 or not said
    assert "NAT" in rows[-1][0]
    for totals, counted in ((sums, rows[:-1]), (sums_with_nat, rows)):
        for column, total in enumerate(totals[:2], 1):
            assert abs(_dollars(total) - sum(_dollars(row[column]) for row in counted)) <= 0.55


def test_sizes_cost_what_the_bill_has_and_what_is_stored_and_read() -> None:
    """docs/sizing.md: at $0.30 and $0.05 for each GB that EFS and its backup hold, and $0.03 for each that is read."""
    (_, *together), _, *_ = _rows(table())
    sizes = _rows(profiles(BENCHMARK))
    assert len(sizes) == 3
    for name, _, stored, downloads, *_, fargate, hosts, cloud in sizes:
        gigabytes, read = (float(it.removesuffix(" GB").replace(",", "")) for it in (stored, downloads))
        use = gigabytes * 0.35 + read * 0.03
        if name != "A large company":  # which has larger tasks and hosts
            for said, bill in zip((fargate, hosts), together, strict=False):
                assert abs(_dollars(said) - _dollars(bill) - use) <= 1.05
        assert _dollars(hosts) > _dollars(fargate) > use
        # A request for each MB, and $0.05 for 10,000 of them.
        assert abs(_dollars(cloud) - 0.05 * (gigabytes + read / 10)) <= 0.55


def test_capacities_cost_what_their_tasks_and_hosts_do() -> None:
    """On Spot all tasks but one are, for less than a third."""
    bill = {what: (_dollars(fargate), _dollars(hosts)) for what, fargate, hosts, _ in _rows(table())}
    (arm, _), (_, machines), (_, volumes) = (bill[it] for it in [*bill][2:5])
    team, company, large = _rows(capacities())
    assert team[1:] == company[1:]
    assert abs(_dollars(team[2]) - machines - volumes) <= 0.55
    assert abs(_dollars(team[4]) - arm) <= 0.55
    # Three t3.medium, and tasks of twice the CPU and memory.
    assert abs(_dollars(large[2]) - 3 * (machines + volumes / 2)) <= 0.55
    assert abs(_dollars(large[4]) - 3 * arm) <= 0.55
    for row in (team, large):
        tasks, on_demand, spot = int(row[1].split()[0]), _dollars(row[3]), _dollars(row[5])
        assert on_demand / _dollars(row[4]) == pytest.approx(1.25, abs=0.05), "X86_64 costs a quarter more"
        assert abs(spot - on_demand / tasks * (1 + 0.3 * (tasks - 1))) <= 1.05


@pytest.mark.parametrize("capacity", ["fargate", "ec2"])
def test_the_bill_has_what_the_defaults_make(editions: Editions, capacity: str) -> None:
    resources = editions.single({"Capacity": capacity, "CpuArchitecture": "ARM64"}).resources
    billed = {it.what: it.hosts if capacity == "ec2" else it.fargate for it in COUNTED}
    assert billed == _counted(resources)
    elsewhere = {"AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter", "AWS::ElasticLoadBalancingV2::LoadBalancer"}
    unpriced = {it["Type"] for it in resources.values()} - FREE - BY_USE - ONE_EACH.keys() - elsewhere
    assert not unpriced, f"{sorted(unpriced)}: give it a line in generator/build/costs.py, or say that it is free"
