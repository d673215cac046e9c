"""Tasks without hosts: what Fargate wants and what it refuses, on the resolved resources of each capacity."""

from __future__ import annotations

import json

import pytest
from deployments import Editions, everything, of_type
from resolve import Data

FARGATE = ("fargate", "fargate-spot")
REFUSED = {"links", "privileged", "placementconstraints", "extrahosts", "dnsservers", "devices", "sharedmemorysize"}
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html"""


@pytest.fixture(params=FARGATE)
def resources(editions: Editions, request: pytest.FixtureRequest) -> Data:
    return editions.nested({**everything(), "ContainerMemory": "2048", "Capacity": request.param}).resources


def test_nothing_is_left_of_the_hosts(editions: Editions, resources: Data) -> None:
    gone = {"AWS::EC2::LaunchTemplate", "AWS::AutoScaling::AutoScalingGroup", "AWS::ECS::CapacityProvider"}
    gone |= {"AWS::IAM::InstanceProfile"}
    assert not gone & {it["Type"] for it in resources.values()}
    assert "HostLogs" not in resources
    assert of_type(resources, "AWS::ECS::TaskDefinition").keys() == {"TaskDefinition"}
    assert "<HostSecurityGroup>" not in json.dumps(resources)
    assert "<AutoScalingGroup>" not in json.dumps(resources)


def test_the_task_is_one_that_fargate_takes(resources: Data) -> None:
    task = resources["TaskDefinition"]["Properties"]
    assert (task["NetworkMode"], task["RequiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
    (server,) = task["ContainerDefinitions"]
    words = {key.lower() for key in (*task, *server, *server["LinuxParameters"])}
    assert not REFUSED & words
    assert "MemoryReservation" not in server, "which must be less than Memory, and is of no use to a task alone"
    assert server["LogConfiguration"]["LogDriver"] == "awslogs"
    assert 2 <= server["StopTimeout"] <= 120
    assert not [it for it in task["Volumes"] if "Host" in it]
    (volume,) = task["Volumes"]
    assert volume["EFSVolumeConfiguration"]["TransitEncryption"] == "ENABLED"


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_the_architecture_is_the_operators(editions: Editions, architecture: str) -> None:
    given = {"Capacity": "fargate", "CpuArchitecture": architecture}
    platform = editions.nested(given).resources["TaskDefinition"]["Properties"]["RuntimePlatform"]
    assert platform == {"CpuArchitecture": architecture, "OperatingSystemFamily": "LINUX"}


def test_the_load_balancer_finds_tasks_by_their_address(editions: Editions, resources: Data) -> None:
    assert resources["TargetGroup"]["Properties"]["TargetType"] == "ip"
    assert editions.nested().resources["TargetGroup"]["Properties"]["TargetType"] == "instance"


def test_tasks_talk_to_the_load_balancer_and_the_file_system_alone(resources: Data) -> None:
    network = resources["Service"]["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["SecurityGroups"] == ["<TaskSecurityGroup>"]
    assert network["Subnets"] == everything()["AsgSubnets"].split(",")
    (out,) = resources["LoadBalancerSecurityGroup"]["Properties"]["SecurityGroupEgress"]
    into = resources["TaskIngress"]["Properties"]
    assert out["DestinationSecurityGroupId"] == into["GroupId"] == "<TaskSecurityGroup>"
    assert into["SourceSecurityGroupId"] == "<LoadBalancerSecurityGroup>"
    (port,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]["PortMappings"]
    assert {rule[end] for rule in (out, into) for end in ("FromPort", "ToPort")} == {port["ContainerPort"]}
    (nfs,) = resources["FileSystemSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert (nfs["SourceSecurityGroupId"], nfs["FromPort"], nfs["ToPort"]) == ("<TaskSecurityGroup>", 2049, 2049)
    assert not [it for it in of_type(resources, "AWS::EC2::SecurityGroup").values() if "HostSecurityGroup" in str(it)]


@pytest.mark.parametrize("wanted", ["DISABLED", "ENABLED"])
def test_tasks_have_public_addresses_only_where_the_operator_says_so(editions: Editions, wanted: str) -> None:
    service = editions.nested({"Capacity": "fargate", "AssignPublicIp": wanted}).resources["Service"]["Properties"]
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == wanted
    default = editions.nested({"Capacity": "fargate"}).resources["Service"]["Properties"]
    assert default["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_a_service_on_fargate_has_no_placement_and_one_on_hosts_no_network(editions: Editions, resources: Data) -> None:
    service = resources["Service"]["Properties"]
    assert not {"PlacementStrategies", "PlacementConstraints", "LaunchType"} & service.keys()
    assert service["AvailabilityZoneRebalancing"] == "ENABLED"
    on_hosts = editions.nested().resources["Service"]["Properties"]
    assert "NetworkConfiguration" not in on_hosts
    assert len(on_hosts["PlacementStrategies"]) == 2


@pytest.mark.parametrize("capacity", FARGATE)
def test_one_task_stays_where_all_of_spot_is_taken_back(editions: Editions, capacity: str) -> None:
    resources = editions.nested({"Capacity": capacity}).resources
    strategy = resources["Service"]["Properties"]["CapacityProviderStrategy"]
    association = resources["CapacityProviderAssociation"]["Properties"]
    assert association["DefaultCapacityProviderStrategy"] == strategy
    assert set(association["CapacityProviders"]) == {"FARGATE", "FARGATE_SPOT"}
    assert [it["CapacityProvider"] for it in strategy if it.get("Base")] == ["FARGATE"], "one may have a base"
    assert all(it["Weight"] > 0 for it in strategy), "a provider of weight 0 gets no task"
    heaviest = max(strategy, key=lambda it: int(it["Weight"]))
    assert heaviest["CapacityProvider"] == {"fargate": "FARGATE", "fargate-spot": "FARGATE_SPOT"}[capacity]


def test_the_memory_alarm_measures_against_the_limit(resources: Data) -> None:
    """Which is what ECS itself measures against where nothing less is reserved."""
    metrics = resources["TaskMemoryAlarm"]["Properties"]["Metrics"]
    (expression,) = [it["Expression"] for it in metrics if "Expression" in it]
    assert expression == "used*2048/2048"


def test_the_outputs_say_what_it_runs_on(editions: Editions) -> None:
    outputs = editions.nested({"Capacity": "fargate-spot", "CpuArchitecture": "ARM64"}).outputs
    assert outputs["CapacityInfo"] == "2 to 10 tasks of 512 MiB on fargate-spot ARM64"
    assert outputs["AsgName"] == ""
    assert editions.nested().outputs["CapacityInfo"] == "2 to 10 tasks of 512 MiB on 2 or more x t3.small"
