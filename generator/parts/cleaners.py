"""The custom resource that empties a bucket or vault, or force-deletes a group, when the stack is deleted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from awacs.aws import Statement
from troposphere import GetAtt, Ref
from troposphere.awslambda import Code, Function, LoggingConfig
from troposphere.cloudformation import CustomResource
from troposphere.iam import Policy

from generator.language.wiring import Expression, Stack, When, only_if
from generator.parts.iam import document, role
from generator.parts.log_groups import log_group, may_write
from generator.parts.tags import tags

FORCE_DESTROY = "force-destroy"
"""Tag that allows the cleaner to empty the resource that carries it, if its value is ``true``."""
RUNTIME = "python3.14"
_SOURCE = (Path(__file__).parents[2] / "functions" / "cleaner.py").read_text()


def cleaner(stack: Stack, title: str, condition: When, target: dict[str, Any], *permissions: Statement) -> Expression:
    """Add a cleaner of ``target`` (property and name as in functions/cleaner.py), if ``condition``.

    ``title`` is the custom resource's logical ID, from which those of its function, role and log group derive.
    Returns an expression for :func:`generator.language.wiring.after`: whatever fills the target, or uses it, must come
    after the cleaner, so that a deletion removes it before the target is emptied.
    """
    there = only_if(stack.when(condition))
    noun = "-".join(word.lower() for word in re.findall("[A-Z][a-z]+", title))
    log = log_group(stack, f"{title}Logs", noun, **there)
    its_role = role(
        stack,
        f"{title}Role",
        noun,
        trusted="lambda.amazonaws.com",
        policies=[Policy(PolicyName="clean", PolicyDocument=document(may_write(log), *permissions))],
        condition=condition,
    )
    function = stack.add(
        Function(
            f"{title}Function",
            **there,
            Description="Empties what CloudFormation can delete only when empty",
            Runtime=RUNTIME,
            Handler="index.handler",
            Code=Code(ZipFile=_SOURCE),
            Role=GetAtt(its_role, "Arn"),
            Timeout=900,
            MemorySize=256,
            LoggingConfig=LoggingConfig(LogGroup=Ref(log)),
            Tags=tags(stack, noun),
        )
    )
    resource = stack.add(
        CustomResource(title, **there, ServiceToken=GetAtt(function, "Arn"), ServiceTimeout=900, **target)
    )
    return stack.if_(condition, Ref(resource), "")
