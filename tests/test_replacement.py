"""No parameter of a running deployment replaces what holds data, and what one removes is kept."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection
from typing import Any

import pytest
from deployments import Editions, of_type
from replacement import Guard, replacing_properties
from resolve import Data
from updates import update

from generator.operations.guard import OUTAGES
from generator.parts.alarms import ALARMS
from generator.parts.container_program import packed
from generator.parts.data_bearing import DATA_BEARING, LOCATION, holds_data, stack_policy
from generator.sizing import MAX_SUBNETS

DATA_TYPES = {
    "AWS::Backup::BackupVault",
    "AWS::DynamoDB::Table",
    "AWS::EFS::FileSystem",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}


KEYS = {"FileSystem": {"EfsKmsKeyArn"}, "BackupVault": {"BackupKmsKeyArn"}}


@pytest.fixture(scope="module")
def guard(editions: Editions) -> Guard:
    return Guard(editions.single_file)


def test_what_bears_data_is_known_to_the_guard(editions: Editions) -> None:
    found = {title for title, it in editions.single_file["Resources"].items() if it["Type"] in DATA_TYPES}
    # Of the logs, the one that says who uploaded what; the program's secret has what is in the template.
    assert found - {packed().secret} | {"TaskLogs"} == set(DATA_BEARING), (
        "what holds data is listed in DATA_BEARING, and DeletionPolicy retains it"
    )


GENERATED = {"GenerateStringKey": "password", "PasswordLength": 32, "ExcludePunctuation": True}
MADE: dict[str, Data] = {
    "FileSystem": {"Encrypted": True, "PerformanceMode": "generalPurpose"},
    "BackupVault": {"BackupVaultName": "packages-0a1b2c3d-1-2-3-4e5f"},
    "PublisherSecret": {"GenerateSecretString": {"SecretStringTemplate": '{"username": "publisher"}', **GENERATED}},
    "ReaderSecret": {"GenerateSecretString": {"SecretStringTemplate": '{"username": "reader"}', **GENERATED}},
    "TokensSecret": {"SecretString": "[]"},
    "AccessLogs": {},
    "TaskLogs": {},
}
"""What must be the same in every release: another value replaces the resource, or what a secret holds."""


@pytest.mark.parametrize("title", DATA_BEARING)
def test_what_holds_data_is_made_as_it_was_made_before(editions: Editions, title: str) -> None:
    resource = editions.nested({"Tokens": "true"}).resources[title]
    last = {*(path[0] for path in replacing_properties(resource["Type"])), "GenerateSecretString", "SecretString"}
    assert {name: it for name, it in resource["Properties"].items() if name in last} == MADE[title]


def test_of_what_these_templates_have_only_that_holds_data(editions: Editions) -> None:
    """Whatever else a stack has may hold some: a new type, or a key or log that nobody misses, is listed there."""
    resources = editions.single_file["Resources"]
    assert {name for name, it in resources.items() if holds_data(name, it["Type"])} == set(DATA_BEARING)


def test_the_parameters_that_say_where_the_packages_are(editions: Editions, guard: Guard) -> None:
    """What reaches the access point, a mount target, or the volume of the tasks; `deploy` refuses their change."""
    found = set()
    for it in editions.single_file["Resources"].values():
        properties = it.get("Properties", {})
        if it["Type"].startswith("AWS::EFS::") and "FileSystemId" in properties:
            found |= guard.of([properties["FileSystemId"], properties.get("RootDirectory")])
        volumes = [volume.get("EFSVolumeConfiguration") for volume in properties.get("Volumes", [])]
        found |= guard.of([volume["FilesystemId"] for volume in volumes if volume])
    # Another key is a replacement of FileSystem, which is refused by that name.
    assert found == {*LOCATION, *KEYS["FileSystem"]}
    assert found >= guard.replaced["AccessPoint"]


@pytest.mark.parametrize("title", DATA_BEARING)
def test_no_parameter_replaces_data(guard: Guard, title: str) -> None:
    """But for a key, which is create-only: `deploy` and the stack policy refuse its change, and the form says so."""
    found = guard.replaced[title] - KEYS.get(title, set())
    assert not found, f"{title} would be replaced, and its data left behind, by a change of {found}"


@pytest.mark.parametrize("title", KEYS)
def test_a_key_of_data_is_fixed_and_the_form_says_so(editions: Editions, guard: Guard, title: str) -> None:
    assert guard.replaced[title] == KEYS[title]
    for name in KEYS[title]:
        assert "a change is refused" in editions.parent["Parameters"][name]["Description"]


@pytest.mark.parametrize(
    ("title", "parameters"),
    [
        ("FileSystem", {"ExistingFileSystemId"}),
        ("BackupVault", set()),
        ("PublisherSecret", set()),
        ("ReaderSecret", set()),
        ("TokensSecret", {"Tokens"}),
        ("AccessLogs", set()),
        ("TaskLogs", set()),
    ],
)
def test_what_a_parameter_removes_is_kept(editions: Editions, guard: Guard, title: str, parameters: set[str]) -> None:
    assert guard.removed[title] == parameters
    for template in (editions.single_file, *editions.children.values()):
        resource = template["Resources"].get(title)
        if resource:
            assert resource["UpdateReplacePolicy"] == "Retain"
            assert resource["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate")


def test_no_parameter_makes_a_new_password(editions: Editions, guard: Guard) -> None:
    secrets = of_type(editions.single_file["Resources"], "AWS::SecretsManager::Secret")
    assert secrets
    for secret in secrets.values():
        # Of the tokens' no template has a value but the first.
        assert guard.of(secret.get("GenerateSecretString", secret.get("SecretString"))) == set()


def test_the_children_are_never_replaced_or_removed(editions: Editions) -> None:
    """The parent's nested stacks are unconditional and have constant names."""
    found = Guard(editions.parent)
    assert all(parameters == set() for parameters in (*found.replaced.values(), *found.removed.values()))


@pytest.mark.parametrize(
    ("title", "parameters"),
    [
        ("AccessPoint", {"ExistingFileSystemId", "PackagesPath"}),
        ("Certificate", {"DnsNames", "HostedZoneId", "HostedZoneName"}),
        ("LoadBalancer", {"LoadBalancerScheme"}),
        ("MountTarget1", {"AsgSubnets", "ExistingFileSystemId"}),
        ("AutoScalingGroup", {"AsgSubnets"}),
        ("TargetGroup", {"VpcId", "LoadBalancerScheme"}),
        ("TaskRolePackages", {"ExistingFileSystemId", "PackagesPath"}),
        ("Service", set()),
        ("Cluster", set()),
    ],
)
def test_the_guard_knows_what_is_replaced(guard: Guard, title: str, parameters: set[str]) -> None:
    """Known replacements, some of them through conditions and references: what finds these would find others."""
    assert parameters <= guard.replaced[title]
    if not parameters:
        assert not guard.replaced[title], "its name is what alarms, dashboards and operators refer to"


_MOUNT_TARGETS = {f"MountTarget{index}" for index in range(1, MAX_SUBNETS + 2)}
NAMED_ALARMS = (*(it.title for it in ALARMS), "PackagesUnavailableAlarm")
REPLACES = {
    # A subnet that moves to another slot, or is exchanged for one of its zone, meets the old mount target: the form
    # says where to add and remove.
    "AsgSubnets": {"AutoScalingGroup", "CapacityProvider", *_MOUNT_TARGETS},
    # Refused in a running stack, by `deploy` and by the stack policy; and by AWS Backup, as a vault's name is taken.
    "BackupKmsKeyArn": {"BackupVault"},
    # Refused in a running stack, by `deploy` and by the stack policy.
    "Capacity": {"TargetGroup", "TaskDefinition"},
    "CertificateHostedZoneId": {"Certificate", "CertificateAuthorityRecords"},
    "CloudWatchAgentImage": {"LogAgentTaskDefinition"},
    "ContainerCpu": {"TaskDefinition"},
    "ContainerImage": {"TaskDefinition"},
    "ContainerMemory": {"TaskDefinition"},
    "ContainerMemoryReservation": {"TaskDefinition"},
    "CpuArchitecture": {"TaskDefinition"},
    "DnsNames": {"Certificate", "TaskDefinition"},
    "DockerImageTag": {"TaskDefinition"},
    # Refused like BackupKmsKeyArn.
    "EfsKmsKeyArn": {
        *("AccessPoint", "BackupSelection", "FileSystem", "TaskDefinition", "TaskRolePackages"),
        *_MOUNT_TARGETS,
    },
    "EnableExecuteCommand": {"TaskDefinition"},
    "ExistingFileSystemId": {
        *("AccessPoint", "BackupSelection", "TaskDefinition", "TaskRolePackages"),
        *_MOUNT_TARGETS,
    },
    "FallbackUrl": {"TaskDefinition"},
    "UpstreamCacheGib": {"TaskDefinition"},
    "BlockedFiles": {"TaskDefinition"},
    "CooldownExemptNames": {"TaskDefinition"},
    "MinReleaseAgeDays": {"TaskDefinition"},
    "PrivateNames": {"TaskDefinition"},
    "UpstreamFileHosts": {"TaskDefinition"},
    "UpstreamUrl": {"TaskDefinition"},
    "PasswordRotationDays": {"TaskDefinition"},
    "Tokens": {"TaskDefinition"},
    "GunicornWorkers": {"TaskDefinition"},
    "HostedZoneId": {"Certificate", "CertificateAuthorityRecords", "Records"},
    "HostedZoneName": {"Certificate", "TaskDefinition"},
    "ImmutablePackages": {"TaskDefinition"},
    "ReleaseOpenDays": {"TaskDefinition"},
    "LoadBalancerScheme": {
        *("ForwardMoreRule", "ForwardRule", "HttpListener", "HttpsListener", "LoadBalancer", "TargetGroup"),
        "WebAclAssociation",
    },
    "OnDemandBaseCapacity": {"AutoScalingGroup", "CapacityProvider"},
    "OnDemandPercentageAboveBaseCapacity": {"AutoScalingGroup", "CapacityProvider"},
    "PackagesPath": {"AccessPoint", "TaskDefinition", "TaskRolePackages"},
    "ReaderAccount": {"TaskDefinition"},
    "ServiceName": {"Dashboard", "LogAgentTaskDefinition", "TaskDefinition", *NAMED_ALARMS},
    "VpcId": {
        *("FileSystemSecurityGroup", "HostIngress", "HostSecurityGroup", "LoadBalancerSecurityGroup", "TargetGroup"),
        *("TaskIngress", "TaskSecurityGroup"),
    },
    "WebAclArn": {"WebAclAssociation"},
}
"""What a change of each parameter replaces, or may replace; a change of any other is made in place."""
TOLD_ON_THE_FORM = {
    # Deleting the old association takes the new one off the load balancer:
    # https://github.com/pulumi/pulumi-aws/issues/4782
    ("WebAclAssociation", "WebAclArn"),
    # Not to be had at all: a retained vault keeps its name.
    ("BackupVault", "BackupKmsKeyArn"),
}
"""Replacements that cannot be had in one update; the parameter's description says how to go about it."""


EXCLUSIVE: dict[str, list[tuple[str, ...]]] = {
    # A group belongs to one provider: https://github.com/aws/containers-roadmap/issues/631
    "CapacityProvider": [("AutoScalingGroupProvider", "AutoScalingGroupArn")],
    # A port of a load balancer has one listener, a priority of a listener one rule.
    "HttpListener": [("LoadBalancerArn",), ("Port",)],
    "HttpsListener": [("LoadBalancerArn",), ("Port",)],
    "ForwardRule": [("ListenerArn",), ("Priority",)],
    "ForwardMoreRule": [("ListenerArn",), ("Priority",)],
    # A load balancer has one web ACL.
    "WebAclAssociation": [("ResourceArn",)],
    # A name of a policy within its role, of a dashboard or vault within the account.
    "TaskRolePackages": [("RoleName",), ("PolicyName",)],
    "Dashboard": [("DashboardName",)],
    **{title: [("AlarmName",)] for title in NAMED_ALARMS},
    "BackupVault": [("BackupVaultName",)],
}
"""What the old and the new of a replaced resource, which are there side by side, must not have in common."""


@pytest.mark.parametrize("title", EXCLUSIVE)
def test_old_and_new_can_stand_side_by_side(editions: Editions, guard: Guard, title: str) -> None:
    """CloudFormation makes the new resource before it deletes the old one: what both claim, the new one is refused."""
    properties = editions.single_file["Resources"][title]["Properties"]
    claims = set[str]()
    for first, *rest in EXCLUSIVE[title]:
        claim: Any = properties[first]
        for name in rest:
            claim = claim[name]
        claims |= guard.of(claim)
    clashing = guard.replaced[title] - claims - {name for it, name in TOLD_ON_THE_FORM if it == title}
    assert not clashing, f"a change of {sorted(clashing)} makes a second {title} that claims the same as the first"


def test_a_target_group_without_tasks_is_refused_before(guard: Guard) -> None:
    """Whoever replaces it leads names and load balancer to a group that the service gets at the end: found by the order."""
    assert set(OUTAGES) == {name for name, titles in REPLACES.items() if "TargetGroup" in titles}
    policy = json.loads(stack_policy())["Statement"]
    denied = [it for it in policy if "LogicalResourceId/TargetGroup" in it["Resource"]]
    assert [(it["Effect"], it["Action"]) for it in denied] == [("Deny", ["Update:Replace"])]


def refused_updates(allowed: Collection[str]) -> set[tuple[str, str]]:
    """What the policy denies, by action and logical ID, as CloudFormation reads it: what is denied is not allowed.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
    """
    first, *others = json.loads(stack_policy(allowed))["Statement"]
    assert first == {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}
    assert {it["Effect"] for it in others} == {"Deny"}
    assert {it["Principal"] for it in others} == {"*"}
    pairs = {(action, title) for it in others for action in it["Action"] for title in it["Resource"]}
    return {(action.removeprefix("Update:"), title.removeprefix("LogicalResourceId/")) for action, title in pairs}


@pytest.mark.parametrize("allowed", [(), ("FileSystem",), ("PackagesPath",), ("ExistingFileSystemId",), ("TaskLogs",)])
def test_the_policy_lets_through_what_was_allowed_and_what_goes_with_it(allowed: tuple[str, ...]) -> None:
    both = {(action, title) for action in ("Replace", "Delete") for title in DATA_BEARING}
    taken = {(action, title) for action in ("Replace", "Delete") for title in allowed}
    # A server that is to serve other files needs another access point.
    moved = {(action, "AccessPoint") for action in ("Replace", "Delete")}
    moves = bool({"FileSystem", "PackagesPath", "ExistingFileSystemId"} & {*allowed})
    refused = refused_updates(allowed)
    assert refused & (both | moved) == (both | moved) - taken - (moved if moves else set())
    assert {("Replace", "TargetGroup"), ("Replace", "WebAclAssociation"), ("Delete", "HostSecurityGroup")} <= refused
    assert not {("Delete", "TargetGroup"), ("Replace", "HostSecurityGroup"), ("Modify", "FileSystem")} & refused


def test_names_move_before_the_service(editions: Editions) -> None:
    """Why: in the update's own order, the records are the new load balancer's while the tasks are in the old group."""
    old, new = editions.single(), editions.single({"LoadBalancerScheme": "internal"})
    steps = [(it.verb, it.title) for it in update(old, new)]
    assert steps.index(("change", "Records")) < steps.index(("change", "Service"))


def test_a_target_group_never_has_to_serve_two_load_balancers(guard: Guard) -> None:
    """The listeners of the new load balancer would be refused one that the old one's still forward to."""
    assert guard.replaced["LoadBalancer"] <= guard.replaced["TargetGroup"]


def test_what_the_change_of_every_parameter_replaces(guard: Guard) -> None:
    """A new entry here is a decision: can old and new stand side by side (above), and what do users see meanwhile?"""
    found: dict[str, set[str]] = {}
    for title, parameters in guard.replaced.items():
        for parameter in parameters:
            found.setdefault(parameter, set()).add(title)
    assert {name: it for name, it in found.items() if it != REPLACES.get(name)} == {}, "REPLACES says otherwise"
    assert REPLACES.keys() == found.keys()


def test_the_schemas_still_say_what_replaces_a_file_system() -> None:
    found = {path[0] for path in replacing_properties("AWS::EFS::FileSystem")}
    assert {"Encrypted", "KmsKeyId", "PerformanceMode", "AvailabilityZoneName"} <= found


def _set(title: str, name: str, value: Any) -> Callable[[Data], None]:
    def mistake(template: Data) -> None:
        template["Resources"][title]["Properties"][name] = value

    return mistake


def _through_another_resource(template: Data) -> None:
    template["Resources"]["NewKey"] = {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": {"Fn::Sub": "keys-${ServiceName}"}},
    }
    template["Resources"]["BackupVault"]["Properties"]["EncryptionKeyArn"] = {"Fn::GetAtt": ["NewKey", "Arn"]}


KEY = {"Ref": "LogKmsKeyArn"}


@pytest.mark.parametrize(
    ("mistake", "title", "parameter"),
    [
        (_set("FileSystem", "KmsKeyId", KEY), "FileSystem", "LogKmsKeyArn"),
        (_set("FileSystem", "KmsKeyId", {"Fn::If": ["HasLogKey", "a", "b"]}), "FileSystem", "LogKmsKeyArn"),
        (_set("PublisherSecret", "Name", {"Fn::Sub": "${Environment}/pypi"}), "PublisherSecret", "Environment"),
        (_set("PublisherSecret", "Name", {"Fn::Sub": ["${a}", {"a": KEY}]}), "PublisherSecret", "LogKmsKeyArn"),
        (
            _set("AccessLogs", "BucketName", {"Fn::Join": ["-", ["logs", {"Ref": "ServiceName"}]]}),
            "AccessLogs",
            "ServiceName",
        ),
        (
            _set(
                "BackupVault",
                "BackupVaultName",
                {"Fn::FindInMap": ["Instances", {"Ref": "AsgInstanceType"}, "Capacity"]},
            ),
            "BackupVault",
            "AsgInstanceType",
        ),
        (_through_another_resource, "BackupVault", "ServiceName"),
    ],
)
def test_the_guard_catches_a_planted_mistake(
    editions: Editions, mistake: Callable[[Data], None], title: str, parameter: str
) -> None:
    template = copy.deepcopy(editions.single_file)
    mistake(template)
    assert parameter in Guard(template).replaced[title]


def test_the_guard_catches_a_removal(editions: Editions) -> None:
    template = copy.deepcopy(editions.single_file)
    template["Resources"]["PublisherSecret"]["Condition"] = "HasMountTarget2"
    assert Guard(template).removed["PublisherSecret"] == {"CreateMountTargets", "AsgSubnets"}
