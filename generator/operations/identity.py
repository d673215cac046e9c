"""Whose stack it is: commands touch only stacks of these templates, whatever name they are given."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

from generator.operations.aws import Client
from generator.operations.errors import ClientError
from generator.operations.exits import Problem
from generator.parts.descriptions import DESCRIPTIONS, PARENT, SINGLE

Stack: TypeAlias = dict[str, Any]
"""What DescribeStacks says about it."""
SERVER = (PARENT, SINGLE)


def is_of(cloudformation: Client, stack: Stack, template: str) -> bool:
    """Whether the stack is of this template, by its file name."""
    return _template(_description(cloudformation, stack)) == template


def refuse_other(cloudformation: Client, stack: Stack, templates: Collection[str]) -> None:
    """Raises Problem, which says what the stack is, if it is of none of ``templates``."""
    name, wanted = stack["StackName"], " or ".join(templates)
    if root := stack.get("RootId") or stack.get("ParentId"):
        raise Problem(f"{name} is nested in {root.split('/')[1]}: give the name of that stack")
    said = _description(cloudformation, stack)
    if stack["StackStatus"] == "REVIEW_IN_PROGRESS" and not said:
        _refuse_review(cloudformation, name, templates)
    elif (ours := _template(said)) not in templates:
        what = f"of {ours}" if ours else f"described as {said!r}" if said else "without a description"
        raise Problem(
            f"{name} is no stack of {wanted}, and was left alone. It is {what}, {stack['StackStatus']}, made on "
            f"{stack['CreationTime']:%Y-%m-%d}: check --stack-name and the region"
        )


def _template(description: str) -> str:
    """The file name of the template with this description; empty if it is none of these."""
    return next((name for name, known in DESCRIPTIONS.items() if description.startswith(known)), "")


def _description(cloudformation: Client, stack: Stack) -> str:
    """Of its template; empty if it has none, or may not be read."""
    if said := stack.get("Description"):
        return str(said)
    try:
        return str(cloudformation.get_template_summary(StackName=stack["StackId"]).get("Description", ""))
    except ClientError:
        return ""


def _refuse_review(cloudformation: Client, stack_name: str, templates: Collection[str]) -> None:
    """Raises Problem if a change set of the stack is of another template; a stack in review has none itself.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_GetTemplate.html
    """
    pages = cloudformation.get_paginator("list_change_sets").paginate(StackName=stack_name)
    for it in (summary for page in pages for summary in page["Summaries"]):
        try:
            template = cloudformation.get_template(StackName=stack_name, ChangeSetName=it["ChangeSetId"])
        except ClientError:
            continue
        # The AWS CLI folds long lines.
        text = " ".join(str(template["TemplateBody"]).split())
        if not any(DESCRIPTIONS[name] in text for name in templates):
            raise Problem(
                f"{stack_name} has nothing yet except somebody's change set {it['ChangeSetName']}, of another template, and "
                "was not touched: check --stack-name and the region"
            )
