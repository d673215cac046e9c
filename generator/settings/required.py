"""What every deployment must specify: network, zone, addresses for alarms."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import IPV4_CIDR, LABEL, items, optional
from generator.sizing import MAX_SUBNETS

MAX_CIDRS = 10
MAX_EMAILS = 10

VPC_ID = Setting(
    name="VpcId",
    label="VPC",
    type="AWS::EC2::VPC::Id",
    description="VPC of all subnets, with DNS hostnames and DNS support on.",
)
LOAD_BALANCER_SUBNETS = Setting(
    name="LoadBalancerSubnets",
    label="Subnets of the load balancer",
    type="List<AWS::EC2::Subnet::Id>",
    description="Two or more, in different Availability Zones; public ones for an internet-facing load balancer.",
)
ASG_SUBNETS = Setting(
    name="AsgSubnets",
    label="Subnets of the hosts and the file system",
    type="List<AWS::EC2::Subnet::Id>",
    description=f"One to {MAX_SUBNETS}, one in each Availability Zone, only in zones of the load balancer's subnets, private, with NAT or VPC endpoints. Add or remove subnets at the end of the list only.",
)
HOSTED_ZONE_NAME = Setting(
    name="HostedZoneName",
    label="Name of the hosted zone",
    description="Domain of the server's names, without a dot at the end, e.g. example.com.",
    pattern=rf"^(?=.{{2,253}}$)({LABEL}\.)*[a-z][a-z0-9-]{{0,61}}[a-z0-9]$",
    constraint="must be a lower-case domain name without a dot at the end, e.g. example.com",
)
HOSTED_ZONE_ID = Setting(
    name="HostedZoneId",
    label="ID of the hosted zone",
    description="Route 53 zone of that name in this account, public unless the certificate comes from elsewhere (group Access). Empty if the zone is in another account: give CertificateArn, and create the records with dns.yaml.",
    default="",
    pattern=optional("Z[A-Z0-9]+"),
    constraint="must be a Route 53 hosted zone ID, e.g. Z1234567890ABC, or empty",
)
INGRESS_CIDRS = Setting(
    name="IngressCidrs",
    label="IPv4 ranges that may connect",
    description=f"1 to {MAX_CIDRS}, separated by commas, e.g. those of your offices and VPCs. 0.0.0.0/0 lets everybody try passwords.",
    pattern=items(IPV4_CIDR, MAX_CIDRS, distinct=True),
    constraint=f"must be 1 to {MAX_CIDRS} different IPv4 CIDR blocks separated by commas without blanks, zeros after the prefix, e.g. 10.0.0.0/8,192.0.2.1/32",
)
ALARM_EMAILS = Setting(
    name="AlarmEmails",
    label="E-mail addresses for alarms",
    description=f"Up to {MAX_EMAILS}, separated by commas. AWS asks each to confirm. Empty: give AlarmTopicArns.",
    default="",
    pattern=items(r"[^\s,@]+@[^\s,@]+\.[^\s,@]+", MAX_EMAILS, least=0),
    constraint=f"must be up to {MAX_EMAILS} e-mail addresses separated by commas without blanks, or empty",
)

REQUIRED = Group(
    "Required",
    (VPC_ID, LOAD_BALANCER_SUBNETS, ASG_SUBNETS, HOSTED_ZONE_NAME, HOSTED_ZONE_ID, INGRESS_CIDRS, ALARM_EMAILS),
)
