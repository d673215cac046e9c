"""Every template is created, changed by each parameter, fails at each resource, goes back, and is deleted, on an engine.

What the account has afterwards is compared with what it had. At how many resources something fails, and how many parameters
of the single file change, says ``SWEEP``; a seed chooses which. ``SWEEP=all`` takes minutes.
"""

from __future__ import annotations

import json
import os
import random
import re
from base64 import b64decode
from collections.abc import Container, Iterable

import pytest
from deployments import CATALOG, REQUIRED, everything, extras
from engine import IMAGES, Engine, Resource, Templates
from resolve import Data, Values

from generator.parts.data_bearing import DATA_BEARING

pytestmark = pytest.mark.slow
EDITIONS = ("pypiserver.yaml", "pypiserver-single.yaml")
GIVEN: dict[str, Values] = {
    **dict.fromkeys(EDITIONS, REQUIRED | IMAGES),
    "ci-access.yaml": {
        "SecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-0a1b2c",
        "GitHubSubjects": "repo:acme/app:environment:release",
    },
    "deployer.yaml": {},
    "dns.yaml": {
        "HostedZoneName": "example.com",
        "HostedZoneId": "Z0123456789ABC",
        "LoadBalancerDnsName": "lb-1.us-east-1.elb.amazonaws.com",
        "LoadBalancerHostedZoneId": "Z35SXDOTRQ7X7K",
    },
    "network.yaml": {},
    "restore-testing.yaml": {"FileSystemId": "fs-0123456789abcdef0", "BackupVaultName": "packages"},
    "service-catalog.yaml": CATALOG,
    "web-acl.yaml": {},
}
OTHERS: Values = {
    "AvailabilityZones": "us-east-1a,us-east-1b,us-east-1c",
    "BackupDays": "7",
    "BackupVaultArns": extras()["BackupCopyVaultArn"],
    "BackupVaultName": "others",
    "ContainerImages": "registry.example.com/pypiserver:1",
    "CostCenterValue1": "1234",
    "Ec2Messages": "true",
    "FileSystemId": "fs-0123456789abcdef1",
    "FlowLogs": "true",
    "GitHubProviderArn": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    "GitHubSubjects": "repo:acme/other:environment:release",
    "GitLabSubjects": "project_path:acme/app:ref_type:branch:ref:main",
    "HostedZoneIds": "Z1,Z2",
    "KeyArn": extras()["SecretKmsKeyArn"],
    "LoadBalancerDnsName": "lb-2.us-east-1.elb.amazonaws.com",
    "NatGateways": "each-zone",
    "PrincipalArn2": "arn:aws:iam::123456789012:role/others",
    "ProviderName": "Others",
    "RequestLimit": "100",
    "RestoreTestSchedule": "cron(0 5 ? * WED *)",
    "RoleName": "deployer",
    "SecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:b-0a1b2c",
    "StackName": "other",
    "Version": "2.0.0",
    "VpcCidr": "10.9.0.0/16",
}
"""Another value of parameters that only add-ons have."""
TOGETHER: dict[str, Values] = {
    "AlarmTopicArns": {"AlarmEmails": ""},
    "ContainerMemoryReservation": {"ContainerMemory": "1024"},
    "FallbackUrl": {"UpstreamUrl": ""},
    "EfsArchivePolicy": {"EfsLifecyclePolicy": "30"},
    "EfsProvisionedThroughputInMibps": {"EfsThroughputMode": "provisioned"},
    "CreateMountTargets": {"ExistingFileSystemId": extras()["ExistingFileSystemId"]},
    "BackupVaultLock": {"BackupsForceDestroy": "false"},
    "LoadBalancerIpAddressType": {"IngressIpv6Cidrs": extras()["IngressIpv6Cidrs"]},
}
"""What a parameter's other value needs of another, or a Rule refuses it."""
EXTRA: dict[str, Container[str]] = {"pypiserver.yaml": DATA_BEARING, "pypiserver-single.yaml": ()}
"""The way back of a nested stack is another update to this engine, which keeps what the first has made to hold data."""
REFUSED = {"BackupKmsKeyArn"}
"""Parameters whose change CloudFormation refuses: a vault keeps its name, and its key."""
NAME = r"\b([A-Z]\w+)-[0-9a-f]{8}\b"
"""Of a resource that has no name of its own: its logical ID, and what tells it from the one that it replaces."""
LEFT = {"AccessLogs"}
"""What a first deployment that fails may leave: the load balancer has written to it by then."""


def shape(account: Iterable[Resource]) -> list[tuple[str, str]]:
    """What there is, whatever names it was made under, in user data too."""

    def read(node: object) -> object:
        if isinstance(node, list):
            return [read(it) for it in node]
        if isinstance(node, dict):
            return {key: b64decode(it).decode() if key == "UserData" else read(it) for key, it in node.items()}
        return node

    return sorted((it.title, re.sub(NAME, r"\1", json.dumps(read(it.properties)))) for it in account)


def holding(account: Iterable[Resource]) -> set[str]:
    """The names of what holds data."""
    return {it.name for it in account if it.title in DATA_BEARING}


def chosen(names: Iterable[str]) -> list[str]:
    """Where something fails, or what changes."""
    every, wanted = sorted(set(names)), os.environ.get("SWEEP", "4")
    return every if wanted == "all" else random.Random(27).sample(every, min(int(wanted), len(every)))


def kept(template: Data, committed: Templates) -> set[str]:
    """Logical IDs of what stays when its stack is deleted."""
    found = set()
    for title, it in template["Resources"].items():
        if it["Type"] == "AWS::CloudFormation::Stack":
            found |= kept(committed[it["Properties"]["TemplateURL"]], committed)
        elif it.get("DeletionPolicy", "Delete") != "Delete":
            found.add(title)
    return found


@pytest.mark.parametrize("name", GIVEN)
def test_a_template_comes_and_goes(account: Engine, committed: Templates, name: str) -> None:
    url = account.upload(committed, name)
    assert account.create("life", url, GIVEN[name]) == "CREATE_COMPLETE", account.reasons("life")
    assert account.delete("life") == "DELETE_COMPLETE"
    assert {it.title for it in account.account()} <= kept(committed[name], committed)


@pytest.mark.parametrize("name", GIVEN)
def test_a_template_that_fails_at_first_leaves_nothing(account: Engine, committed: Templates, name: str) -> None:
    """So that the same deployment can be tried again, whatever was wrong."""
    template, url = committed[name], account.upload(committed, name)
    account.create("life", url, GIVEN[name])
    titles = [it.title for it in account.account()]
    account.delete("life")
    account.forget()
    for title in chosen(titles):
        account.fail(title)
        assert account.create("life", url, GIVEN[name]) == "ROLLBACK_COMPLETE", (title, account.reasons("life"))
        assert account.failed(), title
        assert {it.title for it in account.account()} <= LEFT, title
        account.delete("life")
    assert template["Resources"]


def others(name: str, template: Data) -> dict[str, Values]:
    """Values with another one of each parameter, by its name."""
    known = {**extras(), **OTHERS}
    found: dict[str, Values] = {}
    for parameter, declared in template.get("Parameters", {}).items():
        other = known.get(parameter)
        if other not in (None, GIVEN[name].get(parameter, declared.get("Default"))):
            found[parameter] = {**GIVEN[name], **TOGETHER.get(parameter, {}), parameter: other}
    return found


@pytest.mark.parametrize("name", GIVEN)
def test_each_parameter_there_and_back(account: Engine, committed: Templates, name: str) -> None:
    """What a stack has after a change that is taken back is what it had before, and nothing that holds data is gone."""
    template, url = committed[name], account.upload(committed, name)
    assert account.create("life", url, GIVEN[name]) == "CREATE_COMPLETE"
    before, stays = account.account(), kept(template, committed)
    changes, changed = others(name, template), 0
    for parameter in chosen(changes) if name in EDITIONS else changes:
        expected = "UPDATE_ROLLBACK_COMPLETE" if parameter in REFUSED else "UPDATE_COMPLETE"
        assert account.update("life", url, changes[parameter]) == expected, (parameter, account.reasons("life"))
        changed += shape(account.account()) != shape(before)
        if parameter not in REFUSED:
            status = account.update("life", url, GIVEN[name])
            assert status == "UPDATE_COMPLETE", (parameter, account.reasons("life"))
        after = account.account()
        assert holding(before) <= holding(after), parameter
        both = [shape(it for it in side if it.title not in stays) for side in (after, before)]
        assert both[0] == both[1], parameter
    assert changed


def fails_everywhere(account: Engine, old: tuple[str, Values], new: tuple[str, Values], extra: Container[str]) -> None:
    """An update that fails, wherever it does, leaves what was there; and then it succeeds.

    ``extra`` are logical IDs of what the way back may leave beside.
    """
    before = account.account()
    assert account.update("life", *new) == "UPDATE_COMPLETE", account.reasons("life")
    titles = {it.title for it in account.account()}
    account.forget()
    assert account.create("life", *old) == "CREATE_COMPLETE"
    failed = 0
    for title in chosen(titles):
        before = account.account()
        account.fail(title)
        status = account.update("life", *new)
        if not account.failed():
            # The update leaves it as it is.
            account.fail("")
            assert status == "UPDATE_COMPLETE"
            account.forget()
            assert account.create("life", *old) == "CREATE_COMPLETE"
            continue
        failed += 1
        assert status == "UPDATE_ROLLBACK_COMPLETE", (title, account.reasons("life"))
        after = account.account()
        assert holding(before) <= holding(after), title
        both = [shape(it for it in side if it.title not in extra) for side in (after, before)]
        assert both[0] == both[1], title
    assert failed
    assert account.update("life", *new) == "UPDATE_COMPLETE", account.reasons("life")
    assert holding(before) <= holding(account.account())


@pytest.mark.parametrize("name", EDITIONS)
def test_an_update_of_nearly_everything_that_fails(account: Engine, committed: Templates, name: str) -> None:
    url = account.upload(committed, name)
    assert account.create("life", url, GIVEN[name]) == "CREATE_COMPLETE"
    wanted = {**REQUIRED, **everything(), **dict.fromkeys(REFUSED, "")}
    fails_everywhere(account, (url, GIVEN[name]), (url, wanted), EXTRA[name])


@pytest.mark.parametrize("name", EDITIONS)
def test_a_release_becomes_todays(
    account: Engine, committed: Templates, released: dict[str, Templates], name: str
) -> None:
    """And is what it was, wherever that fails."""
    for version, templates in released.items():
        old, new = account.upload(templates, name), account.upload(committed, name)
        assert account.create("life", old, GIVEN[name]) == "CREATE_COMPLETE", version
        fails_everywhere(account, (old, GIVEN[name]), (new, GIVEN[name]), EXTRA[name])
        account.forget()
