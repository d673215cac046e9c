"""Every resource that a deployment makes, held against the schema that AWS publishes of its type.

https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from cfnlint.context import Context
from cfnlint.jsonschema import CfnTemplateValidator
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployments import CATALOG, REQUIRED, Editions, Forms, everything
from resolve import Data, Evaluation, Values
from troposphere import Template

from .test_forms import FIELDS


@cache
def validator(kind: str) -> Any:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    # CloudFormation takes numbers and booleans as texts, which parameters are.
    return CfnTemplateValidator(schema=schema, context=Context(["us-east-1"], strict_types=False))


def wrong(resources: Data) -> list[str]:
    assert resources
    return [
        f"{title} {'.'.join(map(str, error.path))}: {error.message[:200]}"
        for title, it in resources.items()
        if not it["Type"].startswith("Custom::")
        for error in validator(it["Type"]).iter_errors(it.get("Properties", {}))
        # What another resource has is only a token there.
        if not (isinstance(error.instance, str) and "<" in error.instance)
    ]


@pytest.mark.parametrize("capacity", ["ec2", "fargate"])
@pytest.mark.parametrize("values", [REQUIRED, everything()], ids=["what is required", "everything"])
def test_a_deployment_is_as_aws_takes_it(editions: Editions, values: Values, capacity: str) -> None:
    assert wrong(editions.single({**values, "Capacity": capacity}).resources) == []


@pytest.mark.parametrize("template", FIELDS)
def test_other_templates_are_as_aws_takes_them(template: str, forms: Forms) -> None:
    form = forms[template]
    asked = {name: value for name, value in {**REQUIRED, **CATALOG}.items() if name in form["Parameters"]}
    given = {name: accepted[-1] for name, (accepted, _) in FIELDS[template].items()}
    assert wrong(Evaluation(form, {**given, **asked}).resources) == []


def attributes(value: Any) -> Iterator[tuple[str, str]]:
    """Titles and attributes of what functions take of other resources."""
    if isinstance(value, dict):
        if isinstance(pair := value.get("Fn::GetAtt"), list):
            yield pair[0], pair[1]
        if "Fn::Sub" in value:
            text = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
            yield from ((title, name) for title, name in re.findall(r"\$\{(\w+)\.([\w.]+)\}", text))
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from attributes(item)


def test_every_attribute_is_one_that_the_type_has(built: dict[str, Template], forms: Forms) -> None:
    asked = set()
    for template in [*(it.to_dict() for it in built.values()), *forms.values()]:
        types = {title: it["Type"] for title, it in template["Resources"].items()}
        asked |= {(types[title], name) for title, name in attributes(template)}
    known = {kind: "|".join(PROVIDER_SCHEMA_MANAGER.get_type_getatts(kind, "us-east-1")) for kind, _ in asked}
    assert len(asked) > 30
    assert {(kind, name) for kind, name in asked if not re.fullmatch(known[kind], name)} == set()
