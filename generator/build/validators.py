"""Two independent validators of a template, each with its own messages. Loading them takes a second or more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint.conditions.conditions
import cfnlint.context.conditions._conditions
from cfnlint.api import lint_by_config
from cfnlint.config import ManualArgs
from cloudformation_validate import CompositeEngine, DetailLevel, Severity, ValidateConfig
from sympy.logic.inference import satisfiable

from generator.parts.descriptions import SINGLE

REGIONS = ("us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1")
"""One of each partition: their resource types and properties differ."""

CATALOG = "service-catalog.yaml"
NETWORK = "network.yaml"
CI_ACCESS = "ci-access.yaml"
RESTORE_TESTING = "restore-testing.yaml"
REGIONS_OF = {RESTORE_TESTING: ("us-east-1", "eusc-de-east-1")}
"""For resource types that are not available everywhere."""

ACCEPTED: dict[tuple[str, str], str] = {
    ("W1001", "*"): "an Output refers to a conditional resource within an If on that condition",
    ("W2001", "monitoring.yaml"): "a reference within the Split of a Condition is not seen",
    ("W2509", "*"): "these parameters hold ARNs of secrets and keys, not passwords",
    ("W3002", "pypiserver.yaml"): "TemplateURL is relative in the repository; publishing makes it absolute",
    ("W1030", NETWORK): "an empty default is looked at in the branch of an If that it does not take",
    ("W1030", CI_ACCESS): "an empty default is looked at in the branch of an If that it does not take",
    ("W1030", CATALOG): "the empty default of a slot is looked at where the slot's condition is false",
    ("W1030", RESTORE_TESTING): "an empty default is looked at in the branch of an If that it does not take",
}
"""Findings of cloudformation-validate that we cannot fix, by rule and file, and why."""


def findings(template: Path) -> list[str]:
    """What both find in ``template``, one per line.

    The single file holds the same resources as the layers' templates. It alone shows what one layer passes to another, and
    every condition at once: cfn-lint checks that, in one region.
    """
    if template.name == SINGLE:
        return _cfn_lint(template, REGIONS[:1])
    return _cfn_lint(template, REGIONS_OF.get(template.name, REGIONS)) + cloudformation_validate(template)


def _cfn_lint(template: Path, regions: Sequence[str]) -> list[str]:
    """cfn-lint at info level; it reads the children that a parent names."""
    found = lint_by_config(ManualArgs(templates=[str(template)], regions=list(regions), include_checks=["I"]))
    return [f"{template}:{it.linenumber}: cfn-lint {it.rule.id}: {it.message}" for it in found]


def cloudformation_validate(template: Path) -> list[str]:
    """AWS's own validator, in one region: of regions it knows which types there are, and cfn-lint knows that too."""
    return sorted(set(_diagnostics(template)))


def _diagnostics(template: Path) -> Iterator[str]:
    config = ValidateConfig(severity_level=Severity.WARN, detail_level=DetailLevel.STANDARD)
    for it in _engine().validate_template(template, config).diagnostics:
        if (it.rule_id, "*") not in ACCEPTED and (it.rule_id, template.name) not in ACCEPTED:
            entity = it.entity.logical_id if it.entity else "template"
            yield f"{template}: {entity}: cloudformation-validate {it.rule_id}: {it.message}"


@cache
def _engine() -> CompositeEngine:
    return CompositeEngine()


def _remember_what_is_satisfiable() -> None:
    """Halve cfn-lint's time: three in four of its queries about our conditions repeat earlier ones in the same template.

    The answer depends only on the clauses, and cfn-lint only asks whether there is one.
    """
    answers: dict[frozenset[frozenset[int]], Any] = {}

    def remembered(cnf: Any, **options: Any) -> Any:
        clauses = frozenset(map(frozenset, cnf.data))
        if clauses not in answers:
            answers[clauses] = satisfiable(cnf, algorithm="dpll2", **options)  # or it looks for pycosat each time
        return answers[clauses]

    for module in (cfnlint.conditions.conditions, cfnlint.context.conditions._conditions):
        module.satisfiable = remembered


_remember_what_is_satisfiable()
