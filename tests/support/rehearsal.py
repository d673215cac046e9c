"""The account in which the templates are rehearsed, on moto as ``moto_bridge`` completes it, and what is found in it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from calls import REGION, client
from kept import keep
from moto_bridge import Loader

TEMPLATES = Path(__file__).parents[2] / "templates"
LAYERS = ("security", "storage", "edge", "compute", "monitoring")
BUCKET = "templates"


@dataclass
class Account:
    """An account with a network and a hosted zone, and the templates of ``edition`` uploaded."""

    edition: str
    settings: dict[str, str]
    subnets: list[str]
    physical: dict[str, str] = field(default_factory=dict)

    def declared(self) -> set[str]:
        """Logical IDs of everything that the edition can make."""
        names = ["pypiserver-single.yaml"] if self.edition == "single" else [f"{layer}.yaml" for layer in LAYERS]
        return {title for name in names for title in yaml.load((TEMPLATES / name).read_text(), Loader)["Resources"]}

    def deploy(self, **settings: str) -> dict[str, str]:
        """Create or update the stack ``pypi``; gives its outputs, and leaves ``physical`` with what it has."""
        cloudformation = client("cloudformation")
        existing = _stacks()
        self.settings |= settings
        name = "pypiserver-single.yaml" if self.edition == "single" else "pypiserver.yaml"
        (cloudformation.update_stack if existing else cloudformation.create_stack)(
            StackName="pypi",
            TemplateURL=url(name),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in self.settings.items()],
        )
        stacks = _stacks()
        assert len(stacks) == (1 if self.edition == "single" else 1 + len(LAYERS))
        assert {stack["StackStatus"] for stack in stacks} <= {"UPDATE_COMPLETE" if existing else "CREATE_COMPLETE"} | (
            {"CREATE_COMPLETE"} if existing else set()
        )
        self.physical = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for stack in stacks
            for resource in cloudformation.list_stack_resources(StackName=stack["StackName"])["StackResourceSummaries"]
            if resource["ResourceType"] not in ("", "AWS::CloudFormation::Stack")
        }
        (stack,) = (stack for stack in stacks if stack["StackName"] == "pypi")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def create(self, **settings: str) -> dict[str, str]:
        """As ``deploy``, in an account in which nothing was done: as the first with such settings left it."""
        known = self.edition, *settings.items()
        if known not in _created:
            outputs = self.deploy(**settings)
            _created[known] = copy.deepcopy(self), outputs, keep()
        account, outputs, bring_back = _created[known]
        bring_back()
        vars(self).update(vars(copy.deepcopy(account)))
        return outputs

    def delete(self) -> None:
        cloudformation = client("cloudformation")
        cloudformation.delete_stack(StackName="pypi")
        assert _stacks() == []


_created: dict[tuple[object, ...], tuple[Account, dict[str, str], Callable[[], None]]] = {}


def _stacks() -> list[Any]:
    """Those of the server."""
    return [it for it in client("cloudformation").describe_stacks()["Stacks"] if it["StackName"] != "network"]


def url(name: str) -> str:
    return f"https://{BUCKET}.s3.{REGION}.amazonaws.com/{name}"


def hosted_zone() -> str:
    zone = client("route53").create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]
    return str(zone["Id"].removeprefix("/hostedzone/"))


def records(zone: str) -> set[tuple[str, str]]:
    """Names and types, without the zone's own."""
    sets = client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {(record["Name"].rstrip("."), record["Type"]) for record in sets if record["Type"] not in ("NS", "SOA")}


def endpoints(topic: str) -> set[str]:
    subscriptions = client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return {subscription["Endpoint"] for subscription in subscriptions}


def alarms_of_ours() -> list[Any]:
    """Without those that a scaling policy makes."""
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
    return [alarm for alarm in alarms if not alarm["AlarmName"].startswith("TargetTracking")]


def fill(bucket: str) -> None:
    """Two versions of an access log, as the load balancer and its owner would leave them."""
    for body in (b"first", b"second"):
        client("s3").put_object(Bucket=bucket, Key="AWSLogs/123456789012/log.gz", Body=body)


def buckets() -> set[str]:
    return {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]} - {BUCKET}
