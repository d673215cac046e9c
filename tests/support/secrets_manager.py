"""Secrets Manager as tasks and the rotation's function reach it: moto's server, and ECS's endpoint of credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3  # type: ignore[import-untyped] # boto3 has no types
import pytest
from custom_resource import module, serving
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"
CREDENTIALS = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret/key", "Token": "a/session+token="}


class SecretsManager:
    def __init__(self, endpoint: str, credentials_url: str) -> None:
        self.endpoint = endpoint
        self.credentials_url = credentials_url
        self.client: Any = boto3.client(
            "secretsmanager",
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    def create(self, name: str, value: object) -> str:
        """The ARN of a new secret."""
        text = value if isinstance(value, str) else json.dumps(value)
        arn: str = self.client.create_secret(Name=name, SecretString=text)["ARN"]
        return arn

    def put(self, arn: str, value: object) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.client.put_secret_value(SecretId=arn, SecretString=text)

    def value(self, arn: str, stage: str = "AWSCURRENT") -> dict[str, Any]:
        text = self.client.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]
        document: dict[str, Any] = json.loads(text)
        return document

    def labels(self, arn: str) -> dict[str, list[str]]:
        """Of each version that has any."""
        labels: dict[str, list[str]] = self.client.describe_secret(SecretId=arn)["VersionIdsToStages"]
        return {version: sorted(its) for version, its in labels.items() if its}

    def environment(self, **arns: str) -> dict[str, str]:
        """Of a task that reads these secrets every second."""
        return {
            **arns,
            "PASSWORD_ROTATION_DAYS": "30",
            "SECRETS_ENDPOINT": self.endpoint,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.credentials_url,
            "POLL_SECONDS": "1",
        }


class _Credentials(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(CREDENTIALS).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def secrets_manager() -> Iterator[SecretsManager]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        with serving(_Credentials) as credentials:
            yield SecretsManager(f"http://127.0.0.1:{server.get_host_and_port()[1]}", f"{credentials}/v2/role")
    finally:
        server.stop()


def function(
    manager: SecretsManager, patch: pytest.MonkeyPatch, *, grace_hours: float, wait_seconds: float
) -> ModuleType:
    """The rotation's function, as Lambda makes it of the inline code."""
    for name, value in {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": manager.endpoint,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": REGION,
        "GRACE_HOURS": str(grace_hours),
        "WAIT_SECONDS": str(wait_seconds),
    }.items():
        patch.setenv(name, value)
    return module((ROOT / "functions" / "rotation.py").read_text())
