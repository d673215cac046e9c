"""Passwords that were set by hand reach the server as they are, from each form of ``credentials``, by its own reader."""

from __future__ import annotations

import configparser
import netrc
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from dotenv import dotenv_values

from generator.operations.exits import Problem
from generator.operations.formats import FORMATS, UPLOAD, Credentials, Format, User, user_for
from tests.server.tasks import wheel

ALL = "".join(chr(code) for code in range(33, 127))
PASSWORDS = [
    "0123456789abcdef",
    ALL,
    f"a {ALL} z",
    '"quoted"',
    "'quoted'",
    "\\",
    "\\\\n\\",
    "#first",
    "; last #",
    "%(here)s %d%%",
    "${HOME} $(id) `id` !!",
    "[global]",
    "=:=",
    "-e",
]
ONE_LINE = [*PASSWORDS, " blanks around "]
SHELLS = [shell for shell in ("sh", "bash", "zsh", "fish") if shutil.which(shell)]


def written(form: str, password: str, url: str = "https://pypi.example.com") -> str:
    user = user_for(form, None)
    return FORMATS[form](Credentials(url, user, password))


def in_url(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return unquote(parts.username or ""), unquote(parts.password or "")


@pytest.mark.parametrize("password", ONE_LINE)
def test_files_are_read_back(password: str, tmp_path: Path) -> None:
    pip = configparser.RawConfigParser()
    pip.read_string(written("pip", password))
    assert in_url(pip["global"]["index-url"]) == ("reader", password)
    assert in_url(tomllib.loads(written("uv", password))["index"][0]["url"]) == ("reader", password)
    assert tomllib.loads(written("pdm", password))["pypi"]["private"]["password"] == password
    file = tmp_path / "netrc"
    file.write_text(written("netrc", password))
    assert netrc.netrc(str(file)).authenticators("pypi.example.com") == ("reader", "", password)


@pytest.mark.parametrize("password", PASSWORDS)
def test_pypirc_is_read_back(password: str) -> None:
    """As twine reads it: https://github.com/pypa/twine/blob/main/twine/utils.py (get_config)"""
    pypirc = configparser.RawConfigParser()
    pypirc.read_string(written("pypirc", password))
    assert (pypirc["private"]["username"], pypirc["private"]["password"]) == ("publisher", password)


@pytest.mark.parametrize("password", [" before", "after "])
def test_what_pypirc_would_lose_is_refused(password: str) -> None:
    with pytest.raises(Problem, match="take --format twine"):
        written("pypirc", password)


@pytest.mark.parametrize("shell", SHELLS)
def test_lines_for_a_shell_are_read_back(shell: str, tmp_path: Path) -> None:
    names = {
        "env": "UV_INDEX_PRIVATE_PASSWORD",
        "poetry": "POETRY_HTTP_BASIC_PRIVATE_PASSWORD",
        "twine": "TWINE_PASSWORD",
        "uv-publish": "UV_PUBLISH_PASSWORD",
        "poetry-publish": "POETRY_HTTP_BASIC_PRIVATE_PASSWORD",
        "hatch": "HATCH_INDEX_AUTH",
    }
    file = tmp_path / "lines"
    pieces = [
        f"{written(form, password)}printf '%s\\n' \"${name}\"\n"
        for form, name in names.items()
        for password in ONE_LINE
    ]
    file.write_text("".join(pieces))
    read = subprocess.run([shell, file], capture_output=True, text=True, check=True).stdout
    assert read.splitlines() == ONE_LINE * len(names)


def test_a_generated_password_is_read_by_dotenv_too(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(written("env", PASSWORDS[0]))
    assert dotenv_values(file)["UV_INDEX_PRIVATE_PASSWORD"] == PASSWORDS[0]


@pytest.fixture
def asked() -> Iterator[tuple[str, set[tuple[str, str]]]]:
    """The address of a server that has nothing, and whom it was asked by."""
    seen: set[tuple[str, str]] = set()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, _, value = self.headers.get("Authorization", "").partition(" ")
            if kind == "Basic":
                user, _, password = b64decode(value).decode().partition(":")
                seen.add((user, password))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(404 if kind else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="pypi"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


PROJECT = """
[project]
name = "app"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["ours"]
"""
UV = f"""{PROJECT}
[tool.uv.sources]
ours = {{ index = "private" }}
[[tool.uv.index]]
name = "private"
url = "URL/simple/"
explicit = true
"""
PDM = f"""{PROJECT}
[[tool.pdm.source]]
name = "private"
url = "URL/simple/"
[tool.pdm.resolution]
respect-source-order = true
"""
POETRY = f"""{PROJECT}
[tool.poetry]
package-mode = false
[tool.poetry.dependencies]
ours = {{ source = "private" }}
[[tool.poetry.source]]
name = "private"
url = "URL/simple/"
priority = "explicit"
"""
CLIENTS = [
    ("netrc", "netrc", "", "curl -s --netrc-file netrc URL/simple/"),
    ("netrc", "netrc", "", "NETRC=netrc pip download --no-deps -i URL/simple/ ours"),
    ("netrc", "netrc", "", "NETRC=netrc uv pip install --dry-run --index-url URL/simple/ ours"),
    ("pip", "pip.conf", "", "PIP_CONFIG_FILE=pip.conf pip download --no-deps ours"),
    ("uv", "uv.toml", "", "uv pip install --dry-run --config-file uv.toml ours"),
    ("env", "env.sh", UV, ". ./env.sh && uv lock"),
    ("pypirc", ".pypirc", "", "twine upload --config-file .pypirc -r private dist/*"),
    ("twine", "twine.sh", "", ". ./twine.sh && twine upload dist/*"),
    ("uv-publish", "uv.sh", "", ". ./uv.sh && uv publish dist/*"),
    pytest.param("pdm", "pdm.toml", PDM, "pdm lock", marks=pytest.mark.slow),
    pytest.param("poetry", "poetry.sh", POETRY, ". ./poetry.sh && poetry lock", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("form", "file", "project", "command"), CLIENTS)
def test_clients_send_what_is_written(
    form: str, file: str, project: str, command: str, asked: tuple[str, set[tuple[str, str]]], tmp_path: Path
) -> None:
    url, seen = asked
    password = f"a {ALL} z"
    (tmp_path / file).write_text(written(form, password, url))
    (tmp_path / "dist").mkdir()
    name, content = wheel("ours", "1.0")
    (tmp_path / "dist" / name).write_bytes(content)
    if project:
        (tmp_path / "pyproject.toml").write_text(project.replace("URL", url))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "UV_PYTHON": sys.executable, "UV_NO_CACHE": "1"}
    line = command.replace("URL", url)
    ran = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    user = User.PUBLISHER if form in UPLOAD else User.READER
    assert seen == {(user, password)}, ran.stdout + ran.stderr


def test_every_form_is_tried() -> None:
    shells = {"hatch", "poetry-publish"}
    assert {*Format} - {Format.JSON} == shells | {getattr(it, "values", it)[0] for it in CLIENTS}
