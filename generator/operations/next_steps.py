"""What to do with a deployed server: its addresses, the credentials, a first upload and install, what is missing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from generator.operations.aws import Account
from generator.operations.errors import AWS_ERRORS, DENIED, ClientError, code, explain
from generator.operations.invocation import called_as
from generator.operations.stacks import has_reader, outputs
from generator.operations.terminal import Terminal


def urls(stack: dict[str, Any]) -> list[str]:
    """The server's, without a slash at the end; none before the stack has its outputs."""
    return [url.rstrip("/") for url in outputs(stack).get("PypiServerUrls", "").split(",") if url]


def commands(account: Account, stack: dict[str, Any]) -> dict[str, list[str]]:
    """Lines for a shell, by purpose. They work one after the other, even in an empty directory."""
    named = shlex.join(["--stack-name", stack["StackName"], *account.options])
    credentials = f"{called_as()} credentials {named}"
    reader = "" if has_reader(stack) else " --account publisher"
    return {
        "credentials to upload": [f"{credentials} --format pypirc --output .pypirc"],
        "credentials to install": [f"{credentials} --format pip{reader} --output pip.conf"],
        "first upload, and install": [
            "twine upload --config-file .pypirc --repository private dist/*",
            "PIP_CONFIG_FILE=pip.conf pip install PROJECT",
        ],
    }


def show(account: Account, terminal: Terminal, stack: dict[str, Any]) -> None:
    """Nothing for a stack without outputs."""
    if not urls(stack):
        return
    terminal.line()
    for url in urls(stack):
        terminal.verbatim(f"{url}/")
    for purpose, lines in commands(account, stack).items():
        terminal.line(f"{purpose}:", "bold")
        for line in lines:
            terminal.verbatim(f"  {line}")
    if left := list(_left(account, stack)):
        terminal.line("not set up yet:", "bold")
        for line in left:
            terminal.line(f"  {line}")


def _left(account: Account, stack: dict[str, Any]) -> Iterator[str]:
    """A line for each thing that a deployment cannot do itself. What may not be read counts as done.

    Who has the policies of deployer.yaml may not look among all stacks.
    """
    given = {it["ParameterKey"]: it["ParameterValue"] for it in stack.get("Parameters", [])}
    for check in (_alarms, _jobs):
        try:
            yield from check(account, stack, given)
        except AWS_ERRORS as error:
            if not (isinstance(error, ClientError) and code(error) in DENIED):
                yield f"perhaps more: {explain(error)}"


def _alarms(account: Account, stack: dict[str, Any], given: dict[str, str]) -> Iterator[str]:
    topic = outputs(stack).get("CloudwatchAlarmSnsTopicArn", "")
    found = account.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] if topic else []
    # https://docs.aws.amazon.com/sns/latest/api/API_Subscription.html
    waiting = [it["Endpoint"] for it in found if it["SubscriptionArn"] == "PendingConfirmation"]
    if waiting:
        yield f"alarms: {', '.join(waiting)} must confirm a message from AWS Notifications"
    if not found and not given.get("AlarmTopicArns"):
        yield "alarms: nobody receives them; give AlarmEmails or AlarmTopicArns"


def _jobs(account: Account, stack: dict[str, Any], given: dict[str, str]) -> Iterator[str]:
    """By tokens, by readers of the secrets, or by a stack of templates/ci-access.yaml."""
    if given.get("Tokens") == "true" or given.get("SecretReaders"):
        return
    secrets = {outputs(stack).get(name) for name in ("PypiUserSecretArn", "ReaderSecretArn")} - {None}
    pages = account.client("cloudformation").get_paginator("describe_stacks").paginate()
    for other in (it for page in pages for it in page["Stacks"]):
        if secrets & {
            it.get("ParameterValue") for it in other.get("Parameters", []) if it["ParameterKey"] == "SecretArn"
        }:
            return
    yield "CI: jobs have no access of their own; docs/ci.md sets it up without a stored password, docs/tokens.md with tokens"
