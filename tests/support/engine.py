"""An engine of CloudFormation that is not ours, MiniStack's, for templates: ``ministack_bridge`` says what stands behind it.

It evaluates Rules and parameters, updates nested stacks, and rolls back. A nested stack has no clean-up phase there: what its
update replaces is gone before a later layer fails, and made anew on the way back. https://pypi.org/project/ministack/
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import boto3  # type: ignore[import-untyped] # boto3 has no types
from botocore.config import Config  # type: ignore[import-untyped] # nor has botocore
from botocore.exceptions import ClientError  # type: ignore[import-untyped] # nor has botocore
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployments import REQUIRED, extras
from replacement import replacing_properties
from resolve import Data, Values

from generator.sizing import MAX_SUBNETS

Templates: TypeAlias = dict[str, Data]
"""By file name."""
PYTHON = Path(__file__).parents[2] / ".venv/ministack/bin/python"
BRIDGE = Path(__file__).with_name("ministack_bridge.py")
BUCKET = "templates"
STACK = "AWS::CloudFormation::Stack"
CUSTOM = "AWS::CloudFormation::CustomResource"
IMAGES = {name: extras()[name] for name in ("LatestX86AmiId", "LatestArmAmiId")}
"""Parameters of the account: it takes none below /aws."""
ELSEWHERE = "subnet-0f000000000000001"
"""A subnet of another VPC."""
SUBNETS = [f"subnet-0{kind}00000000000000{zone}" for kind in "ab" for zone in range(1, MAX_SUBNETS + 1)]
"""Those that ``deployments`` gives: the last character is the zone."""


class Resource(NamedTuple):
    """One of the account: ``name`` is its physical ID."""

    title: str
    name: str
    properties: Data


def types(templates: list[Data]) -> dict[str, Data]:
    """What the bridge has to know of each type that ``templates`` have."""
    kinds = {it["Type"] for template in templates for it in template["Resources"].values()} - {STACK}
    return {kind: _type(kind) for kind in kinds}


def _type(kind: str) -> Data:
    if kind == CUSTOM:
        return {"replacing": replacing_properties(kind), "attributes": [], "identifier": [], "is_arn": False}
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    pointers = {
        key: [it.removeprefix("/properties/").replace("/", ".") for it in schema.get(key, [])]
        for key in ("readOnlyProperties", "primaryIdentifier")
    }
    own = not set(pointers["primaryIdentifier"]) & set(pointers["readOnlyProperties"])
    return {
        "replacing": replacing_properties(kind),
        "attributes": pointers["readOnlyProperties"],
        "identifier": pointers["primaryIdentifier"] if own else [],
        "is_arn": pointers["primaryIdentifier"][0].endswith("Arn") or kind == "AWS::SecretsManager::Secret",
    }


class Engine:
    """Stacks of an account that is a directory, but for the VPC and the subnets of ``deployments``, which Rules ask for."""

    def __init__(self, url: str, home: Path) -> None:
        self._url = url
        self._home = home
        self.cloudformation = self.client("cloudformation")
        self._stacks: set[str] = set()
        self._s3 = self.client("s3")
        self._s3.create_bucket(Bucket=BUCKET)
        for name in IMAGES.values():
            self.client("ssm").put_parameter(Name=name, Value="ami-0123456789abcdef0", Type="String")
        ec2 = self.client("ec2")
        own, other = (ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"] for block in ("10.0.0.0/16", "10.1.0.0/16"))
        self._ids = {REQUIRED["VpcId"]: own}
        for number, subnet in enumerate([*SUBNETS, ELSEWHERE]):
            network = 1 if subnet == ELSEWHERE else 0
            self._ids[subnet] = ec2.create_subnet(
                VpcId=other if network else own,
                CidrBlock=f"10.{network}.{number}.0/24",
                AvailabilityZone=f"us-east-1{'abcdef'[int(subnet[-1]) - 1]}",
            )["Subnet"]["SubnetId"]

    def client(self, service: str) -> Any:
        account = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, endpoint_url=self._url, config=Config(s3={"addressing_style": "path"}), **account)

    def account(self) -> list[Resource]:
        """All that there is, in no order."""
        return [Resource(**json.loads(it.read_text())) for it in (self._home / "account").iterdir()]

    def forget(self) -> None:
        """No stack is left, and nothing of what they keep."""
        while self._stacks:
            self.delete(next(iter(self._stacks)))
        for it in (self._home / "account").iterdir():
            it.unlink()

    def fail(self, title: str) -> None:
        """The next creation or change of ``title`` fails."""
        (self._home / "fails").write_text(title)

    def failed(self) -> bool:
        """Whether what was told to fail has."""
        return not (self._home / "fails").exists()

    def upload(self, templates: Templates, name: str) -> str:
        """The address of the template ``name``, with those that it nests."""
        template = json.loads(json.dumps(templates[name]))
        for it in template["Resources"].values():
            if it["Type"] == STACK:
                it["Properties"]["TemplateURL"] = self.upload(templates, it["Properties"]["TemplateURL"])
        text = json.dumps(template)
        for known, own in self._ids.items():
            text = text.replace(known, own)
        key = f"{sha256(text.encode()).hexdigest()}/{name}"
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=text)
        return f"{self._url}/{BUCKET}/{key}"

    def create(self, stack: str, url: str, values: Values) -> str:
        """The state that the stack comes to."""
        self._stacks.add(stack)
        return self._do(
            "create_stack", stack, TemplateURL=url, Parameters=self._parameters(values), Capabilities=["CAPABILITY_IAM"]
        )

    def update(self, stack: str, url: str, values: Values) -> str:
        return self._do(
            "update_stack", stack, TemplateURL=url, Parameters=self._parameters(values), Capabilities=["CAPABILITY_IAM"]
        )

    def delete(self, stack: str) -> str:
        self._stacks.discard(stack)
        return self._do("delete_stack", stack)

    def refusal(self, url: str, values: Values) -> str:
        """What a change set for a new stack is refused with; empty where it is made."""
        try:
            self.cloudformation.create_change_set(
                StackName="asked",
                ChangeSetName="asked",
                ChangeSetType="CREATE",
                TemplateURL=url,
                Parameters=self._parameters(values),
                Capabilities=["CAPABILITY_IAM"],
            )
        except ClientError as error:
            return str(error)
        self.cloudformation.delete_stack(StackName="asked")
        return ""

    def reasons(self, stack: str) -> list[str]:
        """Why something failed, of all events, the newest first."""
        events = self.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        return [
            f"{it['LogicalResourceId']}: {it.get('ResourceStatusReason')}"
            for it in events
            if it["ResourceStatus"].endswith("FAILED")
        ]

    def _parameters(self, values: Values) -> list[dict[str, str]]:
        known = {name: ",".join(self._ids.get(it, it) for it in value.split(",")) for name, value in values.items()}
        return [{"ParameterKey": name, "ParameterValue": value} for name, value in known.items()]

    def _do(self, operation: str, stack: str, **arguments: Any) -> str:
        (known,) = (
            self.cloudformation.describe_stacks(StackName=stack)["Stacks"]
            if operation != "create_stack"
            else [{"StackId": stack}]
        )
        identity = getattr(self.cloudformation, operation)(StackName=stack, **arguments).get(
            "StackId", known["StackId"]
        )
        while True:
            (described,) = self.cloudformation.describe_stacks(StackName=identity)["Stacks"]
            status: str = described["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.02)


@contextmanager
def engine(home: Path, templates: list[Data]) -> Iterator[Engine]:
    """An empty account, for stacks of ``templates`` and of others with their types."""
    assert PYTHON.exists(), "make .venv/ministack"
    (home / "types.json").write_text(json.dumps(types(templates)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "TMPDIR": str(home),
        "LOG_LEVEL": "ERROR",
    }
    with (home / "log").open("w") as log:
        process = subprocess.Popen([PYTHON, "-P", BRIDGE, home], env=environment, stdout=log, stderr=log)
        try:
            while True:
                assert process.poll() is None, (home / "log").read_text()
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield Engine(f"http://127.0.0.1:{port}", home)
        finally:
            process.terminate()
            process.wait()
