"""The Service Catalog template around the single file, and its launch role in an account."""

from __future__ import annotations

import json

import pytest
from calls import REGION, Json
from deployments import CATALOG
from emulator import ACCOUNT
from resolve import Evaluation, Place
from troposphere import Template

from generator.catalog.template import catalog

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/pypi-catalog-RoleBoundary-1"


@pytest.fixture(scope="session")
def template(built: dict[str, Template]) -> Json:
    found: Json = catalog(built["pypiserver-single.yaml"])["service-catalog.yaml"].to_dict()
    return found


@pytest.fixture(scope="session")
def policies(template: Json) -> dict[str, Json]:
    """Every policy of the launch role by name, as they are in an account."""
    given = CATALOG | {"HostedZoneIds": "Z0123456789ABC,Z9876543210DEF"}
    resources = Evaluation(template, given, Place(region=REGION, account=ACCOUNT)).resources
    managed = {
        title: it["Properties"]["PolicyDocument"]
        for title, it in resources.items()
        if it["Type"] == "AWS::IAM::ManagedPolicy" and title != "RoleBoundary"
    }
    (inline,) = resources["LaunchRole"]["Properties"]["Policies"]
    everything = {**managed, inline["PolicyName"]: inline["PolicyDocument"]}
    # As an ARN: parliament knows no tokens.
    known: dict[str, Json] = json.loads(json.dumps(everything).replace("<RoleBoundary>", BOUNDARY))
    return known
