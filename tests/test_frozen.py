"""Logical IDs, parameters and outputs are an interface of deployed stacks: none goes or changes its type unnoticed.

``.venv/bin/python -m tests.test_frozen`` adds what is new to frozen.json. What is gone or has another
type it leaves there: taking it out is a breaking change, done by hand, with a new major version.

But for the end of the ID of the secret with the server's program, which is another one for each program.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generator.parent import templates
from generator.parts.container_program import SECRET

FROZEN = Path(__file__).with_name("frozen.json")
ADD = ".venv/bin/python -m tests.test_frozen"

Interface = dict[str, dict[str, dict[str, str]]]
"""Type (of an output: nothing) by name, by section, by template."""


def current() -> Interface:
    found: Interface = {}
    for name, template in templates().items():
        data = template.to_dict()
        found[name] = {
            "Parameters": {title: it["Type"] for title, it in sorted(data.get("Parameters", {}).items())},
            "Resources": {_lasting(title): it["Type"] for title, it in sorted(data["Resources"].items())},
            "Outputs": dict.fromkeys(sorted(data.get("Outputs", {})), ""),
        }
    return found


def _lasting(title: str) -> str:
    return f"{SECRET}*" if title.startswith(SECRET) else title


def frozen() -> Interface:
    interface: Interface = json.loads(FROZEN.read_text())
    return interface


def _missing(present: Interface, wanted: Interface) -> list[str]:
    """What ``wanted`` has and ``present`` has not, or with another type."""
    return [
        f"{template}: {section}.{name} {kind}"
        for template, sections in wanted.items()
        for section, names in sections.items()
        for name, kind in names.items()
        if present.get(template, {}).get(section, {}).get(name) != kind
    ]


def test_nothing_that_was_released_is_gone() -> None:
    gone = _missing(current(), frozen())
    assert not gone, (
        f"{gone} would be removed or replaced in deployed stacks, or break their operators' commands. "
        "Put it back; or, if this is meant for a new major version, take it out of tests/frozen.json by hand."
    )


def test_everything_new_is_frozen() -> None:
    new = _missing(frozen(), current())
    assert not new, f"{new} is new, and is for good once released. If the name is right: {ADD}"


@pytest.mark.parametrize("section", ["Parameters", "Resources", "Outputs"])
def test_both_editions_have_the_same_names(section: str) -> None:
    """An operator may read the same documents and use the same commands for both."""
    interface = frozen()
    single = interface.pop("pypiserver-single.yaml")[section]
    parent = interface.pop("pypiserver.yaml")[section]
    for alone in ("ci-access.yaml", "dns.yaml", "network.yaml", "restore-testing.yaml", "web-acl.yaml"):
        interface.pop(alone)
    if section == "Resources":
        assert single == {name: kind for sections in interface.values() for name, kind in sections[section].items()}
    else:
        assert single == parent


def add() -> None:
    """Write what is new; keep all that is there."""
    kept, now = frozen() if FROZEN.exists() else {}, current()
    merged = {
        template: {
            section: dict(sorted({**names, **kept.get(template, {}).get(section, {})}.items()))
            for section, names in sections.items()
        }
        for template, sections in {**kept, **now}.items()
    }
    FROZEN.write_text(json.dumps(merged, indent=1) + "\n")


if __name__ == "__main__":
    add()
