"""What CloudFormation makes of our templates, exactly: an evaluator of their data, without AWS.

It knows the intrinsic functions our templates use and refuses any other. A resource that exists only after a
deployment is a symbolic token: ``<Cluster>`` for its Ref, ``<Cluster.Arn>`` for an attribute. Logical IDs are the
same in both editions, so their tokens are equal too. A branch of ``Fn::If`` that is not taken is evaluated as well:
there a missing Mapping key is an error, as it would be in the other branch.

What a resource or an output comes to is remembered for the next evaluation in which nothing that it names has another
value, so neither results nor templates may be changed.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

Data = dict[str, Any]
Values = Mapping[str, str]
"""Parameter values as an operator gives them: lists are joined by commas."""


class UnresolvableError(Exception):
    """CloudFormation would refuse this template with these values."""


class Place(NamedTuple):
    """Where a stack is deployed."""

    partition: str = "aws"
    region: str = "eu-west-1"
    account: str = "123456789012"

    @property
    def pseudo(self) -> Data:
        """Pseudo parameters; a parent and its children get the same AWS::StackId, so that editions compare."""
        suffix = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}.get(self.partition, "amazonaws.com")
        stack = f"arn:{self.partition}:cloudformation:{self.region}:{self.account}:stack/pypi/0a1b2c3d-1-2-3-4e5f"
        return {
            "AWS::AccountId": self.account,
            "AWS::NoValue": NO_VALUE,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::StackId": stack,
            "AWS::URLSuffix": suffix,
        }


HERE = Place()
PLACES = (
    HERE,
    Place("aws-cn", "cn-north-1"),
    Place("aws-us-gov", "us-gov-west-1"),
    Place("aws-eusc", "eusc-de-east-1"),
)
NO_VALUE = object()
_STACK = "AWS::CloudFormation::Stack"
_LIVE, _UNUSED, _CONDITION = "live", "unused", "condition"
"""Whether a value is used, lies in a branch not taken, or is tested by a Condition before there are resources."""


def cidrs(block: str, count: int, bits: int) -> list[str]:
    """What Fn::Cidr gives: the first ``count`` blocks of ``2 ** bits`` addresses.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-cidr.html
    """
    found = [str(it) for it in ipaddress.ip_network(block, strict=False).subnets(new_prefix=32 - bits)][:count]
    if len(found) < count:
        raise UnresolvableError(f"{block} has no {count} blocks of /{32 - bits}")
    return found


def is_list_type(kind: str) -> bool:
    return kind.startswith("List<") or kind == "CommaDelimitedList"


def parameter_values(template: Data, given: Values) -> Data:
    """The value of each parameter of ``template``, defaults included; lists as lists."""
    declared = template.get("Parameters", {})
    if unknown := given.keys() - declared.keys():
        raise UnresolvableError(f"parameters {sorted(unknown)} do not exist in the template")
    values: Data = {}
    for name, parameter in declared.items():
        value = given.get(name, parameter.get("Default"))
        if not isinstance(value, str):
            raise UnresolvableError(f"parameter {name} must be text, not {value!r}")
        if parameter["Type"].startswith("AWS::SSM::Parameter::Value<"):
            value = f"<ssm:{value}>"
        values[name] = value.split(",") if is_list_type(parameter["Type"]) else value
    return values


class _Remembered:
    """What parts of one template have come to, by the values of the parameters that they may depend on."""

    def __init__(self, template: Data) -> None:
        self.template = template
        self._results: dict[tuple[Any, ...], Any] = {}
        self._parameters: dict[int, tuple[Data, frozenset[str] | None]] = {}

    def result(self, part: Data, values: Data, place: Place, evaluate: Callable[[], Any]) -> Any:
        if id(part) not in self._parameters:
            self._parameters[id(part)] = part, self._parameters_of(part)
        _, names = self._parameters[id(part)]
        if names is None:
            return evaluate()
        known = (id(part), place, *(tuple(it) if isinstance(it := values[name], list) else it for name in names))
        if known not in self._results:
            self._results[known] = evaluate()
        return self._results[known]

    def _parameters_of(self, part: Data) -> frozenset[str] | None:
        """Also by way of conditions; ``None`` if a nested stack decides as well. Any word of any text may be a name."""
        seen: set[str] = set()
        parts: list[Any] = [part]
        while parts:
            for name in _words(parts.pop()) - seen:
                seen.add(name)
                resource = self.template["Resources"].get(name, {})
                if resource.get("Type") == _STACK:
                    return None
                parts += [resource.get("Condition"), self.template.get("Conditions", {}).get(name)]
        return frozenset(seen & self.template.get("Parameters", {}).keys())


def _words(node: Any) -> set[str]:
    if isinstance(node, dict | list):
        return set().union(*map(_words, node.values() if isinstance(node, dict) else node))
    return set(re.findall(r"\w+", node)) if isinstance(node, str) else set()


_remembered: dict[int, _Remembered] = {}


@dataclass
class Evaluation:
    """One template with parameter values, in a place; ``children`` are the templates of its nested stacks."""

    template: Data
    given: Values
    place: Place = HERE
    children: Mapping[str, Data] = field(default_factory=dict)
    _conditions: dict[str, bool] = field(default_factory=dict, init=False)
    _stacks: dict[str, Evaluation | None] = field(default_factory=dict, init=False)

    @cached_property
    def values(self) -> Data:
        return {**self.place.pseudo, **parameter_values(self.template, self.given)}

    @cached_property
    def resources(self) -> Data:
        """Every resource that exists, by logical ID, with those of nested stacks in place of the stacks."""
        found: Data = {}
        for title, resource in self.template["Resources"].items():
            inner = self._remember(resource, partial(self._resources_of, title))
            if twice := found.keys() & inner.keys():
                raise UnresolvableError(f"two resources are named {sorted(twice)}")
            found |= inner
        return found

    def _resources_of(self, title: str) -> Data:
        """The resource ``title``, or those of the nested stack; none if it does not exist."""
        if not self.exists(title):
            return {}
        resource = self.template["Resources"][title]
        resolved = {key: self.value(item) for key, item in resource.items() if key not in ("Condition", "DependsOn")}
        depends = resource.get("DependsOn", [])
        for other in [depends] if isinstance(depends, str) else depends:
            self._must_exist(other, f"DependsOn of {title}")
        stack = self.stack(title)
        return stack.resources if stack else {title: resolved}

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The Outputs that exist; CloudFormation knows them as text."""
        found = {
            name: self._remember(output, partial(self._output, name))
            for name, output in self.template.get("Outputs", {}).items()
        }
        return {name: text for name, text in found.items() if text is not None}

    def _output(self, name: str) -> str | None:
        output = self.template["Outputs"][name]
        if "Condition" in output and not self.condition(output["Condition"]):
            return None
        return self._text(self.value(output["Value"]), f"output {name}")

    def _remember(self, part: Data, evaluate: Callable[[], Any]) -> Any:
        kept = _remembered.setdefault(id(self.template), _Remembered(self.template))
        return kept.result(part, self.values, self.place, evaluate)

    def exists(self, title: str) -> bool:
        """Whether the resource's Condition holds. Raises UnresolvableError if there is no such resource."""
        if title not in self.template["Resources"]:
            raise UnresolvableError(f"there is no resource {title}")
        condition = self.template["Resources"][title].get("Condition")
        return condition is None or self.condition(condition)

    def stack(self, title: str) -> Evaluation | None:
        """The nested stack ``title``, evaluated with what its parent passes; ``None`` for any other resource."""
        resource = self.template["Resources"][title]
        if resource["Type"] != _STACK:
            return None
        if title not in self._stacks:
            self._stacks[title] = None
            passed = {name: self.value(item) for name, item in resource["Properties"]["Parameters"].items()}
            self._stacks[title] = Evaluation(self.children[resource["Properties"]["TemplateURL"]], passed, self.place)
        found = self._stacks[title]
        if found is None:
            raise UnresolvableError(f"nested stack {title} depends on itself")
        return found

    def condition(self, name: str) -> bool:
        if name not in self._conditions:
            if name not in self.template.get("Conditions", {}):
                raise UnresolvableError(f"there is no condition {name}")
            self._conditions[name] = self._test(self.template["Conditions"][name])
        return self._conditions[name]

    def _test(self, test: Data) -> bool:
        ((function, argument),) = test.items()
        if function == "Condition":
            return self.condition(argument)
        if function == "Fn::Equals":
            left, right = (self.value(item, _CONDITION) for item in argument)
            return self._text(left, function) == self._text(right, function)
        results = [self._test(item) for item in argument]
        if function == "Fn::Not" and len(results) == 1:
            return not results[0]
        if function in ("Fn::And", "Fn::Or") and 2 <= len(results) <= 10:
            return all(results) if function == "Fn::And" else any(results)
        raise UnresolvableError(f"{function} of {len(results)} in a condition")

    def value(self, node: Any, mode: str = _LIVE) -> Any:
        """``node`` with every intrinsic function evaluated and every AWS::NoValue taken out of its list or map."""
        if isinstance(node, list):
            return [it for item in node if (it := self.value(item, mode)) is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, argument, mode)
            if name.startswith("Fn::"):
                raise UnresolvableError(f"{name} is not known here")
        return {key: it for key, item in node.items() if (it := self.value(item, mode)) is not NO_VALUE}

    def _must_exist(self, title: str, user: str) -> None:
        if not self.exists(title):
            raise UnresolvableError(f"{user} names {title}, which does not exist with these values")

    def _text(self, value: Any, user: str) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, int | float):
            raise UnresolvableError(f"{user} takes text, not {value!r}")
        return str(value)

    def _ref(self, name: str, mode: str) -> Any:
        if name in self.values:
            return self.values[name]
        return self._resource(name, f"<{name}>", mode)

    def _resource(self, title: str, token: str, mode: str) -> str:
        if mode == _CONDITION:
            raise UnresolvableError(f"a condition refers to {token}, before there are resources")
        if mode == _LIVE or title not in self.template["Resources"]:
            self._must_exist(title, token)
        return token

    def _get_att(self, argument: list[str] | str, mode: str) -> Any:
        title, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        token = self._resource(title, f"<{title}.{attribute}>", mode)
        stack = self.stack(title)
        if stack is None:
            return token
        name = attribute.removeprefix("Outputs.")
        if name not in stack.outputs:
            raise UnresolvableError(f"nested stack {title} has no output {name}")
        return stack.outputs[name]

    def _if(self, argument: list[Any], mode: str) -> Any:
        holds = self.condition(argument[0])
        taken, other = (argument[1], argument[2]) if holds else (argument[2], argument[1])
        self.value(other, mode if mode == _CONDITION else _UNUSED)
        return self.value(taken, mode)

    def _find_in_map(self, argument: list[Any], mode: str) -> Any:
        name, first, second = (self.value(item, mode) for item in argument)
        try:
            return self.template["Mappings"][name][first][second]
        except (KeyError, TypeError):
            raise UnresolvableError(f"Mapping {name} has no {first!r}, {second!r}") from None

    def _join(self, argument: list[Any], mode: str) -> str:
        items = self._list(argument[1], "Fn::Join", mode)
        return str(argument[0]).join([self._text(item, "Fn::Join") for item in items])

    def _select(self, argument: list[Any], mode: str) -> Any:
        items = self._list(argument[1], "Fn::Select", mode)
        index = int(self.value(argument[0], mode))
        if not 0 <= index < len(items):
            raise UnresolvableError(f"Fn::Select {index} of {items}")
        return items[index]

    def _split(self, argument: list[Any], mode: str) -> list[str]:
        return self._text(self.value(argument[1], mode), "Fn::Split").split(argument[0])

    def _list(self, node: Any, user: str, mode: str) -> list[Any]:
        items = self.value(node, mode)
        if not isinstance(items, list):
            raise UnresolvableError(f"{user} takes a list, not {items!r}")
        return items

    def _sub(self, argument: Any, mode: str) -> str:
        text, names = (argument, {}) if isinstance(argument, str) else argument
        local = {name: self._text(self.value(item, mode), f"Fn::Sub {name}") for name, item in names.items()}

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in local:
                return local[name]
            found = self._get_att(name, mode) if "." in name else self._ref(name, mode)
            return self._text(found, f"Fn::Sub ${{{name}}}")

        return re.sub(r"\$\{([^}]+)\}", replace, text)

    def _cidr(self, argument: list[Any], mode: str) -> list[str]:
        block, count, bits = (self.value(item, mode) for item in argument)
        return cidrs(block, int(count), int(bits))

    def _azs(self, argument: Any, mode: str) -> list[str]:
        region = self.value(argument, mode) or self.place.region
        return [f"{region}{letter}" for letter in "abc"]

    def _base64(self, argument: Any, mode: str) -> str:
        return base64.b64encode(self._text(self.value(argument, mode), "Fn::Base64").encode()).decode()


_FUNCTIONS: dict[str, Callable[[Evaluation, Any, str], Any]] = {
    "Ref": Evaluation._ref,
    "Fn::GetAtt": Evaluation._get_att,
    "Fn::If": Evaluation._if,
    "Fn::FindInMap": Evaluation._find_in_map,
    "Fn::Join": Evaluation._join,
    "Fn::Select": Evaluation._select,
    "Fn::Split": Evaluation._split,
    "Fn::Sub": Evaluation._sub,
    "Fn::Base64": Evaluation._base64,
    "Fn::Cidr": Evaluation._cidr,
    "Fn::GetAZs": Evaluation._azs,
}
