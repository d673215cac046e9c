"""The Service Catalog template and ``catalog publish``.

moto makes portfolio and product; it has no associations, constraints, TagOptions and versions. Their requests are
checked by botocore's models alone: with what the template's properties become, and with a Stubber. Whether the launch
role suffices for a launch, only AWS can tell.
"""

from __future__ import annotations

import json
import re
import subprocess
import warnings
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped] # boto3 has no types
import moto_types
import pytest
import yaml
from botocore.stub import Stubber  # type: ignore[import-untyped] # nor has botocore
from botocore.validate import validate_parameters  # type: ignore[import-untyped] # see above
from calls import REGION, Json, Made, call, client
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from emulator import ACCOUNT, BUCKET, emulator, environment
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto_bridge import Loader

from generator.catalog.launch_role import SERVICES, actions
from generator.catalog.template import catalog
from generator.operations.aws import Account
from generator.operations.catalog_version import publish_version
from generator.operations.exits import Problem
from generator.operations.terminal import terminal
from generator.parent import single
from generator.parts.container_program import packed

with warnings.catch_warnings():
    # It leaves its own files open.
    warnings.simplefilter("ignore", ResourceWarning)
    import parliament  # type: ignore[import-untyped] # no types either

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
DOCUMENT = (ROOT / "docs" / "service-catalog.md").read_text()
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/pypi-catalog-RoleBoundary-1"
ROLES = f"arn:aws:iam::{ACCOUNT}:role/developers,arn:aws:iam::{ACCOUNT}:role/operators"


@pytest.fixture(scope="module")
def template() -> Json:
    product = single().templates()["pypiserver-single.yaml"]
    built: Json = catalog(product)["service-catalog.yaml"].to_dict()
    return built


def resolved(value: Any) -> Any:
    """Policies as they are in an account: ``Fn::Sub`` of pseudo parameters."""
    if isinstance(value, dict):
        if value.keys() == {"Fn::Sub"}:
            names = {"AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AWS::URLSuffix": "amazonaws.com"}
            return re.sub(r"\$\{([\w:]+)\}", lambda match: names[match[1]], value["Fn::Sub"])
        if value == {"Ref": "RoleBoundary"}:
            return BOUNDARY
        return {key: resolved(item) for key, item in value.items()}
    return [resolved(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def policies(template: Json) -> dict[str, Json]:
    """Every policy of the launch role by name."""
    managed = {
        title: it["Properties"]["PolicyDocument"]
        for title, it in template["Resources"].items()
        if it["Type"] == "AWS::IAM::ManagedPolicy" and title != "RoleBoundary"
    }
    (inline,) = template["Resources"]["LaunchRole"]["Properties"]["Policies"]
    everything: dict[str, Json] = resolved({**managed, inline["PolicyName"]: inline["PolicyDocument"]})
    return everything


def statements(policies: dict[str, Json]) -> Iterator[Json]:
    for policy in policies.values():
        yield from policy["Statement"]


def test_committed_template_is_the_generated_one(template: Json) -> None:
    loaded = yaml.load((TEMPLATES / "service-catalog.yaml").read_text(), Loader)
    assert loaded["Resources"].keys() == template["Resources"].keys(), "run make templates"


def test_managed_policies_fit(policies: dict[str, Json]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    assert len(policies) == len(SERVICES) + 1
    for name, policy in policies.items():
        assert len(json.dumps(policy, separators=(",", ":"))) <= 6144, name


def test_role_has_every_action_and_no_other_of_a_service(policies: dict[str, Json]) -> None:
    granted = {action for it in statements(policies) for action in it["Action"]}
    needed = actions(single().templates()["pypiserver-single.yaml"])
    assert granted - needed == {action for it in policies["stacks"]["Statement"] for action in it["Action"]} - needed
    assert needed <= granted, f"the launch role lacks {sorted(needed - granted)}: see SERVICES of launch_role.py"


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
    for statement in statements(policies):
        if any(action.startswith("iam:") for action in statement["Action"]):
            assert all(
                re.search(r":(role|instance-profile)/(SC-|aws-service-role/)", it) for it in statement["Resource"]
            )


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


def test_who_launches_cannot_widen_the_hosts_permissions(template: Json, policies: dict[str, Json]) -> None:
    text, values = template["Resources"]["TemplateConstraint"]["Properties"]["Rules"]["Fn::Sub"]
    assert values == {"Boundary": {"Ref": "RoleBoundary"}}
    asserted = [it["Assert"]["Fn::Equals"] for it in json.loads(text)["HostPermissions"]["Assertions"]]
    assert {it["Ref"]: value for it, value in asserted} == {
        "PermissionsBoundaryArn": "${Boundary}",
        **dict.fromkeys(
            [
                "AmiId",
                "CloudinitExtraCommands",
                "ExistingFileSystemId",
                "ExtraFiles",
                "ExtraInstanceProfilePermissions",
                "ExtraManagedPolicyArns",
                "Users",
            ],
            "",
        ),
    }
    assert {it["Ref"] for it, _ in asserted} <= single().templates()["pypiserver-single.yaml"].parameters.keys()
    (attaching,) = [it for it in statements(policies) if "iam:AttachRolePolicy" in it["Action"]]
    assert all(
        ":iam::aws:policy/" in arn and "*" not in arn for arn in attaching["Condition"]["ArnLike"]["iam:PolicyARN"]
    )


ROLE = f"arn:aws:iam::{ACCOUNT}:role/SC-{ACCOUNT}-pp-1-HostRole-2"


def may(policies: dict[str, Json], action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether IAM would allow it: equality and ArnLike over the ``context``, of which a missing key matches none."""

    def holds(condition: Json) -> bool:
        assert condition.keys() <= {"StringEquals", "ArnEquals", "ArnLike", "Null"}
        return all(
            any(fnmatchcase(context.get(key, ""), it) for it in ([wanted] if isinstance(wanted, str) else wanted))
            for keys in condition.values()
            for key, wanted in keys.items()
        )

    return any(
        any(fnmatchcase(action, it) for it in statement["Action"])
        and any(fnmatchcase(resource, it) for it in statement["Resource"])
        and holds(statement.get("Condition", {}))
        for statement in statements(policies)
    )


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
    place = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:"
    for title in (packed().secret, "ServerProgram0123456789abcdef", "PublisherSecret"):
        assert may(policies, f"secretsmanager:{action}", f"{place}{title}-AbCdEfGhIjKl-a1b2c3", {}), title
    for other in ("PublisherSecrets", "Server", "team/ServerProgram"):
        assert not may(policies, f"secretsmanager:{action}", f"{place}{other}-AbCdEfGhIjKl-a1b2c3", {}), other


def _asked(policies: Any) -> set[str]:
    found = [it["Action"] for policy in policies for it in policy["Statement"]]
    return {action for it in found for action in ([it] if isinstance(it, str) else it)}


def test_the_boundary_leaves_the_roles_what_they_need_and_nothing_of_iam(template: Json) -> None:
    product = single().templates()["pypiserver-single.yaml"].to_dict()["Resources"].values()
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
    assert not {it.split(":")[0] for it in allowed} & {"*", "iam", "sts", "organizations", "cloudformation", "lambda"}


def validated(operation: str, names: Callable[[Json], Json]) -> Any:
    """A resource that moto lacks: what its properties become has to be a request that botocore accepts."""
    api = boto3.client("servicecatalog", region_name=REGION)
    shape = api.meta.service_model.operation_model(operation).input_shape

    def make(name: str, properties: Json) -> Made:
        token = {"IdempotencyToken": "once"} if "IdempotencyToken" in shape.members else {}
        validate_parameters({**token, **names(properties)}, shape)
        return Made(name)

    return moto_types.Type(make)


def _product(name: str, p: Json) -> Made:
    (version,) = p.pop("ProvisioningArtifactParameters")
    p.pop("ReplaceProvisioningArtifacts")
    made = call(
        "servicecatalog",
        "create_product",
        **p,
        ProductType="CLOUD_FORMATION_TEMPLATE",
        ProvisioningArtifactParameters={**version, "Type": "CLOUD_FORMATION_TEMPLATE"},
        IdempotencyToken=name,
    )
    return Made(made["ProductViewDetail"]["ProductViewSummary"]["ProductId"])


def _portfolio(name: str, p: Json) -> Made:
    return Made(call("servicecatalog", "create_portfolio", **p, IdempotencyToken=name)["PortfolioDetail"]["Id"])


def _constraint(kind: str, parameters: Callable[[Json], Json]) -> Callable[[Json], Json]:
    return lambda p: {
        "PortfolioId": p["PortfolioId"],
        "ProductId": p["ProductId"],
        "Type": kind,
        "Parameters": json.dumps(parameters(p)),
    }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    types = {
        "CloudFormationProduct": moto_types.Type(_product),
        "Portfolio": moto_types.Type(_portfolio),
        "PortfolioProductAssociation": validated("AssociateProductWithPortfolio", lambda p: p),
        "PortfolioPrincipalAssociation": validated("AssociatePrincipalWithPortfolio", lambda p: p),
        "LaunchRoleConstraint": validated(
            "CreateConstraint", _constraint("LAUNCH", lambda p: {"RoleArn": p["RoleArn"]})
        ),
        "LaunchTemplateConstraint": validated(
            "CreateConstraint", _constraint("TEMPLATE", lambda p: {"Rules": json.loads(p["Rules"])})
        ),
        "TagOption": validated("CreateTagOption", lambda p: p),
        "TagOptionAssociation": validated("AssociateTagOptionWithResource", lambda p: p),
    }
    for name, made in types.items():
        monkeypatch.setitem(moto_types.TYPES, f"AWS::ServiceCatalog::{name}", made)
    with emulator() as url:
        yield url


@pytest.mark.slow
def test_document_word_for_word(server: str, tmp_path: Path) -> None:
    """The set-up from a shell, as written but for its capitals, which are filled in from what ``publish`` prints."""
    env = environment(server, tmp_path)
    for name in ("templates", "generator"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(Path(env["PATH"].split(":")[0]).parent)
    script = DOCUMENT.partition("<!-- test: catalog -->\n```sh\n")[2].partition("```")[0]
    publish, deploy = re.sub(r"\\\n", " ", script).strip().splitlines()

    def shell(line: str) -> str:
        done = subprocess.run(["bash", "-ec", line], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # A person says Yes to the bucket.
    printed = shell(f"{publish} --yes")
    url = re.findall(r"^single file  (\S+)$", printed, re.MULTILINE)[0]
    shell(deploy.replace("=URL", f"={url}").replace("ROLE_ARN", ROLES))

    (stack,) = client("cloudformation").describe_stacks(StackName="pypi-catalog")["Stacks"]
    outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
    product = client("servicecatalog").describe_product(Id=outputs["ProductId"])
    assert product["ProductViewSummary"]["Name"] == "Private PyPI"
    resources = client("cloudformation").list_stack_resources(StackName="pypi-catalog")["StackResourceSummaries"]
    kinds = [it["ResourceType"] for it in resources]
    assert kinds.count("AWS::ServiceCatalog::PortfolioPrincipalAssociation") == 2
    assert "AWS::ServiceCatalog::TagOption" not in kinds, "CostCenters is empty unless given"


class Stubbed(Account):
    """The emulator's account, but for its Service Catalog."""

    def __init__(self, catalog: Any) -> None:
        super().__init__()
        self._clients["servicecatalog"] = catalog


@pytest.fixture
def stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stubbed, Stubber]]:
    """A stack with an output ``ProductId``, and Service Catalog's answers to come."""
    with emulator() as url:
        for name, value in environment(url, tmp_path).items():
            monkeypatch.setenv(name, value)
        product = {"Product": {"Value": "prod-1"}, "ProductId": {"Value": "prod-1"}}
        logs = {"Logs": {"Type": "AWS::Logs::LogGroup"}}
        client("cloudformation").create_stack(
            StackName="pypi-catalog", TemplateBody=json.dumps({"Resources": logs, "Outputs": product})
        )
        service = boto3.client("servicecatalog", region_name=REGION)
        with Stubber(service) as stub:
            yield Stubbed(service), stub
            stub.assert_no_pending_responses()


def versions(*known: tuple[str, str]) -> Json:
    details = [{"Id": f"pa-{name}", "Name": name, "Guidance": guidance} for name, guidance in known]
    return {"ProvisioningArtifactDetails": details}


def publish_as(account: Stubbed, version: str, stack_name: str = "pypi-catalog", bucket: str | None = BUCKET) -> None:
    publish_version(
        account,
        terminal(),
        TEMPLATES,
        bucket=bucket,
        prefix="pypiserver",
        stack_name=stack_name,
        version=version,
        yes=bucket is None,
    )


def test_new_version_deprecates_the_others(
    stubbed: tuple[Stubbed, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    account, stub = stubbed
    digest = sha256((TEMPLATES / "pypiserver-single.yaml").read_bytes()).hexdigest()[:32]
    url = f"https://{BUCKET}.s3.{REGION}.amazonaws.com/pypiserver/{digest}/pypiserver-single.yaml"
    stub.add_response(
        "list_provisioning_artifacts",
        versions(("1.0.0", "DEPRECATED"), ("1.1.0", "DEFAULT")),
        {"ProductId": "prod-1"},
    )
    stub.add_response(
        "create_provisioning_artifact",
        {"ProvisioningArtifactDetail": {"Id": "pa-1.2.0"}},
        {
            "ProductId": "prod-1",
            "Parameters": {"Name": "1.2.0", "Info": {"LoadTemplateFromURL": url}, "Type": "CLOUD_FORMATION_TEMPLATE"},
            "IdempotencyToken": f"1.2.0-{digest}",
        },
    )
    made = {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1.2.0"}
    stub.add_response("describe_provisioning_artifact", {"Status": "AVAILABLE"}, made)
    old = {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1.1.0", "Guidance": "DEPRECATED"}
    stub.add_response("update_provisioning_artifact", {"Status": "AVAILABLE"}, old)

    publish_as(account, "1.2.0")
    assert capsys.readouterr().out == f"prod-1 has version 1.2.0: {url}\ndeprecated: 1.1.0\n"


def test_without_a_bucket_one_is_made(stubbed: tuple[Stubbed, Stubber], capsys: pytest.CaptureFixture[str]) -> None:
    account, stub = stubbed
    stub.add_response("list_provisioning_artifacts", versions())
    stub.add_response("create_provisioning_artifact", {"ProvisioningArtifactDetail": {"Id": "pa-1"}})
    stub.add_response("describe_provisioning_artifact", {"Status": "AVAILABLE"})
    publish_as(account, "1.0.0", bucket=None)
    own = f"pypiserver-templates-{ACCOUNT}-{REGION}"
    assert f"https://{own}.s3.{REGION}.amazonaws.com/pypiserver/" in capsys.readouterr().out
    assert "pypiserver-single.yaml" in str(client("s3").list_objects_v2(Bucket=own)["Contents"])


def test_version_is_never_overwritten(stubbed: tuple[Stubbed, Stubber]) -> None:
    account, stub = stubbed
    stub.add_response("list_provisioning_artifacts", versions(("1.0.0", "DEFAULT")), {"ProductId": "prod-1"})
    with pytest.raises(Problem, match=r"prod-1 has a version 1\.0\.0 already"):
        publish_as(account, "1.0.0")
    assert "Contents" not in client("s3").list_objects_v2(Bucket=BUCKET)


def test_version_that_service_catalog_refuses(stubbed: tuple[Stubbed, Stubber]) -> None:
    account, stub = stubbed
    stub.add_response("list_provisioning_artifacts", versions(("1.0.0", "DEFAULT")))
    stub.add_response("create_provisioning_artifact", {"ProvisioningArtifactDetail": {"Id": "pa-2"}})
    stub.add_response("describe_provisioning_artifact", {"Status": "FAILED"})
    with pytest.raises(Problem, match="version pa-2 of prod-1 has FAILED"):
        publish_as(account, "2.0.0")


def test_stack_without_a_product(stubbed: tuple[Stubbed, Stubber]) -> None:
    account, _ = stubbed
    with pytest.raises(Problem, match="elsewhere does not exist in us-east-1: deploy"):
        publish_as(account, "2.0.0", stack_name="elsewhere")
