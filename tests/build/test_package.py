"""The AWS CLI's own ``cloudformation package`` and ``deploy``, against a moto server on the loopback interface.

The server runs in this process, so that ``moto_bridge`` completes it: see there what a deployment on it proves.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest
import yaml
from calls import REGION, client
from moto import mock_aws
from moto.server import ThreadedMotoServer
from moto_bridge import Loader, bridged

TEMPLATES = Path(__file__).parents[2] / "templates"
CHILDREN = ("Security", "Storage", "Edge", "Compute", "Monitoring")
BUCKET = "artifacts"
Json: TypeAlias = dict[str, Any]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which the CLI finds the server, an empty bucket there, and no configuration."""
    nothing = str(tmp_path_factory.mktemp("home") / "none")
    with mock_aws(), bridged():
        client("s3").create_bucket(Bucket=BUCKET)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        _, port = server.get_host_and_port()
        yield {
            "PATH": os.environ["PATH"],
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": nothing,
            "AWS_SHARED_CREDENTIALS_FILE": nothing,
            # moto reads a TemplateURL's bucket from the path only where the host is of this name.
            "AWS_ENDPOINT_URL": f"http://localhost:{port}",
        }
        server.stop()


def run(cli: dict[str, str], command: str, *options: str | Path) -> None:
    """``aws cloudformation COMMAND``, with the CLI of this environment."""
    program = Path(sys.executable).parent / "aws"
    done = subprocess.run(
        [program, "cloudformation", command, *options], env=cli, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def packaged(cli: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parent, packaged."""
    target = tmp_path_factory.mktemp("packaged") / "pypiserver.yaml"
    run(
        cli, "package", "--template-file", TEMPLATES / "pypiserver.yaml", "--s3-bucket", BUCKET,
        "--output-template-file", target,
    )  # fmt: skip
    return target


class Wary(Loader):
    """Takes for a number whatever unquoted text some YAML parser does, also where PyYAML sees a string: 012, 1e5."""


_NUMBER = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$")
Wary.add_implicit_resolver("number", _NUMBER, list("-+.0123456789"))
Wary.add_constructor("number", lambda _loader, node: ("number", node.value))


def read(text: str) -> Json:
    """The template, with its tags as the functions they stand for, and each scalar of the type that it may be read as."""
    template: Json = yaml.load(text, Wary)
    return template


def typed(value: Any) -> Any:
    """``value`` with its types, as Python has ``1 == True == 1.0``."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), value)


def test_children_become_absolute_urls(packaged: Path, cli: dict[str, str]) -> None:
    original = read((TEMPLATES / "pypiserver.yaml").read_text())
    rewritten = read(packaged.read_text())

    for child in CHILDREN:
        url = rewritten["Resources"][child]["Properties"].pop("TemplateURL")
        assert url.startswith(f"{cli['AWS_ENDPOINT_URL']}/{BUCKET}/")
        assert original["Resources"][child]["Properties"].pop("TemplateURL") == f"{child.lower()}.yaml"
    assert typed(rewritten) == typed(original)


@pytest.mark.parametrize("child", CHILDREN)
def test_uploaded_child_says_what_the_original_says(child: str, packaged: Path) -> None:
    """The CLI writes each child anew: what it read as a string must be read as one again."""
    url = read(packaged.read_text())["Resources"][child]["Properties"]["TemplateURL"]
    key = urlsplit(url).path.removeprefix(f"/{BUCKET}/")
    uploaded = client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    assert typed(read(uploaded)) == typed(read((TEMPLATES / f"{child.lower()}.yaml").read_text()))


@pytest.mark.slow
def test_packaged_parent_deploys_with_the_example_parameters(
    packaged: Path, cli: dict[str, str], tmp_path: Path
) -> None:
    """With the example's own values, but for the IDs of what has to exist already."""
    subnets = [subnet["SubnetId"] for subnet in client("ec2").describe_subnets()["Subnets"]]
    zone = client("route53").create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    here = {
        "VpcId": client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"],
        "LoadBalancerSubnets": ",".join(subnets[:2]),
        "AsgSubnets": ",".join(subnets[2:4]),
        "HostedZoneId": zone.removeprefix("/hostedzone/"),
    }
    example = dict(pair.split("=", 1) for pair in json.loads((TEMPLATES / "parameters.example.json").read_text()))
    assert here.keys() <= example.keys()
    parameters = tmp_path / "parameters.json"
    parameters.write_text(json.dumps([f"{name}={value}" for name, value in {**example, **here}.items()]))

    run(
        cli, "deploy", "--template-file", packaged, "--stack-name", "pypi", "--s3-bucket", BUCKET,
        "--capabilities", "CAPABILITY_IAM", "--parameter-overrides", f"file://{parameters}",
    )  # fmt: skip

    stacks = client("cloudformation").describe_stacks()["Stacks"]
    assert len(stacks) == 1 + len(CHILDREN)
    assert {stack["StackStatus"] for stack in stacks} == {"CREATE_COMPLETE"}
    (parent,) = (stack for stack in stacks if stack["StackName"] == "pypi")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in parent["Outputs"]}
    urls = [f"https://{name}.{example['HostedZoneName']}" for name in example["DnsNames"].split(",")]
    assert outputs["PypiServerUrls"].split(",") == urls
