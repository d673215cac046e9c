"""What AWS limits the size of fits it, whatever the operator gives."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from importlib import import_module

import pytest
from deployments import Editions, everything, of_type

from generator import settings
from generator.language.wiring import Setting
from generator.parts.container_program import CAPACITY, SECRET_BYTES, packed

BY_NAME = {setting.name: setting for setting in settings.ALL}
TASK_DEFINITION_BYTES = 64 * 1024
SPARE_BYTES = 4 * 1024
"""Of the server's task definition: settings that are still to come."""
SPARE_CAPACITY = 0.15
"""Of what command and secret have room for together: mends and features of the server that are still to come."""
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html

How ECS counts isn't documented. People who counted their request's text got less than ECS did
(https://github.com/awsdocs/amazon-ecs-developer-guide/issues/43), so it is counted indented, with all its spaces.
"""
USER_DATA_BYTES = 16 * 1024
"""Before Base64. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html"""
LONGEST_NAME = "x" * 512
"""In the place of a resource's ARN or ID; no name is longer than a log group's."""
LONGEST_SHORT_NAME = "x" * 128
"""Of an access point, and of a role without a path: https://docs.aws.amazon.com/efs/latest/ug/API_AccessPointDescription.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


LONGEST_SECRET = "x" * 160
"""Its ARN, where CloudFormation makes the name: logical ID, hyphen and 12 characters; Secrets Manager adds 7.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html"""


def longest(name: str) -> str:
    """As many characters as the parameter's form admits, all of them ASCII."""
    setting: Setting = BY_NAME[name]
    if setting.values:
        return max(setting.values, key=len)
    assert setting.pattern is not None, name
    width: int = import_module("re._parser").parse(setting.pattern).getwidth()[1]
    assert width <= 4096, f"{name} has no greatest length"
    assert re.fullmatch(setting.pattern, "é") is None
    return "x" * width


def referred(value: object) -> Iterator[str]:
    """Names of the operator's parameters that ``Ref`` mentions anywhere within."""
    if isinstance(value, dict):
        if value.get("Ref") in BY_NAME:
            yield value["Ref"]
        for item in value.values():
            yield from referred(item)
    elif isinstance(value, list):
        for item in value:
            yield from referred(item)


def with_long_names(text: str) -> str:
    text = re.sub(r"<(AccessPoint|[A-Za-z]+Role\.Arn)>", LONGEST_SHORT_NAME, text)
    text = re.sub(r"<(\w+Secret|ServerProgram\w+)>", LONGEST_SECRET, text)
    return re.sub("<[A-Za-z.]+>", LONGEST_NAME, text)


@pytest.mark.parametrize(("title", "spare"), [("TaskDefinition", SPARE_BYTES), ("LogAgentTaskDefinition", 0)])
def test_task_definition_fits_ecs(editions: Editions, title: str, spare: int) -> None:
    used = set(referred(editions.single_file["Resources"][title]))
    # The longest that DNS has (RFC 1035), of which their forms say nothing.
    names = {"DnsNames": "x" * 63, "HostedZoneName": ".".join(["z" * 63] * 3)}
    given = {**everything(), **{name: longest(name) for name in used - names.keys()}, **names}
    # A Rule refuses it beside UpstreamUrl.
    given["FallbackUrl"] = ""
    request = editions.single(given).resources[title]["Properties"]
    assert request["Tags"]
    size = len(with_long_names(json.dumps(request, indent=4)).encode())
    left = TASK_DEFINITION_BYTES - size
    assert left >= spare, (
        f"{left:,} bytes of the task definition are left, fewer than {spare:,}: let fewer lines of the program travel in the "
        "command (LINES_OF_COMMAND of generator/parts/container_program.py); a line more in the secret is one here"
    )


def test_the_program_has_room_to_grow(editions: Editions) -> None:
    program, secrets = packed(), of_type(editions.single_file["Resources"], "AWS::SecretsManager::Secret")
    value = secrets[program.secret]["SecretString"]
    assert 0 < len(value.encode()) <= SECRET_BYTES
    left = CAPACITY - program.size
    assert left >= CAPACITY * SPARE_CAPACITY, (
        f"{left:,} of {CAPACITY:,} characters are left to the program of server/, fewer than {SPARE_CAPACITY:.0%}: make it "
        "smaller. Once that is at an end, boot.py can fetch secrets by itself, with the task's role: two of them have room for "
        "131,072 bytes, which the environment of a task on Fargate has not."
    )


def test_user_data_fits_ec2(editions: Editions) -> None:
    given = {name: longest(name) for name in ("CloudinitExtraCommands", "ExtraFiles", "Users")}
    data = editions.single(given).resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]
    text = base64.b64decode(data).decode()
    assert all(value in text for value in given.values())
    assert len(with_long_names(text)) <= USER_DATA_BYTES
