"""The evaluator that other tests rely on does what CloudFormation does, and refuses what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from refuse import constraint_violations, refusals
from resolve import HERE, Data, Evaluation, Place, UnresolvableError

TEMPLATE: Data = {
    "Parameters": {
        "Name": {"Type": "String", "Default": "a"},
        "Items": {"Type": "CommaDelimitedList", "Default": "x,y"},
        "Image": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "Default": "/image"},
        "Count": {"Type": "Number", "Default": "3", "MinValue": 1, "MaxValue": 5},
    },
    "Mappings": {"Sizes": {"a": {"Size": "1"}}},
    "Conditions": {
        "IsA": {"Fn::Equals": [{"Ref": "Name"}, "a"]},
        "IsNotA": {"Fn::Not": [{"Condition": "IsA"}]},
        "Both": {"Fn::And": [{"Condition": "IsA"}, {"Condition": "IsNotA"}]},
        "Either": {"Fn::Or": [{"Condition": "IsA"}, {"Condition": "IsNotA"}]},
        "TooEarly": {"Fn::Equals": [{"Ref": "There"}, ""]},
    },
    "Resources": {
        "There": {"Type": "AWS::SNS::Topic", "Properties": {}},
        "NotThere": {"Type": "AWS::SNS::Topic", "Condition": "IsNotA", "Properties": {}},
    },
}
NOTHING = {"Ref": "AWS::NoValue"}
MISSING = {"Fn::FindInMap": ["Sizes", "b", "Size"]}


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Name"}, "a"),
        ({"Ref": "Items"}, ["x", "y"]),
        ({"Ref": "Image"}, "<ssm:/image>"),
        ({"Ref": "There"}, "<There>"),
        ({"Ref": "AWS::Region"}, "cn-north-1"),
        ({"Ref": "AWS::URLSuffix"}, "amazonaws.com.cn"),
        ({"Fn::GetAtt": ["There", "TopicArn"]}, "<There.TopicArn>"),
        ({"Fn::GetAtt": "There.TopicArn"}, "<There.TopicArn>"),
        ({"Fn::If": ["IsA", 1, 2]}, 1),
        ({"Fn::If": ["Both", 1, 2]}, 2),
        ({"Fn::If": ["Either", 1, 2]}, 1),
        ({"Fn::If": ["IsNotA", {"Ref": "NotThere"}, "none"]}, "none"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Name"}, "Size"]}, "1"),
        ({"Fn::Join": ["-", [1, "b", {"Ref": "Name"}]]}, "1-b-a"),
        ({"Fn::Join": [",", {"Ref": "Items"}]}, "x,y"),
        ({"Fn::Select": [1, {"Fn::Split": [",", "p,q"]}]}, "q"),
        ({"Fn::Select": ["0", ["p", "q"]]}, "p"),
        (
            {"Fn::Sub": "${Name} ${There} ${There.Arn} ${!Name} ${AWS::Partition}"},
            "a <There> <There.Arn> ${Name} aws-cn",
        ),
        ({"Fn::Sub": ["${Name} ${Own}", {"Own": {"Ref": "Name"}, "Name": "b"}]}, "b a"),
        ({"Fn::Base64": "hello"}, "aGVsbG8="),
        ([1, NOTHING, {"Fn::If": ["IsA", NOTHING, 2]}, [NOTHING]], [1, []]),
        ({"Kept": 1, "Gone": NOTHING, "Within": {"Gone": NOTHING}}, {"Kept": 1, "Within": {}}),
    ],
)
def test_values(node: Any, value: Any) -> None:
    assert Evaluation(TEMPLATE, {}, Place("aws-cn", "cn-north-1")).value(node) == value


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (MISSING, "Sizes has no 'b'"),
        ({"Fn::If": ["IsA", "taken", MISSING]}, "Sizes has no 'b'"),
        ({"Ref": "Nobody"}, "no resource Nobody"),
        ({"Fn::If": ["IsA", "taken", {"Ref": "Nobody"}]}, "no resource Nobody"),
        ({"Fn::Sub": "${Nobody}"}, "no resource Nobody"),
        ({"Ref": "NotThere"}, "does not exist with these values"),
        ({"Fn::GetAtt": ["NotThere", "Arn"]}, "does not exist with these values"),
        ({"Fn::If": ["Unknown", 1, 2]}, "no condition Unknown"),
        ({"Fn::If": ["TooEarly", 1, 2]}, "before there are resources"),
        ({"Fn::Select": [2, {"Ref": "Items"}]}, "Fn::Select 2"),
        ({"Fn::Select": [0, {"Ref": "Name"}]}, "takes a list"),
        ({"Fn::Join": [",", {"Ref": "Name"}]}, "takes a list"),
        ({"Fn::Join": [",", [{"Ref": "Items"}]]}, "takes text"),
        ({"Fn::Sub": "${Items}"}, "takes text"),
        ({"Fn::ImportValue": "a"}, "not known here"),
    ],
)
def test_errors(node: Any, reason: str) -> None:
    with pytest.raises(UnresolvableError, match=reason):
        Evaluation(TEMPLATE, {}).value(node)


def _with(**sections: Data) -> Data:
    return {**TEMPLATE, **{name: {**TEMPLATE.get(name, {}), **more} for name, more in sections.items()}}


def test_conditional_resources_and_what_depends_on_them() -> None:
    assert Evaluation(TEMPLATE, {}).resources.keys() == {"There"}
    assert Evaluation(TEMPLATE, {"Name": "b"}).resources.keys() == {"There", "NotThere"}
    waiting = _with(Resources={"Waiting": {"Type": "AWS::SNS::Topic", "DependsOn": ["NotThere"]}})
    assert "Waiting" in Evaluation(waiting, {"Name": "b"}).resources
    with pytest.raises(UnresolvableError, match="DependsOn of Waiting"):
        _ = Evaluation(waiting, {}).resources


CHILD: Data = {
    "Parameters": {"Names": {"Type": "CommaDelimitedList"}, "Arn": {"Type": "String"}},
    "Resources": {"Inner": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Arn"}}}},
    "Outputs": {"First": {"Value": {"Fn::Select": [0, {"Ref": "Names"}]}}},
}


def _parent(parameters: Data) -> Evaluation:
    stack = {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": "child.yaml", "Parameters": parameters},
    }
    outputs = {"First": {"Value": {"Fn::GetAtt": ["Child", "Outputs.First"]}}}
    return Evaluation(_with(Resources={"Child": stack}, Outputs=outputs), {}, HERE, {"child.yaml": CHILD})


def test_a_nested_stack_gets_what_is_passed_and_gives_its_outputs() -> None:
    parent = _parent({"Names": {"Fn::Join": [",", {"Ref": "Items"}]}, "Arn": {"Ref": "There"}})
    assert parent.outputs == {"First": "x"}
    assert parent.resources["Inner"]["Properties"] == {"DisplayName": "<There>"}
    assert "Child" not in parent.resources


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"Names": "a"}, "parameter Arn must be text"),
        ({"Names": "a", "Arn": "b", "More": "c"}, "'More'.* do not exist"),
        ({"Names": {"Ref": "Items"}, "Arn": "b"}, "Names must be text"),
        ({"Names": "a", "Arn": {"Fn::GetAtt": ["Child", "Outputs.First"]}}, "depends on itself"),
    ],
)
def test_a_nested_stack_takes_exactly_what_it_declares(parameters: Data, reason: str) -> None:
    with pytest.raises(UnresolvableError, match=reason):
        _ = _parent(parameters).outputs


@pytest.mark.parametrize(("count", "allowed"), [("1", True), ("5", True), ("0", False), ("6", False), ("x", False)])
def test_bounds(count: str, allowed: bool) -> None:
    assert constraint_violations(TEMPLATE, {"Count": count}) == ([] if allowed else ["Count"])


VPCS = {("x", "VpcId"): "vpc", ("y", "VpcId"): "other"}


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ({"Fn::Equals": [{"Ref": "Name"}, "a"]}, True),
        ({"Fn::Contains": [["b", "c"], {"Ref": "Name"}]}, False),
        ({"Fn::EachMemberEquals": [{"Fn::ValueOf": ["Items", "VpcId"]}, "vpc"]}, False),
        ({"Fn::EachMemberIn": [{"Fn::ValueOf": ["Items", "VpcId"]}, ["vpc", "other"]]}, True),
        ({"Fn::And": [{"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}, {"Fn::Equals": ["a", "a"]}]}, True),
        ({"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Fn::Equals": ["a", "c"]}]}, False),
    ],
)
def test_rules(test: Data, holds: bool) -> None:
    assertion = {"Assert": test, "AssertDescription": "no"}
    for rule in ({}, {"RuleCondition": {"Fn::Equals": [{"Ref": "Name"}, "a"]}}):
        template = _with(Rules={"Rule": {**rule, "Assertions": [assertion]}})
        assert refusals(template, {}, VPCS) == ([] if holds else ["no"])
        skipped = [] if rule or holds else ["no"]
        if "Name" not in str(test):
            assert refusals(template, {"Name": "b"}, VPCS) == skipped
