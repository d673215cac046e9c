"""One client against one task: with a cold and a warm cache, and with a password from elsewhere than the address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import requests

from tests.server.tasks import PUBLISHER, READER, Task

from .clients import Client, address, normalized
from .releases import NEEDED, WANTED, WITHDRAWN, write

SECONDS = 240


class Outcome(NamedTuple):
    """`wrong` is what is not as `WANTED` has it, with what is there instead; answers are by status."""

    wrong: dict[str, str]
    answers: Counter[int]
    output: str


class Tried(NamedTuple):
    cold: Outcome
    warm: Outcome
    # Whether the password is found there; None if the client does not look there.
    netrc: bool | None
    keyring: bool | None


def start(home: Path) -> Task:
    """A task with all of the releases, which are older than a minute, as those of most installs are."""
    directory = home / "packages"
    directory.mkdir(parents=True)
    write(directory)
    for path in directory.iterdir():
        os.utime(path, (1_700_000_000,) * 2)
    task = Task(Path(sys.executable), directory, home / "task", {"GUNICORN_WORKERS": "1"})
    task.wait_until_ready()
    name, version = WITHDRAWN
    form = {":action": "yank", "name": name, "version": version, "reason": "it loses data"}
    requests.post(task.url, data=form, auth=PUBLISHER, timeout=60).raise_for_status()
    return task


def attempt(client: Client, task: Task, home: Path, index: str, *options: str, **environment: str) -> Outcome:
    """`home` is the client's: its cache is kept from one attempt to the next."""
    home.mkdir(exist_ok=True)
    directory = home / f"run{len(list(home.glob('run*')))}"
    directory.mkdir()
    before = len(task.access_log())
    try:
        ran = subprocess.run(
            [*map(str, client.command(index, directory)), *options],
            cwd=directory,
            env={
                "PATH": os.defpath,
                "HOME": str(home),
                "XDG_CACHE_HOME": str(home / ".cache"),
                "PIP_CONFIG_FILE": os.devnull,
                **client.environment,
                **environment,
            },
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        output = ran.stdout + ran.stderr
    except subprocess.TimeoutExpired as error:
        output = f"It was stopped after {error.timeout} s."
    found = client.found(directory)
    wanted = {normalized(name): version for name, version in (WANTED | NEEDED).items()}
    wrong = {name: found.get(name, "nothing") for name, version in wanted.items() if found.get(name) != version}
    return Outcome(wrong, Counter(line["status"] for line in task.access_log()[before:]), output)


def tried(client: Client, task: Task, home: Path) -> Tried:
    cold, warm = (attempt(client, task, home / "client", address(task)) for _ in range(2))
    netrc = keyring = None
    if client.netrc is not None:
        (home / "netrc").mkdir()
        (home / "netrc" / ".netrc").write_text("machine 127.0.0.1\nlogin {}\npassword {}\n".format(*READER))
        (home / "netrc" / ".netrc").chmod(0o600)
        netrc = attempt(client, task, home / "netrc", address(task, ""), *client.netrc).wrong == cold.wrong
    if client.keyring is not None:
        programs = home / "programs"
        programs.mkdir()
        # As keyring 25 answers; older ones know no options.
        credentials = json.dumps(dict(zip(("username", "password"), READER, strict=True)))
        (programs / "keyring").write_text(
            f"#!/bin/sh\ncase \"$*\" in *json*) echo '{credentials}';; *creds*) echo '{READER[0]}'; echo '{READER[1]}';; "
            f"*) echo '{READER[1]}';; esac\n"
        )
        (programs / "keyring").chmod(0o755)
        path = f"{programs}{os.pathsep}{os.defpath}"
        index = address(task, "{0}@")
        keyring = attempt(client, task, home / "keyring", index, *client.keyring, PATH=path).wrong == cold.wrong
    return Tried(cold, warm, netrc, keyring)
