"""Values from AWS Secrets Manager, read with the credentials of the task's role."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult, urlsplit

from server.wire.outbound import CONNECT_SECONDS, Unreachable, ask

ANSWER_SECONDS = 10.0
# A value is at most 64 KiB, of characters that JSON may write as six.
ANSWER_BYTES = 1 << 19
_SERVICE = "secretsmanager"


class SecretsManager:
    def __init__(self, endpoint: str, credentials_url: str) -> None:
        """`credentials_url` is where ECS serves those of the role, which change every few hours."""
        self._endpoint = urlsplit(endpoint)
        self._credentials = urlsplit(credentials_url)

    def get(self, arn: str, stage: str) -> str | None:
        """The version with the label `stage`; None if there is none. Raises Unreachable, which never contains the value."""
        status, credentials = _call("GET", self._credentials, {}, b"")
        if status != 200:
            raise Unreachable(f"cannot get the credentials of the task's role: {status}")
        body = json.dumps({"SecretId": arn, "VersionStage": stage}).encode()
        headers = signed(self._endpoint.netloc, body, arn.split(":")[3], credentials, datetime.now(timezone.utc))
        status, answer = _call("POST", self._endpoint, headers, body)
        error = str(answer.get("__type", "")).rpartition("#")[2]
        if error == "ResourceNotFoundException":
            return None
        value = answer.get("SecretString")
        if status != 200 or not isinstance(value, str):
            raise Unreachable(f"Secrets Manager answers with {status} {error[:80]!a}")
        return value


def signed(host: str, body: bytes, region: str, credentials: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """The headers of a POST to `/` that requests a value.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": host,
        "x-amz-date": moment,
        "x-amz-security-token": str(credentials.get("Token", "")),
        "x-amz-target": f"{_SERVICE}.GetSecretValue",
    }
    names = ";".join(headers)
    fields = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n/\n\n{fields}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{moment[:8]}/{region}/{_SERVICE}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{credentials.get('SecretAccessKey', '')}".encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    del headers["host"]
    return headers | {
        "authorization": f"AWS4-HMAC-SHA256 Credential={credentials.get('AccessKeyId')}/{scope}, "
        f"SignedHeaders={names}, Signature={key.hex()}"
    }


def _call(method: str, url: SplitResult, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of the answer. Raises Unreachable."""
    deadline = time.monotonic() + ANSWER_SECONDS
    host, port = str(url.hostname), url.port or (443 if url.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as plain:
            connection = plain
            if url.scheme == "https":
                connection = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
            with connection:
                response = ask(connection, url, headers, deadline, method, body)
                # Anything over the limit is cut, and then not JSON.
                answer = json.loads(response.read(ANSWER_BYTES))
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise Unreachable(f"{host} gave an unusable answer: {type(error).__name__}") from None
    if not isinstance(answer, dict):
        raise Unreachable(f"{host} gives no JSON object")
    return response.status, answer
