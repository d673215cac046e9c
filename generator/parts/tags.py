"""The tags of every taggable resource, the same as the Terraform module's."""

from __future__ import annotations

from troposphere import Join, Ref, Tags

from generator import settings
from generator.language.wiring import Expression, Stack
from generator.tag_keys import KEYS

PROJECT = "cloudformation-aws-pypiserver"


def tag_map(stack: Stack, noun: str) -> dict[str, Expression]:
    """Tags by key; ``noun`` ends the Name."""
    service = stack.take(settings.SERVICE_NAME)
    values = (
        Join("-", [service, noun]),
        Ref("AWS::AccountId"),
        PROJECT,
        stack.take(settings.ENVIRONMENT),
        service,
    )
    return dict(zip(KEYS, values, strict=True))


def tags(stack: Stack, noun: str) -> Tags:
    """Tags as the list of Key and Value that most resource types expect."""
    return Tags(tag_map(stack, noun))
