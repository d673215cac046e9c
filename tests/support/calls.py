"""Calls to moto's services, and what a call has made: what the resource types of ``moto_types`` consist of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

import boto3  # type: ignore[import-untyped] # boto3 has no types
from botocore import UNSIGNED  # type: ignore[import-untyped] # nor has botocore
from botocore.config import Config  # type: ignore[import-untyped] # nor has botocore
from botocore.model import ListShape, Shape, StructureShape  # type: ignore[import-untyped] # see above

REGION = "us-east-1"
Json: TypeAlias = dict[str, Any]


@dataclass
class Made:
    """A resource: what ``Ref`` and ``Fn::GetAtt`` give, and how to delete it. The other names are moto's."""

    physical_resource_id: str
    undo: Callable[[], object] = lambda: None
    attributes: Json = field(default_factory=dict)
    name: str = ""
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    @property
    def type(self) -> str:
        return self.cf_resource_type

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> Any:
        return self.attributes[name]

    def delete(self, _account: str, _region: str) -> None:
        self.undo()


def call(service: str, operation: str, **properties: Any) -> Json:
    """Call an operation with a resource's properties, which it names and types its own way."""
    api = client(service)
    shape = api.meta.service_model.operation_model(api.meta.method_to_api_mapping[operation]).input_shape
    response: Json = getattr(api, operation)(**fit(shape, properties))
    return response


@cache
def client(service: str) -> Any:
    """Made once, as that takes longer than any call. It reaches moto in this process, whatever the environment names.

    It signs nothing that nobody verifies: S3 alone keeps private objects from strangers.
    """
    signed = {} if service == "s3" else {"signature_version": UNSIGNED}
    config = Config(ignore_configured_endpoint_urls=True, **signed)
    return boto3.client(service, region_name=REGION, config=config)


def fit(shape: Shape, value: Any) -> Any:
    """``value`` in the spelling and the type of ``shape``; a name that ``shape`` lacks stays, for botocore to refuse."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        names = {name.lower(): name for name in shape.members}
        known = {names.get(key.lower(), key): item for key, item in value.items()}
        return {key: fit(shape.members[key], item) if key in shape.members else item for key, item in known.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [fit(shape.member, item) for item in value]
    if shape.type_name == "map":
        return value
    if shape.type_name == "string":
        return value if isinstance(value, str) else json.dumps(value)
    convert: dict[str, Callable[[Any], object]] = {
        "integer": int,
        "long": int,
        "float": float,
        "double": float,
        "boolean": _boolean,
    }
    return convert[shape.type_name](value)


def _boolean(value: object) -> bool:
    return {"true": True, "false": False}[str(value).lower()]
