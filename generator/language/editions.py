"""The two editions of the templates, from the same layers.

* ``Nested``: a parent and one child for each layer; the parent's ``Parameters:`` maps, its own parameters and its
  console form are derived from what the layers took.
* ``Single``: all layers in one template, for an upload in the console. A template without layers is one of these too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from troposphere import GetAtt, Join, Output, Ref, Tags, Template
from troposphere.cloudformation import Stack as NestedStack

from generator.language.retention import DELETE
from generator.language.wiring import Expression, Group, Setting, Stack, Wire, outputs

FORMAT_VERSION = "2010-09-09"
_PARENT_SUPPRESSED = {
    "W3002": "TemplateURL is relative, so that cfn-lint compares the children; publishing makes it absolute",
}
"""cfn-lint rules that a parent ignores, and why."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """The operator's form: the settings in the order of the console, and the Rules between them by name."""

    groups: tuple[Group, ...]
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)


class Edition(Protocol):
    def stack(self, title: str, description: str) -> Stack:
        """Where the layer named ``title`` writes."""

    def expose(self, *wires: Wire[Any]) -> None:
        """Make each wire an Output of the deployed stack."""

    def templates(self) -> dict[str, Template]:
        """The finished templates by file name."""


class Nested:
    """``tags`` gives the tags of the nested stack that a lower-case noun names."""

    def __init__(self, description: str, form: Form, tags: Callable[[Stack, str], Tags]) -> None:
        self._parent = _template(description)
        self._form = form
        self._tags = tags
        self.stacks: list[Stack] = []
        self._exposed: list[Wire[Any]] = []

    def stack(self, title: str, description: str) -> Stack:
        stack = Stack(title=title, template=_template(description), shared=False)
        self.stacks.append(stack)
        return stack

    def expose(self, *wires: Wire[Any]) -> None:
        self._exposed += wires

    def templates(self) -> dict[str, Template]:
        used = {source.name for stack in self.stacks for source in stack.taken.values() if isinstance(source, Wire)}
        used |= {wire.name for wire in self._exposed}
        # The parent's own tags are a layer's like any other.
        top = Stack(title="Parent", template=self._parent, shared=True)
        for stack in self.stacks:
            for output in outputs(stack, used):
                stack.template.add_output(output)
            for source in stack.taken.values():
                if isinstance(source, Setting):
                    top.take(source)
            top.add(
                NestedStack(
                    stack.title,
                    **DELETE,
                    TemplateURL=f"{stack.title.lower()}.yaml",
                    Parameters={name: _pass(source) for name, source in stack.taken.items()},
                    Tags=self._tags(top, stack.title.lower()),
                )
            )
        _finish(self._parent, self._form, {wire: _output_of(wire) for wire in self._exposed}, _PARENT_SUPPRESSED)
        children = {f"{stack.title.lower()}.yaml": stack.template for stack in self.stacks}
        return {"pypiserver.yaml": self._parent, **children}


class Single:
    """One template, the file ``name``; ``suppressed`` has the cfn-lint rules that it ignores, and why."""

    def __init__(self, name: str, description: str, form: Form, suppressed: dict[str, str] | None = None) -> None:
        self._name = name
        self._template = _template(description)
        self._form = form
        self._suppressed = suppressed or {}
        self._exposed: list[Wire[Any]] = []

    def stack(self, title: str, description: str) -> Stack:
        return Stack(title=title, template=self._template, shared=True)

    def expose(self, *wires: Wire[Any]) -> None:
        self._exposed += wires

    def templates(self) -> dict[str, Template]:
        _finish(self._template, self._form, {wire: wire.output for wire in self._exposed}, self._suppressed)
        return {self._name: self._template}


def _template(description: str) -> Template:
    template = Template(Description=description)
    template.set_version(FORMAT_VERSION)
    return template


def _pass(source: Setting | Wire[Any]) -> Expression:
    """How the parent passes ``source`` to a child; a list is passed joined."""
    if isinstance(source, Wire):
        return _output_of(source)
    return Join(",", Ref(source.name)) if source.is_list else Ref(source.name)


def _output_of(wire: Wire[Any]) -> Expression:
    return GetAtt(wire.stack, f"Outputs.{wire.name}")


def _finish(template: Template, form: Form, exposed: dict[Wire[Any], Expression], suppressed: dict[str, str]) -> None:
    """Add what belongs to the template the operator deploys: ordered parameters, form, rules, outputs.

    Raises ValueError for a parameter that the form does not have.
    """
    order = [setting.name for group in form.groups for setting in group.settings]
    if unknown := template.parameters.keys() - order:
        raise ValueError(f"{sorted(unknown)} not in the console form: put the setting into its module's Group")
    template.parameters = {name: template.parameters[name] for name in order if name in template.parameters}
    template.set_metadata(
        {
            "AWS::CloudFormation::Interface": console_form(template, form.groups),
            **({"cfn-lint": {"config": {"ignore_checks": list(suppressed)}}} if suppressed else {}),
        }
    )
    for name, rule in form.rules.items():
        template.add_rule(name, rule)
    for wire, value in exposed.items():
        template.add_output(Output(wire.name, Description=wire.description, Value=value))


def console_form(template: Template, groups: Iterable[Group]) -> dict[str, Any]:
    """Groups and labels of those settings that ``template`` has as parameters."""
    shown = {group.label: [it for it in group.settings if it.name in template.parameters] for group in groups}
    return {
        "ParameterGroups": [
            {"Label": {"default": label}, "Parameters": [it.name for it in settings]}
            for label, settings in shown.items()
            if settings
        ],
        "ParameterLabels": {it.name: {"default": it.label} for settings in shown.values() for it in settings},
    }
