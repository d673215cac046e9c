"""Whatever wakes or tells somebody leads to a page of docs/runbooks/; each page is a screen, and reachable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from deployments import Editions, everything, of_type

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
SCREEN = 55
"""Lines."""


def led_to(text: str) -> str:
    found = re.search(r"Runbook: (docs/runbooks/[a-z-]+\.md)\"?$", text)
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
        for title, rule in of_type(resources, "AWS::Events::Rule").items()
        if title != "EndedAlarm"  # after which nothing is to be done
        for target in rule["Targets"]
    ]
    assert len(alarms) > 10
    assert len(messages) > 4
    missing = {page for text in [*alarms, *messages] if not (ROOT / (page := led_to(text))).exists()}
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_a_screen(page: Path) -> None:
    assert len(page.read_text().splitlines()) <= SCREEN


def test_the_first_page_leads_to_all_others() -> None:
    index = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"\]\(runbooks/([a-z-]+)\.md\)", index)) == {page.stem for page in PAGES}
