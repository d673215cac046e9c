"""What may cross a stack boundary, and the only ways across it.

A layer is a function: it gets the :class:`Stack` it writes into, takes wires as
keyword arguments and returns a frozen dataclass of the wires it offers. Inside it

* ``take`` turns an operator's :class:`Setting` or another layer's :class:`Wire` into an expression,
* ``offer`` turns an expression into a wire,
* ``when`` turns a :class:`When` into the name of a CloudFormation Condition, and ``if_`` chooses by one.

The parent's ``Parameters:`` maps are derived from what was taken, so there is no second list to keep in sync.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeAlias, TypeVar

from troposphere import AWSHelperFn, AWSObject, If, NoValue, Output, Parameter, Ref, Select, Template

from generator.language.declared import Declared

Expression: TypeAlias = AWSHelperFn | str
"""Anything CloudFormation resolves to a value: an intrinsic function or a literal."""


class Kind:
    """What a wire carries. Subclasses are names for the type checker; they are never instantiated."""


K = TypeVar("K", bound=Kind)
Resource = TypeVar("Resource", bound=AWSObject)


@dataclass(frozen=True, kw_only=True)
class Setting(Declared):
    """One operator-facing stack parameter.

    ``type`` is the parent's: a child receives the value as a ``String``, or as a ``CommaDelimitedList`` where the
    parent's type is a list, so that an AWS-specific type is checked once, where the operator typed the value.
    """

    @property
    def is_list(self) -> bool:
        return self.type.startswith("List<") or self.type == "CommaDelimitedList"

    def parameter(self) -> Parameter:
        """The parameter as the operator sees it."""
        properties = {
            "Type": self.type,
            "Description": self.description,
            "Default": self.default,
            "AllowedPattern": self.pattern,
            "AllowedValues": list(self.values) or None,
            "MinValue": self.minimum,
            "MaxValue": self.maximum,
            "ConstraintDescription": self.constraint,
        }
        return Parameter(self.name, **{key: value for key, value in properties.items() if value is not None})


@dataclass(frozen=True)
class Group:
    """A part of the console form: its heading, and its settings in their order."""

    label: str
    settings: tuple[Setting, ...]


@dataclass(kw_only=True, eq=False)
class Wire(Generic[K]):
    """A value that the layer ``stack`` offers to others.

    ``name`` is the producer's Output and the consumer's Parameter, ``expression`` the value within the producer.
    K is what it carries, as the producer's record declares it: mypy refuses a wire of another kind.
    ``condition`` is the name of the Condition without which the value does not exist; consumers use it under that condition.
    """

    name: str
    expression: Expression
    description: str
    stack: str
    condition: str | None = None

    @property
    def output(self) -> Expression:
        """The value of an Output, which is empty where there is none."""
        return If(self.condition, self.expression, "") if self.condition else self.expression


@dataclass(frozen=True)
class When:
    """A CloudFormation Condition over settings; ``test`` gets the layer it is evaluated in."""

    name: str
    test: Callable[[Stack], AWSHelperFn]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Where a layer writes: one nested stack, or its share of the single-file template.

    Nested edition: ``template`` is the child's own and everything taken becomes a bare parameter of it.
    Single-file edition (``shared``): ``template`` is the one template of all layers; a taken wire yields the
    producer's own expression.

    Where ``condition`` is given, resources are there only if it holds: see ``only``.
    """

    title: str
    template: Template
    shared: bool
    taken: dict[str, Setting | Wire[Any]] = field(default_factory=dict)
    offered: dict[str, Wire[Any]] = field(default_factory=dict)
    condition: When | None = None

    def add(self, resource: Resource) -> Resource:
        """Put ``resource`` into the template. Raises ValueError if its logical ID is taken."""
        if self.condition and "Condition" not in resource.resource:
            resource.resource["Condition"] = self.when(self.condition)
        self.template.add_resource(resource)
        return resource

    def only(self, condition: When) -> Stack:
        """The same layer, in which what is added and offered exists only if ``condition`` holds.

        A resource with its own Condition keeps it; that must imply ``condition``.
        """
        return replace(self, condition=condition)

    def take(self, source: Setting | Wire[Any]) -> Expression:
        """The value of ``source`` in this layer. Raises ValueError if two sources share one name."""
        if self.taken.setdefault(source.name, source) is not source:
            raise ValueError(f"{self.title}: two different sources are named {source.name}")
        if self.shared:
            if isinstance(source, Wire):
                return source.expression
            parameter = source.parameter()
        else:
            is_list = isinstance(source, Setting) and source.is_list
            parameter = Parameter(source.name, Type="CommaDelimitedList" if is_list else "String")
        if source.name not in self.template.parameters:
            self.template.add_parameter(parameter)
        return Ref(source.name)

    def offer(self, name: str, expression: Expression, description: str) -> Wire[K]:
        """A wire carrying ``expression``, of the kind that the record it is put into declares.

        Raises ValueError if ``name`` is offered already.
        """
        condition = self.when(self.condition) if self.condition else None
        wire: Wire[K] = Wire(
            name=name, expression=expression, description=description, stack=self.title, condition=condition
        )
        if self.offered.setdefault(name, wire) is not wire:
            raise ValueError(f"{self.title}: {name} is offered twice")
        return wire

    def later(self, wire: Wire[Any]) -> dict[str, Any]:
        """The resource attributes that create a resource after the one that ``wire`` names or has an attribute of.

        None if layers are stacks: the stack that takes the wire then comes after the other as a whole.
        """
        if not self.shared or isinstance(wire.expression, str):
            return {}
        ((_, named),) = wire.expression.to_dict().items()
        return {"DependsOn": [named if isinstance(named, str) else named[0]]}

    def when(self, condition: When) -> str:
        """The name of ``condition``, declared in this layer's template. Raises ValueError if another has it."""
        test = condition.test(self)
        declared = self.template.conditions.setdefault(condition.name, test)
        if declared.to_dict() != test.to_dict():
            raise ValueError(f"{self.title}: two different conditions are named {condition.name}")
        return condition.name

    def if_(self, condition: When, then: object, otherwise: object = NoValue) -> If:
        """``then`` if ``condition`` holds, else ``otherwise``; a setting or a wire stands for its value in this layer."""
        return If(self.when(condition), self._value(then), self._value(otherwise))

    def _value(self, value: object) -> object:
        return self.take(value) if isinstance(value, Setting | Wire) else value

    def mapping(self, name: str, table: dict[str, dict[str, Any]]) -> str:
        """The name of a Mapping with the contents of ``table``. Raises ValueError if another has it."""
        if self.template.mappings.setdefault(name, table) != table:
            raise ValueError(f"{self.title}: two different mappings are named {name}")
        return name


def after(value: Expression, *others: Expression) -> Select:
    """``value``, available only after ``others``: resources that refer to it are created after them, and deleted before them.

    CloudFormation orders resources by all references in an expression, including members that ``Select`` skips. Unlike
    ``DependsOn`` this orders layers in both editions, and may name a conditional resource within an ``If``.
    """
    return Select(0, [value, *others])


def outputs(stack: Stack, used: set[str]) -> list[Output]:
    """The Outputs of a nested stack: every offer that some layer or the parent uses."""
    return [
        Output(wire.name, Description=wire.description, Value=wire.output)
        for wire in stack.offered.values()
        if wire.name in used
    ]


def only_if(condition: str | None) -> dict[str, Any]:
    """The resource attribute for a resource that exists only if ``condition`` holds; ``None``: always."""
    return {"Condition": condition} if condition else {}
