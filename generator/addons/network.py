"""A VPC for those who have none: public subnets for the load balancer, private ones for hosts and file system."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from awacs import logs as log_actions
from awacs.aws import Allow, Statement
from troposphere import And, Cidr, Equals, FindInMap, GetAtt, GetAZs, Join, Not, Ref, Select, Sub, Template, ec2
from troposphere.iam import Policy
from troposphere.logs import LogGroup

from generator import conditions, settings
from generator.language.editions import Form, Single
from generator.language.partitions import ECR_ENDPOINTS
from generator.language.retention import DELETE
from generator.language.slots import Slot, Slots
from generator.language.wiring import Group, Setting, Stack, When, only_if
from generator.parts.descriptions import DESCRIPTIONS
from generator.parts.iam import FLOW_LOGS as FLOW_LOGS_SERVICE
from generator.parts.iam import document, role
from generator.parts.log_groups import may_write
from generator.parts.tags import tags
from generator.settings.values import OCTET, SWITCH

MAX_ZONES = 3
_SUBNET_BITS = 8
"""Subnets have 256 addresses: the load balancer needs 8 free ones, hosts take one each."""

VPC_CIDR = Setting(
    name="VpcCidr",
    label="Addresses of the VPC",
    description="IPv4 block of /16 to /21, of which each subnet takes 256 addresses; one that no network it will be connected to has. A change makes another VPC.",
    default="10.0.0.0/16",
    pattern=rf"^{OCTET}(\.{OCTET}){{3}}/(1[6-9]|2[01])$",
    constraint="must be an IPv4 CIDR block of /16 to /21, e.g. 10.0.0.0/16",
)
AVAILABILITY_ZONES = Setting(
    name="AvailabilityZones",
    label="Availability Zones",
    description="Two or three of the region, separated by commas, e.g. eu-west-1a,eu-west-1b. Empty: its first two. Add a third at the end.",
    default="",
    pattern=r"^(?!(.*,)?([^,]+),(.*,)?\2(,|$))([a-z0-9-]+(,[a-z0-9-]+){1,2})?$",
    constraint="must be two or three different Availability Zones separated by commas, or empty",
)
NAT_GATEWAYS = Setting(
    name="NatGateways",
    label="NAT gateways",
    description="Way of the hosts to the internet. one: about $33 a month and $0.045 a GB (list prices of us-east-1, June 2026); its zone's failure leaves the other hosts without. each-zone: as many times as much. none: VPC endpoints of AWS's services only, nine interface endpoints (five on Fargate) at about $7 a month in each zone and $0.01 a GB; the images have to be in ECR.",
    default="one",
    values=("one", "each-zone", "none"),
)
FLOW_LOGS = Setting(
    name="FlowLogs",
    label="Flow logs",
    description="true: all connections are logged, which is billed by the GB.",
    default="false",
    values=SWITCH,
)
EC2_MESSAGES = Setting(
    name="Ec2Messages",
    label="Endpoint for old SSM agents",
    description="true: without NAT gateways there is also the endpoint ec2messages, which SSM agents before 3.3.40 (February 2024) need, as an AmiId of yours may have. Newer regions do not have it.",
    default="false",
    values=SWITCH,
)
_CAPACITY = replace(
    settings.CAPACITY,
    description="As the server's. Without NAT gateways, ec2 needs four endpoints more than fargate and fargate-spot.",
)
_RETENTION = replace(settings.LOG_RETENTION_DAYS, description="Of the flow logs.")
_FORM = Form(
    groups=(
        Group("Network", (VPC_CIDR, AVAILABILITY_ZONES, NAT_GATEWAYS, _CAPACITY, EC2_MESSAGES)),
        Group(settings.NAMING.label, (settings.SERVICE_NAME, settings.ENVIRONMENT)),
        Group(settings.MONITORING.label, (FLOW_LOGS, _RETENTION)),
        Group(settings.PROTECTION.label, (settings.PERMISSIONS_BOUNDARY_ARN,)),
    )
)

ENDPOINTS = {
    "ecs-agent": ("EcsAgentEndpoint", "Hosts join the cluster."),
    "ecs-telemetry": ("EcsTelemetryEndpoint", "Hosts report the load of tasks."),
    "ecs": ("EcsEndpoint", "Hosts join the cluster."),
    "ecr.api": ("EcrApiEndpoint", "Hosts, and tasks on Fargate, ask for images."),
    "ecr.dkr": ("EcrDkrEndpoint", "Hosts, and tasks on Fargate, pull images."),
    "logs": ("LogsEndpoint", "Logs of tasks and hosts."),
    "secretsmanager": ("SecretsManagerEndpoint", "Credentials of the server's accounts."),
    "ssm": ("SsmEndpoint", "Session Manager."),
    "ssmmessages": ("SsmMessagesEndpoint", "Session Manager and ECS Exec."),
    "ec2messages": ("Ec2MessagesEndpoint", "Session Manager, with `Ec2Messages`."),
}
"""Interface endpoints that hosts and tasks need without a way to the internet: logical ID and reason, by service.

An SSM agent of 3.3.40 or newer, which images of ECS have had since February 2024, leaves ec2messages alone where it has
ssmmessages. Newer regions do not have it.
https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-setting-up-messageAPIs.html

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-create-vpc.html
"""
_OLD_AGENTS = "ec2messages"
OF_HOSTS = ("ecs-agent", "ecs-telemetry", "ecs", "ssm", _OLD_AGENTS)
"""The endpoints that Fargate does not need: it reaches ECS in its own way."""

_ZONES = Slots(AVAILABILITY_ZONES, "Zone", MAX_ZONES, least=0)
_HAS_NAT = When("HasNat", lambda stack: Not(Equals(stack.take(NAT_GATEWAYS), "none")))
_HAS_HOST_ENDPOINTS = When(
    "HasHostEndpoints",
    lambda stack: And(
        Equals(stack.take(NAT_GATEWAYS), "none"),
        Equals(stack.take(_CAPACITY), "ec2"),
    ),
)
_HAS_EC2_MESSAGES = conditions.every(
    "HasEc2Messages",
    _HAS_HOST_ENDPOINTS,
    When("IsEc2Messages", lambda stack: Equals(stack.take(EC2_MESSAGES), "true")),
)
_HAS_ENDPOINTS = When("HasEndpoints", lambda stack: Equals(stack.take(NAT_GATEWAYS), "none"))
_IS_NAT_EACH_ZONE = When("IsNatEachZone", lambda stack: Equals(stack.take(NAT_GATEWAYS), "each-zone"))
_HAS_FLOW_LOGS = When("HasFlowLogs", lambda stack: Equals(stack.take(FLOW_LOGS), "true"))


@dataclass(frozen=True)
class _Zone:
    """``there`` is the condition for everything in the zone, ``None`` if it always exists."""

    index: int
    name: object
    there: When | None

    def where(self, stack: Stack, condition: When | None = None) -> dict[str, Any]:
        """The resource attribute for what exists in this zone if ``condition`` also holds."""
        if self.there and condition:
            condition = conditions.every(f"{condition.name}InZone{self.index}", condition, self.there)
        chosen = condition or self.there
        return only_if(stack.when(chosen) if chosen else None)

    def only(self, stack: Stack, value: object) -> object:
        return stack.if_(self.there, value) if self.there else value


def network() -> dict[str, Template]:
    """The template by its file name; its outputs are named like the server's parameters that take them."""
    edition = Single("network.yaml", DESCRIPTIONS["network.yaml"], _FORM)
    stack = edition.stack("Network", "")
    vpc = stack.add(
        ec2.VPC(
            "Vpc",
            CidrBlock=stack.take(VPC_CIDR),
            EnableDnsSupport=True,
            EnableDnsHostnames=True,
            Tags=tags(stack, "network"),
        )
    )
    zones = [_zone(stack, slot) for slot in _ZONES.of(stack)]
    public = _public_subnets(stack, vpc, zones)
    tables = {
        zone.index: _table(stack, vpc, f"PrivateRoutes{zone.index}", "private", **zone.where(stack)) for zone in zones
    }
    private = [_subnet(stack, vpc, zone, "Private", tables[zone.index]) for zone in zones]
    _nat(stack, zones, public, tables)
    _endpoints(stack, vpc, zones, private, tables)
    _flow_logs(stack, vpc)

    def joined(subnets: list[ec2.Subnet]) -> Join:
        return Join(",", [zone.only(stack, Ref(it)) for zone, it in zip(zones, subnets, strict=True)])

    edition.expose(
        stack.offer("VpcId", Ref(vpc), "The VPC."),
        stack.offer("LoadBalancerSubnets", joined(public), "Public subnets, one in each zone."),
        stack.offer("AsgSubnets", joined(private), "Private subnets, one in each zone."),
    )
    return edition.templates()


def _zone(stack: Stack, slot: Slot) -> _Zone:
    """The given zone, or for the first two one of the region; a third exists only if it is given."""
    if slot.index > 2:
        return _Zone(slot.index, slot.value, _ZONES.has(slot.index))
    return _Zone(slot.index, slot.only(slot.value, Select(slot.index - 1, GetAZs(""))), None)


def _subnet(stack: Stack, vpc: ec2.VPC, zone: _Zone, kind: str, table: ec2.RouteTable) -> ec2.Subnet:
    """Nothing in it gets a public address automatically."""
    offset = {"Public": 0, "Private": MAX_ZONES}[kind]
    subnet = stack.add(
        ec2.Subnet(
            f"{kind}Subnet{zone.index}",
            **zone.where(stack),
            VpcId=Ref(vpc),
            AvailabilityZone=zone.name,
            CidrBlock=Select(offset + zone.index - 1, Cidr(stack.take(VPC_CIDR), 2 * MAX_ZONES, _SUBNET_BITS)),
            MapPublicIpOnLaunch=False,
            Tags=tags(stack, f"{kind.lower()}-{zone.index}"),
        )
    )
    stack.add(
        ec2.SubnetRouteTableAssociation(
            f"{kind}SubnetRoutes{zone.index}", **zone.where(stack), SubnetId=Ref(subnet), RouteTableId=Ref(table)
        )
    )
    return subnet


def _table(stack: Stack, vpc: ec2.VPC, title: str, noun: str, **attributes: Any) -> ec2.RouteTable:
    return stack.add(ec2.RouteTable(title, VpcId=Ref(vpc), Tags=tags(stack, noun), **attributes))


def _public_subnets(stack: Stack, vpc: ec2.VPC, zones: list[_Zone]) -> list[ec2.Subnet]:
    """Subnets with a route to the internet; inbound it reaches a load balancer in them, and nothing without an address."""
    gateway = stack.add(ec2.InternetGateway("InternetGateway", Tags=tags(stack, "internet")))
    attachment = stack.add(
        ec2.VPCGatewayAttachment("InternetGatewayAttachment", VpcId=Ref(vpc), InternetGatewayId=Ref(gateway))
    )
    table = _table(stack, vpc, "PublicRoutes", "public")
    stack.add(
        ec2.Route(
            "InternetRoute",
            DependsOn=[attachment.title],
            RouteTableId=Ref(table),
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=Ref(gateway),
        )
    )
    return [_subnet(stack, vpc, zone, "Public", table) for zone in zones]


def _nat(stack: Stack, zones: list[_Zone], public: list[ec2.Subnet], tables: dict[int, ec2.RouteTable]) -> None:
    """A gateway in the first zone or in each, and the route to it from each zone's private subnet."""
    gateways: dict[int, ec2.NatGateway] = {}
    for zone, subnet in zip(zones, public, strict=True):
        there = zone.where(stack, _HAS_NAT if zone.index == 1 else _IS_NAT_EACH_ZONE)
        address = stack.add(
            ec2.EIP(
                f"NatAddress{zone.index}",
                **there,
                DependsOn=["InternetGatewayAttachment"],
                Domain="vpc",
                Tags=tags(stack, f"nat-{zone.index}"),
            )
        )
        gateways[zone.index] = stack.add(
            ec2.NatGateway(
                f"NatGateway{zone.index}",
                **there,
                # It would be created without one, and reach nothing.
                DependsOn=["InternetRoute"],
                AllocationId=GetAtt(address, "AllocationId"),
                SubnetId=Ref(subnet),
                Tags=tags(stack, f"nat-{zone.index}"),
            )
        )
        own, first = Ref(gateways[zone.index]), Ref(gateways[1])
        stack.add(
            ec2.Route(
                f"NatRoute{zone.index}",
                **zone.where(stack, _HAS_NAT),
                RouteTableId=Ref(tables[zone.index]),
                DestinationCidrBlock="0.0.0.0/0",
                NatGatewayId=first if zone.index == 1 else stack.if_(_IS_NAT_EACH_ZONE, own, first),
            )
        )


def _endpoints(
    stack: Stack, vpc: ec2.VPC, zones: list[_Zone], private: list[ec2.Subnet], tables: dict[int, ec2.RouteTable]
) -> None:
    """S3 always, as it costs nothing and keeps images' layers off a NAT gateway; the others in place of one."""
    stack.add(
        ec2.VPCEndpoint(
            "S3Endpoint",
            VpcId=Ref(vpc),
            VpcEndpointType="Gateway",
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            RouteTableIds=[zone.only(stack, Ref(tables[zone.index])) for zone in zones],
            Tags=tags(stack, "s3"),
        )
    )
    there = only_if(stack.when(_HAS_ENDPOINTS))
    group = stack.add(
        ec2.SecurityGroup(
            "EndpointSecurityGroup",
            **there,
            GroupDescription="pypiserver endpoints",
            VpcId=Ref(vpc),
            SecurityGroupIngress=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "CidrIp": stack.take(VPC_CIDR),
                    "Description": "HTTPS from the VPC",
                }
            ],
            SecurityGroupEgress=[{"IpProtocol": "-1", "CidrIp": "127.0.0.1/32", "Description": "nowhere"}],
            Tags=tags(stack, "endpoints"),
        )
    )
    prefixes = stack.mapping("EndpointPrefixes", {name: {"Ecr": prefix} for name, prefix in ECR_ENDPOINTS.items()})
    for service, (title, _) in ENDPOINTS.items():
        of_all = _HAS_HOST_ENDPOINTS if service in OF_HOSTS else _HAS_ENDPOINTS
        condition = _HAS_EC2_MESSAGES if service == _OLD_AGENTS else of_all
        prefix = FindInMap(prefixes, Ref("AWS::Partition"), "Ecr") if service.startswith("ecr.") else "com.amazonaws"
        stack.add(
            ec2.VPCEndpoint(
                title,
                **only_if(stack.when(condition)),
                VpcId=Ref(vpc),
                VpcEndpointType="Interface",
                ServiceName=Join(".", [prefix, Ref("AWS::Region"), service]),
                PrivateDnsEnabled=True,
                SubnetIds=[zone.only(stack, Ref(it)) for zone, it in zip(zones, private, strict=True)],
                SecurityGroupIds=[Ref(group)],
                Tags=tags(stack, service.replace(".", "-")),
            )
        )


def _flow_logs(stack: Stack, vpc: ec2.VPC) -> None:
    """https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html"""
    there = only_if(stack.when(_HAS_FLOW_LOGS))
    log = stack.add(
        LogGroup(
            "NetworkLogs", **there, **DELETE, RetentionInDays=stack.take(_RETENTION), Tags=tags(stack, "flow-logs")
        )
    )
    find = Statement(
        Effect=Allow, Action=[log_actions.DescribeLogGroups, log_actions.DescribeLogStreams], Resource=["*"]
    )
    writer = role(
        stack,
        "FlowLogRole",
        "flow-logs",
        trusted=FLOW_LOGS_SERVICE,
        policies=[Policy(PolicyName="write-logs", PolicyDocument=document(may_write(log), find))],
        condition=_HAS_FLOW_LOGS,
    )
    stack.add(
        ec2.FlowLog(
            "FlowLog",
            **there,
            ResourceId=Ref(vpc),
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=Ref(log),
            DeliverLogsPermissionArn=GetAtt(writer, "Arn"),
            Tags=tags(stack, "flow-logs"),
        )
    )
