"""CloudFormation's side of moto, as far as our templates need it and moto lacks it.

``bridged()`` makes moto's CloudFormation, for as long as it is open,

* resolve ``!Condition``, ``!Cidr`` and ``!GetAtt Child.Outputs.Name``, drop list items that are ``AWS::NoValue``, and refuse a reference that
  resolves to nothing, where moto passes ``None`` on;
* make the types of ``moto_types.TYPES`` through the calls of their service;
* run a custom resource's function in this process, with the code of its template, and fail where its answer says so;
* give a stack that a change set made its outputs;
* update in the order of dependencies what has other properties than before, add and at last remove what a condition
  turned on or off, and keep a nested stack where moto would delete it and create another; what moto cannot update is
  made anew where the type's schema in cfn-lint says that CloudFormation would replace it, and else stays as it was;
* delete in the reverse order of dependencies, and retain what ``DeletionPolicy`` says.

What neither is in ``TYPES`` nor known to moto's own models is refused by pytest, as moto warns of it.

So a rehearsal does not prove: which change AWS treats as a replacement, how it rolls back, that it takes this very
order (only that the references admit it), its types' own defaults and constraints, ``Rules`` and the parameters'
patterns, permissions (the functions run with all of them), or that anything starts, mounts or answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import Any

import moto_once  # noqa: F401  # so that nothing is made again for each stack
import pytest
import yaml
from calls import REGION, Json
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from moto.cloudformation import models, parsing
from moto.ec2.models.elastic_block_store import EBSBackend
from moto_types import TYPES
from resolve import cidrs

RETAINED = ("Retain", "RetainExceptOnCreate")


def replacing_names(kind: str) -> set[str]:
    """The properties of a resource type whose change certainly replaces the resource."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    return {path.split("/")[2] for path in schema.get("createOnlyProperties", [])}


class Resources(parsing.ResourceMap):  # type: ignore[misc] # mypy does not read moto
    """moto's resources of a stack, with another update and delete.

    ``before``: the properties that they had when the last update began.
    """

    before: dict[str, Json]
    input_parameters: Json
    _template: Json
    _resource_json_map: Json

    def update(self, template: Json, parameters: Json | None = None) -> None:
        existing = [name for name in self._order() if self._parsed_resources.get(name) is not None]
        self.before = before = {name: self._properties(name) for name in existing}
        old = self._resource_json_map
        for name in self._template.get("Parameters", {}):
            self._parsed_resources.pop(name, None)
        self._template, self._resource_json_map = template, template["Resources"]
        self.input_parameters = parameters or self.input_parameters
        self.load()
        wanted = [name for name in self._order() if self._is_wanted(name)]
        for name in wanted:
            if name not in existing:
                self[name]
            elif self._properties(name) != before[name]:
                self._parsed_resources[name] = parsing.parse_and_update_resource(
                    name, self._resource_json_map[name], self, self._account_id, self._region_name
                )
        for name in reversed(existing):
            if name not in wanted:
                self._remove(name, old[name])

    def delete(self) -> None:
        for name in reversed(list(self._order())):
            if self._parsed_resources.get(name) is not None:
                self._remove(name, self._resource_json_map[name])

    def _remove(self, name: str, source: Json) -> None:
        resource = self._parsed_resources.pop(name)
        if source.get("DeletionPolicy") not in RETAINED:
            self._delete_resource(resource, source)

    def _is_wanted(self, name: str) -> bool:
        condition = self._resource_json_map[name].get("Condition")
        return condition is None or bool(self.lazy_condition_map[condition])

    def _properties(self, name: str) -> Any:
        return parsing.clean_json(self._resource_json_map[name].get("Properties", {}), self)

    def _order(self) -> Iterable[str]:
        """Dependencies first."""
        sources = self._resource_json_map
        return TopologicalSorter(
            {name: references(source) & sources.keys() for name, source in sources.items()}
        ).static_order()


def references(source: Any) -> set[str]:
    """What ``source`` may refer to; Fn::Sub's text counts too."""
    if isinstance(source, dict):
        found: set[str] = set()
        for key, value in source.items():
            if key in ("Ref", "Fn::GetAtt", "DependsOn"):
                found |= {value} if isinstance(value, str) else {str(item) for item in value}
            else:
                found |= references(value)
        return found
    if isinstance(source, list):
        return set().union(*map(references, source))
    return set(re.findall(r"\$\{([A-Za-z0-9]+)[.}]", source)) if isinstance(source, str) else set()


class Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's tags; some ten times as fast as the loader that moto takes."""


def _tagged(loader: Loader, tag: str, node: yaml.Node) -> Json:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = node.value
    if tag == "GetAtt":
        value = value.split(".", 1)
    return {tag if tag in ("Condition", "Ref") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", _tagged)


@contextmanager
def bridged() -> Iterator[None]:
    """moto's CloudFormation with the gaps bridged; open it within ``mock_aws()``."""
    moto_type, moto_clean = parsing.resource_class_from_type, parsing.clean_json
    moto_update = parsing.parse_and_update_resource
    moto_apply, moto_volume = models.ChangeSet.apply, EBSBackend.create_volume

    def type_of(name: str) -> Any:
        return TYPES.get(name) or moto_type(name)

    def clean(source: Any, resources: Any) -> Any:
        if isinstance(source, dict) and "Fn::Cidr" in source:
            block, count, bits = moto_clean(source["Fn::Cidr"], resources)
            return cidrs(block, int(count), int(bits))
        cleaned = moto_clean(source, resources)
        if isinstance(source, list):
            return [item for item in cleaned if item is not None]
        if isinstance(source, dict) and cleaned is None and ("Fn::GetAtt" in source or "Ref" in source):
            assert source == {"Ref": "AWS::NoValue"}, f"{source} resolves to nothing"
        return cleaned

    def update(name: str, source: Json, resources: Resources, account_id: str, region_name: str) -> Any:
        try:
            made = moto_update(name, source, resources, account_id, region_name)
        except NotImplementedError:
            made = None
        if made is not None:
            return made
        before, after = resources.before[name], resources._properties(name)
        if all(before.get(key) == after.get(key) for key in replacing_names(source["Type"])):
            return resources[name]
        del resources._parsed_resources[name]
        return resources[name]

    def volume(self: Any, size: int | None, **named: Any) -> Any:
        """As large as the image where nothing is said; moto's images have no snapshot to ask."""
        return moto_volume(self, size=size or 30, **named)

    def apply(self: models.ChangeSet) -> None:
        moto_apply(self)
        self.stack.template_dict = self.template_dict
        self.stack.output_map = self.stack._create_output_map()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.ChangeSet, "apply", apply)
        patch.setattr(yaml, "Loader", Loader)
        patch.setattr(EBSBackend, "create_volume", volume)
        patch.setattr(parsing, "resource_class_from_type", type_of)
        patch.setattr(parsing, "clean_json", clean)
        patch.setattr(parsing, "parse_and_update_resource", update)
        patch.setattr(models, "ResourceMap", Resources)
        yield
