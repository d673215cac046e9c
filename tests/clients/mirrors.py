"""What copies the index: bandersnatch, and Pulp, which needs PostgreSQL."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.server.tasks import READER, Task, free_port

from .clients import uv
from .environments import installed
from .matrix import SECONDS, Outcome, attempt

PYTHON = "3.13"
_API = "/pulp/api/v3"


def bandersnatch(version: str, cache: Path, home: Path, task: Task) -> tuple[Outcome, Outcome]:
    """A mirror of everything, made and then brought up to date; `wrong` are the files that it lacks."""
    tool = installed(cache, PYTHON, f"bandersnatch=={version}") / "bandersnatch"
    origin = task.with_credentials(READER)
    (home / "bandersnatch.conf").write_text(
        f"[mirror]\ndirectory = {home / 'mirror'}\nmaster = {origin}\ndownload-mirror = {origin}\n"
        "allow-non-https = true\ntimeout = 60\nworkers = 3\nhash-index = false\nstop-on-error = true\njson = true\n"
    )

    def mirrored() -> Outcome:
        before = len(task.access_log())
        ran = subprocess.run(
            [tool, "-c", home / "bandersnatch.conf", "mirror"],
            env={"PATH": os.defpath, "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        there = {path.name for path in (home / "mirror" / "web" / "packages").rglob("*") if path.is_file()}
        return _copied(task, there, before, ran.stdout + ran.stderr)

    return mirrored(), mirrored()


def pulp_sync(version: str, cache: Path, home: Path, task: Task) -> tuple[Outcome, Outcome]:
    """The same by Pulp, which downloads all at once."""
    with _pulp(version, cache, home) as ask:
        remote = ask(f"{_API}/remotes/python/python/", _origin(task) | {"policy": "immediate", "prereleases": True})
        fields = {"name": "ours", "remote": remote["pulp_href"]}
        repository = ask(f"{_API}/repositories/python/python/", fields)["pulp_href"]

        def synced() -> Outcome:
            before = len(task.access_log())
            done = ask(f"{repository}sync/", {})
            newest = ask(repository)["latest_version_href"]
            content = ask(f"{_API}/content/python/packages/?limit=1000&repository_version={newest}")["results"]
            return _copied(task, {it["filename"] for it in content}, before, str(done))

        return synced(), synced()


def pulp_through(version: str, cache: Path, home: Path, task: Task) -> tuple[Outcome, Outcome]:
    """uv behind a distribution that fetches what it lacks. The second uv has no cache."""
    client = uv(cache, "0.13.9")
    with _pulp(version, cache, home) as ask:
        remote = ask(f"{_API}/remotes/python/python/", _origin(task) | {"policy": "on_demand"})
        repository = ask(f"{_API}/repositories/python/python/", {"name": "ours"})
        between = {"repository": repository["pulp_href"], "remote": remote["pulp_href"]}
        ask(f"{_API}/distributions/python/pypi/", {"name": "ours", "base_path": "ours", **between})
        (distribution,) = ask(f"{_API}/distributions/python/pypi/")["results"]
        index = f"{distribution['base_url']}simple/"
        cold, warm = (attempt(client, task, home / name, index) for name in ("first", "second"))
    return cold, warm


def _origin(task: Task) -> dict[str, Any]:
    return {"name": "ours", "url": f"{task.url}/", "username": READER[0], "password": READER[1]}


def _copied(task: Task, there: set[str], before: int, output: str) -> Outcome:
    files = {path.name for path in task.directory.iterdir() if not path.name.startswith(".")}
    answers = Counter(line["status"] for line in task.access_log()[before:])
    return Outcome(dict.fromkeys(files - there, "nothing"), answers, output)


@contextmanager
def _database() -> Iterator[int]:
    """The port of a PostgreSQL with a database and a user `pulp`. It refuses to run as root."""
    programs = next(Path("/usr/lib/postgresql").glob("*/bin"), None)
    assert programs is not None, "Pulp needs PostgreSQL: apt-get install postgresql"
    user = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="client") as home:
        if user:
            shutil.chown(home, user)
        data = Path(home) / "data"
        subprocess.run(
            [programs / "initdb", "-A", "trust", "-U", "pulp", data],
            check=True,
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )
        server: list[str | Path] = [programs / "postgres", "-D", data, "-k", home, "-p", str(port), "-c", "fsync=off"]
        with subprocess.Popen(server, user=user, cwd="/", stderr=subprocess.DEVNULL) as process:
            try:
                make: list[str | Path] = [programs / "createdb", "-h", home, "-p", str(port), "-U", "pulp", "pulp"]
                while subprocess.run(make, check=False, stderr=subprocess.DEVNULL).returncode:
                    assert process.poll() is None, "PostgreSQL ended"
                    time.sleep(0.2)
                yield port
            finally:
                process.terminate()


@contextmanager
def _pulp(version: str, cache: Path, home: Path) -> Iterator[Callable[..., Any]]:
    """Asks Pulp's API, and waits for the task that the answer names: a GET, or a POST of fields."""
    tools = installed(cache, PYTHON, f"pulp-python=={version}")
    api, content = free_port(), free_port()
    address = f"http://127.0.0.1:{api}"
    (home / "key").write_bytes(urlsafe_b64encode(secrets.token_bytes(32)))
    environment = {
        "PATH": f"{tools}{os.pathsep}{os.defpath}",
        "HOME": str(home),
        "PULP_SETTINGS": str(home / "settings.py"),
    }
    with _database() as port, ExitStack() as stack:
        database = {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": port,
            "NAME": "pulp",
            "USER": "pulp",
        }
        settings = {
            "DATABASES": {"default": database},
            "SECRET_KEY": secrets.token_hex(25),
            "DB_ENCRYPTION_KEY": str(home / "key"),
            "DEPLOY_ROOT": str(home),
            "MEDIA_ROOT": str(home / "media"),
            "WORKING_DIRECTORY": str(home),
            "FILE_UPLOAD_TEMP_DIR": str(home),
            "CONTENT_ORIGIN": f"http://127.0.0.1:{content}",
            "PYPI_API_HOSTNAME": address,
            "CACHE_ENABLED": False,
        }
        (home / "settings.py").write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
        for command in ("migrate --noinput", "reset-admin-password --password admin"):
            subprocess.run(
                [tools / "pulpcore-manager", *command.split()],
                env=environment,
                check=True,
                capture_output=True,
                timeout=600,
            )
        for command in (
            f"pulpcore-api -b 127.0.0.1:{api}",
            f"pulpcore-content -b 127.0.0.1:{content}",
            "pulpcore-worker",
        ):
            log = stack.enter_context((home / f"{command.split()[0]}.log").open("wb"))
            program, *options = command.split()
            process = stack.enter_context(
                subprocess.Popen([tools / program, *options], env=environment, stdout=log, stderr=log)
            )
            stack.callback(process.terminate)
        session = stack.enter_context(requests.Session())
        session.auth = ("admin", "admin")

        def answer(method: str, path: str, fields: dict[str, Any] | None = None) -> Any:
            response = session.request(method, address + path, json=fields, timeout=60)
            assert response.ok, response.text
            return response.json()

        def ask(path: str, fields: dict[str, Any] | None = None) -> Any:
            found = answer("GET" if fields is None else "POST", path, fields)
            while found.get("state", "waiting" if "task" in found else "") in ("waiting", "running"):
                time.sleep(0.2)
                found = answer("GET", found.get("task", found.get("pulp_href")))
            assert found.get("state") != "failed", found["error"]
            return found

        deadline = time.monotonic() + SECONDS
        while not _is_ready(f"{address}{_API}/status/"):
            assert time.monotonic() < deadline, (home / "pulpcore-api.log").read_text()[-500:]
            time.sleep(0.5)
        yield ask


def _is_ready(url: str) -> bool:
    """Whether the API answers, and there are a worker and an app for the content."""
    try:
        status = requests.get(url, timeout=60).json()
    except requests.RequestException:
        return False
    return bool(status["online_workers"] and status["online_content_apps"])
