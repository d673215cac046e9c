"""What Rules want and what parameters admit agree, over every template and the product's constraint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from calls import Json
from cfnlint.helpers import REGIONS
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployments import CATALOG, Editions, extras
from refuse import constraint_violations
from resolve import Data, Evaluation

LISTS = {
    "HostedZoneIds": "Z1,Z2",
    "ContainerImages": "mirror.example.com/a:1,mirror.example.com/b@sha256:0123",
    "BackupVaultArns": extras()["BackupCopyVaultArn"],
}


def wanted(node: Any) -> Iterator[tuple[str, str]]:
    """Each parameter that a Rule compares with a text, and that text."""
    if isinstance(node, list):
        for it in node:
            yield from wanted(it)
    if not isinstance(node, dict):
        return
    for function, argument in node.items():
        yield from wanted(argument)
        if function in ("Fn::Equals", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn"):
            names = [it["Ref"] for it in argument if isinstance(it, dict) and "Ref" in it]
            texts = [it for side in argument for it in (side if isinstance(side, list) else [side])]
            yield from ((name, it) for name in names for it in texts if isinstance(it, str))


def contradictions(rules: Data, template: Data) -> set[tuple[str, str]]:
    """The values that ``rules`` want of parameters of ``template``, and the parameters refuse."""
    found = set(wanted(rules))
    assert found, "no Rule is understood"
    parameters = template["Parameters"]
    assert {name for name, _ in found} <= parameters.keys()
    return {
        (name, value)
        for name, value in found
        if constraint_violations({"Parameters": {name: parameters[name]}}, {name: value})
    }


def constraint(template: Json, **administrator: str) -> Data:
    resources = Evaluation(template, CATALOG | administrator).resources
    rules: Data = json.loads(resources["TemplateConstraint"]["Properties"]["Rules"])
    boundary = json.loads(json.dumps(rules).replace("<RoleBoundary>", extras()["PermissionsBoundaryArn"]))
    return dict(boundary)


@pytest.mark.parametrize("administrator", [{}, LISTS, {"HostedZoneIds": ""}], ids=["few", "many", "none"])
def test_the_constraint_wants_what_the_product_takes(
    administrator: dict[str, str], editions: Editions, template: Json
) -> None:
    assert contradictions(constraint(template, **administrator), editions.single_file) == set()


def test_rules_want_what_their_parameters_take(editions: Editions, template: Json) -> None:
    with_rules = {**editions.templates, "service-catalog.yaml": template}
    found = {name: contradictions(it["Rules"], it) for name, it in with_rules.items() if "Rules" in it}
    assert found.keys() >= {"pypiserver.yaml", "pypiserver-single.yaml", "service-catalog.yaml"}
    assert not any(found.values()), found


def test_every_default_is_taken_by_its_own_parameter(editions: Editions, template: Json) -> None:
    for name, it in {**editions.templates, "service-catalog.yaml": template}.items():
        defaults = {key: value for key, value in it.get("Parameters", {}).items() if "Default" in value}
        assert constraint_violations({"Parameters": defaults}, {}) == [], name


def test_a_template_says_in_which_regions_it_cannot_be(editions: Editions, template: Json) -> None:
    known = {region: set(PROVIDER_SCHEMA_MANAGER.get_resource_types(region)) for region in REGIONS}
    for name, it in {**editions.templates, "service-catalog.yaml": template}.items():
        kinds = {resource["Type"] for resource in it["Resources"].values()}
        absent = {region for region, types in known.items() if kinds - types}
        said = {region for region in REGIONS if region in it["Description"]}
        assert said == absent, name
