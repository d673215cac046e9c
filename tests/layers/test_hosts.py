"""What a host starts with and how its group grows, on the resolved resources."""

from __future__ import annotations

import base64
import json
import re

import pytest
from deployments import REQUIRED, Editions, everything
from resolve import Data


def _launched(resources: Data) -> Data:
    data: Data = resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    return data


def test_hosts_are_in_the_operators_subnets_with_the_role_that_joins_the_cluster(editions: Editions) -> None:
    resources = editions.nested().resources
    assert resources["AutoScalingGroup"]["Properties"]["VPCZoneIdentifier"] == REQUIRED["AsgSubnets"].split(",")
    assert _launched(resources)["IamInstanceProfile"] == {"Arn": "<HostProfile.Arn>"}
    assert resources["HostProfile"]["Properties"]["Roles"] == ["<HostRole>"]


def test_the_volume_that_is_encrypted_is_the_root_of_ecs_images(resources: Data) -> None:
    """Under another name it would be a second one, which nothing uses."""
    (mapping,) = _launched(resources)["BlockDeviceMappings"]
    assert mapping["DeviceName"] == "/dev/xvda"
    assert mapping["Ebs"]["VolumeType"] == "gp3", "the default is older, and costs more"


@pytest.mark.parametrize(("given", "protected"), [("ENABLED", True), ("DISABLED", False)])
def test_hosts_are_protected_where_ecs_ends_them_itself(editions: Editions, given: str, protected: bool) -> None:
    """ECS refuses a provider with termination protection for a group without."""
    resources = editions.nested({"ManagedTerminationProtection": given}).resources
    assert resources["AutoScalingGroup"]["Properties"]["NewInstancesProtectedFromScaleIn"] is protected
    provider = resources["CapacityProvider"]["Properties"]["AutoScalingGroupProvider"]
    assert provider["ManagedTerminationProtection"] == given


def test_the_group_counts_its_hosts_for_the_alarm(resources: Data) -> None:
    """Without being told so, it does not."""
    group = resources["AutoScalingGroup"]["Properties"]
    assert [it for it in group["MetricsCollection"] if "Metrics" not in it] == [{"Granularity": "1Minute"}]


def test_hosts_come_as_few_as_are_wanted_and_not_all_at_once(resources: Data) -> None:
    scaling = resources["CapacityProvider"]["Properties"]["AutoScalingGroupProvider"]["ManagedScaling"]
    assert scaling["MinimumScalingStepSize"] == 1
    assert 2 <= scaling["MaximumScalingStepSize"] <= 100
    assert 60 <= scaling["InstanceWarmupPeriod"] <= 600, "until its tasks run, a host counts as room"


def test_the_log_agent_finds_its_configuration_and_the_logs_that_it_names(editions: Editions) -> None:
    """Of its image: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContainerInsights-build-docker-image.html"""
    resources = editions.nested().resources
    task = resources["LogAgentTaskDefinition"]["Properties"]
    (agent,) = task["ContainerDefinitions"]
    paths = {it["Name"]: it["Host"]["SourcePath"] for it in task["Volumes"]}
    mounted = {it["ContainerPath"]: paths[it["SourceVolume"]] for it in agent["MountPoints"]}
    written = base64.b64decode(_launched(resources)["UserData"]).decode()
    assert f"path: {mounted['/etc/cwagentconfig']}/config.json" in written
    named = re.findall(r'"file_path": "([^"]+)"', written)
    assert len(named) == 5
    assert {mounted[it[: len("/host/var/log")]] for it in named} == {"/var/log"}


def test_logs_wait_in_memory_that_the_containers_have(editions: Editions) -> None:
    """What does not fit is dropped; 1 MiB is Docker's default."""
    resources = editions.nested().resources
    for title in ("TaskDefinition", "LogAgentTaskDefinition"):
        (container,) = resources[title]["Properties"]["ContainerDefinitions"]
        size = re.fullmatch(r"(\d+)m", container["LogConfiguration"]["Options"]["max-buffer-size"])
        assert size
        assert 1 < int(size[1]) < int(container["MemoryReservation"]) / 4


@pytest.mark.parametrize("capacity", ["ec2", "fargate"])
def test_a_task_may_have_as_many_connections_as_on_fargate(editions: Editions, capacity: str) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html"""
    task = editions.nested({"Capacity": capacity}).resources["TaskDefinition"]["Properties"]
    (limit,) = task["ContainerDefinitions"][0]["Ulimits"]
    assert (limit["Name"], limit["SoftLimit"], limit["HardLimit"]) == ("nofile", 65535, 65535)


def test_costs_are_told_by_service(editions: Editions) -> None:
    """Tags of ECS's own, with which bills and `status` find the tasks of a service."""
    for title in ("Service", "LogAgentService"):
        service = editions.nested(everything()).resources[title]["Properties"]
        assert (service["EnableECSManagedTags"], service["PropagateTags"]) == (True, "SERVICE")


def test_what_is_not_asked_of_a_name_of_ours_is_refused_in_words(resources: Data) -> None:
    (refusal,) = resources["HttpsListener"]["Properties"]["DefaultActions"]
    told = refusal["FixedResponseConfig"]
    assert (told["ContentType"], told["MessageBody"]) == ("text/plain", "Not a name of this server")


def test_both_health_checks_ask_the_same_path(editions: Editions) -> None:
    resources = editions.nested().resources
    (server,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    asked = re.search(r"http://[\d.:]+(/\w+)'", json.dumps(server["HealthCheck"]["Command"]))
    assert asked
    assert resources["TargetGroup"]["Properties"]["HealthCheckPath"] == asked[1]


def test_records_of_the_certificate_and_the_key_do_not_outlive_their_use(editions: Editions) -> None:
    resources = editions.nested().resources
    assert resources["Certificate"]["Properties"]["ValidationMethod"] == "DNS", "or somebody gets mail, and it waits"
    for record in resources["CertificateAuthorityRecords"]["Properties"]["RecordSets"]:
        assert 60 <= int(record["TTL"]) <= 3600, "another authority must not be refused for long"
    assert resources["TopicKey"]["Properties"]["PendingWindowInDays"] == 7, "the least: until then it is billed"


def test_a_metric_counts_lines_and_is_zero_when_there_are_none(editions: Editions) -> None:
    counted = [
        transformation
        for it in editions.nested().resources.values()
        if it["Type"] == "AWS::Logs::MetricFilter"
        for transformation in it["Properties"]["MetricTransformations"]
    ]
    assert counted
    assert all((it["MetricValue"], it["DefaultValue"]) == ("1", 0) for it in counted)
