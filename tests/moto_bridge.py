"""CloudFormation's side of moto, as far as our templates need it and moto lacks it.

``bridged()`` makes moto's CloudFormation, for as long as it is open,

* resolve ``Outputs.…`` of a nested stack, drop list items that are ``AWS::NoValue``, and refuse a reference that
  resolves to nothing, where moto passes ``None`` on;
* create the types of ``APIS`` through the calls of their service, which botocore's models and moto's backends
  check; names, defaults and the mapping of properties to calls are this module's;
* run a custom resource's function in this process, with the code that its template carries, and wait for its answer;
* update in the order of dependencies what has other properties than before, add and then remove what a condition
  turned on or off, and keep a nested stack where moto would delete it and create another;
* delete in the reverse order of dependencies, and retain what ``DeletionPolicy`` says.

So what these tests do not prove: which change AWS treats as a replacement, how it rolls back, that its order is
this one (only that the references give such an order), its types' own defaults and constraints, ``Rules`` and
parameters' patterns, permissions (Lambda runs here with all of them), and that anything starts, mounts or answers.
"""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from types import ModuleType, SimpleNamespace
from typing import Any, TypeAlias

import boto3  # type: ignore[import-untyped] # boto3 ships no types
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape  # type: ignore[import-untyped] # nor does botocore
from moto.awslambda.models import lambda_backends
from moto.cloudformation import models, parsing
from moto.cloudformation.parsing import ResourceMap
from moto.efs.models import AccessPoint
from moto.elbv2.models import FakeTargetGroup

from cfn_endpoint import answers

Json: TypeAlias = dict[str, Any]
NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass
class Resource:
    """A resource that was made through ``api``; the attribute names are those that moto asks for."""

    api: Api
    properties: Json
    physical_resource_id: str
    attributes: dict[str, str]
    cf_resource_type: str = ""
    logical_resource_id: str = ""
    context: Json = field(default_factory=dict)

    type = property(lambda self: self.cf_resource_type)

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> str:
        return self.attributes[name]

    def delete(self, _account: str, _region: str) -> None:
        self.api.delete(self)


class Api:
    """How to make, change and unmake resources of one type; moto takes it for one of its model classes."""

    def create(self, name: str, properties: Json, context: Json) -> Resource:
        raise NotImplementedError

    def update(self, old: Resource, name: str, properties: Json) -> Resource:
        new = self.create(name, properties, old.context)
        if new.physical_resource_id != old.physical_resource_id:
            self.delete(old)
        return new

    def delete(self, resource: Resource) -> None:
        raise NotImplementedError

    def has_cfn_attr(self, _attribute: str) -> bool:
        return True

    def create_from_cloudformation_json(
        self, name: str, source: Json, _account: str, _region: str, **context: str
    ) -> Resource:
        return self.create(name, source["Properties"], context)

    def update_from_cloudformation_json(
        self, original_resource: Resource, new_resource_name: str, cloudformation_json: Json, **_where: str
    ) -> Resource:
        return self.update(original_resource, new_resource_name, cloudformation_json["Properties"])
