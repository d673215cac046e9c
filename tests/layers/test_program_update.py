"""Whichever update: a task of a definition that is there can start, with the program of that definition."""

from __future__ import annotations

import hashlib
import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from deployments import REQUIRED, Editions
from moto_bridge import Loader
from resolve import Data, Evaluation
from updates import Account, Step, update

from generator.parts import text85
from generator.parts.container_program import VARIABLE, Program, packed

RELEASE = Path(__file__).parents[1] / "releases" / "1.0.0.zip"
KEY = {"SecretKmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/0a-1b"}


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Program:
    home = tmp_path_factory.mktemp("server")
    (home / "boot.py").touch()
    (home / "__main__.py").write_text("\n".join(f"{hashlib.sha256(b'%d' % it).hexdigest()!r}" for it in range(2000)))
    (home / "again.py").write_text("\n".join(f"A = {hashlib.sha256(b'%d' % it).hexdigest()!r}" for it in range(2000)))
    return packed(home)


def with_program(template: Data, program: Program) -> Data:
    """The template as it is with another program."""
    text, today = json.dumps(template), packed()
    for old, new in zip(
        [today.secret, today.rest, *today.command], [program.secret, program.rest, *program.command], strict=True
    ):
        assert json.dumps(old)[1:-1] in text
        text = text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    found: Data = json.loads(text)
    return found


def released() -> Data:
    with ZipFile(RELEASE) as files:
        template: Data = yaml.load(files.read("pypiserver-single.yaml"), Loader)
    return template


def evaluated(template: Data, **given: str) -> Evaluation:
    return Evaluation(template, {name: it for name, it in REQUIRED.items() if name in template["Parameters"]} | given)


def definitions(account: Account) -> set[str]:
    return {physical for physical in account if physical.startswith("TaskDefinition/")}


def starting(account: Account) -> set[str]:
    """The definitions whose tasks can start."""
    return {it for it in definitions(account) if starts(account, it)}


def in_use(account: Account) -> str:
    """The definition that the service has; ECS goes back to the one before it until its tasks are healthy."""
    (service,) = (it for physical, it in account.items() if physical.startswith("Service/"))
    return str(service["TaskDefinition"]).strip("<>")


def starts(account: Account, definition: str) -> bool:
    """Whether ECS gets every secret with the execution role, and boot the program that the command names."""
    (container,) = account[definition]["ContainerDefinitions"]
    role = account[account[definition]["ExecutionRoleArn"].removeprefix("<").partition(".")[0]]
    values = {}
    for secret in container["Secrets"]:
        physical = secret["ValueFrom"].removeprefix("<").partition(">")[0]
        if physical not in account or not may_read(role, physical):
            return False
        values[secret["Name"]] = account[physical].get("SecretString", "")
    if VARIABLE not in values:
        return True
    beginning, digest = container["Command"]
    return digest_of(beginning + values[VARIABLE]) == str(digest)


@cache
def digest_of(text: str) -> str:
    return hashlib.sha256(text85.decode(text)).hexdigest()


def may_read(role: Data, secret: str) -> bool:
    name = f"{secret.partition('/')[0]}-AbCdEfGhIjKl-a1b2c3"
    arn = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}"
    return any(
        "secretsmanager:GetSecretValue" in statement["Action"]
        and any(on == f"<{secret}>" or fnmatchcase(arn, on) for on in statement["Resource"])
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    )


@pytest.fixture(scope="module")
def today(editions: Editions) -> Data:
    return editions.single_file


@pytest.mark.parametrize("given", [{}, KEY, {"Capacity": "fargate"}], ids=["hosts", "key", "fargate"])
def test_another_program(today: Data, another: Program, given: dict[str, str]) -> None:
    steps = list(update(evaluated(today, **given), evaluated(with_program(today, another), **given)))
    assert [(it.verb, it.title) for it in steps[1:]] == [
        ("create", another.secret),
        ("replace", "TaskDefinition"),
        ("change", "Service"),
        ("remove", "TaskDefinition"),
        ("remove", packed().secret),
    ]
    for step in steps:
        assert in_use(step.account) in starting(step.account) == definitions(step.account), step[:2]


@pytest.mark.parametrize("fails", ["TaskDefinition", "Service"])
def test_another_program_that_fails(today: Data, another: Program, fails: str) -> None:
    steps = list(update(evaluated(today), evaluated(with_program(today, another)), fails))
    assert steps[-1].account == steps[0].account
    assert ("remove", another.secret) in {(it.verb, it.title) for it in steps}
    for step in steps:
        assert in_use(step.account) in starting(step.account) == definitions(step.account), step[:2]


def test_from_the_release_before(today: Data) -> None:
    """Whose definition has no secret of a program, and whose role may read none."""
    old, new = evaluated(released()), evaluated(today)
    for fails in (None, "Service", "ScalingPolicy"):
        steps = list(update(old, new, fails))
        assert steps
        for step in steps:
            assert in_use(step.account) in starting(step.account), step[:2]
            assert "TaskDefinition/1" in starting(step.account) or "TaskDefinition/1" not in step.account, step[:2]


def test_back_to_the_release_before(today: Data) -> None:
    steps = list(update(evaluated(today), evaluated(released())))
    changed, deployed = of(steps, "change", "ExecutionRole"), of(steps, "change", "Service")
    assert changed < of(steps, "replace", "TaskDefinition") < deployed < of(steps, "remove", packed().secret)
    for index, step in enumerate(steps):
        # Its role loses the statement first: then tasks of today's definition run on, and those of the old one start.
        assert in_use(step.account) in starting(step.account) or changed <= index < deployed, step[:2]
        assert "TaskDefinition/2" in starting(step.account) or "TaskDefinition/2" not in step.account, step[:2]
    assert packed().secret not in str(steps[-1].account.keys())


def test_what_keeps_a_task_from_starting_is_seen(today: Data) -> None:
    (step, *_) = update(evaluated(today), evaluated(today))
    assert starts(step.account, "TaskDefinition/1")
    secret = f"{packed().secret}/1"
    changed = {**step.account, secret: {"SecretString": "another"}}
    assert not starts(changed, "TaskDefinition/1")
    assert not starts({key: it for key, it in step.account.items() if key != secret}, "TaskDefinition/1")
    role = json.loads(json.dumps(step.account["ExecutionRole/1"]).replace("secret:ServerProgram*", "secret:Other*"))
    assert not starts({**step.account, "ExecutionRole/1": role}, "TaskDefinition/1")


def of(steps: list[Step], verb: str, title: str) -> int:
    """When it was done."""
    (when,) = (index for index, it in enumerate(steps) if (it.verb, it.title) == (verb, title))
    return when
