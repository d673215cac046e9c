"""Whoever deploys with the policies of deployer.yaml can deploy every template and run every command, within the boundary."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session  # type: ignore[import-untyped] # botocore has no types
import pytest
from botocore import xform_name
from calls import Json
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from deployments import of_type
from refuse import constraint_violations
from resolve import PLACES, Data, Evaluation, Place
from troposphere import Template

from generator.catalog.actions import actions
from generator.catalog.deployer import deployer

with warnings.catch_warnings():
    # It leaves its own files open.
    warnings.simplefilter("ignore", ResourceWarning)
    import parliament  # type: ignore[import-untyped] # no types

GENERATOR = Path(__file__).parents[2] / "generator"
CLIENT = re.compile(r'\.client\("([a-z0-9]+)"\)')
PREFIXES = {"efs": "elasticfilesystem", "elbv2": "elasticloadbalancing"}
"""Of actions, where it is not the service's name."""
OTHER_ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:UploadFileobj": "s3:PutObject",
}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"""


@pytest.fixture(scope="module")
def template(built: dict[str, Template]) -> Json:
    found: Json = deployer(built)["deployer.yaml"].to_dict()
    return found


def resources(template: Json, place: Place = PLACES[0], **given: str) -> Data:
    assert constraint_violations(template, given) == []
    return Evaluation(template, given, place).resources


@pytest.fixture(scope="module")
def policies(template: Json) -> dict[str, Json]:
    found = of_type(resources(template), "AWS::IAM::ManagedPolicy")
    boundary = "arn:aws:iam::123456789012:policy/RoleBoundary"
    documents = {title: it["PolicyDocument"] for title, it in found.items() if title != "RoleBoundary"}
    known: dict[str, Json] = json.loads(json.dumps(documents).replace("<RoleBoundary>", boundary))
    return known


def granted(policies: dict[str, Json]) -> set[str]:
    return {action for it in policies.values() for statement in it["Statement"] for action in statement["Action"]}


def test_policies_fit_and_say_what_they_mean(policies: dict[str, Json]) -> None:
    """Ten a role, of 6,144 characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    assert len(policies) < 10
    known = load_resource(AdditionalSpecs, "Policies.json")
    for name, policy in policies.items():
        assert len(json.dumps(policy, separators=(",", ":"))) <= 6144, name
        for finding in parliament.analyze_policy_string(json.dumps(policy)).findings:
            service, _, action = str(finding.detail).rpartition(" ")[2].partition(":")
            newer = finding.issue == "UNKNOWN_ACTION" and action.lower() in known[service]["Actions"]
            assert newer or finding.issue == "RESOURCE_STAR", (name, str(finding))


def test_every_template_can_be_deployed(policies: dict[str, Json], built: dict[str, Template]) -> None:
    assert actions(built.values()) <= granted(policies)


def called() -> Iterator[tuple[str, set[str]]]:
    """Each call of the commands by where it stands, as the actions that it may be: names tell no service."""
    session = botocore.session.get_session()
    trees = {
        path: ast.parse(path.read_text())
        for room in ("access", "operations", "packages")
        for path in (GENERATOR / room).glob("*.py")
    }
    everywhere = {service for path in trees for service in CLIENT.findall(path.read_text())}
    for path, tree in trees.items():
        nodes = list(ast.walk(tree))
        names = {it.attr for it in nodes if isinstance(it, ast.Attribute)} | {
            str(it.value) for it in nodes if isinstance(it, ast.Constant) and isinstance(it.value, str)
        }
        of_module = set(CLIENT.findall(path.read_text()))
        operations: dict[str, set[str]] = {}
        for service in of_module or everywhere:
            for operation in session.get_service_model(service).operation_names:
                action = f"{PREFIXES.get(service, service)}:{operation}"
                operations.setdefault(xform_name(operation), set()).add(OTHER_ACTIONS.get(action, action))
        yield from ((f"{path.name}: {name}", operations[name]) for name in names & operations.keys())


def test_every_command_can_be_run(policies: dict[str, Json]) -> None:
    allowed = granted(policies)
    calls = dict(called())
    assert {"deploy.py", "restore.py", "bucket.py", "tokens.py"} & {where.partition(":")[0] for where in calls}
    assert len(calls) > 40
    lacking = {
        where: sorted(may_be)
        for where, may_be in calls.items()
        if not any(fnmatchcase(action, it) for action in may_be for it in allowed)
    }
    # A token is for the trusted role that asks, never for whoever deploys.
    lacking.pop("minting.py: get_web_identity_token")
    assert lacking == {}, "give it a place in COMMANDS of generator/catalog/deployer.py"


def test_the_bucket_of_templates_is_there_for_stacks_of_any_name(template: Json) -> None:
    """Where the stack's name does not happen to be the beginning of the bucket's."""
    bucket = "arn:aws:s3:::pypiserver-templates-123456789012-eu-west-1"
    allowed = {
        action
        for it in of_type(resources(template, StackName="index"), "AWS::IAM::ManagedPolicy").values()
        for statement in it["PolicyDocument"]["Statement"]
        if any(fnmatchcase(it, resource) for resource in statement["Resource"] for it in (bucket, f"{bucket}/key"))
        for action in statement["Action"]
        if "*" not in statement["Resource"]
    }
    calls = {where: may_be for where, may_be in called() if where.startswith("bucket.py: ")}
    of_s3 = {where: may_be for where, may_be in calls.items() if all(it.startswith("s3:") for it in may_be)}
    assert {"bucket.py: create_bucket", "bucket.py: head_bucket"} <= of_s3.keys()
    assert [where for where, may_be in of_s3.items() if not may_be & allowed] == []


def test_what_a_message_tells_to_do_can_be_done(policies: dict[str, Json]) -> None:
    session = botocore.session.get_session()
    told = {
        words
        for path in (GENERATOR / "operations").glob("*.py")
        for words in re.findall(r"""\baws["', ]+([a-z0-9]+)["', ]+([a-z-]+-[a-z-]+)""", path.read_text())
    }
    assert {("efs", "delete-file-system"), ("cloudformation", "continue-update-rollback")} <= told
    # The AWS CLI's own, which reads files of this machine.
    for service, command in told - {("configure", "list-profiles")}:
        name = {"s3api": "s3"}.get(service, service)
        operations = {xform_name(it, "-"): it for it in session.get_service_model(name).operation_names}
        action = f"{PREFIXES.get(service, name)}:{operations[command]}"
        assert any(fnmatchcase(action, it) for it in granted(policies)), action


def test_roles_get_permissions_within_the_boundary_and_under_our_names_alone(policies: dict[str, Json]) -> None:
    # The second only reads, and has no parameter: API_GetOutboundWebIdentityFederationInfo.html.
    anywhere = {"iam:CreateServiceLinkedRole", "iam:GetOutboundWebIdentityFederationInfo"}
    for policy in policies.values():
        for statement in policy["Statement"]:
            for action in statement["Action"]:
                if action.startswith("iam:") and action not in anywhere:
                    assert all(
                        re.search(r":(role|instance-profile)/pypi\*$|:oidc-provider/", it)
                        for it in statement["Resource"]
                    )
                if re.fullmatch("iam:(CreateRole|(Attach|Put)RolePolicy|PutRolePermissionsBoundary)", action):
                    assert statement["Condition"]["ArnEquals"] == {
                        "iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/RoleBoundary"
                    }
    assert "iam:DeleteRolePermissionsBoundary" not in granted(policies)


def test_the_boundary_leaves_every_template_what_its_roles_ask_for(template: Json, built: dict[str, Template]) -> None:
    (statement,) = resources(template)["RoleBoundary"]["Properties"]["PolicyDocument"]["Statement"]
    asked = {
        action
        for it in built.values()
        for resource in it.to_dict()["Resources"].values()
        if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::RolePolicy")
        for action in actions_of({**resource["Properties"], "AssumeRolePolicyDocument": None})
    }
    assert "logs:PutLogEvents" in asked
    assert {it for it in asked if not any(fnmatchcase(it, allowed) for allowed in statement["Action"])} == set()


def actions_of(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("Action", [])
    for it in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from actions_of(it)


def test_a_role_by_name_gets_every_policy_and_other_stacks_other_names(template: Json) -> None:
    found = of_type(resources(template, RoleName="ci-deploy", StackName="index"), "AWS::IAM::ManagedPolicy")
    assert all(it["Roles"] == ["ci-deploy"] for title, it in found.items() if title != "RoleBoundary")
    assert "Roles" not in found["RoleBoundary"]
    assert "pypi*" not in json.dumps(found)
    assert all("Roles" not in it for it in of_type(resources(template), "AWS::IAM::ManagedPolicy").values())
    for place in PLACES[1:]:
        assert "arn:aws:" not in json.dumps(resources(template, place))
    for name in ("arn:aws:iam::123456789012:role/x", "a b"):
        assert constraint_violations(template, {"RoleName": name}) == ["RoleName"]
