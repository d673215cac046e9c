"""Whoever calls AWS for us may do what AWS's own texts on each call ask for: read from the models that botocore carries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import botocore.session  # type: ignore[import-untyped] # botocore has no types
import pytest
from calls import Json
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from deployments import Editions, everything, of_type
from troposphere import Template

from generator.catalog.actions import CALLERS_ACTIONS, actions
from generator.parts.descriptions import SINGLE

NOT_ASKED = {
    "logs:CreateLogStream": "PutResourcePolicy tells what others may be granted",
    "logs:PutLogEvents": "PutResourcePolicy tells what others may be granted",
    "logs:TagLogGroup": "the older name of logs:TagResource, of which one is enough",
    "logs:Unmask": "for reading what a data protection policy masks, which no template sets",
    "s3:BypassGovernanceRetention": "for objects under a lock, which no bucket here has",
    "s3:DeleteObjectVersion": "for a version by its ID, which CloudFormation does not delete; the cleaner's role has it",
    "s3:PutBucketABAC": "no bucket here sets it",
    "s3:PutLifeCycleConfiguration": "advice on whom to deny what",
    "wafv2:CreateWebACL": "PutPermissionPolicy tells what others may be granted",
    "wafv2:GetRuleGroup": "PutPermissionPolicy tells what others may be granted",
    "wafv2:PutFirewallManagerRuleGroups": "PutPermissionPolicy tells what others may be granted",
    "wafv2:UpdateWebACL": "PutPermissionPolicy tells what others may be granted",
}
"""Actions that the text on a call names and does not ask for here, and why."""
OTHER_STORES = ("s3-outposts", "s3express", "s3tables")
"""Services of buckets of other kinds than ours, of which S3's texts speak too."""
MODELS = {"autoscaling": "autoscaling", "elasticfilesystem": "efs", "elasticloadbalancing": "elbv2", "events": "events"}
"""By the prefix of actions, where the model's name is another, or one of several."""
KNOWN: dict[str, Any] = load_resource(AdditionalSpecs, "Policies.json")


@cache
def model(prefix: str) -> Json:
    session = botocore.session.get_session()
    name = MODELS.get(prefix, prefix)
    known: Json = {"operations": {}, "shapes": {}}
    if name in session.get_available_services():
        known = session.get_component("data_loader").load_service_model(name, "service-2")
    return known


@cache
def text(action: str) -> str:
    """What AWS says of the call ``action`` and its parameters, without markup; empty where there is no such call."""
    prefix, _, name = action.partition(":")
    operation = model(prefix)["operations"].get(name, {})
    members = model(prefix)["shapes"].get(operation.get("input", {}).get("shape"), {}).get("members", {})
    said = [operation.get("documentation", ""), *(it.get("documentation", "") for it in members.values())]
    return re.sub("<[^>]+>", " ", " ".join(said))


def named(granted: set[str]) -> dict[str, str]:
    """Actions that the text on a call in ``granted`` names, and ``granted`` lacks, with the call."""
    return {
        action: call
        for call in granted
        for action in re.findall(r"\b[a-z][a-z0-9-]+:[A-Z][A-Za-z]+\b", text(call))
        if action.partition(":")[2].lower() in KNOWN.get(action.partition(":")[0], {"Actions": ()})["Actions"]
        and not any(fnmatchcase(action, it) for it in granted)
        and not action.startswith(OTHER_STORES)
    }


def lacking(granted: set[str]) -> dict[str, str]:
    return {action: call for action, call in named(granted).items() if action not in NOT_ASKED}


def test_texts_are_read() -> None:
    assert lacking({"elasticfilesystem:CreateMountTarget", "secretsmanager:GetSecretValue"}).keys() == {
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "kms:Decrypt",
    }


@pytest.mark.parametrize("every", [False, True], ids=["launch", "every template"])
def test_whoever_deploys_has_what_the_calls_of_the_handlers_ask_for(every: bool, built: dict[str, Template]) -> None:
    found = actions(built.values() if every else [built[SINGLE]])
    read = {call for call in found if text(call)}
    assert len(read) > len(found) * 0.8, "most calls have a text"
    assert lacking(found) == {}, "give it a line in CALLERS_ACTIONS, or in NOT_ASKED"


def test_what_is_not_asked_is_named_somewhere(built: dict[str, Template]) -> None:
    assert NOT_ASKED.keys() <= named(actions(built.values())).keys() | named(actions([built[SINGLE]])).keys()


def test_every_line_of_the_table_is_of_a_call_that_is_made(built: dict[str, Template]) -> None:
    found = actions(built.values())
    for asked in CALLERS_ACTIONS:
        assert set(asked.calls) <= found, asked.calls
        assert asked.source.startswith("https://")
        for action in asked.actions:
            prefix, _, name = action.partition(":")
            assert name.lower() in KNOWN[prefix]["Actions"], action
            assert any(fnmatchcase(action, it) for it in found), action


def test_what_no_text_names_is_granted_too(built: dict[str, Template]) -> None:
    """Of the pages in CALLERS_ACTIONS, and for records, whose schema declares nothing."""
    interfaces = {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:ModifyNetworkInterfaceAttribute"}
    records = {
        f"route53:{it}" for it in ("ChangeResourceRecordSets", "GetChange", "GetHostedZone", "ListResourceRecordSets")
    }
    launched = actions([built[SINGLE]])
    assert interfaces | records | {"ec2:GetSecurityGroupsForVpc", "lambda:InvokeFunction"} <= launched
    assert "iam:DeleteRolePermissionsBoundary" not in launched
    assert "route53:AssociateVPCWithHostedZone" in actions(built.values()), "for network.yaml's endpoints"


def test_functions_hosts_and_tasks_have_what_their_calls_ask_for(editions: Editions) -> None:
    """With keys of the operator's, under which AWS's texts ask for more."""
    given = {**everything(), "Tokens": "true", "ExtraInstanceProfilePermissions": ""}
    granted: dict[str, set[str]] = {}
    for capacity in ("ec2", "fargate"):
        resources = editions.nested({**given, "Capacity": capacity}).resources
        for title, role in of_type(resources, "AWS::IAM::Role").items():
            granted.setdefault(title, set()).update(_allowed(it["PolicyDocument"] for it in role.get("Policies", [])))
        for policy in of_type(resources, "AWS::IAM::RolePolicy").values():
            granted[policy["RoleName"].strip("<>")] |= _allowed([policy["PolicyDocument"]])
    assert granted.keys() >= {"TaskRole", "ExecutionRole", "RotationRole", "VaultCleanerRole", "AccessLogsCleanerRole"}
    assert {title: lacking(found) for title, found in granted.items() if lacking(found)} == {}


def _allowed(documents: Iterable[Json]) -> set[str]:
    found = {
        action
        for document in documents
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert all(isinstance(it, str) for it in found)
    return found
