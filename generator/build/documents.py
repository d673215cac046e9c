"""The generated parts of the documents: tables of parameters, outputs, alarms, findings and costs, the diagram of the wires."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from troposphere import Template

from generator import settings
from generator.addons.network import ENDPOINTS, OF_HOSTS
from generator.build import costs, findings
from generator.catalog.actions import CALLERS_ACTIONS
from generator.language.editions import Nested
from generator.language.wiring import Setting, Wire
from generator.parts import runbooks
from generator.parts.alarms import ALARMS, OUTAGE_DESCRIPTION
from generator.parts.container_program import CAPACITY, packed
from server import contract

BENCHMARK = Path("docs", "benchmark.json")
"""In a checkout: the server's benchmark."""


def update(document: Path, parts: dict[str, str]) -> None:
    """Replace what is between ``<!-- NAME -->`` and ``<!-- /NAME -->`` for each name in ``document``."""
    text = document.read_text()
    for name, part in parts.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if start in text:
            before, _, rest = text.partition(start)
            text = f"{before}{start}{part}\n{end}{rest.partition(end)[2]}"
    document.write_text(text)


def parts(nested: Nested, benchmark: Path) -> dict[str, str]:
    """Every generated part by name; ``benchmark`` is the file of the checkout."""
    templates = nested.templates()
    parent = templates["pypiserver.yaml"]
    return {
        "parameters": parameters(),
        "outputs": outputs(parent),
        "alarms": alarms(),
        "diagram": diagram(nested),
        "findings": findings.table(),
        "endpoints": endpoints(),
        "costs": costs.table(),
        "capacities": costs.capacities(),
        "profiles": costs.profiles(benchmark),
        "callers": callers(),
        "room": room(),
        "variables": variables(),
    }


def callers() -> str:
    """What services require of whoever deploys in addition to the calls themselves."""
    rows = [
        f"| {_codes(it.calls)} | {_codes(it.actions)} | [{urlsplit(it.source).netloc}]({it.source}) |"
        for it in CALLERS_ACTIONS
    ]
    return "\n".join(["| Call | Asks also for | Says |", "|---|---|---|", *rows])


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def room() -> str:
    """How much room for the server's program is left; in thousands, so that small fixes do not change the page."""
    left = CAPACITY - packed().size
    return (
        f"Of {CAPACITY / 1000:.0f},000 characters {left / 1000:.0f},000 are left to the program, {100 * left / CAPACITY:.0f} %.\n"
        "Tests fail at less than 15 %, and where settings with their longest values leave less than 4 KB of the task definition."
    )


def variables() -> str:
    """What the server reads from its environment."""
    rows = []
    for it in contract.ALL:
        if isinstance(it, contract.Account):
            rows.append(f"| `{it.username}`, `{it.password}` | none | | {it.meaning} |")
        else:
            rows.append(
                f"| `{it.name}` | {f'`{it.default}`' if it.default != '' else 'empty'} | {it.form} | {it.meaning} |"
            )
    return "\n".join(["| Variable | Default | Takes | |", "|---|---|---|---|", *rows])


def parameters() -> str:
    """One table for each group of the console form."""
    tables = []
    for group in settings.GROUPS:
        rows = [_row(setting) for setting in group.settings]
        tables.append("\n".join([f"**{group.label}**\n", "| Parameter | Default | |", "|---|---|---|", *rows]))
    return "\n\n".join(tables)


def _row(setting: Setting) -> str:
    default = "required" if setting.default is None else f"`{setting.default}`" if setting.default else "empty"
    if len(setting.values) > 20:
        values = f" {len(setting.values)} values, `{setting.values[0]}` to `{setting.values[-1]}`."
    else:
        values = f" One of {', '.join(f'`{value}`' for value in setting.values)}." if setting.values else ""
    text = f"{setting.label}. {setting.description}{values}".replace("|", "\\|")
    return f"| `{setting.name}` | {default} | {text} |"


def endpoints() -> str:
    """The interface endpoints of a network without internet access."""
    rows = [
        f"| `{service}` | {reason} | {'' if service in OF_HOSTS else 'yes'} |"
        for service, (_, reason) in ENDPOINTS.items()
    ]
    return "\n".join(["| Name | For | On Fargate too |", "|---|---|---|", *rows])


def outputs(parent: Template) -> str:
    rows = [f"| `{name}` | {output.Description} |" for name, output in parent.outputs.items()]
    return "\n".join(["| Output | |", "|---|---|", *rows])


def alarms() -> str:
    """Each alarm with its description and its runbook, first the one that wakes somebody."""
    told = [("PackagesUnavailableAlarm", OUTAGE_DESCRIPTION, runbooks.OUTAGE)]
    told += [(it.title, it.description, it.runbook) for it in ALARMS]
    rows = [f"| `{title}` | {text} | [{page}](runbooks/{page}.md) |" for title, text, page in told]
    return "\n".join(["| Alarm | | Runbook |", "|---|---|---|", *rows])


def diagram(nested: Nested) -> str:
    """A Mermaid flowchart: the nested stacks, and what crosses from one to another."""
    lines = ["```mermaid", "flowchart LR"]
    for stack in nested.stacks:
        crossing: dict[str, list[str]] = {}
        for source in stack.taken.values():
            if isinstance(source, Wire):
                crossing.setdefault(source.stack, []).append(source.name)
        lines.append(f"    {stack.title}")
        lines += [f'    {origin} -- "{"<br>".join(names)}" --> {stack.title}' for origin, names in crossing.items()]
    return "\n".join([*lines, "```"])
