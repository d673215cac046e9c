"""``deploy`` without a file of parameters: what it offers, what it refuses, and where it leaves the operator."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from calls import REGION, client
from emulator import ACCOUNT, BUCKET, emulator, environment, network
from moto.core.responses import ActionResult
from moto.elbv2.responses import ELBV2Response
from pseudo_terminal import DOWN, ENTER, session_of_ours

from generator.commands import main
from generator.commands.options import TEMPLATES
from generator.operations.aws import Account
from generator.operations.exits import Problem
from generator.operations.form import form
from generator.operations.network import refuse_network, zones
from generator.operations.questions import ask
from generator.operations.terminal import Terminal
from generator.parts.descriptions import PARENT

OWN_BUCKET = f"pypiserver-templates-{ACCOUNT}-{REGION}"


@pytest.fixture
def server() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture
def env(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    for name, value in environment(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    return environment(server, tmp_path)


def company_network() -> dict[str, str]:
    """A VPC with a public and a private subnet in each of two zones, and a hosted zone; their IDs by name."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "company"}])
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    made = {"vpc": vpc}
    for number, (name, zone) in enumerate((kind, zone) for kind in ("public", "private") for zone in "ab"):
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        made[f"{name}-{zone}"] = identity = subnet["Subnet"]["SubnetId"]
        ec2.create_tags(Resources=[identity], Tags=[{"Key": "Name", "Value": f"{name}-{zone}"}])
        if name == "public":
            ec2.associate_route_table(RouteTableId=table, SubnetId=identity)
    zone, _ = (
        client("route53").create_hosted_zone(Name=name, CallerReference=os.urandom(4).hex())
        for name in ("company.example", "_tcp.company.example")
    )
    return {**made, "zone": zone["HostedZone"]["Id"].removeprefix("/hostedzone/")}


def test_answers_outlive_an_interrupt(env: dict[str, str], tmp_path: Path) -> None:
    has = company_network()
    with session_of_ours(["deploy"], 80, env, tmp_path) as terminal:
        terminal.expect("about $")
        terminal.type(DOWN + DOWN + ENTER)
        terminal.expect(f"company  {has['vpc']}")
        terminal.type(DOWN + ENTER)
        terminal.expect("Subnets of the load balancer")
        # They are listed by zone.
        below = 0 if has["public-a"] < has["private-a"] else 1
        terminal.type("a" + ENTER)
        terminal.expect("one subnet in each Availability Zone\n")
        terminal.type("a" + ENTER)
        terminal.expect("at least 2, in different Availability Zones\n")
        terminal.type(DOWN * below + " " + ENTER)
        terminal.expect("at least 2, in different Availability Zones\n")
        below = 2 if has["public-b"] < has["private-b"] else 3
        terminal.type(DOWN * below + " " + ENTER)
        terminal.expect("Subnets of the hosts")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "parameters.json has the answers so far" in terminal.text
    kept = json.loads((tmp_path / "parameters.json").read_text())
    assert kept[:2] == ["Capacity=ec2", f"VpcId={has['vpc']}"]
    with session_of_ours(["deploy"], 80, env, tmp_path) as terminal:
        terminal.expect("Subnets of the hosts")
        assert "? VPC" not in terminal.text
        assert "about $" not in terminal.text
        assert "of the load balancer" not in terminal.text
        # Those in the zones of the load balancer's subnets, which were answered before.
        assert f"● private-a  {has['private-a']}" in terminal.text


def test_a_narrow_terminal_shows_the_whole_reason(env: dict[str, str], tmp_path: Path) -> None:
    values = {name: value for name, value in network().items() if name != "IngressCidrs"} | {"Capacity": "ec2"}
    Path("parameters.json").write_text(json.dumps([f"{name}={value}" for name, value in values.items()]))
    with session_of_ours(["deploy"], 40, env, tmp_path) as terminal:
        terminal.expect("IPv4 ranges")
        terminal.type("10.0.0.0/8;10.0.0.1" + ENTER)
        terminal.expect("192.0.2.1/32")
        said = next(it.constraint for it in form(TEMPLATES / PARENT) if it.name == "IngressCidrs")
        assert said
        assert said in " ".join(terminal.text.split())


@pytest.mark.parametrize("columns", [80, pytest.param(160, marks=pytest.mark.slow)])
def test_first_deployment_asks_and_ends_with_what_to_do_next(columns: int, env: dict[str, str], tmp_path: Path) -> None:
    has = company_network()
    with session_of_ours(["deploy", "--stack-name", "first"], columns, env, tmp_path) as terminal:
        terminal.expect("Fargate, ARM64: no hosts to patch, about $")
        terminal.type(ENTER)
        terminal.expect("VPC")
        terminal.expect(f"company  {has['vpc']}")
        # The second: an account comes with one of its own.
        terminal.type(DOWN + ENTER)
        terminal.expect("Subnets of the load balancer")
        assert f"public-a  {has['public-a']}  {REGION}a  public" in terminal.text
        terminal.type(ENTER)
        terminal.expect("Subnets of the hosts")
        terminal.type(ENTER)
        terminal.expect("company.example")
        terminal.expect("a zone in another account")
        assert "_tcp" not in terminal.text, "which has no name for a server"
        terminal.type(ENTER)
        terminal.expect("IPv4 ranges that may connect")
        terminal.type("203.0.113.0/24, 198.51.100.7 " + ENTER)
        terminal.expect("E-mail addresses for alarms")
        terminal.type("nobody" + ENTER)
        terminal.expect("must be up to 10 e-mail addresses")
        # The answer is there to be mended.
        terminal.type("@company.example" + ENTER)
        terminal.expect("parameters.json has these values")
        terminal.expect(f"Create bucket {OWN_BUCKET}")
        terminal.type("y")
        terminal.expect("Deploy first? (y/N)")
        assert re.search(r"costs +about \$\d\d a month", terminal.text)
        terminal.type("y")
        assert terminal.end() == 0, terminal.text
        assert "https://pypiserver.company.example/" in terminal.text
        whole = terminal.text.replace("\n", "")
        # Where a line is broken depends on where this repository is.
        assert "-mgeneratorcredentials--stack-namefirst" in "".join(terminal.text.split())
        assert "PIP_CONFIG_FILE=pip.conf pip install PROJECT" in whole
        assert "not set up yet:\n" in terminal.text
        assert "CI: jobs have no access of their own" in terminal.text
    given = dict(pair.split("=", 1) for pair in json.loads((tmp_path / "parameters.json").read_text()))
    assert (given["Capacity"], given["CpuArchitecture"]) == ("fargate", "ARM64")
    assert given["VpcId"] == has["vpc"]
    assert given["LoadBalancerSubnets"] == f"{has['public-a']},{has['public-b']}"
    assert given["AsgSubnets"] == f"{has['private-a']},{has['private-b']}"
    assert given["HostedZoneName"] == "company.example"
    assert given["IngressCidrs"] == "203.0.113.0/24,198.51.100.7/32"
    assert given["AlarmEmails"] == "nobody@company.example"
    blocked = client("s3").get_public_access_block(Bucket=OWN_BUCKET)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}


def test_topics_instead_of_e_mail_addresses(env: dict[str, str], tmp_path: Path) -> None:
    topic = client("sns").create_topic(Name="alarms")["TopicArn"]
    values = {name: value for name, value in network().items() if name != "AlarmEmails"} | {"Capacity": "ec2"}
    Path("parameters.json").write_text(json.dumps([f"{name}={value}" for name, value in values.items()]))
    with session_of_ours(["deploy", "--bucket", BUCKET], 80, env, tmp_path) as terminal:
        terminal.expect("E-mail addresses for alarms")
        terminal.type(ENTER)
        terminal.expect("Additional topics for alarms")
        terminal.type(topic + ENTER)
        terminal.expect("Deploy pypi? (y/N)")
        terminal.type("n")
        assert terminal.end() == 3
    assert f"AlarmTopicArns={topic}" in json.loads(Path("parameters.json").read_text())


def test_answers_that_could_not_be_kept_are_not_asked_for(env: dict[str, str], tmp_path: Path) -> None:
    with session_of_ours(["deploy", "--parameters", "nowhere/mine.json"], 160, env, tmp_path) as terminal:
        assert terminal.end() == 2
        assert "error: nowhere cannot be written, where mine.json would get the answers" in terminal.text


@pytest.mark.usefixtures("env")
def test_what_cannot_be_chosen_is_said() -> None:
    """In an account without any VPC, and in a VPC with a subnet in one zone."""
    declared = form(TEMPLATES / PARENT)

    def asked(name: str, **given: str) -> str:
        lacking = [it for it in declared if it.name == name]
        with pytest.raises(Problem) as said:
            list(ask(Account(), Terminal(io.StringIO(), False), declared, lacking, given, {}))
        return str(said.value)

    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert asked("AsgSubnets", VpcId=vpc) == f"{vpc} has subnets in fewer than 1 Availability Zones"
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
    assert asked("LoadBalancerSubnets", VpcId=vpc) == f"{vpc} has subnets in fewer than 2 Availability Zones"
    for it in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=it["SubnetId"])
    for it in ec2.describe_vpcs()["Vpcs"]:
        ec2.delete_vpc(VpcId=it["VpcId"])
    assert asked("VpcId") == f"{REGION} has no VPC: create one first, as README.md says"


def refused(capsys: pytest.CaptureFixture[str], **given: str) -> list[str]:
    """The lines with which a new stack is refused."""
    values = {**network(), **given}
    Path("parameters.json").write_text(json.dumps([f"{name}={value}" for name, value in values.items()]))
    capsys.readouterr()
    assert main(["deploy", "--bucket", BUCKET, "--stack-name", "refused", "--yes"]) == 2
    return [line.removeprefix("error: ") for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("env")
def test_network_that_cannot_work_is_refused_before_anything_is_uploaded(capsys: pytest.CaptureFixture[str]) -> None:
    has = company_network()
    client("ec2").modify_vpc_attribute(VpcId=has["vpc"], EnableDnsHostnames={"Value": False})
    client("ec2").modify_vpc_attribute(VpcId=has["vpc"], EnableDnsSupport={"Value": False})
    lines = refused(
        capsys,
        VpcId=has["vpc"],
        LoadBalancerSubnets=f"{has['public-a']},{has['private-a']}",
        AsgSubnets=f"{has['private-b']},subnet-0123456789abcdef0",
        HostedZoneId=has["zone"],
    )
    assert lines == [
        f"VpcId: {has['vpc']} has no DNS support, by which hosts find the file system: "
        f"`aws ec2 modify-vpc-attribute --vpc-id {has['vpc']} --enable-dns-support`",
        f"VpcId: {has['vpc']} has no DNS hostnames, by which hosts find the file system: "
        f"`aws ec2 modify-vpc-attribute --vpc-id {has['vpc']} --enable-dns-hostnames`",
        f"AsgSubnets: subnet-0123456789abcdef0 is not a subnet of {has['vpc']}",
        "LoadBalancerSubnets: a load balancer needs subnets in two Availability Zones or more",
        f"LoadBalancerSubnets: 2 subnets are in {REGION}a, and only one may be",
        f"AsgSubnets: {REGION}b has no subnet in LoadBalancerSubnets, so hosts there would receive no requests",
        f"HostedZoneName: {has['zone']} is company.example, not example.com",
    ]
    assert "Contents" not in client("s3").list_objects_v2(Bucket=BUCKET)


@pytest.mark.usefixtures("env")
def test_what_the_account_lacks_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(capsys, VpcId="vpc-0123456789abcdef0", HostedZoneId="Z0000000000000")
    assert lines == [
        f"VpcId: there is no vpc-0123456789abcdef0 in {REGION}",
        "HostedZoneId: this account has no Z0000000000000",
    ]


@pytest.mark.usefixtures("env")
def test_a_zone_that_validates_no_certificate_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """ACM would wait for a record that it cannot see, and the stack for ACM."""
    values = network()
    private = (
        client("route53")
        .create_hosted_zone(
            **{"Name": "example.com", "CallerReference": "private", "HostedZoneConfig": {"PrivateZone": True}},
            VPC={"VPCRegion": REGION, "VPCId": values["VpcId"]},
        )["HostedZone"]["Id"]
        .removeprefix("/hostedzone/")
    )
    foreign = client("route53").create_hosted_zone(Name="company.example", CallerReference="foreign")["HostedZone"]
    other = foreign["Id"].removeprefix("/hostedzone/")
    assert private not in [it.id for it in zones(Account())], "it is not offered"
    assert other in [it.id for it in zones(Account())]
    way = "is private, where no certificate can be validated: give CertificateHostedZoneId or CertificateArn"
    for given, said in (
        ({}, f"HostedZoneId: {private} {way}"),
        ({"CertificateHostedZoneId": private}, f"CertificateHostedZoneId: {private} {way}"),
        (
            {"CertificateHostedZoneId": other},
            f"CertificateHostedZoneId: {other} is company.example, which has no names of example.com",
        ),
    ):
        assert refused(capsys, HostedZoneId=private, **given) == [said]
    right = {**values, "HostedZoneId": private, "CertificateHostedZoneId": values["HostedZoneId"]}
    refuse_network(Account(), Terminal(io.StringIO(), False, 80, 40), right)


@pytest.mark.usefixtures("env")
def test_a_load_balancer_more_than_the_quota_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    values = network()
    subnets = values["LoadBalancerSubnets"].split(",")
    for number, kind in enumerate(("application", "application", "network")):
        client("elbv2").create_load_balancer(Name=f"other-{number}", Subnets=subnets, Type=kind)

    def check(quota: str) -> None:
        limits = ActionResult({"Limits": [{"Name": "application-load-balancers", "Max": quota}]})
        monkeypatch.setattr(ELBV2Response, "describe_account_limits", lambda _: limits)
        refuse_network(Account(), Terminal(io.StringIO(), False, 80, 40), values)

    check("3")
    with pytest.raises(Problem, match=f"{REGION} has all 2 load balancers"):
        check("2")


def test_a_dry_run_makes_no_bucket(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    values = network()
    Path("parameters.json").write_text(json.dumps([f"{name}={value}" for name, value in values.items()]))
    assert main(["deploy", "--dry-run"]) == 2
    assert "a dry run does not create a bucket" in capsys.readouterr().err
    assert [it["Name"] for it in client("s3").list_buckets()["Buckets"]] == [BUCKET]
