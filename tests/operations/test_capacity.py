"""A change of capacity is refused on a live stack; a second stack on the same files is the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from calls import client
from stacks import DEPLOY, Parameters, give_again, physical_ids

from generator.commands import main

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("capacity", ["fargate", "fargate-spot"])
def test_a_change_between_hosts_and_fargate_is_refused(
    deployed: Parameters, capacity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is uploaded or compared; a policy of the stacks refuses it where somebody goes another way."""
    before = physical_ids()
    give_again(deployed, Capacity=capacity)
    assert main([*DEPLOY]) == 2
    assert f"refused: Capacity={capacity} in pypi, which runs on ec2" in capsys.readouterr().err
    assert physical_ids() == before
    policy = client("cloudformation").get_stack_policy(StackName=before["Security"])["StackPolicyBody"]
    denied = [it for it in json.loads(policy)["Statement"] if it["Effect"] == "Deny"]
    (removal,) = [it for it in denied if "LogicalResourceId/HostSecurityGroup" in it["Resource"]]
    assert removal["Action"] == ["Update:Delete"], "a change of VpcId replaces it, which works"
    assert "HostSecurityGroup" in before


def test_another_capacity_is_a_second_stack_on_the_same_files(deployed: Parameters, here: Path) -> None:
    """The way of docs/operations.md, up to the moved names."""
    outputs = {
        it["OutputKey"]: it["OutputValue"]
        for it in client("cloudformation").describe_stacks(StackName="pypi")["Stacks"][0]["Outputs"]
    }
    second = {"Capacity": "fargate", "ExistingFileSystemId": outputs["FileSystemId"], "CreateMountTargets": "false"}
    new = ("--stack-name", "pypi-next")
    give_again(deployed, **second, DnsNames="pypi-next")
    assert main([*DEPLOY, *new]) == 0
    has = physical_ids("pypi-next")
    assert "FileSystem" not in has
    (point,) = client("efs").describe_access_points(AccessPointId=has["AccessPoint"])["AccessPoints"]
    assert point["FileSystemId"] == outputs["FileSystemId"]
    give_again(deployed, **(second | {"Capacity": "fargate-spot"}), DnsNames="pypi-next,pypi-moved")
    assert main([*DEPLOY, *new]) == 0, "Fargate and its Spot are exchanged in place"
    give_again(deployed, **(second | {"Capacity": "ec2"}), DnsNames="pypi-next")
    assert main([*DEPLOY, *new]) == 2, "and the way back is refused like the way there"
    assert main(["delete", *new, "--yes"]) == 0
    assert client("efs").describe_file_systems(FileSystemId=outputs["FileSystemId"])["FileSystems"]
