"""What the role may do that Service Catalog launches the product with, and what the product's own roles may at most.

Whether the launch role suffices for a launch, only AWS can tell.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from calls import REGION, Json
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from deployments import CATALOG, Editions
from emulator import ACCOUNT
from moto.iam.aws_managed_policies import aws_managed_policies_data
from resolve import Evaluation
from troposphere import Template

from generator.catalog.actions import SERVICES, actions
from generator.parts.container_program import packed

with warnings.catch_warnings():
    # It leaves its own files open.
    warnings.simplefilter("ignore", ResourceWarning)
    import parliament  # type: ignore[import-untyped] # no types

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/pypi-catalog-RoleBoundary-1"


def statements(policies: dict[str, Json]) -> Iterator[Json]:
    for policy in policies.values():
        yield from policy["Statement"]


def test_managed_policies_fit(policies: dict[str, Json]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    assert len(policies) == len(SERVICES) + 1
    for name, policy in policies.items():
        assert len(json.dumps(policy, separators=(",", ":"))) <= 6144, name


def test_role_has_every_action_and_no_other_of_a_service(policies: dict[str, Json], built: dict[str, Template]) -> None:
    granted = {action for it in statements(policies) for action in it["Action"]}
    needed = actions([built["pypiserver-single.yaml"]])
    assert granted - needed == {action for it in policies["stacks"]["Statement"] for action in it["Action"]} - needed
    assert needed <= granted, f"the launch role lacks {sorted(needed - granted)}: see SERVICES of actions.py"


def test_parliament_finds_nothing(policies: dict[str, Json]) -> None:
    """Its list of actions is older than cfn-lint's, which knows those that it does not."""
    known = load_resource(AdditionalSpecs, "Policies.json")
    findings = [
        (finding.issue, finding.detail)
        for policy in policies.values()
        for finding in parliament.analyze_policy_string(json.dumps(policy)).findings
    ]
    unknown = [str(detail).rpartition(" ")[2] for issue, detail in findings if issue == "UNKNOWN_ACTION"]
    for action in unknown:
        service, _, name = action.partition(":")
        assert name.lower() in known[service]["Actions"], action
    assert [finding for finding in findings if finding[0] not in ("UNKNOWN_ACTION", "RESOURCE_STAR")] == []


def test_nothing_of_iam_acts_on_everything(policies: dict[str, Json]) -> None:
    of_iam = [it for it in statements(policies) if any(action.startswith("iam:") for action in it["Action"])]
    assert of_iam
    for statement in of_iam:
        assert all(re.search(r":(role|instance-profile)/(SC-|aws-service-role/)", it) for it in statement["Resource"])


def test_no_full_access_and_no_wildcard_but_describing(template: Json, policies: dict[str, Json]) -> None:
    assert "FullAccess" not in json.dumps(template)
    stars = {action for it in statements(policies) for action in it["Action"] if "*" in action}
    assert all(action.endswith(":Describe*") for action in stars)


def test_roles_go_to_the_templates_services_only(policies: dict[str, Json]) -> None:
    (passing,) = [it for it in statements(policies) if "iam:PassRole" in it["Action"]]
    assert passing["Condition"]["StringEquals"]["iam:PassedToService"] == [
        "backup.amazonaws.com",
        "ec2.amazonaws.com",
        "ec2.amazonaws.com.cn",
        "ecs-tasks.amazonaws.com",
        "lambda.amazonaws.com",
    ]


def test_the_hosts_get_the_templates_managed_policies_alone(policies: dict[str, Json]) -> None:
    (attaching,) = [it for it in statements(policies) if "iam:AttachRolePolicy" in it["Action"]]
    assert all(
        ":iam::aws:policy/" in arn and "*" not in arn for arn in attaching["Condition"]["ArnLike"]["iam:PolicyARN"]
    )


def test_records_are_made_in_the_administrators_zones_alone(policies: dict[str, Json]) -> None:
    (changing,) = [it for it in statements(policies) if "route53:ChangeResourceRecordSets" in it["Action"]]
    assert changing["Resource"] == [
        "arn:aws:route53:::change/*",
        "arn:aws:route53:::hostedzone/Z0123456789ABC",
        "arn:aws:route53:::hostedzone/Z9876543210DEF",
    ]


def test_what_can_be_tagged_says_what_made_it(template: Json) -> None:
    taggable = {"AWS::IAM::Role", "AWS::ServiceCatalog::CloudFormationProduct", "AWS::ServiceCatalog::Portfolio"}
    found = {it["Type"]: it["Properties"]["Tags"] for it in template["Resources"].values() if it["Type"] in taggable}
    assert found == {it: [{"Key": "created_by", "Value": "cloudformation-aws-pypiserver"}] for it in taggable}


def test_without_a_zone_no_records_are_made(template: Json) -> None:
    resources = Evaluation(template, {**CATALOG, "HostedZoneIds": ""}).resources
    statements = resources["LaunchNetwork"]["Properties"]["PolicyDocument"]["Statement"]
    (changing,) = [it for it in statements if "route53:ChangeResourceRecordSets" in it["Action"]]
    assert changing["Resource"] == ["arn:aws:route53:::change/*"]


def test_no_vault_is_locked_for_good(policies: dict[str, Json]) -> None:
    """A lock with days in which it can be changed is of compliance: none can be taken off after them."""
    lock, vault = "backup:PutBackupVaultLockConfiguration", f"arn:aws:backup:{REGION}:{ACCOUNT}:backup-vault:packages"
    assert may(policies, lock, vault, {})
    assert not may(policies, lock, vault, {"backup:ChangeableForDays": "3"})


ROLE = f"arn:aws:iam::{ACCOUNT}:role/SC-{ACCOUNT}-pp-1-HostRole-2"


def may(policies: dict[str, Json], action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether IAM would allow it: equality and ArnLike over the ``context``, of which a missing key matches none."""

    def holds(condition: Json) -> bool:
        assert condition.keys() <= {"StringEquals", "ArnEquals", "ArnLike", "Null"}
        return all(
            (key not in context) == (wanted == "true")
            if operator == "Null"
            else any(fnmatchcase(context.get(key, ""), it) for it in ([wanted] if isinstance(wanted, str) else wanted))
            for operator, keys in condition.items()
            for key, wanted in keys.items()
        )

    return any(
        any(fnmatchcase(action, it) for it in statement["Action"])
        and any(fnmatchcase(resource, it) for it in statement["Resource"])
        and holds(statement.get("Condition", {}))
        for statement in statements(policies)
    )


def test_keys_and_files_of_others_are_out_of_reach(policies: dict[str, Json], editions: Editions) -> None:
    """A key's ARN does not tell whose it is, nor that of Service Catalog's copy of a template."""
    ours = {it["Key"]: it["Value"] for it in editions.nested().resources["TopicKey"]["Properties"]["Tags"]}
    tag, service = "aws:ResourceTag/created_by", {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
    copy = "s3:ExistingObjectTag/servicecatalog:provisioning"
    key, file = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1", "arn:aws:s3:::payroll/file"
    for action in ("kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"):
        assert may(policies, action, key, {tag: ours["created_by"]})
        assert not may(policies, action, key, {tag: "somebody"})
        assert not may(policies, action, key, {})
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert may(policies, action, key, service)
        assert not may(policies, action, key, {}), "not for what is read past the service"
    assert may(policies, "s3:GetObject", file, {copy: "true"})
    assert not may(policies, "s3:GetObject", file, {copy: "false"})
    assert not may(policies, "s3:GetObject", file, {})


@pytest.mark.parametrize("action", ["CreateRole", "PutRolePolicy", "AttachRolePolicy", "PutRolePermissionsBoundary"])
def test_roles_get_permissions_within_the_boundary_alone(policies: dict[str, Json], action: str) -> None:
    attached = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}
    within = {**attached, "iam:PermissionsBoundary": BOUNDARY}
    assert may(policies, f"iam:{action}", ROLE, within)
    assert not may(policies, f"iam:{action}", ROLE, attached), "without a boundary"
    assert not may(policies, f"iam:{action}", ROLE, {**within, "iam:PermissionsBoundary": f"{BOUNDARY}0"})
    assert not may(policies, f"iam:{action}", f"arn:aws:iam::{ACCOUNT}:role/admin", within)
    assert not may(policies, "iam:DeleteRolePermissionsBoundary", ROLE, within)
    if action == "AttachRolePolicy":
        administrator = {**within, "iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
        assert not may(policies, "iam:AttachRolePolicy", ROLE, administrator)


@pytest.mark.parametrize("action", ["CreateSecret", "TagResource", "DescribeSecret", "UpdateSecret", "DeleteSecret"])
def test_a_launch_may_be_updated_to_another_program(policies: dict[str, Json], action: str) -> None:
    """By the role that was made with today's: it makes the other's secret, and removes today's."""
    place = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
    for title in (packed().secret, "ServerProgram0123456789abcdef", "PublisherSecret"):
        assert may(policies, f"secretsmanager:{action}", f"{place}{title}-AbCdEfGhIjKl-a1b2c3", {}), title
    for other in ("PublisherSecrets", "Server", "team/ServerProgram"):
        assert not may(policies, f"secretsmanager:{action}", f"{place}{other}-AbCdEfGhIjKl-a1b2c3", {}), other


def _asked(policies: Any) -> set[str]:
    found = [it["Action"] for policy in policies for it in policy["Statement"]]
    return {action for it in found for action in ([it] if isinstance(it, str) else it)}


def test_the_boundary_leaves_the_roles_what_they_need_and_no_other_role(
    template: Json, built: dict[str, Template]
) -> None:
    product = built["pypiserver-single.yaml"].to_dict()["Resources"].values()
    inline = [
        (policy["Fn::If"][1] if "Fn::If" in policy else policy)["PolicyDocument"]
        for it in product
        if it["Type"] == "AWS::IAM::Role"
        for policy in it["Properties"].get("Policies", [])
    ]
    inline += [it["Properties"]["PolicyDocument"] for it in product if it["Type"] == "AWS::IAM::RolePolicy"]
    known = json.loads(aws_managed_policies_data)
    managed = set(re.findall(r"iam::aws:policy/(?:service-role/)?(\w+)", json.dumps(list(product))))
    assert managed
    aws = {name: _asked([known[name]["Document"]]) for name in managed}
    # AWS Backup's are for everything that it backs up; here it is EFS.
    needed = {
        action
        for name, actions in aws.items()
        for action in actions
        if "Backup" not in name or action.split(":")[0] in ("backup", "elasticfilesystem", "kms", "tag")
    }
    allowed = template["Resources"]["RoleBoundary"]["Properties"]["PolicyDocument"]["Statement"][0]["Action"]
    inline_actions = _asked(policy for policy in inline if isinstance(policy, dict) and "Statement" in policy)
    assert inline_actions
    for action in needed | inline_actions:
        assert any(fnmatchcase(action, it) for it in allowed), action
    of_iam = [
        it for it in allowed if it.split(":")[0] in ("*", "iam", "sts", "organizations", "cloudformation", "lambda")
    ]
    assert of_iam == ["iam:CreateServiceLinkedRole"], "which makes roles of AWS's own, for its services"


def test_services_get_their_own_roles_in_a_new_account(policies: dict[str, Json]) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles-for-clusters.html"""
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    assert may(policies, "iam:CreateServiceLinkedRole", role, {})
