"""The account's network: what can be chosen from, and what would not work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.operations.aws import Account, Client
from generator.operations.errors import AWS_ERRORS, ClientError, code, explain
from generator.operations.exits import Problem
from generator.operations.terminal import Terminal

_LOAD_BALANCERS = "application-load-balancers"


@dataclass(frozen=True)
class Vpc:
    id: str
    label: str


@dataclass(frozen=True)
class Subnet:
    """``public``: its route table leads to an internet gateway."""

    id: str
    vpc: str
    zone: str
    public: bool
    label: str


@dataclass(frozen=True)
class Zone:
    """A public hosted zone; ``name`` has no dot at the end."""

    id: str
    name: str


def vpcs(account: Account) -> list[Vpc]:
    found = _pages(account.client("ec2"), "describe_vpcs", "Vpcs")
    return [Vpc(it["VpcId"], _label(it, it["VpcId"], it["CidrBlock"], default=it.get("IsDefault"))) for it in found]


def subnets(account: Account, vpc: str) -> list[Subnet]:
    """By zone."""
    ec2 = account.client("ec2")
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    tables = list(_pages(ec2, "describe_route_tables", "RouteTables", Filters=inside))
    found = [_subnet(it, tables) for it in _pages(ec2, "describe_subnets", "Subnets", Filters=inside)]
    return sorted(found, key=lambda it: (it.zone, it.id))


def zones(account: Account) -> list[Zone]:
    found = _pages(account.client("route53"), "list_hosted_zones", "HostedZones")
    return [_zone(it) for it in found if not it["Config"].get("PrivateZone")]


def refuse_network(account: Account, terminal: Terminal, given: dict[str, str]) -> None:
    """Raises Problem with a line for everything that CloudFormation would only discover during creation.

    What these credentials may not read is not checked; a line says so.
    """
    wrong: list[str] = []
    checks = {"network": _network, "hosted zone": _hosted_zone, "quotas": _quotas}
    for subject, check in terminal.steps("checking the", checks):
        try:
            wrong += check(account, given)
        except AWS_ERRORS as error:
            terminal.line(f"{subject} could not be checked: {explain(error)}")
    if wrong:
        raise Problem("\n".join(wrong))


def refuse_mount_targets(
    account: Account, terminal: Terminal, given: Mapping[str, str], previous: Mapping[str, str]
) -> None:
    """Raises Problem if a mount target would be made in a zone where the stack, whose values are ``previous``, has one.

    Each subnet's place in the list is a mount target, the new ones are made before the old ones go, and EFS takes one for a
    zone: https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
    """
    before, after = (values.get("AsgSubnets", "").split(",") for values in (previous, {**previous, **given}))
    new = [it for place, it in enumerate(after) if before[place : place + 1] != [it]]
    if not new or {**previous, **given}.get("CreateMountTargets") == "false":
        return
    try:
        zones_by_subnet = {it.id: it.zone for it in subnets(account, previous["VpcId"])}
    except AWS_ERRORS as error:
        terminal.line(f"AsgSubnets could not be checked: {explain(error)}")
        return
    taken = {zones_by_subnet.get(it) for it in before}
    wrong = [it for it in new if it in zones_by_subnet and zones_by_subnet[it] in taken]
    if wrong:
        raise Problem(
            f"AsgSubnets: the stack has {','.join(before)}, so {', '.join(wrong)} would be the second in a zone, or in another's "
            "place, until the update ends, and EFS refuses that. Keep the order, and add at the end; to take one out, first "
            "deploy without it and those after it, then add these"
        )


def _network(account: Account, given: dict[str, str]) -> Iterator[str]:
    vpc = given["VpcId"]
    if vpc not in [it.id for it in vpcs(account)]:
        yield f"VpcId: there is no {vpc} in {account.region}"
        return
    for attribute, name in (("EnableDnsSupport", "DNS support"), ("EnableDnsHostnames", "DNS hostnames")):
        ec2 = account.client("ec2")
        described = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute[0].lower() + attribute[1:])
        if not described[attribute]["Value"]:
            option = f"--{'enable-dns-support' if 'Support' in attribute else 'enable-dns-hostnames'}"
            yield (
                f"VpcId: {vpc} has no {name}, by which hosts find the file system: "
                f"`aws ec2 modify-vpc-attribute --vpc-id {vpc} {option}`"
            )
    known = {it.id: it for it in subnets(account, vpc)}
    chosen = {name: given[name].split(",") for name in ("LoadBalancerSubnets", "AsgSubnets")}
    for name, ids in chosen.items():
        for absent in (it for it in ids if it not in known):
            yield f"{name}: {absent} is not a subnet of {vpc}"
    yield from _zones_of(*([known[it] for it in ids if it in known] for ids in chosen.values()))


def _zones_of(balancer: list[Subnet], hosts: list[Subnet]) -> Iterator[str]:
    """Rules of Elastic Load Balancing and of EFS's mount targets."""
    if len({it.zone for it in balancer}) < 2:
        yield "LoadBalancerSubnets: a load balancer needs subnets in two Availability Zones or more"
    for name, chosen in (("LoadBalancerSubnets", balancer), ("AsgSubnets", hosts)):
        for zone, number in Counter(it.zone for it in chosen).items():
            if number > 1:
                yield f"{name}: {number} subnets are in {zone}, and only one may be"
    for zone in sorted({it.zone for it in hosts} - {it.zone for it in balancer}):
        yield f"AsgSubnets: {zone} has no subnet in LoadBalancerSubnets, so hosts there would receive no requests"


def _hosted_zone(account: Account, given: dict[str, str]) -> Iterator[str]:
    """ACM looks for its record in public DNS, and CloudFormation waits for hours.

    https://docs.aws.amazon.com/acm/latest/userguide/troubleshooting-DNS-validation.html
    """
    name, certificate_zone = given["HostedZoneName"], given.get("CertificateHostedZoneId", "")
    is_elsewhere = bool(given.get("CertificateArn") or certificate_zone)
    for parameter in ("HostedZoneId", "CertificateHostedZoneId"):
        identity = given.get(parameter, "")
        if not identity:
            continue
        try:
            found = account.client("route53").get_hosted_zone(Id=identity)["HostedZone"]
        except ClientError as error:
            if code(error) != "NoSuchHostedZone":
                raise
            yield f"{parameter}: this account has no {identity}"
            continue
        zone = _zone(found)
        if parameter == "HostedZoneId" and zone.name != name:
            yield f"HostedZoneName: {identity} is {zone.name}, not {name}"
        elif not (f".{name}".endswith(f".{zone.name}") or f".{zone.name}".endswith(f".{name}")):
            yield f"CertificateHostedZoneId: {identity} is {zone.name}, which has no names of {name}"
        if found["Config"].get("PrivateZone") and not (parameter == "HostedZoneId" and is_elsewhere):
            yield f"{parameter}: {identity} is private, where no certificate can be validated: give CertificateHostedZoneId or CertificateArn"


def _quotas(account: Account, given: dict[str, str]) -> Iterator[str]:
    """The quotas that the services themselves report."""
    elb = account.client("elbv2")
    limits = {it["Name"]: int(it["Max"]) for it in elb.describe_account_limits()["Limits"]}
    balancers = [it for it in _pages(elb, "describe_load_balancers", "LoadBalancers") if it["Type"] == "application"]
    if len(balancers) >= limits.get(_LOAD_BALANCERS, len(balancers) + 1):
        yield f"{account.region} has all {len(balancers)} load balancers that the quota allows: request more, or delete one"


def _pages(client: Client, operation: str, key: str, **options: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**options):
        yield from page[key]


def _subnet(it: dict[str, Any], tables: list[dict[str, Any]]) -> Subnet:
    links = [(link, table) for table in tables for link in table.get("Associations", [])]
    own = [table for link, table in links if link.get("SubnetId") == it["SubnetId"]]
    main = [table for link, table in links if link.get("Main")]
    routes = [route for table in (own or main)[:1] for route in table["Routes"]]
    public = any(route.get("GatewayId", "").startswith("igw-") for route in routes)
    zone = it["AvailabilityZone"]
    label = _label(it, it["SubnetId"], zone, "public" if public else "private", it["CidrBlock"])
    return Subnet(it["SubnetId"], it["VpcId"], zone, public, label)


def _zone(it: dict[str, Any]) -> Zone:
    return Zone(it["Id"].removeprefix("/hostedzone/"), it["Name"].rstrip("."))


def _label(it: dict[str, Any], *facts: str, default: bool | None = False) -> str:
    name = [tag["Value"] for tag in it.get("Tags", []) if tag["Key"] == "Name"]
    return "  ".join([*name, *facts, *(["default"] if default else [])])
