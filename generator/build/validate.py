"""Two independent validators over the written templates, in a region of each partition.

What they have found clean is remembered by content, so that only templates that changed are validated again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from cfnlint.api import lint_by_config
from cfnlint.config import ManualArgs
from cloudformation_validate import CompositeEngine, PseudoParameterOverrides, Severity, ValidateConfig

from generator.parts.descriptions import SINGLE

REGIONS = ("us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1")
CATALOG = "service-catalog.yaml"
NETWORK = "network.yaml"
CI_ACCESS = "ci-access.yaml"
RESTORE_TESTING = "restore-testing.yaml"
REGIONS_OF = {RESTORE_TESTING: ("us-east-1", "eusc-de-east-1")}
"""Where the resource types of a template are not everywhere."""

ACCEPTED: dict[tuple[str, str], str] = {
    ("W1001", "*"): "an Output refers to a conditional resource within an If on that condition",
    ("W2001", "monitoring.yaml"): "a reference within the Split of a Condition is not seen",
    ("W2509", "*"): "these parameters hold ARNs of secrets and keys, not passwords",
    ("W3002", "pypiserver.yaml"): "TemplateURL is relative in the repository; publishing makes it absolute",
    ("F3031", SINGLE): "an empty default is looked at in the branch of an If that it does not take",
    ("W1030", SINGLE): "an empty default is looked at in the branch of an If that it does not take",
    ("W1030", NETWORK): "an empty default is looked at in the branch of an If that it does not take",
    ("W1030", CI_ACCESS): "an empty default is looked at in the branch of an If that it does not take",
    ("W1030", RESTORE_TESTING): "an empty default is looked at in the branch of an If that it does not take",
    ("W1031", SINGLE): "the value none is looked at in the branch of an If that it does not take",
    ("W1035", CATALOG): "the empty value of a slot is looked at where the slot's condition is false",
    ("E3048", SINGLE): "a ContainerCpu that Fargate does not know is refused by a Rule before",
    ("W9052", SINGLE): "all conditions in one file are beyond the engine's budget; the layers' own files are not",
}
"""Findings of cloudformation-validate that are not ours to mend, by rule and file, and why."""


def validate(directory: Path, remembered: Path) -> list[str]:
    """Every finding on the templates in ``directory``, one to a line; empty if there is none.

    ``remembered`` is a directory of empty files, each named by the hash of a template that was found clean.
    """
    # The slow one first, beside all others.
    order = sorted(directory.glob("*.yaml"), key=lambda path: (path.name != SINGLE, path.name))
    marks = {path: remembered / _fingerprint(path) for path in order}
    findings: list[str] = []
    with ProcessPoolExecutor() as pool:
        tasks = {
            path: [pool.submit(check, path) for check in (_cfn_lint, _cloudformation_validate)]
            for path in order
            if not marks[path].exists()
        }
        for path, checks in tasks.items():
            found = [finding for task in checks for finding in task.result()]
            findings += found
            if not found:
                remembered.mkdir(parents=True, exist_ok=True)
                marks[path].touch()
    return findings


def _fingerprint(template: Path) -> str:
    """Of all that the findings on ``template`` depend on."""
    children = re.findall(r"^ *TemplateURL: (\S+)$", template.read_text(encoding="utf-8"), re.MULTILINE)
    files = [Path(__file__), template, *(template.parent / child for child in children)]
    read = b"".join(file.name.encode() + file.read_bytes() for file in files)
    return sha256(version("cfn-lint").encode() + version("cloudformation-validate").encode() + read).hexdigest()


def _cfn_lint(template: Path) -> list[str]:
    """cfn-lint at info level; it reads the children that a parent names."""
    found = lint_by_config(
        ManualArgs(
            templates=[str(template)], regions=list(REGIONS_OF.get(template.name, REGIONS)), include_checks=["I"]
        )
    )
    return [f"{template}:{it.linenumber}: cfn-lint {it.rule.id}: {it.message}" for it in found]


def _cloudformation_validate(template: Path) -> list[str]:
    return sorted(set(_diagnostics(template)))


def _diagnostics(template: Path) -> Iterator[str]:
    engine = CompositeEngine()
    for region in REGIONS_OF.get(template.name, REGIONS):
        config = ValidateConfig(
            severity_level=Severity.WARN, pseudo_parameter_overrides=PseudoParameterOverrides(region=region)
        )
        for it in engine.validate_template(template, config).diagnostics:
            if (it.rule_id, "*") not in ACCEPTED and (it.rule_id, template.name) not in ACCEPTED:
                entity = it.entity.logical_id if it.entity else "template"
                yield f"{template}: {entity}: cloudformation-validate {it.rule_id}: {it.message}"
