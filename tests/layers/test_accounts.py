"""What accounts differ in: keys, quotas, private registries, the time that a new role takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deployments import Editions, everything, of_type

PULL = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
"""Has what ECR wants: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html"""


def depends(editions: Editions, title: str) -> Iterator[str]:
    """What the resource ``title`` waits for by name, directly or through another."""
    resource = editions.single_file["Resources"][title]
    for other in resource.get("DependsOn", []):
        yield other
        yield from depends(editions, other)


def test_volumes_are_encrypted_under_the_key_that_is_given(editions: Editions) -> None:
    key = everything()["EbsKmsKeyArn"]
    for given, expected in (({}, None), ({"EbsKmsKeyArn": key}, key)):
        data = editions.single(given).resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
        (mapping,) = data["BlockDeviceMappings"]
        assert mapping["Ebs"]["Encrypted"] is True
        assert mapping["Ebs"].get("KmsKeyId") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", {}), ("team=", {"team": ""}), ("a b=c/d,1=2", {"a b": "c/d", "1": "2"})],
)
def test_volumes_bear_the_tags_that_an_account_may_demand(
    editions: Editions, given: str, expected: dict[str, str]
) -> None:
    data = editions.single({"VolumeTags": given}).resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    instance, volume = (
        {tag["Key"]: tag["Value"] for tag in it["Tags"]}
        for it in sorted(data["TagSpecifications"], key=lambda it: str(it["ResourceType"]))
    )
    assert volume == instance | expected


def test_an_update_of_two_hosts_starts_one_more_at_a_time(editions: Editions) -> None:
    group = editions.single_file["Resources"]["AutoScalingGroup"]
    preferences = group["UpdatePolicy"]["AutoScalingInstanceRefresh"]["Preferences"]
    assert 2 * preferences["MinHealthyPercentage"] / 100 == 2
    assert 2 * preferences["MaxHealthyPercentage"] / 100 == 3


def test_whoever_starts_tasks_may_pull_from_ecr(editions: Editions) -> None:
    resources = editions.single(everything()).resources
    tasks = of_type(resources, "AWS::ECS::TaskDefinition")
    assert len(tasks) == 2
    for task in tasks.values():
        title = task["ExecutionRoleArn"].removeprefix("<").removesuffix(".Arn>")
        assert PULL in resources[title]["Properties"]["ManagedPolicyArns"]


def test_backups_role_is_there_before_the_plan_whose_selection_uses_it(editions: Editions) -> None:
    assert "BackupRole" in set(depends(editions, "BackupPlan"))


def test_container_insights_is_a_switch(editions: Editions) -> None:
    for given, expected in (("true", "enabled"), ("false", "disabled")):
        cluster = editions.single({"EnableContainerInsights": given}).resources["Cluster"]["Properties"]
        assert cluster["ClusterSettings"] == [{"Name": "containerInsights", "Value": expected}]


def test_what_container_insights_writes_is_kept_as_long_as_other_logs(editions: Editions) -> None:
    """Under the name that ECS writes to: https://github.com/aws/containers-roadmap/issues/2315"""
    group = editions.nested({"LogRetentionDays": "30"}).resources["InsightsLogs"]
    assert group["Properties"]["LogGroupName"] == "/aws/ecs/containerinsights/<Cluster>/performance"
    assert group["Properties"]["RetentionInDays"] == "30"
    assert group["DeletionPolicy"] == "Delete", "kept, its name would be taken when insights are turned on again"
