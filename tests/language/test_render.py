"""That a template is one document to every reader: of YAML 1.1 and 1.2, in any locale, before and after a rewrite."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from awscli.customizations.cloudformation.yamlhelper import yaml_parse  # type: ignore[import-untyped] # has no types
from cfn_flip import to_json  # type: ignore[import-untyped] # has no types
from cfn_flip import to_yaml as flipped
from troposphere import Equals, Output, Parameter, Ref, Template
from troposphere.autoscaling import AutoScalingGroup
from troposphere.sns import Topic

from generator.language.render import to_yaml
from generator.parts.update_policy import instance_refresh

TEMPLATES = sorted((Path(__file__).parents[2] / "templates").glob("*.yaml"))
# What some reader takes for something else than text, by https://yaml.org/type/ and
# https://yaml.org/spec/1.2.2/#103-core-schema
OTHERS = re.compile(
    r"""~|null|Null|NULL | y|Y|n|N|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE | = | <<
    | [-+]?[0-9][0-9_]*(:[0-5]?[0-9])*(\.[0-9_]*)?([eE][-+]?[0-9]+)? | [-+]?\.[0-9_]+([eE][-+]?[0-9]+)?
    | [-+]?0(b[01_]+|o[0-7]+|x[0-9a-fA-F_]+) | [-+]?\.(inf|Inf|INF) | \.(nan|NaN|NAN)
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*""",
    re.VERBOSE,
)
MEANT = re.compile(r"true|false|0|-?[1-9][0-9]*")
"""Of those, what every reader takes for the same."""


def _plain(text: str) -> Iterator[str]:
    """The scalars without quotes or a tag."""
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            yield event.value


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_the_same_in_every_yaml_and_locale(path: Path) -> None:
    text = path.read_bytes().decode("ascii")
    assert not [it for it in _plain(text) if OTHERS.fullmatch(it) and not MEANT.fullmatch(it)]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "012",
            "0o14",
            "0x1F",
            "0b11",
            "1e5",
            "1_000",
            "12:30:00",
            "2026-11-29",
            "2026-11-29T10:00:00Z",
            ".5",
            "-.inf",
        ),
        *(".NaN", "yes", "No", "y", "on", "OFF", "TRUE", "null", "~", "=", "<<", "", "\u2026", "caf\u00e9 \U0001f600"),
        *(" a", "a ", "a: b", "- a", "# a", "!Ref a", "*a", "&a", "a\nb", "a\n", "\ta", "\x85", "'\"", "[", "{}", "%a"),
    ],
)
def test_text_stays_text(value: str) -> None:
    template = Template()
    template.add_parameter(Parameter("Name", Type="String", Default=value))
    text = to_yaml(template)
    assert text.isascii()
    assert not [it for it in _plain(text) if OTHERS.fullmatch(it)]
    assert yaml_parse(text)["Parameters"]["Name"]["Default"] == value


@pytest.mark.parametrize(
    ("value", "short"),
    [
        ({"Ref": "A"}, "!Ref A"),
        ({"Condition": "A"}, "!Condition A"),
        ({"Fn::GetAtt": ["A", "B.C"]}, "!GetAtt A.B.C"),
        ({"Fn::Sub": "${A}"}, "!Sub"),
        ({"Fn::Sub": ["${A}", {"A": {"Ref": "B"}}]}, "!Sub"),
        ({"Fn::Base64": {"Fn::Sub": "${A}"}}, "!Sub"),  # a node has one tag
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "!Select"),
        ({"Fn::Join": [",", {"Fn::Split": ["-", {"Ref": "A"}]}]}, "!Split"),
        ({"Fn::Select": [1, {"Fn::Cidr": [{"Ref": "A"}, 6, 8]}]}, "!Select"),
        ({"Fn::FindInMap": ["A", {"Ref": "B"}, "C"]}, "!FindInMap"),
        ({"Fn::If": ["A", {"Ref": "B"}, {"Ref": "AWS::NoValue"}]}, "!If"),
        *(({f"Fn::{it}": [{"Condition": "A"}, {"Condition": "B"}]}, f"!{it}") for it in ("And", "Or")),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "A"}, ""]}]}, "!Equals"),
        ({"Condition": {"StringEquals": {"A": "B"}}}, "Condition:"),  # of a policy
        ({"Ref": "A", "B": "C"}, "Ref: A"),
    ],
)
def test_functions_are_in_their_short_form_and_mean_the_same(value: Any, short: str) -> None:
    template = Template()
    template.set_metadata({"It": {"Within": [value, "text"]}})
    text = to_yaml(template)
    assert yaml_parse(text)["Metadata"]["It"]["Within"] == [value, "text"]
    assert short in text


def test_nothing_of_a_template_is_left_out() -> None:
    template = Template(Description="Everything", Metadata={"A": "B"})
    template.set_version()
    template.add_parameter(Parameter("Name", Type="String"))
    template.add_rule("Rule", {"Assertions": [{"Assert": {"Fn::Equals": ["a", "a"]}, "AssertDescription": "it is"}]})
    template.add_mapping("Map", {"A": {"B": "C"}})
    template.add_condition("There", Equals(Ref("Name"), ""))
    policies: dict[str, Any] = {
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "UpdatePolicy": instance_refresh(),
    }
    template.add_resource(Topic("Other"))
    template.add_resource(
        AutoScalingGroup(
            "Hosts",
            Condition="There",
            DependsOn=["Other"],
            MinSize="1",
            MaxSize="1",
            VPCZoneIdentifier=["subnet-1"],
            **policies,
        )
    )
    template.add_output(Output("Out", Value="a"))
    assert yaml_parse(to_yaml(template)) == template.to_dict()
    assert len(template.to_dict()) == 9
    assert len(template.to_dict()["Resources"]["Hosts"]) == 7


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_json_stays_on_its_line(path: Path) -> None:
    """A template that some tool has written anew may have other line ends and indents."""
    text = path.read_text()
    scalars = [it for it in yaml.parse(text, yaml.CSafeLoader) if isinstance(it, yaml.ScalarEvent)]
    assert scalars
    for event in scalars:
        if re.fullmatch(r"[\[{].*[\]}]", event.value, re.DOTALL):
            assert event.start_mark
            assert event.end_mark
            lines = event.end_mark.line - event.start_mark.line
            assert lines <= (2 if event.style == "|" else 0), event.value


@pytest.mark.parametrize(
    ("with_text", "most"),
    [
        (lambda text: {"A": text}, 106),
        (lambda text: {"A": text, "B": 12, "C": True}, 106),
        (lambda text: {"A": {"Ref": text}}, 106),
        (lambda text: {"A": {"Fn::Sub": text}, "B": {"Fn::GetAtt": ["B", "Arn"]}}, 106),
        (lambda text: {"A": "12", "B": text}, 106),
        (lambda text: {"A": {"B": text}}, 104),
        (lambda text: {"A": [text, "b"], "B": "c"}, 104),
        (lambda text: {"A": {"Fn::Join": ["-", [text, "b"]]}}, 102),
    ],
    ids=["text", "scalars", "a reference", "functions", "quoted", "nested", "a list", "a function of a list"],
)
def test_what_fits_on_a_line_of_a_template_is_on_one(with_text: Callable[[str], Any], most: int) -> None:
    """In 106 characters, two fewer for each collection within it."""

    def written(length: int) -> str:
        text = to_yaml(Template(Description="y" * 120, Metadata=with_text("x" * length)))
        return text.partition("Metadata:")[2].partition("\nResources:")[0].removeprefix(" ")

    others = len(written(1)) - 1
    fits = written(most - others)
    assert (len(fits), fits.count("\n")) == (most, 0)
    assert written(most + 1 - others).startswith("\n")


def _rewritten_by_ruamel(text: str) -> str:
    """As version 2 of the AWS CLI does for ``package``: YAML 1.2, both ways.

    https://github.com/aws/aws-cli/blob/v2/awscli/customizations/cloudformation/yamlhelper.py
    """
    ruamel: Any = import_module("ruamel.yaml")

    class Constructor(ruamel.SafeConstructor):  # type: ignore[misc] # of a module that is imported by name
        pass

    def function(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
        name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
        if suffix == "GetAtt" and isinstance(node.value, str):
            return {name: node.value.split(".", 1)}
        if isinstance(node, ruamel.ScalarNode):
            return {name: loader.construct_scalar(node)}
        if isinstance(node, ruamel.SequenceNode):
            return {name: loader.construct_sequence(node, deep=True)}
        return {name: loader.construct_mapping(node, deep=True)}

    Constructor.add_multi_constructor("!", function)
    reader = ruamel.YAML(typ="safe", pure=True)
    reader.Constructor = Constructor
    writer = ruamel.YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.representer.ignore_aliases = lambda _: True
    written = StringIO()
    writer.dump(reader.load(text), written)
    return written.getvalue()


# The single file is made of the layers' resources.
@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [it for it in TEMPLATES if it.name != "pypiserver-single.yaml"], ids=lambda path: path.name
)
def test_a_template_survives_being_rewritten(path: Path) -> None:
    text = path.read_text()
    meant = _sorted(yaml_parse(text))
    assert _sorted(yaml_parse(_rewritten_by_ruamel(text))) == meant
    as_json = to_json(text)
    assert _sorted(json.loads(as_json)) == meant
    assert _sorted(yaml_parse(flipped(as_json))) == meant


def _sorted(document: Any) -> str:
    return json.dumps(document, sort_keys=True)
