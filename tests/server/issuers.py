"""Issuers of identity tokens, on loopback but in the world outside for tasks, and tokens as they sign them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .tasks import Task
from .upstream.playing import Answer, Index, World, send

if TYPE_CHECKING:
    # It takes a second.
    from secrets_manager import SecretsManager

AUDIENCE = "pypi.example.com"
NUMBERS = count()
KEY_ID = "2026"
MINT, BURN = "/_/oidc/mint-token", "/_/oidc/burn-token"


@cache
def key(name: str = "issuer", bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same one for the same name."""
    return rsa.generate_private_key(65537, bits)


def encoded(content: bytes | object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def integer(number: int) -> str:
    return encoded(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def published(signing: rsa.RSAPrivateKey, key_id: str = KEY_ID, /, **more: object) -> dict[str, object]:
    """The public key, as a set of keys has it."""
    numbers = signing.public_key().public_numbers()
    facts = {
        "kid": key_id,
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "n": integer(numbers.n),
        "e": integer(numbers.e),
    }
    return {**facts, **more}


def signed(claims: Mapping[str, object], signing: rsa.RSAPrivateKey | None = None, **header: object) -> str:
    text = f"{encoded({'alg': 'RS256', 'typ': 'JWT', 'kid': KEY_ID, **header})}.{encoded(dict(claims))}"
    signature = (signing or key()).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{encoded(signature)}"


def claims_of(issuer: str, **more: object) -> dict[str, Any]:
    """As GitHub's: those that are None are left out."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": "repo:octo/acme:environment:release",
        "jti": f"token-{next(NUMBERS)}",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "repository": "octo/acme",
        "repository_id": "74",
        "repository_owner_id": "65",
        "job_workflow_ref": "octo/acme/.github/workflows/release.yml@refs/tags/v1",
        "environment": "release",
        "event_name": "push",
        "ref": "refs/tags/v1",
    }
    return {name: value for name, value in {**claims, **more}.items() if value is not None}


def publisher(name: str, issuer: str, **more: Any) -> dict[str, Any]:
    """An entry of the secret."""
    claims = {
        "repository": "octo/acme",
        "repository_id": "74",
        "repository_owner_id": "65",
        "job_workflow_ref": "octo/acme/.github/workflows/release.yml@*",
        "environment": "release",
    }
    entry = {"name": name, "issuer": issuer, "claims": claims, "may": "upload", "projects": ["acme-*"], "expires": None}
    return {**entry, "key": f"{name}-".ljust(43, "k"), **more}


def answers(document: object, status: int = 200, **headers: str) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return lambda handler: send(handler, status, "application/json", body, **headers)


def publish(index: Index, url: str, *keys: dict[str, object], **more: object) -> None:
    """Let the issuer at `url` have these keys."""
    path = "/" + url.split("/", 3)[3]
    document = {"issuer": url, "jwks_uri": f"{url}/keys", **more}
    index.answers[f"{path}/.well-known/openid-configuration"] = answers(document)
    index.answers[f"{path}/keys"] = answers({"keys": list(keys)})


def sent_by(task: Task, path: str, token: object, **options: Any) -> requests.Response:
    return requests.post(task.url + path, json={"token": token}, timeout=60, **options)


def by(token: str) -> tuple[str, str]:
    return "__token__", token


def outside(world: World, manager: SecretsManager) -> dict[str, str]:
    """Secrets Manager and the credentials of the role as tasks reach them, for whom loopback is nowhere."""
    environment: dict[str, str] = {}
    for number, (name, url) in enumerate(
        (("SECRETS_ENDPOINT", manager.endpoint), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", manager.credentials_url))
    ):
        parts = urlsplit(url)
        assert parts.port
        world.hosts.append((f"aws{number}.test", f"10.0.0.{number}"))
        world.routes.append((f"10.0.0.{number}", parts.port))
        environment[name] = f"http://aws{number}.test{parts.path}"
    world.write()
    return environment
