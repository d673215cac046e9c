"""Whatever wakes or tells somebody leads to a heading of docs/operations.md."""

from __future__ import annotations

import re
from pathlib import Path

from deployments import Editions, everything, of_type

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
RUNBOOKS = PAGE.partition("\n## Runbooks\n")[2].partition("\n## ")[0]
HEADINGS = set(re.findall(r"^### (.+)$", RUNBOOKS, re.MULTILINE))


def led_to(text: str) -> str:
    found = re.search(r"Runbook: ([^.]+)\.", text)
    assert found, f"{text!r} names no runbook"
    return found[1]


def test_every_alarm_and_message_leads_to_a_runbook(editions: Editions) -> None:
    resources = editions.nested({**everything(), "EfsThroughputMode": "bursting"}).resources
    alarms = [
        it["AlarmDescription"]
        for kind in ("Alarm", "CompositeAlarm")
        for it in of_type(resources, f"AWS::CloudWatch::{kind}").values()
    ]
    messages = [
        target["InputTransformer"]["InputTemplate"]
        for rule in of_type(resources, "AWS::Events::Rule").values()
        for target in rule["Targets"]
    ]
    assert len(alarms) > 10
    assert len(messages) > 4
    assert {led_to(text) for text in [*alarms, *messages]} <= HEADINGS


def test_the_situations_are_there() -> None:
    assert {
        "An update's rollback failed",
        "The stack cannot be deleted",
        "A host drains and does not end",
        "Credits are exhausted",
        "A zone is lost",
        "The region is lost",
        "A credential leaked",
        "A wrong package was published",
    } <= HEADINGS
