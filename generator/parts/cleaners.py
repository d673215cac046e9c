"""The custom resource that empties a bucket or vault, or force-deletes a group, when the stack is deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from awacs import logs
from awacs.aws import Allow, Statement
from troposphere import GetAtt, Ref
from troposphere.awslambda import Code, Function, LoggingConfig
from troposphere.cloudformation import CustomResource
from troposphere.iam import Policy

from generator.language.wiring import Stack
from generator.parts.iam import document, role
from generator.parts.log_groups import log_group
from generator.parts.tags import tags

FORCE_DESTROY = "force-destroy"
"""Tag that lets the cleaner empty the resource which carries it, if its value is ``true``."""
RUNTIME = "python3.14"
_SOURCE = (Path(__file__).parent.parent / "cleaner" / "handler.py").read_text()


class Cleaner(NamedTuple):
    """Logical IDs of a cleaner's resources, and the ``noun`` of their tags."""

    resource: str
    function: str
    role: str
    logs: str
    noun: str


def cleaner(
    stack: Stack, titles: Cleaner, condition: str, target: dict[str, Any], *permissions: Statement
) -> CustomResource:
    """Add a cleaner of ``target`` (property and name as generator/cleaner/handler.py has them), if ``condition``.

    What must be deleted before the target is emptied has to depend on the result.
    """
    log = log_group(stack, titles.logs, titles.noun, Condition=condition)
    write_logs = Statement(
        Effect=Allow, Action=[logs.CreateLogStream, logs.PutLogEvents], Resource=[GetAtt(log, "Arn")]
    )
    its_role = role(
        stack,
        titles.role,
        titles.noun,
        trusted="lambda.amazonaws.com",
        policies=[Policy(PolicyName="clean", PolicyDocument=document(write_logs, *permissions))],
        condition=condition,
    )
    function = stack.add(
        Function(
            titles.function,
            Condition=condition,
            Description="Empties what CloudFormation cannot delete while it holds something",
            Runtime=RUNTIME,
            Handler="index.handler",
            Code=Code(ZipFile=_SOURCE),
            Role=GetAtt(its_role, "Arn"),
            Timeout=900,
            MemorySize=256,
            LoggingConfig=LoggingConfig(LogGroup=Ref(log)),
            Tags=tags(stack, titles.noun),
        )
    )
    return stack.add(
        CustomResource(
            titles.resource,
            Condition=condition,
            ServiceToken=GetAtt(function, "Arn"),
            ServiceTimeout=900,
            **target,
        )
    )
