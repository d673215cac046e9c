"""No deployment takes what holds data out of the stack unless it is told to."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path
from shutil import copytree

import pytest
from calls import client
from emulator import BUCKET
from stacks import DEPLOY, Parameters, give, give_again, outputs, physical_ids

from generator.commands import main
from generator.operations.aws import Account
from generator.operations.deploy import Deployment, deploy
from generator.operations.exits import Problem
from generator.operations.form import form
from generator.operations.guard import refuse_exposure, refuse_move
from generator.operations.network import refuse_mount_targets
from generator.operations.terminal import terminal
from generator.parent import single
from generator.parts.data_bearing import DATA_BEARING, stack_policy
from generator.parts.descriptions import PARENT

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
pytestmark = pytest.mark.usefixtures("here")


def deploy_from(templates: Path) -> int:
    wish = Deployment("pypi", templates, Path("parameters.json"), BUCKET, "pypiserver", yes=True)
    return deploy(Account(), terminal(), wish)


def test_data_bearing_is_what_the_templates_retain() -> None:
    resources = single().templates()["pypiserver-single.yaml"].to_dict()["Resources"]
    assert set(DATA_BEARING) == {title for title, it in resources.items() if it.get("UpdateReplacePolicy") == "Retain"}


def test_removal_of_data_is_refused(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    give_again(deployed, ExistingFileSystemId="fs-0123456789abcdef0")
    before = physical_ids()
    assert main([*DEPLOY]) == 2
    captured = capsys.readouterr()
    assert "FileSystem (remove). If you mean it: --allow-data-loss FileSystem" in captured.err
    assert re.search(r"- remove +FileSystem +AWS::EFS::FileSystem; .*the old one stays in the account", captured.out)
    assert re.search(r"data +FileSystem \(remove\), the old one stays in the account", captured.out), "what it refuses"
    assert physical_ids() == before


@pytest.mark.slow
@pytest.mark.parametrize("capacity", ["fargate", "fargate-spot"])
def test_a_change_between_hosts_and_fargate_is_refused(
    deployed: Parameters, capacity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is uploaded or compared; a policy of the stacks refuses it where somebody goes another way."""
    before = physical_ids()
    give_again(deployed, Capacity=capacity)
    assert main([*DEPLOY]) == 2
    assert f"refused: Capacity={capacity} in pypi, which has ec2, takes the server down" in capsys.readouterr().err
    assert physical_ids() == before
    policy = client("cloudformation").get_stack_policy(StackName=before["Security"])["StackPolicyBody"]
    denied = [it for it in json.loads(policy)["Statement"] if it["Effect"] == "Deny"]
    (removal,) = [it for it in denied if "LogicalResourceId/HostSecurityGroup" in it["Resource"]]
    assert removal["Action"] == ["Update:Delete"]
    assert "HostSecurityGroup" in before


def test_a_change_of_the_scheme_is_refused(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    before = physical_ids()
    give_again(deployed, LoadBalancerScheme="internal")
    assert main([*DEPLOY]) == 2
    error = capsys.readouterr().err
    assert "refused: LoadBalancerScheme=internal in pypi, which has internet-facing, takes the server down" in error
    assert "docs/runbooks/another-capacity.md" in error
    assert physical_ids() == before


def test_one_web_acl_in_place_of_another_is_refused() -> None:
    """Where the old association is removed at the end, the load balancer has none: the template's ID is of both ARNs."""
    one, two = (f"arn:aws:wafv2:us-east-1:123456789012:regional/webacl/{name}/id" for name in ("one", "two"))
    with pytest.raises(Problem, match=f"refused: with WebAclArn={two} in place of {one}"):
        refuse_exposure({"WebAclArn": two}, {"WebAclArn": one})
    for before, after in ((one, ""), (one, one), ("", two)):
        refuse_exposure({"WebAclArn": after}, {"WebAclArn": before})
    refuse_exposure({}, {"WebAclArn": one})
    denied = [it for it in json.loads(stack_policy())["Statement"] if it["Effect"] == "Deny"]
    (replacement,) = [it for it in denied if "LogicalResourceId/WebAclAssociation" in it["Resource"]]
    assert replacement["Action"] == ["Update:Replace"]


def test_a_second_mount_target_in_a_zone_is_refused(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    """By EFS, half-way through the update: MountTargetConflict."""
    before = physical_ids()
    first, second = deployed["AsgSubnets"].split(",")
    (third,) = [it["SubnetId"] for it in client("ec2").describe_subnets()["Subnets"]][2:3]
    zone = client("ec2").describe_subnets(SubnetIds=[second])["Subnets"][0]["AvailabilityZone"]
    beside = client("ec2").create_subnet(VpcId=deployed["VpcId"], CidrBlock="172.31.240.0/24", AvailabilityZone=zone)
    other = beside["Subnet"]["SubnetId"]
    for subnets, wrong in (
        (f"{second},{first}", f"{second}, {first}"),
        (second, second),
        (f"{third},{first},{second}", f"{first}, {second}"),
        (f"{first},{other}", other),
    ):
        give_again(deployed, AsgSubnets=subnets)
        assert main([*DEPLOY]) == 2
        assert f"AsgSubnets: the stack has {first},{second}, so {wrong} would be" in capsys.readouterr().err
    assert physical_ids() == before
    for subnets in (f"{first},{second},{third}", first, f"{first},{third}", f"{first},{second}"):
        refuse_mount_targets(Account(), terminal(), {"AsgSubnets": subnets}, deployed)
    swapped = {"AsgSubnets": f"{second},{first}", "CreateMountTargets": "false"}
    refuse_mount_targets(Account(), terminal(), swapped, deployed)


def test_another_capacity_is_a_second_stack_on_the_same_files(deployed: Parameters, here: Path) -> None:
    """The way of docs/runbooks/another-capacity.md, up to the moved names."""
    given = outputs()
    second = {"Capacity": "fargate", "ExistingFileSystemId": given["FileSystemId"], "CreateMountTargets": "false"}
    new = ("--stack-name", "pypi-next")
    give_again(deployed, **second, DnsNames="pypi-next")
    assert main([*DEPLOY, *new]) == 0
    has = physical_ids("pypi-next")
    assert "FileSystem" not in has
    (point,) = client("efs").describe_access_points(AccessPointId=has["AccessPoint"])["AccessPoints"]
    assert point["FileSystemId"] == given["FileSystemId"]
    give_again(deployed, **(second | {"Capacity": "fargate-spot"}), DnsNames="pypi-next,pypi-moved")
    assert main([*DEPLOY, *new]) == 0, "Fargate and its Spot are exchanged in place"
    give_again(deployed, **(second | {"Capacity": "ec2"}), DnsNames="pypi-next")
    assert main([*DEPLOY, *new]) == 2, "and the way back is refused like the way there"
    assert main(["delete", *new, "--yes"]) == 0
    assert client("efs").describe_file_systems(FileSystemId=given["FileSystemId"])["FileSystems"]


def test_what_these_templates_do_not_have_is_taken_to_hold_data(
    deployed: Parameters, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has added a table to the templates, and deploys those of the next release over it."""
    copytree(TEMPLATES, here / "templates")
    parent = here / "templates" / "pypiserver.yaml"
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    }
    parent.write_text(parent.read_text().replace("\nResources:\n", f"\nResources:\n  Downloads: {json.dumps(table)}\n"))
    give_again(deployed)
    assert deploy_from(here / "templates") == 0
    assert main([*DEPLOY]) == 2
    assert "Downloads (remove). If you mean it: --allow-data-loss Downloads" in capsys.readouterr().err
    assert client("dynamodb").list_tables()["TableNames"]
    assert main([*DEPLOY, "--allow-data-loss", "Downloads"]) == 0
    assert not client("dynamodb").list_tables()["TableNames"]


def test_another_directory_is_refused_unless_asked_for_by_name(
    deployed: Parameters, capsys: pytest.CaptureFixture[str]
) -> None:
    before = physical_ids()
    give_again(deployed, PackagesPath="/elsewhere")
    for options in ([], ["--allow-data-loss", "FileSystem"]):
        assert main([*DEPLOY, *options]) == 2
        said = capsys.readouterr().err
        assert "would serve from /elsewhere instead of /packages" in said
        assert "--allow-data-loss PackagesPath" in said
    assert physical_ids() == before

    assert main([*DEPLOY, "--allow-data-loss", "PackagesPath"]) == 0
    after = physical_ids()
    assert (after["FileSystem"], after["AccessPoint"] != before["AccessPoint"]) == (before["FileSystem"], True)
    give_again(deployed)
    assert main([*DEPLOY, "--allow-data-loss", "PackagesPath"]) == 0, "and back"


@pytest.mark.parametrize(
    ("previous", "given", "refused"),
    [
        ({"ExistingFileSystemId": "fs-1"}, {"ExistingFileSystemId": ""}, True),
        ({"ExistingFileSystemId": "fs-1"}, {"ExistingFileSystemId": "fs-2"}, True),
        ({"ExistingFileSystemId": "fs-1"}, {}, False),
        ({"ExistingFileSystemId": "fs-1"}, {"ExistingFileSystemId": "fs-1", "PackagesPath": "/packages"}, False),
        # FileSystem leaves the stack, which is refused by that name.
        ({"ExistingFileSystemId": ""}, {"ExistingFileSystemId": "fs-1"}, False),
        # A stack of a template without the parameter has its default.
        ({"VpcId": "vpc-1"}, {"PackagesPath": "/elsewhere"}, True),
        ({}, {"ExistingFileSystemId": "fs-1", "PackagesPath": "/elsewhere"}, False),
    ],
)
def test_where_the_packages_are(previous: dict[str, str], given: dict[str, str], refused: bool) -> None:
    declared = form(TEMPLATES / PARENT)
    names = {name for name, value in given.items() if previous.get(name, "/packages") != value}
    with pytest.raises(Problem) if refused else nullcontext():
        refuse_move(declared, given, previous, [])
    refuse_move(declared, given, previous, names)


def test_replacement_of_data_is_refused(deployed: Parameters, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copytree(TEMPLATES, here / "templates")
    storage = here / "templates" / "storage.yaml"
    storage.write_text(storage.read_text().replace("      Encrypted: true", "      Encrypted: false"))
    give_again(deployed)
    before = physical_ids()
    with pytest.raises(Problem, match=r"FileSystem \(replace\)"):
        deploy_from(here / "templates")
    shown = capsys.readouterr().out
    assert re.search(r"! replace +FileSystem +AWS::EFS::FileSystem; by Encrypted; the old one stays", shown)
    assert re.search(r"data +FileSystem \(replace\), the old one stays", shown)
    assert physical_ids() == before


def test_removal_of_a_nested_stack_with_data_is_refused(deployed: Parameters, here: Path) -> None:
    copytree(TEMPLATES, here / "templates")
    parent = here / "templates" / "pypiserver.yaml"
    parent.write_text(re.sub(r"\n  Storage:\n.*?(?=\n  Edge:)", "", parent.read_text(), flags=re.DOTALL))
    # The other layers do without its outputs.
    parent.write_text(re.sub(r"!GetAtt Storage\.Outputs\.\w+", "none", parent.read_text()))
    give_again(deployed)
    with pytest.raises(Problem, match=r"Storage \(remove\)"):
        deploy_from(here / "templates")


@pytest.mark.slow
def test_data_may_leave_the_stack_when_told_so(here: Path) -> None:
    """As after a restore into another file system."""
    values = give(ServiceName="restored")
    options = ["--stack-name", "restored"]
    assert main([*DEPLOY, *options]) == 0
    had = physical_ids("restored")
    other = client("efs").create_file_system(CreationToken="restored", Encrypted=True)["FileSystemId"]
    give_again(values, ExistingFileSystemId=other)
    assert main([*DEPLOY, *options, "--allow-data-loss", "FileSystem"]) == 0
    assert "FileSystem" not in physical_ids("restored")
    assert had["FileSystem"] in [it["FileSystemId"] for it in client("efs").describe_file_systems()["FileSystems"]]
    policy = client("cloudformation").get_stack_policy(StackName=had["Storage"])["StackPolicyBody"]
    assert policy == (TEMPLATES / "stack-policy.json").read_text()
