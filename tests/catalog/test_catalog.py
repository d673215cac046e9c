"""The Service Catalog template and ``catalog publish``.

moto makes portfolio and product; it has no associations, constraints, TagOptions and versions. Their requests are
checked by botocore's models alone: with what the template's properties become, and with a Stubber.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
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
from emulator import ACCOUNT, BUCKET, emulator, environment
from moto_bridge import Loader

from generator.operations.aws import Account
from generator.operations.catalog_version import publish_version
from generator.operations.exits import Problem
from generator.operations.terminal import terminal
from generator.parts.descriptions import DESCRIPTIONS, SERVICE_CATALOG

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
DOCUMENT = (ROOT / "docs" / "service-catalog.md").read_text()
ROLE = f"arn:aws:iam::{ACCOUNT}:role/developers"


def test_committed_template_is_the_generated_one(template: Json) -> None:
    loaded = yaml.load((TEMPLATES / "service-catalog.yaml").read_text(), Loader)
    assert loaded["Resources"].keys() == template["Resources"].keys(), "run make templates"


def validated(operation: str, names: Callable[[Json], Json]) -> Any:
    """A resource that moto lacks: what its properties become must be a request that botocore accepts."""
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
    shell(
        deploy.replace("=URL", f"={url}")
        .replace("ROLE_ARN", ROLE)
        .replace("VPC ", "vpc-1 ")
        .replace("SUBNETS", "subnet-1,subnet-2")
        .replace("=ZONE", "=Z1")
    )

    (stack,) = client("cloudformation").describe_stacks(StackName="pypi-catalog")["Stacks"]
    outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
    product = client("servicecatalog").describe_product(Id=outputs["ProductId"])
    assert product["ProductViewSummary"]["Name"] == "Private PyPI"
    resources = client("cloudformation").list_stack_resources(StackName="pypi-catalog")["StackResourceSummaries"]
    kinds = [it["ResourceType"] for it in resources]
    assert kinds.count("AWS::ServiceCatalog::PortfolioPrincipalAssociation") == 1
    assert "AWS::ServiceCatalog::TagOption" not in kinds, "there is no cost center unless given"


class Stubbed(Account):
    """The emulator's account, but for its Service Catalog."""

    def __init__(self, catalog: Any) -> None:
        super().__init__()
        self._clients["servicecatalog"] = catalog


@pytest.fixture
def stubbed(tmp_path: Path) -> Iterator[tuple[Stubbed, Stubber]]:
    """A stack with an output ``ProductId``, and Service Catalog's answers to come."""
    with emulator() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(url, tmp_path).items():
            patch.setenv(name, value)
        product = {"Product": {"Value": "prod-1"}, "ProductId": {"Value": "prod-1"}}
        logs = {"Logs": {"Type": "AWS::Logs::LogGroup"}}
        template = {"Description": DESCRIPTIONS[SERVICE_CATALOG], "Resources": logs, "Outputs": product}
        client("cloudformation").create_stack(StackName="pypi-catalog", TemplateBody=json.dumps(template))
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
