"""The two editions are the same deployment, and the parent and its children fit together."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployments import DEFAULTS, Editions, everything, extras, items
from refuse import constraint_violations
from resolve import PLACES, Data, Place, Values, is_list_type

from generator import settings
from generator.language.editions import Nested
from generator.language.render import to_yaml
from generator.language.wiring import Setting, Stack, Wire
from generator.parent import FORM, architecture, templates
from generator.parts.tags import tags
from generator.sizing import MAX_SUBNETS

ROOT = Path(__file__).parents[2]
KIB = 1024

CASES: dict[str, Values] = {
    "defaults": DEFAULTS,
    "everything": everything(),
    "every parameter changed": extras(),
    "zone elsewhere": {"HostedZoneId": "", "CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/0a"},
    "own certificate": {"CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/0a"},
    "adopted file system": {"ExistingFileSystemId": "fs-0123456789abcdef0", "CreateMountTargets": "false"},
    "provisioned": {"EfsThroughputMode": "provisioned", "EfsProvisionedThroughputInMibps": "7"},
    "archive": {"EfsArchivePolicy": "90", "EfsLifecyclePolicy": "none"},
    "one subnet": {"AsgSubnets": "subnet-0b000000000000001", "AsgInstanceType": "t4g.small", "TaskMinCount": "0"},
    "many": {"AsgSubnets": items("subnet-0{}", MAX_SUBNETS), "DnsNames": items("a{}", settings.MAX_DNS_NAMES)},
}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
@pytest.mark.parametrize("case", CASES)
def test_both_editions_make_the_same_deployment(editions: Editions, case: str, place: Place) -> None:
    nested, single = editions.nested(CASES[case], place), editions.single(CASES[case], place)
    assert nested.resources == single.resources
    assert nested.outputs == single.outputs


def test_both_editions_ask_the_operator_the_same(editions: Editions) -> None:
    for section in ("Parameters", "Rules"):
        assert editions.parent[section] == editions.single_file[section]
    form = "AWS::CloudFormation::Interface"
    assert editions.parent["Metadata"][form] == editions.single_file["Metadata"][form]


def test_the_form_shows_every_parameter_once_required_ones_first(editions: Editions) -> None:
    form = editions.parent["Metadata"]["AWS::CloudFormation::Interface"]
    shown = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    assert shown == list(editions.parent["Parameters"])
    assert form["ParameterLabels"].keys() == set(shown), "each parameter has a label"
    assert shown == [setting.name for setting in settings.ALL], "a setting that no layer takes does nothing"
    required = [name for name, it in editions.parent["Parameters"].items() if "Default" not in it]
    assert set(required) <= set(form["ParameterGroups"][0]["Parameters"])


def test_defaults_meet_their_own_constraints(editions: Editions) -> None:
    required = {name for name, it in editions.parent["Parameters"].items() if "Default" not in it}
    broken = set(constraint_violations(editions.parent, {})) - required
    assert not broken, f"the defaults of {sorted(broken)} are refused by their own patterns or bounds"


def _stacks(editions: Editions) -> list[tuple[str, Data, Data]]:
    """Name, parent's properties and template of every nested stack."""
    return [
        (title, resource["Properties"], editions.children[resource["Properties"]["TemplateURL"]])
        for title, resource in editions.parent["Resources"].items()
    ]


def test_the_parent_is_nothing_but_nested_stacks(editions: Editions) -> None:
    for title, resource in editions.parent["Resources"].items():
        assert resource["Type"] == "AWS::CloudFormation::Stack"
        assert resource["Properties"]["TemplateURL"] == f"{title.lower()}.yaml"


def test_the_parent_passes_what_each_child_declares_in_its_kind(editions: Editions) -> None:
    operators = editions.parent["Parameters"]
    assert len(_stacks(editions)) == 5
    for title, properties, child in _stacks(editions):
        assert properties["Parameters"].keys() == child["Parameters"].keys(), title
        for name, value in properties["Parameters"].items():
            declared = child["Parameters"][name]
            assert declared.keys() == {"Type"}, f"{title}.{name}: defaults and constraints are the parent's"
            ((function, argument),) = value.items()
            if function == "Fn::GetAtt":
                producer, output = argument[0], argument[1].removeprefix("Outputs.")
                assert output in editions.templates[f"{producer.lower()}.yaml"]["Outputs"]
                assert declared["Type"] == "String", f"{title}.{name}: only the operator's lists cross a boundary"
            elif is_list_type(operators[name]["Type"]):
                assert value == {"Fn::Join": [",", {"Ref": name}]}
                assert declared["Type"] == "CommaDelimitedList"
            else:
                assert value == {"Ref": name}
                assert declared["Type"] == "String"


def _wired(properties: Data) -> set[str]:
    return {name for name, value in properties["Parameters"].items() if "Fn::GetAtt" in value}


def _refs(node: Any) -> set[str]:
    """Names of all that ``node`` refers to, also within Fn::Sub."""
    if isinstance(node, list):
        return set().union(*map(_refs, node))
    if not isinstance(node, dict):
        return set()
    found = {node["Ref"]} if "Ref" in node else set()
    if "Fn::Sub" in node:
        text = node["Fn::Sub"] if isinstance(node["Fn::Sub"], str) else node["Fn::Sub"][0]
        found |= set(re.findall(r"\$\{([^}.]+)\}", text))
    return found.union(*map(_refs, node.values()))


def _uses(node: Any, functions: set[str]) -> Iterator[Any]:
    """The arguments of ``functions`` anywhere in ``node``."""
    members = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict):
        yield from (argument for function, argument in node.items() if function in functions)
    for member in members:
        yield from _uses(member, functions)


def test_what_a_nested_change_set_does_not_know_yet_is_only_passed_on(editions: Editions) -> None:
    """Placeholder text stands there for another stack's outputs; a Condition, Split or Select of it would fail."""
    assert any(_wired(properties) for _, properties, _ in _stacks(editions))
    for title, properties, child in _stacks(editions):
        wired = _wired(properties)
        assert not wired & _refs(child.get("Conditions", {})), title
        assert not wired & _refs(list(_uses(child, {"Fn::Select", "Fn::Split", "Fn::FindInMap"}))), title
        assert not wired & _refs(child.get("Rules", {})), title


def test_every_output_of_a_child_is_used_and_unconditional(editions: Editions) -> None:
    used = {(argument[0], argument[1].removeprefix("Outputs.")) for argument in _uses(editions.parent, {"Fn::GetAtt"})}
    offered = {(title, name) for title, _, child in _stacks(editions) for name in child["Outputs"]}
    assert offered == used
    assert not [name for _, _, child in _stacks(editions) for name, it in child["Outputs"].items() if "Condition" in it]


def test_every_wire_taken_or_exposed_is_offered_by_its_layer() -> None:
    stacks: list[Stack] = []
    exposed: list[Wire[Any]] = []

    class Recording(Nested):
        def stack(self, title: str, description: str) -> Stack:
            stacks.append(super().stack(title, description))
            return stacks[-1]

        def expose(self, *wires: Wire[Any]) -> None:
            exposed.extend(wires)
            super().expose(*wires)

    architecture(Recording("test", FORM, tags))
    taken = [source for stack in stacks for source in stack.taken.values()]
    offers = {(stack.title, name): wire for stack in stacks for name, wire in stack.offered.items()}
    wires = [source for source in taken if isinstance(source, Wire)] + exposed
    assert wires
    assert all(offers[wire.stack, wire.name] is wire for wire in wires)
    assert {it.name for it in taken if isinstance(it, Setting)} == {setting.name for setting in settings.ALL}


def test_nothing_needs_more_than_the_iam_capability(editions: Editions) -> None:
    for name, template in editions.templates.items():
        assert "Transform" not in template, name
        assert not list(_uses(template, {"Fn::ImportValue", "Fn::Transform", "Fn::ForEach", "Export"})), name
        for title, resource in template["Resources"].items():
            names = {"RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"}
            if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::InstanceProfile"):
                assert not names & resource["Properties"].keys(), title


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    return {name: to_yaml(template) for name, template in templates().items()}


def test_sizes_stay_within_the_quotas(editions: Editions, rendered: dict[str, str]) -> None:
    for name, template in editions.templates.items():
        # From a bucket, as all are deployed; a request's own body may have 51,200 bytes.
        assert len(rendered[name].encode()) < 460_800, name
        assert len(template.get("Parameters", {})) <= 200, name
        assert len(template.get("Outputs", {})) <= 200, name
        assert len(template["Resources"]) <= 500, name
        assert len(template.get("Mappings", {})) <= 200, name
        for mapping in template.get("Mappings", {}).values():
            assert len(mapping) <= 200
            assert all(len(attributes) <= 200 and "_" not in key for key, attributes in mapping.items())
        assert len(template["Description"].encode()) <= 1024


_DIGEST = """
import hashlib
from generator.parent import templates
from generator.language.render import to_yaml
print(hashlib.sha256("".join(name + to_yaml(it) for name, it in templates().items()).encode()).hexdigest())
"""


def test_builds_in_two_processes_are_the_same_bytes(rendered: dict[str, str]) -> None:
    """Whatever order sets have: each process hashes text differently."""
    other = subprocess.run(
        [sys.executable, "-c", _DIGEST],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert other == hashlib.sha256("".join(name + text for name, text in rendered.items()).encode()).hexdigest()


def test_committed_templates_are_what_the_generator_writes(rendered: dict[str, str]) -> None:
    for name, text in rendered.items():
        assert (ROOT / "templates" / name).read_text() == text, f"{name} is stale: run make templates"
