"""Names for people to read, and what distinguishes deployments with one ServiceName: the beginning of the stack's UUID."""

from __future__ import annotations

from troposphere import Join, Ref, Select, Split

from generator import settings
from generator.language.wiring import Stack


def in_region(stack: Stack) -> Join:
    """Unique in the account and region."""
    return Join("-", [stack.take(settings.SERVICE_NAME), _uuid_start()])


def in_account(stack: Stack) -> Join:
    """Unique in the account, across its regions, as dashboard names must be."""
    return Join("-", [stack.take(settings.SERVICE_NAME), Ref("AWS::Region"), _uuid_start()])


def _uuid_start() -> Select:
    return Select(0, Split("-", Select(2, Split("/", Ref("AWS::StackId")))))
