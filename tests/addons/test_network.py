"""The VPC of network.yaml: that the server can live in it, with NAT gateways or without a way to the internet."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from calls import client
from deployments import REQUIRED, Editions, everything, of_type
from moto import mock_aws
from moto_bridge import bridged
from resolve import PLACES, Data, Evaluation, Place, Values

from generator import settings
from generator.addons.network import ENDPOINTS, MAX_ZONES, OF_HOSTS

ROOT = Path(__file__).parents[2]
THREE = "eu-west-1a,eu-west-1b,eu-west-1c"


def made(editions: Editions, place: Place = PLACES[0], **given: str) -> Evaluation:
    return Evaluation(editions.templates["network.yaml"], given, place)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
@pytest.mark.parametrize("nat", ["one", "each-zone", "none"])
@pytest.mark.parametrize("zones", ["", THREE])
def test_hosts_have_a_way_out_in_each_zone(editions: Editions, place: Place, nat: str, zones: str) -> None:
    network = made(editions, place, NatGateways=nat, AvailabilityZones=zones, FlowLogs="true")
    count = 3 if zones else 2
    ways = {it["RouteTableId"]: it for it in of_type(network.resources, "AWS::EC2::Route").values()}
    gateways = of_type(network.resources, "AWS::EC2::NatGateway")
    assert len(gateways) == {"one": 1, "each-zone": count, "none": 0}[nat]
    tables = {
        it["SubnetId"]: it["RouteTableId"]
        for it in of_type(network.resources, "AWS::EC2::SubnetRouteTableAssociation").values()
    }
    assert {ways[tables[it]]["GatewayId"] for it in network.outputs["LoadBalancerSubnets"].split(",")} == {
        "<InternetGateway>"
    }
    private = [tables[it] for it in network.outputs["AsgSubnets"].split(",")]
    assert len(private) == count
    endpoints = of_type(network.resources, "AWS::EC2::VPCEndpoint")
    assert endpoints.pop("S3Endpoint")["RouteTableIds"] == private
    if nat == "none":
        assert not set(private) & ways.keys()
        assert endpoints.keys() == {title for title, _ in ENDPOINTS.values()} - {"Ec2MessagesEndpoint"}
    else:
        used = {ways[it]["NatGatewayId"] for it in private}
        assert used == {f"<{title}>" for title in gateways}
        assert not endpoints
    assert "arn:aws:" not in json.dumps(network.resources) or place.partition == "aws"


@pytest.mark.parametrize("zones", ["", "eu-west-1b,eu-west-1c", THREE])
def test_the_server_takes_the_outputs_as_they_are(editions: Editions, zones: str) -> None:
    """Names and values: each list has a subnet in each zone, in the same zones, none of which overlap."""
    network = made(editions, AvailabilityZones=zones)
    given = {**REQUIRED, **network.outputs}
    assert given.keys() == REQUIRED.keys()
    subnets = of_type(network.resources, "AWS::EC2::Subnet")
    lists = [
        [subnets[it.strip("<>")]["AvailabilityZone"] for it in network.outputs[name].split(",")]
        for name in ("LoadBalancerSubnets", "AsgSubnets")
    ]
    assert lists[0] == lists[1] == (zones or "eu-west-1a,eu-west-1b").split(",")
    vpc = network.resources["Vpc"]["Properties"]
    assert vpc["EnableDnsSupport"] is vpc["EnableDnsHostnames"] is True
    blocks = [ipaddress.ip_network(it["CidrBlock"]) for it in subnets.values()]
    assert all(it.subnet_of(ipaddress.ip_network(vpc["CidrBlock"])) for it in blocks)  # type: ignore[arg-type] # both IPv4
    assert not any(one.overlaps(other) for one, other in combinations(blocks, 2))


def test_a_third_zone_replaces_nothing(editions: Editions) -> None:
    before = made(editions, AvailabilityZones="eu-west-1a,eu-west-1b").resources
    after = made(editions, AvailabilityZones=THREE).resources
    changed = {title for title, it in before.items() if after[title] != it}
    assert changed == {"S3Endpoint"}, "whose route tables are changed in place"


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "172.16.8.0/21", "192.168.0.0/18"])
def test_a_network_of_any_size_has_room_for_every_subnet(editions: Editions, cidr: str) -> None:
    assert len(of_type(made(editions, VpcCidr=cidr, AvailabilityZones=THREE).resources, "AWS::EC2::Subnet")) == 6


NEEDED: dict[str, set[str]] = {
    # By what the server's stack has: endpoints without which it does not work where there is no way to the internet.
    "action logs": {"logs"},
    "action secretsmanager": {"secretsmanager"},
    "action ssmmessages": {"ssmmessages"},
    # Mounting is asked of the mount target, which is in the VPC; nobody calls EFS's API.
    "action elasticfilesystem": set(),
    # Secrets Manager asks KMS on the caller's behalf: https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    "action kms": set(),
    "policy service-role/AmazonEC2ContainerServiceforEC2Role": {"ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "logs"},
    "policy service-role/AmazonECSTaskExecutionRolePolicy": {"ecr.api", "ecr.dkr", "s3", "logs"},
    # Agents of 3.3.40 or newer: https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-setting-up-messageAPIs.html
    "policy AmazonSSMManagedInstanceCore": {"ssm", "ssmmessages"},
    "log driver awslogs": {"logs"},
    "secrets": {"secretsmanager"},
    "image": {"ecr.api", "ecr.dkr", "s3"},
    "EFS volume": set(),
    # No service of AWS's: docs/upstream.md says what it needs.
    "upstream": set(),
    "instances of a cluster": {"ecs", "ecs-agent", "ecs-telemetry"},
}


URLS = {"SECRETS_ENDPOINT": "action secretsmanager", "UPSTREAM_URL": "upstream"}
"""By the variable of a container that has an address, the entry of NEEDED that it is."""


def _needs(resources: Data) -> Iterator[str]:
    """What runs in the subnets and reaches for a service outside of them: hosts and tasks. Functions run elsewhere."""
    inside = {"ecs-tasks.amazonaws.com", "ec2.amazonaws.com"}
    roles = {
        title: it
        for title, it in of_type(resources, "AWS::IAM::Role").items()
        if it["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] in inside
    }
    documents = [policy["PolicyDocument"] for it in roles.values() for policy in it.get("Policies", [])]
    for policy in of_type(resources, "AWS::IAM::RolePolicy").values():
        if policy["RoleName"].strip("<>") in roles:
            documents.append(policy["PolicyDocument"])
    for document in documents:
        statements: list[Any] = (
            json.loads(document)["Statement"] if isinstance(document, str) else document["Statement"]
        )
        yield from (f"action {action.split(':')[0]}" for it in statements for action in it["Action"])
    managed = [arn for it in roles.values() for arn in it.get("ManagedPolicyArns", [])]
    yield from (f"policy {arn.partition(':policy/')[2]}" for arn in managed if ":iam::aws:" in arn)
    for task in of_type(resources, "AWS::ECS::TaskDefinition").values():
        for container in task["ContainerDefinitions"]:
            yield "image"
            yield f"log driver {container['LogConfiguration']['LogDriver']}"
            yield from ["secrets"] if container.get("Secrets") else []
            urls = [it["Name"] for it in container["Environment"] if it["Value"].startswith(("http:", "https:"))]
            yield from (URLS[name] for name in urls)
        yield from ("EFS volume" for volume in task["Volumes"] if "EFSVolumeConfiguration" in volume)
    yield from ("instances of a cluster" for _ in of_type(resources, "AWS::AutoScaling::AutoScalingGroup"))


@pytest.mark.parametrize("values", [{}, everything()], ids=["defaults", "everything"])
@pytest.mark.parametrize("capacity", settings.CAPACITY.values)
def test_every_way_out_of_the_server_has_an_endpoint(editions: Editions, values: Values, capacity: str) -> None:
    found = set(_needs(editions.single({**values, "Capacity": capacity}).resources))
    unknown = found - NEEDED.keys()
    assert not unknown, f"{sorted(unknown)}: say in NEEDED which endpoints it goes through, or why through none"
    assert set().union(*(NEEDED[it] for it in found)) <= _offered(editions, capacity)


def _offered(editions: Editions, capacity: str) -> set[str]:
    """Services that network.yaml has endpoints of, where there are no NAT gateways."""
    there = made(editions, NatGateways="none", Capacity=capacity).resources
    endpoints = of_type(there, "AWS::EC2::VPCEndpoint").values()
    return {it["ServiceName"].partition("com.amazonaws.eu-west-1.")[2] for it in endpoints}


@pytest.mark.parametrize("capacity", settings.CAPACITY.values)
def test_every_endpoint_is_needed(editions: Editions, capacity: str) -> None:
    """Each costs about as much as a small host."""
    found = set(_needs(editions.single({**everything(), "Capacity": capacity}).resources))
    assert set().union(*(NEEDED[it] for it in found)) == _offered(editions, capacity)
    if capacity == "ec2":
        assert NEEDED.keys() == found, "an entry that nothing of the server answers to"


def test_hosts_with_an_old_agent_can_have_its_endpoint(editions: Editions) -> None:
    """Which newer regions do not have, so that it would fail there: for who asks, and has hosts that it is for."""
    asked = {"Ec2Messages": "true"}
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"NatGateways": "none"}, False),
        ({"NatGateways": "none"} | asked, True),
        ({"NatGateways": "none", "Capacity": "fargate"} | asked, False),
        (asked, False),
    ]
    for given, expected in cases:
        assert ("Ec2MessagesEndpoint" in made(editions, **given).resources) is expected, given


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_an_endpoint_has_its_name_in_the_partition(editions: Editions, place: Place) -> None:
    endpoints = of_type(made(editions, place, NatGateways="none").resources, "AWS::EC2::VPCEndpoint").values()
    names = {it["ServiceName"] for it in endpoints}
    prefix = {"aws-cn": "cn.com.amazonaws", "aws-eusc": "eu.amazonaws"}.get(place.partition, "com.amazonaws")
    assert f"{prefix}.{place.region}.ecr.dkr" in names
    assert f"com.amazonaws.{place.region}.ecs-agent" in names
    assert all(it["PrivateDnsEnabled"] for it in endpoints if it["VpcEndpointType"] == "Interface")


def test_nat_gateways_begin_and_end_where_the_internet_is_reached(editions: Editions) -> None:
    """Without the route a gateway fails; and the internet gateway cannot be detached before their addresses are gone."""
    resources = editions.templates["network.yaml"]["Resources"]
    assert resources["InternetRoute"]["DependsOn"] == ["InternetGatewayAttachment"]
    for index in range(1, MAX_ZONES + 1):
        assert resources[f"NatGateway{index}"]["DependsOn"] == ["InternetRoute"]
        assert resources[f"NatAddress{index}"]["DependsOn"] == ["InternetGatewayAttachment"]


def test_endpoints_answer_the_vpc_on_the_port_of_https(editions: Editions) -> None:
    resources = made(editions, NatGateways="none", VpcCidr="172.16.0.0/16").resources
    (rule,) = resources["EndpointSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == ("tcp", 443, 443, "172.16.0.0/16")
    for endpoint in of_type(resources, "AWS::EC2::VPCEndpoint").values():
        if endpoint["VpcEndpointType"] == "Interface":
            assert endpoint["SecurityGroupIds"] == ["<EndpointSecurityGroup>"]
            assert endpoint["SubnetIds"] == ["<PrivateSubnet1>", "<PrivateSubnet2>"]
        assert "PolicyDocument" not in endpoint, (
            "one that leaves out a principal or an action keeps tasks from starting"
        )


def test_addresses_are_the_nat_gateways_and_the_load_balancers_alone(editions: Editions) -> None:
    resources = made(editions, NatGateways="each-zone", AvailabilityZones=THREE).resources
    gateways = of_type(resources, "AWS::EC2::NatGateway")
    assert {it["AllocationId"] for it in gateways.values()} == {f"<NatAddress{n}.AllocationId>" for n in (1, 2, 3)}
    assert not [it for it in of_type(resources, "AWS::EC2::Subnet").values() if it.get("MapPublicIpOnLaunch")]


def test_flow_logs_are_of_all_traffic_and_written_for_this_account_alone(editions: Editions) -> None:
    """https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html"""
    resources = made(editions, FlowLogs="true").resources
    log = resources["FlowLog"]["Properties"]
    assert (log["ResourceType"], log["ResourceId"], log["TrafficType"]) == ("VPC", "<Vpc>", "ALL")
    assert log["LogDestinationType"] == "cloud-watch-logs"
    assert (log["LogGroupName"], log["DeliverLogsPermissionArn"]) == ("<NetworkLogs>", "<FlowLogRole.Arn>")
    role = resources["FlowLogRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    (policy,) = role["Policies"]
    allowed = {action: it["Resource"] for it in policy["PolicyDocument"]["Statement"] for action in it["Action"]}
    ours = {f"logs:{name}": ["<NetworkLogs.Arn>"] for name in ("CreateLogStream", "PutLogEvents")}
    assert allowed == {**ours, "logs:DescribeLogGroups": ["*"], "logs:DescribeLogStreams": ["*"]}


@pytest.mark.parametrize(("nat", "capacity"), [("one", "ec2"), ("none", "ec2"), ("none", "fargate")])
def test_it_is_made_and_its_outputs_name_what_was_made(nat: str, capacity: str) -> None:
    with mock_aws(), bridged():
        cloudformation, ec2 = client("cloudformation"), client("ec2")
        before = {it["VpcId"] for it in ec2.describe_vpcs()["Vpcs"]}
        zones = "us-east-1b,us-east-1c,us-east-1d"
        given = {"NatGateways": nat, "Capacity": capacity, "AvailabilityZones": zones, "FlowLogs": "true"}
        cloudformation.create_stack(
            StackName="network",
            TemplateBody=(ROOT / "templates/network.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        )
        (stack,) = cloudformation.describe_stacks(StackName="network")["Stacks"]
        outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
        (vpc,) = {it["VpcId"] for it in ec2.describe_vpcs()["Vpcs"]} - before
        assert outputs["VpcId"] == vpc
        for name in ("LoadBalancerSubnets", "AsgSubnets"):
            subnets = ec2.describe_subnets(SubnetIds=outputs[name].split(","))["Subnets"]
            assert {it["AvailabilityZone"] for it in subnets} == set(zones.split(","))
            assert {it["VpcId"] for it in subnets} == {vpc}
        ours = [{"Name": "vpc-id", "Values": [vpc]}]
        endpoints = ec2.describe_vpc_endpoints(Filters=ours)["VpcEndpoints"]
        interfaces = len(ENDPOINTS) - (len(OF_HOSTS) if capacity == "fargate" else 1)
        assert len(endpoints) == (interfaces + 1 if nat == "none" else 1)


def test_no_name_is_a_parameters_and_a_resources(editions: Editions) -> None:
    """CloudFormation refuses a template with one."""
    for name, template in editions.templates.items():
        assert not template["Parameters"].keys() & template["Resources"].keys(), name
