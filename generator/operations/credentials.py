"""The server's credentials in the forms that tools read."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from generator.operations.aws import Account, Problem
from generator.operations.stacks import get, outputs

_SECRETS = {"publisher": "PypiUserSecretArn", "reader": "ReaderSecretArn"}
"""Outputs by account."""


@dataclass(frozen=True)
class Credentials:
    """``url`` is the server's first, without a slash at the end."""

    url: str
    username: str
    password: str

    @property
    def index(self) -> str:
        """The simple index, with the credentials in the URL."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{quote(self.username, safe='')}:{quote(self.password, safe='')}@{rest}/simple/"


def read(account: Account, stack_name: str, user: str) -> Credentials:
    """What Secrets Manager holds now for ``user``. Raises Problem where stack, outputs or that account are missing."""
    stack = get(account, stack_name)
    given = outputs(stack)
    if "PypiServerUrls" not in given:
        raise Problem(f"{stack_name} is {stack['StackStatus']} and has no outputs: deploy it first")
    if not given.get(_SECRETS[user]):
        raise Problem(f"{stack_name} has no {user}")
    secret = account.client("secretsmanager").get_secret_value(SecretId=given[_SECRETS[user]])
    values = json.loads(secret["SecretString"])
    return Credentials(given["PypiServerUrls"].split(",")[0].rstrip("/"), values["username"], values["password"])


def _pip(it: Credentials) -> str:
    return f"[global]\nindex-url = {it.index}\n"


def _pypirc(it: Credentials) -> str:
    return (
        "[distutils]\nindex-servers = private\n\n"
        f"[private]\nrepository = {it.url}/\nusername = {it.username}\npassword = {it.password}\n"
    )


def _uv(it: Credentials) -> str:
    # JSON's strings are TOML's.
    return f'[[index]]\nname = "private"\nurl = {json.dumps(it.index)}\ndefault = true\npublish-url = "{it.url}/"\n'


def _env(it: Credentials) -> str:
    values = {
        "PIP_INDEX_URL": it.index,
        "UV_DEFAULT_INDEX": it.index,
        "UV_PUBLISH_URL": f"{it.url}/",
        "UV_PUBLISH_USERNAME": it.username,
        "UV_PUBLISH_PASSWORD": it.password,
        "TWINE_REPOSITORY_URL": f"{it.url}/",
        "TWINE_USERNAME": it.username,
        "TWINE_PASSWORD": it.password,
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _json(it: Credentials) -> str:
    return json.dumps({"url": f"{it.url}/", "username": it.username, "password": it.password}, indent=2) + "\n"


FORMATS: dict[str, Callable[[Credentials], str]] = {
    "pip": _pip,
    "pypirc": _pypirc,
    "uv": _uv,
    "env": _env,
    "json": _json,
}
"""pip.conf, .pypirc, uv.toml, lines for a shell, JSON."""


def write(text: str, path: Path) -> None:
    """A new file that only its owner can read. Raises Problem where the path is taken or cannot be written."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except FileExistsError as error:
        raise Problem(f"{path} exists: remove it first, or choose another name") from error
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}") from error
