"""Every resource that a deployment makes, held against the schema that AWS publishes of its type.

https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cfnlint.context import Context
from cfnlint.jsonschema import CfnTemplateValidator
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployments import CATALOG, REQUIRED, Editions, Forms, everything
from resolve import Data, Evaluation, Values

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
