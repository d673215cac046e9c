"""The server with the very environment that the template gives its container, and the secrets that ECS reads for it."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from custom_resource import serving
from deployments import Editions
from packaging.version import Version
from secrets_manager import SecretsManager, secrets_manager

from server.proxy.policy import Candidate
from server.settings import Settings

from .conftest import StartTask
from .tasks import becomes, sha256, wheel
from .upstream.playing import send

NOT_OURS = ("PACKAGES_DIRECTORY", "PORT", "SECRETS_ENDPOINT")
"""What a test's task has of its own."""
NUMBERS = count()


@pytest.fixture(scope="module")
def manager() -> Iterator[SecretsManager]:
    with secrets_manager() as manager:
        yield manager


class Deployed:
    """A deployment's secrets, as CloudFormation makes them in Secrets Manager, and the task's environment."""

    def __init__(self, resources: dict[str, Any], manager: SecretsManager) -> None:
        self._manager = manager
        self._secrets = {
            f"<{title}>": manager.create(f"{title}-{next(NUMBERS)}", _first_value(it["Properties"]))
            for title, it in resources.items()
            if it["Type"] == "AWS::SecretsManager::Secret"
        }
        (container,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
        given = {it["Name"]: self._known(it["Value"]) for it in container["Environment"] if it["Name"] not in NOT_OURS}
        read = {it["Name"]: self._read(it["ValueFrom"]) for it in container["Secrets"]}
        self.read_by_ecs = {self._known(re.match("<[^>]*>", it["ValueFrom"])[0]) for it in container["Secrets"]}  # type: ignore[index] # or fails
        self.environment = {**manager.environment(), **given, **read}

    def _known(self, text: str) -> str:
        return re.sub("<[^>]*>", lambda match: self._secrets[match[0]], text)

    def _read(self, source: str) -> str:
        """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html"""
        secret, _, rest = source.partition(">")
        value = self._manager.client.get_secret_value(SecretId=self._known(f"{secret}>"))["SecretString"]
        field = rest.split(":")[1] if rest else ""
        return str(json.loads(value)[field] if field else value)

    def allowed(self, role: Any) -> set[tuple[str, str]]:
        """Action and resource, for each secret that a policy of ``role`` names."""
        return {
            (action, self._known(resource))
            for policy in role["Properties"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
            for action in statement["Action"]
            for resource in statement["Resource"]
            if action.startswith("secretsmanager:")
        }

    def account(self, title: str) -> tuple[str, str]:
        """Username and password that the secret ``title`` has now."""
        value = self._manager.value(self._secrets[f"<{title}>"])
        return value["username"], value["password"]

    def put(self, title: str, value: object) -> None:
        self._manager.put(self._secrets[f"<{title}>"], value)


def _first_value(secret: dict[str, Any]) -> str:
    """With a password of its own for each account."""
    if "SecretString" in secret:
        return str(secret["SecretString"])
    wanted = secret["GenerateSecretString"]
    template = json.loads(wanted["SecretStringTemplate"])
    return json.dumps({**template, wanted["GenerateStringKey"]: f"first-of-{template['username']}"})


def test_each_account_does_what_it_may_and_takes_up_its_new_password(
    editions: Editions, manager: SecretsManager, start_newest: StartTask, directory: Path
) -> None:
    deployed = Deployed(editions.nested({"PasswordRotationDays": "30", "Tokens": "true"}).resources, manager)
    task = start_newest(directory, **deployed.environment)
    publisher, reader = deployed.account("PublisherSecret"), deployed.account("ReaderSecret")
    assert task.upload(*wheel("demo", "1.0"), account=publisher).status_code == 200
    assert task.get("/simple/demo/", reader).status_code == 200
    assert task.upload(*wheel("demo", "1.1"), account=reader).status_code == 403
    deployed.put("PublisherSecret", {"username": publisher[0], "password": "second-of-publisher"})
    deployed.put("ReaderSecret", {"username": reader[0], "password": "second-of-reader"})
    token = {"name": "ci", "sha256": sha256(b"a-token"), "may": "read", "projects": ["demo"], "expires": None}
    deployed.put("TokensSecret", [token])
    accounts = [
        (publisher[0], "second-of-publisher"),
        (reader[0], "second-of-reader"),
        ("__token__", "a-token"),
        publisher,
        reader,
    ]
    becomes([200, 200, 200, 401, 401], lambda: [task.get("/simple/demo/", it).status_code for it in accounts])
    assert task.upload(*wheel("demo", "1.2"), account=(publisher[0], "second-of-publisher")).status_code == 200


def test_roles_may_read_the_secrets_that_ecs_and_the_task_read_and_no_others(
    editions: Editions, manager: SecretsManager, start_newest: StartTask, directory: Path
) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html"""
    resources = editions.nested({"PasswordRotationDays": "30", "Tokens": "true"}).resources
    deployed = Deployed(resources, manager)
    asked: set[tuple[str, str]] = set()

    class Noted(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.add((self.headers["X-Amz-Target"].replace(".", ":"), json.loads(body)["SecretId"]))
            answer = requests.post(manager.endpoint, body, headers=dict(self.headers), timeout=10)
            send(self, answer.status_code, answer.headers["Content-Type"], answer.content)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Noted) as url:
        start_newest(directory, **{**deployed.environment, "SECRETS_ENDPOINT": url})
        assert deployed.allowed(resources["TaskRole"]) == asked
    actions, patterns = map(set, zip(*deployed.allowed(resources["ExecutionRole"]), strict=True))
    assert actions == {"secretsmanager:GetSecretValue"}
    assert patterns == {next(it for it in patterns if fnmatchcase(arn, it)) for arn in deployed.read_by_ecs}


def test_the_containers_health_check_tells_a_task_that_serves_from_one_that_is_gone(
    editions: Editions, start_newest: StartTask, directory: Path
) -> None:
    """Run as Docker runs it: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html"""
    (container,) = editions.nested().resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    (port,) = [it["Value"] for it in container["Environment"] if it["Name"] == "PORT"]
    task = start_newest(directory)
    how, *command = [word.replace(f":{port}/", f":{task.port}/") for word in container["HealthCheck"]["Command"]]
    assert how == "CMD"
    assert subprocess.run(command, check=False).returncode == 0
    task.kill()
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode != 0


def test_each_parameter_means_to_the_server_what_the_form_says(editions: Editions, manager: SecretsManager) -> None:
    def settings(**given: str) -> Settings:
        deployed = Deployed(editions.nested(given).resources, manager)
        return Settings.from_environment(deployed.environment)

    mutable = {"ImmutablePackages": "false", "ReaderAccount": "false"}
    plain = settings(FallbackUrl="https://index.test/simple", GunicornWorkers="3", **mutable)
    assert (plain.fallback_url, plain.immutable, plain.workers) == ("https://index.test/simple", False, 3)
    assert (plain.upstream, plain.polled, [it.role for it in plain.accounts]) == (None, None, ["PUBLISHER"])
    proxy = settings(
        UpstreamUrl="https://index.test/simple",
        UpstreamFileHosts="files.test",
        PrivateNames="ours",
        MinReleaseAgeDays="7",
        CooldownExemptNames="exempt",
        BlockedFiles="blocked",
        UpstreamCacheGib="3",
    )
    upstream = proxy.upstream
    assert proxy.immutable
    assert [(it.username, it.password) for it in proxy.accounts] == [
        ("publisher", "first-of-publisher"),
        ("reader", "first-of-reader"),
    ]
    assert upstream
    assert (upstream.url, upstream.cache_bytes) == ("https://index.test/simple", 3 << 30)
    assert upstream.outbound.split("https://files.test/x")
    names = ("ours", "exempt", "blocked", "other")
    assert [name for name in names if name in upstream.private_names] == ["ours"]
    shown = [upstream.policy.shown_from(Candidate(name, Version("1.0"), "0" * 64, 0.0)) for name in names[1:]]
    assert shown == [-math.inf, math.inf, 7 * 86400.0]
