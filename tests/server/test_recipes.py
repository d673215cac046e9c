"""The recipes of docs/clients.md, word for word, by the real clients: private packages from a task, public ones from
an index that plays PyPI and also has what an attacker has put there under the private name."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from .conftest import StartTask
from .tasks import PUBLISHER, READER, Task, sha256, wheel

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
OURS = [
    wheel("ours", "1.0", metadata="Requires-Dist: publicdep\nRequires-Dist: ours-core\n"),
    wheel("ours_core", "1.0"),
]
EVIL = [wheel(name, version, b"evil") for name in ("ours", "ours_core") for version in ("1.0", "99.0")]
PUBLIC = [wheel("publicdep", "1.0"), *EVIL]
pytestmark = pytest.mark.slow


@dataclass
class Index:
    """What plays PyPI; ``asked`` are the paths of requests."""

    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def pypi(tmp_path: Path) -> Iterator[Index]:
    simple = tmp_path / "pypi" / "simple"
    for name, content in PUBLIC:
        project = simple / name.partition("-")[0].replace("_", "-")
        project.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(content)
        with (project / "index.html").open("a") as page:
            page.write(f'<a href="{name}#sha256={sha256(content)}">{name}</a>\n')
    index = Index("")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, _form: str, *arguments: object) -> None:
            index.asked.append(str(arguments[0]))

    handler = functools.partial(Handler, directory=str(tmp_path / "pypi"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        index.url = f"http://127.0.0.1:{server.server_address[1]}/simple/"
        yield index
        server.shutdown()
        thread.join()


@pytest.fixture
def task(start_newest: StartTask, directory: Path) -> Task:
    for name, content in OURS:
        (directory / name).write_bytes(content)
    return start_newest(directory)


@dataclass
class Project:
    """A directory with a virtual environment, in which recipes are followed."""

    home: Path
    task: Task
    pypi: Index

    def here(self, text: str) -> str:
        """``text`` with the servers and accounts of this test."""
        server = self.task.url.removeprefix("http://")
        for placeholder, value in {
            "https://USERNAME:PASSWORD@pypi.example.com": self.task.with_credentials(READER),
            "https://pypi.example.com": f"http://{server}",
            "pypi.example.com": "127.0.0.1",
            "https://pypi.org/simple/": self.pypi.url,
            "USERNAME": READER[0],
            "PASSWORD": READER[1],
            "PUBLISHER": PUBLISHER[0],
            "SECRET": PUBLISHER[1],
        }.items():
            # UV_INDEX_PRIVATE_USERNAME and its like are names.
            text = re.sub(rf"(?<![A-Z_]){re.escape(placeholder)}", value, text)
        return text

    def blocks(self, recipe: str) -> list[tuple[str, str]]:
        """Language and text of each."""
        section = PAGE.partition(f"<!-- recipe: {recipe} -->\n")[2].partition("\n## ")[0]
        found = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        assert found, recipe
        return found

    def files(self, recipe: str, extra: str = "") -> None:
        """The files that the recipe shows, the first of them with ``extra`` at its end."""
        for language, text in self.blocks(recipe):
            if match := re.match(r"# (\S+)\n", text):
                self.home.joinpath(match[1]).write_text(self.here(text) + (extra if language == "toml" else ""))
                extra = ""

    def shell(self, recipe: str) -> str:
        return "".join(text for language, text in self.blocks(recipe) if language == "sh")

    def run(self, script: str, **environment: str) -> None:
        venv = self.home / ".venv"
        if not venv.exists():
            subprocess.run([sys.executable, "-m", "uv", "venv", "-q", "--seed", venv], check=True)
        done = subprocess.run(
            ["bash", "-ec", self.here(script)],
            cwd=self.home,
            env={
                "PATH": f"{venv / 'bin'}:{Path(sys.executable).parent}:{os.defpath}",
                "HOME": str(self.home),
                "VIRTUAL_ENV": str(venv),
                "PIP_INDEX_URL": self.pypi.url,
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "UV_DEFAULT_INDEX": self.pypi.url,
                "UV_PYTHON_DOWNLOADS": "never",
                "PDM_CHECK_UPDATE": "false",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def installed(self) -> list[str]:
        """The private packages' sources, once all packages are there."""
        (site,) = (self.home / ".venv" / "lib").glob("python*/site-packages")
        assert (site / "publicdep.py").exists()
        return [(site / name).read_text() for name in ("ours.py", "ours_core.py")]


@pytest.fixture
def project(task: Task, pypi: Index, tmp_path: Path) -> Project:
    home = tmp_path / "project"
    home.mkdir()
    return Project(home, task, pypi)


def assert_ours(project: Project, *, pypi_may_be_asked: bool = False) -> None:
    for source in project.installed():
        assert "1.0" in source
        assert "evil" not in source
    assert pypi_may_be_asked or not [it for it in project.pypi.asked if "/ours" in it]


def test_a_client_with_two_indexes_is_fooled(project: Project) -> None:
    """What the recipes are for."""
    project.run("pip install --extra-index-url https://USERNAME:PASSWORD@pypi.example.com/simple/ ours")
    (site,) = (project.home / ".venv" / "lib").glob("python*/site-packages")
    assert "evil" in (site / "ours.py").read_text()


def test_uv(project: Project) -> None:
    project.files("uv")
    project.run(project.shell("uv"))
    assert_ours(project)


def test_pip(project: Project) -> None:
    project.files("uv")
    project.run(project.shell("pip"))
    assert_ours(project, pypi_may_be_asked=True)


def test_poetry(project: Project) -> None:
    """PyPI cannot be another for Poetry but by a source of first priority."""
    pypi = f'\n[[tool.poetry.source]]\nname = "public"\nurl = "{project.pypi.url}"\npriority = "primary"\n'
    project.files("poetry", pypi)
    project.run(project.shell("poetry"))
    assert_ours(project)


def test_pdm(project: Project) -> None:
    project.files("pdm")
    project.run(project.shell("pdm"))
    assert_ours(project)


def test_docker(project: Project) -> None:
    """The command of the RUN line, with the secret where it would be mounted."""
    project.files("uv")
    project.run(project.shell("pip").partition("pip install")[0])
    project.files("docker")
    (project.home / "netrc").rename(project.home / ".netrc")
    (dockerfile,) = [text for language, text in project.blocks("docker") if language == "dockerfile"]
    command = re.search(r"^RUN --mount=\S+ (.*)$", dockerfile, re.MULTILINE)
    assert command
    project.run(command[1])
    assert_ours(project, pypi_may_be_asked=True)


def test_github_actions(project: Project) -> None:
    project.files("uv")
    ((_, text),) = project.blocks("github")
    job = yaml.safe_load(text)["jobs"]["test"]
    secrets = {"PYPI_USERNAME": READER[0], "PYPI_PASSWORD": READER[1]}
    given = {name: secrets[value.split(".")[1].split()[0]] for name, value in job["env"].items()}
    project.run("\n".join(step["run"] for step in job["steps"] if "run" in step), **given)
    assert_ours(project)


def test_gitlab_ci(project: Project) -> None:
    project.files("uv")
    ((_, text),) = project.blocks("gitlab")
    script = "\n".join(yaml.safe_load(text)["test"]["script"])
    project.run(script, PYPI_USERNAME=READER[0], PYPI_PASSWORD=READER[1])
    assert_ours(project)


def test_upload(project: Project) -> None:
    (project.home / "dist").mkdir()
    name, content = wheel("ours", "2.0")
    (project.home / "dist" / name).write_bytes(content)
    project.run(project.shell("upload"))
    assert (project.task.directory / name).read_bytes() == content
