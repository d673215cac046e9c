"""The clients: what each is, what it is told to do, and what it made of it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.server.tasks import READER, Task

from .environments import BUILDING, installed, python, python_for_pip, unpacked
from .releases import WANTED

PIPS = """
    9.0.3 10.0.1 18.0 18.1 19.0.3 19.1.1 19.2.3 19.3.1 20.0.2 20.1.1 20.2.4 20.3.4 21.0.1 21.1.3 21.2.4 21.3.1 22.0.4
    22.1.2 22.2.2 22.3.1 23.0.1 23.1.2 23.2.1 23.3.2 24.0 24.1.2 24.2 24.3.1 25.0.1 25.1.1 25.2 25.3 26.0.1 26.1.2 26.2.1
    26.3
"""
UVS = ("0.2.37", "0.7.22", "0.13.9")
_LOCKED = (
    re.compile(r'^name = "([^"]+)"\nversion = "([^"]+)"', re.MULTILINE),
    re.compile(r"^([\w.-]+)==([^\s\\;]+)", re.MULTILINE),
)


@dataclass(frozen=True, kw_only=True)
class Client:
    """`command` gets the index's address and a new directory, in which it runs; `found` reads versions from that."""

    name: str
    version: str
    python: str
    command: Callable[[str, Path], list[str | Path]]
    found: Callable[[Path], dict[str, str]]
    environment: dict[str, str] = field(default_factory=dict)
    # Options for a password from netrc and from keyring, which is a program; None if the client has no such way.
    netrc: tuple[str, ...] | None = None
    keyring: tuple[str, ...] | None = None


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def in_target(directory: Path) -> dict[str, str]:
    infos = [path.name for path in (directory / "site").glob("*-info")]
    found = (re.match(r"(.+?)-(\d[^-]*?)(-py[\d.]+)?\.(?:dist|egg)-info", name) for name in infos)
    return {normalized(it[1]): it[2].replace("_", "+") for it in found if it}


def in_lock(name: str) -> Callable[[Path], dict[str, str]]:
    def found(directory: Path) -> dict[str, str]:
        text = (directory / name).read_text() if (directory / name).exists() else ""
        return {normalized(it): version for pattern in _LOCKED for it, version in pattern.findall(text)}

    return found


def in_pipfile_lock(directory: Path) -> dict[str, str]:
    path = directory / "Pipfile.lock"
    entries = json.loads(path.read_text())["default"] if path.exists() else {}
    return {normalized(name): entry.get("version", "").removeprefix("==") for name, entry in entries.items()}


def pip(cache: Path, version: str) -> Client:
    minor = python_for_pip(version)
    interpreter = python(minor)
    assert interpreter is not None, f"Python {minor} is not there"
    paths = [unpacked(cache, f"pip=={version}")]
    if minor not in ("2.7", "3.6"):
        paths.append(installed(cache, minor, *BUILDING).parent / "lib" / f"python{minor}" / "site-packages")
    isolation = () if version.startswith("9.") else ("--no-build-isolation",)

    def command(index: str, directory: Path) -> list[str | Path]:
        # pip keeps nothing that came without TLS, unless the host is trusted.
        options = ("--trusted-host", "127.0.0.1", "--cache-dir", directory.parent / "cache", "--no-input")
        target = ("--target", directory / "site", "--index-url", index)
        return [
            interpreter,
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            *options,
            *isolation,
            *target,
            *WANTED,
        ]

    return Client(
        name="pip",
        version=version,
        python=minor,
        command=command,
        found=in_target,
        environment={"PYTHONPATH": os.pathsep.join(map(str, paths))},
        netrc=(),
        keyring=("--keyring-provider", "subprocess") if _has_keyring(version) else None,
    )


def _has_keyring(pip_version: str) -> bool:
    return tuple(int(part) for part in pip_version.split(".")[:2]) >= (23, 1)


def uv(cache: Path, version: str) -> Client:
    tool = installed(cache, "3.12", f"uv=={version}") / "uv"
    building = installed(cache, "3.12", *BUILDING) / "python"

    def command(index: str, directory: Path) -> list[str | Path]:
        options = ("--no-build-isolation", "--python", building, "--cache-dir", directory.parent / "cache")
        return [tool, "pip", "install", *options, "--target", directory / "site", "--index-url", index, *WANTED]

    keyring = ("--keyring-provider", "subprocess")
    return Client(
        name="uv", version=version, python="3.12", command=command, found=in_target, netrc=(), keyring=keyring
    )


def poetry(cache: Path, version: str, until: str = "") -> Client:
    tool = installed(cache, "3.10", f"poetry=={version}", until=until) / "poetry"

    def command(index: str, directory: Path) -> list[str | Path]:
        needs = "".join(f'"{name}" = "*"\n' for name in WANTED)
        (directory / "pyproject.toml").write_text(
            '[tool.poetry]\nname = "app"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
            f'[tool.poetry.dependencies]\npython = ">=3.10,<3.11"\n{needs}'
            f'[[tool.poetry.source]]\nname = "ours"\nurl = "{index}"\n'
        )
        return [tool, "lock", "--no-interaction"]

    return Client(
        name="Poetry", version=version, python="3.10", command=command, found=in_lock("poetry.lock"),
        environment={"POETRY_VIRTUALENVS_CREATE": "false", "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"},
        netrc=(),
    )  # fmt: skip


def pdm(cache: Path, version: str, until: str = "") -> Client:
    # PDM 2.29.4 asks for any hishel, and breaks with 2.
    home = installed(cache, "3.11", f"pdm=={version}", *BUILDING, "hishel<2", until=until)

    def command(index: str, directory: Path) -> list[str | Path]:
        (directory / "pyproject.toml").write_text(
            f'[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.11,<3.12"\ndependencies = {json.dumps(list(WANTED))}\n'
            f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{index}"\nverify_ssl = true\n'
        )
        (directory / ".pdm-python").write_text(str(home / "python"))
        return [home / "pdm", "lock", "--no-isolation"]

    environment = {"PDM_CHECK_UPDATE": "false"}
    found = in_lock("pdm.lock")
    return Client(
        name="PDM",
        version=version,
        python="3.11",
        command=command,
        found=found,
        environment=environment,
        netrc=(),
        keyring=(),
    )


def pipenv(cache: Path, version: str, until: str = "") -> Client:
    home = installed(cache, "3.11", f"pipenv=={version}", *BUILDING, until=until)

    def command(index: str, directory: Path) -> list[str | Path]:
        needs = "".join(f'"{name}" = "*"\n' for name in WANTED)
        (directory / "Pipfile").write_text(
            f'[[source]]\nname = "ours"\nurl = "{index}"\nverify_ssl = false\n[packages]\n{needs}'
        )
        return [home / "pipenv", "lock", "--python", home / "python"]

    environment = {
        "PIPENV_NOSPIN": "1",
        "PIPENV_YES": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIPENV_VENV_IN_PROJECT": "1",
    }
    return Client(
        name="pipenv",
        version=version,
        python="3.11",
        command=command,
        found=in_pipfile_lock,
        environment=environment,
        netrc=(),
    )


def pip_compile(cache: Path, version: str, pip_version: str) -> Client:
    home = installed(cache, "3.10", f"pip-tools=={version}", f"pip=={pip_version}", *BUILDING)

    def command(index: str, directory: Path) -> list[str | Path]:
        (directory / "requirements.in").write_text("".join(f"{name}\n" for name in WANTED))
        caching = ("--trusted-host", "127.0.0.1", "--cache-dir", directory.parent / "cache")
        options = ("--no-build-isolation", *caching, "--index-url", index)
        return [home / "pip-compile", "--quiet", *options, "-o", "requirements.txt", "requirements.in"]

    return Client(
        name="pip-tools",
        version=version,
        python="3.10",
        command=command,
        found=in_lock("requirements.txt"),
        netrc=(),
        keyring=("--pip-args", "--keyring-provider subprocess") if _has_keyring(pip_version) else None,
    )


def address(task: Task, account: str = "{0}:{1}@") -> str:
    return f"http://{account.format(*READER)}127.0.0.1:{task.port}/simple/"


Maker = Callable[[Path], Client]
# Oldest, one in the middle, newest, each with what it needs as it was at the time.
CLIENTS: dict[str, Maker] = {
    **{f"uv {version}": partial(uv, version=version) for version in UVS},
    **{f"pip {version}": partial(pip, version=version) for version in PIPS.split()},
    "Poetry 1.8.5": partial(poetry, version="1.8.5", until="2024-12-31"),
    "Poetry 2.1.4": partial(poetry, version="2.1.4", until="2025-08-31"),
    "Poetry 2.5.1": partial(poetry, version="2.5.1"),
    "PDM 2.10.4": partial(pdm, version="2.10.4", until="2023-12-01"),
    "PDM 2.22.4": partial(pdm, version="2.22.4", until="2025-03-31"),
    "PDM 2.29.4": partial(pdm, version="2.29.4"),
    "pipenv 2022.10.25": partial(pipenv, version="2022.10.25", until="2022-11-04"),
    "pipenv 2024.4.0": partial(pipenv, version="2024.4.0", until="2024-12-31"),
    "pipenv 2026.10.3": partial(pipenv, version="2026.10.3"),
    "pip-tools 6.14.0": partial(pip_compile, version="6.14.0", pip_version="23.0.1"),
    "pip-tools 7.4.1": partial(pip_compile, version="7.4.1", pip_version="24.0"),
    "pip-tools 7.6.2": partial(pip_compile, version="7.6.2", pip_version="26.2.1"),
}
"""By a label, in the order of the table."""
