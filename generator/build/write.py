"""What ``pypiserver-aws templates`` does."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from troposphere import Template

from generator import durations
from generator.build import documents
from generator.build.examples import example_parameters
from generator.build.validate import unvalidated, validate
from generator.catalog.deployer import deployer
from generator.catalog.template import catalog
from generator.language.render import to_yaml
from generator.parent import nested, templates
from generator.parts.data_bearing import stack_policy


def write_templates(root: Path, *, validated: bool = True) -> int:
    """Write every file of ``root``'s ``templates/``, and in a checkout the documents' parts; print a table, validate.

    Gives the exit code: 0 if the validators find nothing; they are only asked if ``validated``.

    Raises OSError where a file cannot be written.
    """
    directory = root / "templates"
    directory.mkdir(exist_ok=True)
    built = templates()
    built |= {**catalog(built["pypiserver-single.yaml"]), **deployer(built)}
    for name, template in built.items():
        (directory / name).write_text(to_yaml(template))
    if (benchmark := root / documents.BENCHMARK).exists():
        derived = documents.parts(nested(), benchmark)
        for page in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
            documents.update(page, derived)
    (directory / "parameters.example.json").write_text(example_parameters())
    (directory / "stack-policy.json").write_text(stack_policy())
    _print_table(directory, built)
    if not validated:
        return 0
    return 1 if report_findings(directory) else 0


def report_findings(directory: Path) -> int:
    """How many findings there are on the changed templates in ``directory``; prints them, and its progress."""
    marks = unvalidated(directory, durations.cache() / "validated")
    steps = {path: f"validate {path.name}" for path in marks}
    took = durations.last(*steps.values())
    print(f"validating {len(marks)} changed files{took and f'; last time it took {took}'}", file=sys.stderr, flush=True)
    count, taken, began = 0, {}, time.monotonic()
    for done, (path, findings) in enumerate(validate(marks), 1):
        print(
            f"{done}/{len(marks)} {path.name}: {len(findings)} findings",
            *findings,
            sep="\n",
            file=sys.stderr,
            flush=True,
        )
        count += len(findings)
        taken[steps[path]] = time.monotonic() - began
    durations.remember(taken)
    return count


def _print_table(directory: Path, built: dict[str, Template]) -> None:
    print(f"{'file':24}{'resources':>10}{'parameters':>12}{'outputs':>9}{'bytes':>9}")
    for name, template in built.items():
        size = (directory / name).stat().st_size
        print(
            f"{name:24}{len(template.resources):>10}{len(template.parameters):>12}{len(template.outputs):>9}{size:>9,}"
        )
