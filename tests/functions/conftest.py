"""The cleaner as Lambda runs it: its own file, a real ResponseURL, moto's S3 and Auto Scaling behind boto3.

A small HTTP server stands for AWS Backup, reached through boto3's own ``AWS_ENDPOINT_URL_BACKUP``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from cleaned import Vault
from custom_resource import CloudFormation, cloudformation, module, serving
from moto import mock_aws
from moto.s3.models import S3Backend

HANDLER = Path(__file__).parents[2] / "functions" / "cleaner.py"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    """CloudFormation, in an account whose S3 goes on with a listing where S3 does.

    moto looks for the version that ended the last page, and gives nothing if that has been deleted meanwhile. Here
    the whole page has been, so that what comes next is what comes first.
    """
    moto_list = S3Backend.list_object_versions

    def list_object_versions(self: Any, bucket: str, **query: Any) -> Any:
        ids = {version.version_id for _, versions in self.get_bucket(bucket).keys.iterlists() for version in versions}
        if query.get("version_id_marker") not in ids:
            query |= {"key_marker": None, "version_id_marker": None}
        return moto_list(self, bucket, **query)

    monkeypatch.setattr(S3Backend, "list_object_versions", list_object_versions)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws(), cloudformation() as service:
        yield service


@pytest.fixture
def index() -> ModuleType:
    """The handler, for which waiting takes no time."""
    index = module(HANDLER.read_text())
    index.time = SimpleNamespace(sleep=lambda _seconds: None)  # type: ignore[attr-defined] # the handler's import
    return index


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch, service: CloudFormation) -> Iterator[Vault]:
    """Marked, with five recovery points."""
    points = {f"arn:aws:ec2:us-east-1::recovery-point:{number}": "COMPLETED" for number in range(5)}
    vault = Vault(tags={"force-destroy": "true"}, points=points)

    class Backup(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            vault.requests.append(f"{self.command} {unquote(self.path)}")
            status, content = vault.answer(self.command, self.path)
            body = json.dumps(content).encode()
            self.send_response(status)
            if "Code" in content:
                self.send_header("x-amzn-ErrorType", content["Code"])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_DELETE = _answer

        def log_message(self, *_line: object) -> None:
            """Silent: the output is pytest's."""

    with serving(Backup) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BACKUP", url)
        yield vault
