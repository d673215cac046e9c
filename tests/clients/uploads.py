"""twine and hatch, which upload every release into an empty task, and then again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import requests

from tests.server.tasks import PUBLISHER, READER, Task

from .environments import installed
from .matrix import SECONDS, Outcome

_LINK = re.compile(r"https?://\S+")


def twine(version: str, until: str, python: str, cache: Path, home: Path, task: Task) -> tuple[Outcome, Outcome]:
    tool = installed(cache, python, f"twine=={version}", until=until) / "twine"
    names = ("TWINE_REPOSITORY_URL", "TWINE_USERNAME", "TWINE_PASSWORD")
    return _uploaded([tool, "upload"], names, home, task)


def hatch(version: str, until: str, python: str, cache: Path, home: Path, task: Task) -> tuple[Outcome, Outcome]:
    tool = installed(cache, python, f"hatch=={version}", until=until) / "hatch"
    names = ("HATCH_INDEX_REPO", "HATCH_INDEX_USER", "HATCH_INDEX_AUTH")
    return _uploaded([tool, "publish", "--no-prompt"], names, home, task)


def _uploaded(
    command: list[str | Path], names: tuple[str, str, str], home: Path, full: Task
) -> tuple[Outcome, Outcome]:
    """`wrong` are files that are not there afterwards, and printed addresses where nothing is."""
    (home / "empty").mkdir()
    task = Task(Path(sys.executable), home / "empty", home / "uploads", {"GUNICORN_WORKERS": "1"})
    files = sorted(path for path in full.directory.iterdir() if path.suffix in (".whl", ".gz"))
    settings = dict(zip(names, (f"{task.url}/", *PUBLISHER), strict=True))

    def upload() -> Outcome:
        before = len(task.access_log())
        ran = subprocess.run(
            [*command, *files],
            env={"PATH": os.defpath, "HOME": str(home), "COLUMNS": "200", **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        answers = Counter(line["status"] for line in task.access_log()[before:])
        wrong = {it.name: "nothing" for it in files if not (task.directory / it.name).exists()}
        output = ran.stdout + ran.stderr
        wrong |= {
            link: "404"
            for link in _LINK.findall(output)
            if requests.get(link, auth=READER, timeout=60).status_code == 404
        }
        return Outcome(wrong, answers, output)

    try:
        task.wait_until_ready()
        return upload(), upload()
    finally:
        task.kill()
