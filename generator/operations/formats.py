"""The server's credentials in the forms that clients read, safe for every printable ASCII character."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit

from generator.operations.exits import Problem


class User(StrEnum):
    """The server's accounts: one lists and downloads, the other also uploads."""

    READER = "reader"
    PUBLISHER = "publisher"


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


def _pip(it: Credentials) -> str:
    return f"[global]\nindex-url = {it.index}\n"


def _uv(it: Credentials) -> str:
    # JSON's strings are TOML's.
    return f'[[index]]\nname = "private"\nurl = {json.dumps(it.index)}\ndefault = true\n'


def _poetry(it: Credentials) -> str:
    return _exports(POETRY_HTTP_BASIC_PRIVATE_USERNAME=it.username, POETRY_HTTP_BASIC_PRIVATE_PASSWORD=it.password)


def _pdm(it: Credentials) -> str:
    values = {"url": f"{it.url}/simple/", "username": it.username, "password": it.password}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    return f"[pypi.private]\n{lines}"


def _env(it: Credentials) -> str:
    # Not UV_DEFAULT_INDEX: it would replace PyPI in projects that need both.
    return _exports(UV_INDEX_PRIVATE_USERNAME=it.username, UV_INDEX_PRIVATE_PASSWORD=it.password)


def _netrc(it: Credentials) -> str:
    username, password = (_netrc_token(text) for text in (it.username, it.password))
    return f"machine {urlsplit(it.url).hostname}\nlogin {username}\npassword {password}\n"


def _netrc_token(text: str) -> str:
    """Quoted only if necessary: Python before 3.11 and curl before 7.84 take quotes as part of it.

    https://everything.curl.dev/usingcurl/netrc.html
    """
    if not re.search(r"""[\s"\\]""", text):
        return text
    escaped = re.sub(r"""(["\\])""", r"\\\1", text)
    return f'"{escaped}"'


def _pypirc(it: Credentials) -> str:
    if it.password != it.password.strip():
        raise Problem(
            "a .pypirc drops the space at the start or end of this password: take --format twine, or give the "
            "account a new password"
        )
    return (
        "[distutils]\nindex-servers = private\n\n"
        f"[private]\nrepository = {it.url}/\nusername = {it.username}\npassword = {it.password}\n"
    )


def _twine(it: Credentials) -> str:
    return _exports(TWINE_REPOSITORY_URL=f"{it.url}/", TWINE_USERNAME=it.username, TWINE_PASSWORD=it.password)


def _uv_publish(it: Credentials) -> str:
    return _exports(UV_PUBLISH_URL=f"{it.url}/", UV_PUBLISH_USERNAME=it.username, UV_PUBLISH_PASSWORD=it.password)


def _poetry_publish(it: Credentials) -> str:
    return _exports(POETRY_REPOSITORIES_PRIVATE_URL=f"{it.url}/") + _poetry(it)


def _hatch(it: Credentials) -> str:
    return _exports(HATCH_INDEX_REPO=f"{it.url}/", HATCH_INDEX_USER=it.username, HATCH_INDEX_AUTH=it.password)


def _json(it: Credentials) -> str:
    return json.dumps({"url": f"{it.url}/", "username": it.username, "password": it.password}, indent=2) + "\n"


def _exports(**values: str) -> str:
    """Lines for sh, bash, zsh and fish."""
    return "".join(f"export {name}={_quoted(value)}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    """Unlike shlex: fish treats a backslash between single quotes as an escape, and a POSIX shell does not."""
    if re.fullmatch(r"[\w@%+:,./-]+", value, re.ASCII):
        return value
    pieces = re.split(r"""(['\\])""", value)
    return "".join(f"\\{it}" if it in ("'", "\\") else f"'{it}'" for it in pieces if it)


class Format(StrEnum):
    """What ``credentials`` writes: a client's file, or lines for a shell."""

    PIP = "pip"
    UV = "uv"
    POETRY = "poetry"
    PDM = "pdm"
    ENV = "env"
    NETRC = "netrc"
    PYPIRC = "pypirc"
    TWINE = "twine"
    UV_PUBLISH = "uv-publish"
    POETRY_PUBLISH = "poetry-publish"
    HATCH = "hatch"
    JSON = "json"


INSTALL: dict[str, Callable[[Credentials], str]] = {
    Format.PIP: _pip,
    Format.UV: _uv,
    Format.POETRY: _poetry,
    Format.PDM: _pdm,
    Format.ENV: _env,
    Format.NETRC: _netrc,
    Format.JSON: _json,
}
"""For reading: pip.conf, uv.toml, shell, pdm.toml, shell, .netrc, JSON."""
UPLOAD: dict[str, Callable[[Credentials], str]] = {
    Format.PYPIRC: _pypirc,
    Format.TWINE: _twine,
    Format.UV_PUBLISH: _uv_publish,
    Format.POETRY_PUBLISH: _poetry_publish,
    Format.HATCH: _hatch,
}
"""For uploading: .pypirc, and lines for a shell."""
FORMATS = {**INSTALL, **UPLOAD}


def user_for(form: str, asked: User | None) -> User:
    """The server's account for ``form``: ``asked``, or the least privileged one that suffices. Raises Problem."""
    if form in UPLOAD and asked == User.READER:
        raise Problem(f"{form} is for uploads, and the reader may only install: leave out --account {asked}")
    return asked or (User.PUBLISHER if form in UPLOAD else User.READER)
