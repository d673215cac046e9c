"""What an index is, in a few lines; and two tasks of two processes each, which are to be like it after every change."""

from __future__ import annotations

import html
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ..tasks import JSON_TYPE, PUBLISHER, Task, sdist, sha256

WORKERS = 2
# Any process of a task may answer; over many steps each does.
ASKED = WORKERS
VERSIONS = ["1.0", "2.0rc1"]
_numbers = itertools.count()


class World:
    """Tasks, each at a path of its own to one package directory; `start(number, path)` starts one."""

    def __init__(self, paths: list[Path], start: Callable[[int, Path], Task], *, immutable: bool) -> None:
        self.paths, self.immutable = paths, immutable
        self._start = start
        self.tasks = [start(number, path) for number, path in enumerate(paths)]

    def kill(self, number: int) -> None:
        """As when a host dies; another takes its place."""
        self.tasks[number].kill()
        self.tasks[number] = self._start(number, self.paths[number])


class Model(RuleBasedStateMachine):
    """One project, of which nobody has heard before."""

    world: World

    @initialize()
    def begin(self) -> None:
        self.project = f"model{next(_numbers)}"
        self.files: dict[str, bytes] = {}
        self.yanked: dict[str, str] = {}
        self.bodies: dict[str, bytes] = {}
        self.steps = 0
        self.upload(0, VERSIONS[0], 0, False)

    @rule(task=st.integers(0, 1), version=st.sampled_from(VERSIONS), content=st.integers(0, 1), capital=st.booleans())
    def upload(self, task: int, version: str, content: int, capital: bool) -> None:
        name, data = sdist(self.project.capitalize() if capital else self.project, version, b"%d" * (1 + content))
        others = [it for it in self.files if it.lower() == name.lower() and it != name]
        taken = others or (self.world.immutable and self.files.get(name, data) != data)
        assert self.world.tasks[task].upload(name, data).status_code == (409 if taken else 200), name
        if not taken:
            self.files[name] = data

    @precondition(lambda self: self.files)
    @rule(
        task=st.integers(0, 1), version=st.sampled_from(VERSIONS), reason=st.none() | st.sampled_from(["", "bad <&> é"])
    )
    def yank(self, task: int, version: str, reason: str | None) -> None:
        fields = {} if reason is None else {"reason": reason}
        answer = self._change(task, "unyank" if reason is None else "yank", version, fields)
        assert answer == (200 if self._of(version) else 404)
        if answer == 200 and reason is None:
            self.yanked.pop(version, None)
        elif answer == 200 and reason is not None:
            self.yanked[version] = reason

    @rule(task=st.integers(0, 1), version=st.sampled_from(VERSIONS))
    def remove(self, task: int, version: str) -> None:
        found = self._of(version)
        answer = self._change(task, "remove_pkg", version, {})
        assert answer == (403 if self.world.immutable else 200 if found else 404)
        if answer == 200:
            self.files = {name: data for name, data in self.files.items() if name not in found}

    @rule(at=st.integers(0, 1), version=st.sampled_from(VERSIONS), content=st.integers(0, 1), days=st.integers(0, 2))
    def copy(self, at: int, version: str, content: int, days: int) -> None:
        """By another program, with a file's old times, as a restore does; what is there stays."""
        name, data = sdist(self.project, version, b"%d" * (1 + content))
        if not any(it.lower() == name for it in self.files):
            path = self.world.paths[at] / name
            aside = path.with_name(f".{name}")
            aside.write_bytes(data)
            os.utime(aside, (1.6e9 + days * 86400,) * 2)
            aside.rename(path)
            self.files[name] = data

    @rule(at=st.integers(0, 1), version=st.sampled_from(VERSIONS))
    def delete(self, at: int, version: str) -> None:
        for name in self._of(version):
            (self.world.paths[at] / name).unlink()
            del self.files[name]

    @precondition(lambda self: self.steps % 8 == 7)
    @rule(task=st.integers(0, 1))
    def kill(self, task: int) -> None:
        self.world.kill(task)

    @invariant()
    def every_task_is_like_the_model(self) -> None:
        self.steps += 1
        for task in self.world.tasks:
            for _ in range(ASKED):
                self._compare(task)

    def _compare(self, task: Task) -> None:
        page = task.get(f"/simple/{self.project}/")
        document = task.get(f"/simple/{self.project}/", headers={"Accept": JSON_TYPE})
        project = task.get(f"/{self.project}/json")
        if not self.files:
            assert [it.status_code for it in (page, document, project)] == [404] * 3
            return
        digests = {name: sha256(data) for name, data in self.files.items()}
        yanked = {name: self.yanked[version] for version in self.yanked for name in self._of(version)}
        links = re.findall(r'<a href="[^"]*#sha256=(\w+)"[^>]*>([^<]*)</a>', page.text)
        assert {name: digest for digest, name in links} == digests
        reasons = re.findall(r'<a [^>]*data-yanked="([^"]*)"[^>]*>([^<]*)</a>', page.text)
        assert {name: html.unescape(reason) for reason, name in reasons} == yanked
        files: list[dict[str, Any]] = document.json()["files"]
        assert {it["filename"]: it["hashes"]["sha256"] for it in files} == digests
        assert {it["filename"]: it["yanked"] for it in files if it.get("yanked", False) is not False} == {
            name: reason or True for name, reason in yanked.items()
        }
        released = [it for release in project.json()["releases"].values() for it in release]
        assert {it["filename"]: it["digests"]["sha256"] for it in released} == digests
        for answer in (page, document):
            etag = answer.headers["ETag"]
            assert self.bodies.setdefault(etag, answer.content) == answer.content
        for it in files:
            assert sha256(task.get(f"/packages/{it['filename']}").content) == digests[it["filename"]]

    def _of(self, version: str) -> list[str]:
        return [name for name in self.files if name.endswith(f"-{version}.tar.gz")]

    def _change(self, task: int, action: str, version: str, fields: dict[str, str]) -> int:
        form = {":action": action, "name": self.project, "version": version, **fields}
        return requests.post(self.world.tasks[task].url, data=form, auth=PUBLISHER, timeout=60).status_code
