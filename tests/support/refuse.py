"""What CloudFormation refuses before it creates anything: values that break a parameter's constraints, or a Rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from resolve import Data, UnresolvableError, Values, is_list_type, parameter_values


def constraint_violations(template: Data, given: Values) -> list[str]:
    """The names of the parameters whose values break their own constraints, or that are missing or not numbers."""
    broken = []
    for name, parameter in template["Parameters"].items():
        value = given.get(name, parameter.get("Default"))
        items = (value.split(",") if is_list_type(parameter["Type"]) else [value]) if value is not None else []
        if not items or not all(_is_allowed(parameter, item) for item in items):
            broken.append(name)
    return broken


def _is_allowed(parameter: Data, value: str) -> bool:
    if parameter["Type"] == "Number":
        if not re.fullmatch(r"-?\d+(\.\d+)?", value):
            return False
        if not parameter.get("MinValue", float("-inf")) <= float(value) <= parameter.get("MaxValue", float("inf")):
            return False
    if "AllowedValues" in parameter and value not in parameter["AllowedValues"]:
        return False
    return "AllowedPattern" not in parameter or bool(re.fullmatch(parameter["AllowedPattern"], value))


def refusals(template: Data, given: Values, attributes: Mapping[tuple[str, str], str]) -> list[str]:
    """The AssertDescriptions of the Rules that fail; ``attributes`` is what Fn::ValueOf finds, by subnet and attribute."""
    values = parameter_values(template, given)

    def members(node: Any) -> list[str]:
        if isinstance(node, dict) and "Fn::ValueOf" in node:
            name, attribute = node["Fn::ValueOf"]
            subnets = values[name] if isinstance(values[name], list) else [values[name]]
            return [attributes[subnet, attribute] for subnet in subnets]
        found = evaluate(node)
        return found if isinstance(found, list) else [found]

    def evaluate(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        ((function, argument),) = node.items()
        match function:
            case "Ref":
                return values[argument]
            case "Fn::And" | "Fn::Or":
                if not 2 <= len(argument) <= 10:
                    raise UnresolvableError(f"{function} takes 2 to 10 operands, not {len(argument)}")
                return (all if function == "Fn::And" else any)(evaluate(item) for item in argument)
            case "Fn::Not":
                return not evaluate(argument[0])
            case "Fn::Equals":
                return evaluate(argument[0]) == evaluate(argument[1])
            case "Fn::Contains":
                return evaluate(argument[1]) in argument[0]
            case "Fn::EachMemberEquals":
                return all(item == evaluate(argument[1]) for item in members(argument[0]))
            case "Fn::EachMemberIn":
                return set(members(argument[0])) <= set(members(argument[1]))
        raise UnresolvableError(f"{function} is not known in a rule")

    return [
        assertion["AssertDescription"]
        for rule in template.get("Rules", {}).values()
        if "RuleCondition" not in rule or evaluate(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not evaluate(assertion["Assert"])
    ]
