"""The task definition carries the program of generator/container/, and fits ECS whatever the operator gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module

from deployments import Editions, everything

from generator import settings
from generator.language.wiring import Setting

MOST_BYTES = 64 * 1024
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html

How ECS counts isn't documented. An error seen in public names more than a request's text has
(https://github.com/awsdocs/amazon-ecs-developer-guide/issues/43), so we count it indented, which is a third more for
what isn't the program.
"""
LONGEST_NAME = "x" * 300
"""In the place of a role's, secret's or file system's ARN or ID."""


def longest(setting: Setting) -> str:
    """As many characters as the parameter's form admits, all of them ASCII."""
    if setting.values:
        return max(setting.values, key=len)
    assert setting.pattern is not None, setting.name
    width: int = import_module("re._parser").parse(setting.pattern).getwidth()[1]
    assert width < 1000, f"{setting.name} has no greatest length"
    assert re.fullmatch(setting.pattern, "é") is None
    return "x" * width


def referred(value: object) -> Iterator[str]:
    """Names that ``Ref`` mentions anywhere within."""
    if isinstance(value, dict):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        for item in value.values():
            yield from referred(item)
    elif isinstance(value, list):
        for item in value:
            yield from referred(item)


def test_task_definition_takes_half_of_what_ecs_admits_at_most(editions: Editions) -> None:
    by_name = {setting.name: setting for setting in settings.ALL}
    used = {name for name in referred(editions.single_file["Resources"]["TaskDefinition"]) if name in by_name}
    assert {"FallbackUrl", "ContainerImage", "Environment", "ServiceName"} <= used
    given = {**everything(), **{name: longest(by_name[name]) for name in used}}
    request = editions.single(given).resources["TaskDefinition"]["Properties"]
    assert request["Tags"]
    text = re.sub("<[A-Za-z.]+>", LONGEST_NAME, json.dumps(request, indent=4))
    assert len(text.encode()) <= MOST_BYTES / 2
