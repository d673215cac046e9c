"""What ``python -m generator`` does."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from troposphere import Template

from generator.build import documents
from generator.build.examples import example_parameters
from generator.build.validate import validate
from generator.catalog.template import catalog
from generator.language.render import to_yaml
from generator.parent import nested, templates
from generator.parts.data_bearing import stack_policy


def write_templates(directory: Path, pages: Iterable[Path], remembered: Path) -> int:
    """Write every file of ``directory`` and the derived parts of ``pages``, print a table, validate.

    Gives the exit code: 0 if the validators (see ``validate`` for ``remembered``) find nothing.

    Raises OSError where a file cannot be written.
    """
    built = templates()
    built |= catalog(built["pypiserver-single.yaml"])
    for name, template in built.items():
        (directory / name).write_text(to_yaml(template))
    derived = documents.parts(nested())
    for page in pages:
        documents.update(page, derived)
    (directory / "parameters.example.json").write_text(example_parameters())
    (directory / "stack-policy.json").write_text(stack_policy())
    _print_table(directory, built)
    print("validating …", file=sys.stderr, flush=True)
    findings = validate(directory, remembered)
    for finding in findings:
        print(finding, file=sys.stderr)
    print(f"{len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


def _print_table(directory: Path, built: dict[str, Template]) -> None:
    print(f"{'file':24}{'resources':>10}{'parameters':>12}{'outputs':>9}{'bytes':>9}")
    for name, template in built.items():
        size = (directory / name).stat().st_size
        print(
            f"{name:24}{len(template.resources):>10}{len(template.parameters):>12}{len(template.outputs):>9}{size:>9,}"
        )
