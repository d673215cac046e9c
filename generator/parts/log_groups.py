"""Log groups: the operator's retention and key, and no names, so that two deployments can exist side by side."""

from __future__ import annotations

from typing import Any

from awacs import logs
from awacs.aws import Allow, Statement
from troposphere import GetAtt
from troposphere.logs import LogGroup

from generator import settings
from generator.conditions import HAS_LOG_KEY
from generator.language.retention import DELETE
from generator.language.wiring import Stack
from generator.parts.tags import tags


def log_group(
    stack: Stack, title: str, noun: str, *, retention: dict[str, Any] = DELETE, **attributes: Any
) -> LogGroup:
    """A log group added to ``stack``; ``attributes`` are resource attributes such as ``Condition``.

    ``retention`` is one of generator/language/retention.py: what happens to the group when the stack is deleted.
    """
    return stack.add(
        LogGroup(
            title,
            **retention,
            RetentionInDays=stack.take(settings.LOG_RETENTION_DAYS),
            KmsKeyId=stack.if_(HAS_LOG_KEY, settings.LOG_KMS_KEY_ARN),
            Tags=tags(stack, noun),
            **attributes,
        )
    )


def may_write(log: LogGroup) -> Statement:
    """Permission to write into ``log``."""
    return Statement(Effect=Allow, Action=[logs.CreateLogStream, logs.PutLogEvents], Resource=[GetAtt(log, "Arn")])
