"""What an index is, in a few lines, and what is done to it: every task is to be like it after every change."""

from __future__ import annotations

import errno
import itertools
import os
import time

import requests
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ..tasks import PUBLISHER, sdist, wheel
from .told import Told, compare
from .world import WORKERS, World

# Any process of a task may answer; over many steps each does.
ASKED = WORKERS
# Of one a wheel, of the other a source distribution.
VERSIONS = ["1.0", "2.0rc1"]
CALLS = ["open", "creat", "mkdir", "write", "fsync", "dirfsync", "link", "linkdone", "close", "unlink", "stat", "read"]
TASKS, PLACES = st.integers(0, 1), st.integers(0, 1)
CONTENTS = st.integers(0, 1)
# When what another program brings was uploaded elsewhere.
COPIED, DAY = 1_600_000_000, 86400
RELEASES = st.sampled_from(VERSIONS)
REASONS = st.none() | st.sampled_from(["", "bad <&> é"])
numbers = itertools.count()


class Over(KeyboardInterrupt):
    """The time is: nothing else stops Hypothesis before it has all its examples."""


class Machine(RuleBasedStateMachine):
    """Two tasks that die, are replaced by another release, and lose their sense of time."""

    world: World
    # By time.monotonic(): an example that begins later ends all of them.
    ends: float

    @initialize()
    def begin(self) -> None:
        if time.monotonic() > self.ends:
            raise Over
        self.steps = 0
        self.rested = False

    @rule()
    def do_nothing(self) -> None:
        """The simplest rule, of which Hypothesis makes all of some examples: they take no time."""
        self.rested = True

    @precondition(lambda self: self.steps % 16 == 12)
    @rule(task=TASKS)
    def kill(self, task: int) -> None:
        self.world.kill(task)

    @precondition(lambda self: self.steps % 16 == 5)
    @rule(task=TASKS)
    def deploy(self, task: int) -> None:
        self.world.deploy(task)

    @rule(seconds=st.sampled_from([0, -90_000, 90_000]))
    def step(self, seconds: int) -> None:
        self.world.step(seconds)

    @invariant()
    def every_task_is_right(self) -> None:
        self.steps += 1
        if not self.rested:
            self.check()
        self.rested = False

    def check(self) -> None:
        """Raises AssertionError where a task tells anything else than the model."""
        raise NotImplementedError


class Project(Machine):
    """One project of ours, of which nobody has heard before."""

    @initialize()
    def begin_project(self) -> None:
        self.project = f"model{next(numbers)}"
        self.files: dict[str, bytes] = {}
        self.yanked: dict[str, str] = {}
        self.status = "active"
        self.bodies: dict[str, bytes] = {}
        self.upload(0, VERSIONS[0], 0, False)

    @rule(task=TASKS, version=RELEASES, content=CONTENTS, capital=st.booleans())
    def upload(
        self, task: int, version: str, content: int, capital: bool, account: tuple[str, str] = PUBLISHER
    ) -> None:
        name, data = self._file(version, content, capital)
        others = [it for it in self.files if it.lower() == name.lower() and it != name]
        taken = others or (self.world.immutable and self.files.get(name, data) != data)
        closed = self.status in ("archived", "quarantined")
        answer = self.world.tasks[task].upload(name, data, account=account)
        assert answer.status_code == (403 if closed else 409 if taken else 200), (name, answer.reason)
        if not (taken or closed):
            self.files[name] = data

    @precondition(lambda self: self.files)
    @rule(task=TASKS, version=RELEASES, reason=REASONS)
    def yank(self, task: int, version: str, reason: str | None) -> None:
        if reason is None:
            answer = self._change(task, "unyank", version=version)
        else:
            answer = self._change(task, "yank", version=version, reason=reason)
        assert answer == (200 if self._of(version) else 404)
        if answer == 200 and reason is None:
            self.yanked.pop(version, None)
        elif answer == 200 and reason is not None:
            self.yanked[version] = reason

    @precondition(lambda self: self.steps % 3 == 2)
    @rule(task=TASKS, status=st.sampled_from(["active", "deprecated", "archived", "quarantined"]))
    def mark(self, task: int, status: str) -> None:
        answer = self._change(task, "status", status=status)
        assert answer == (200 if self.files else 404)
        if answer == 200:
            self.status = status

    @rule(task=TASKS, version=RELEASES)
    def remove(self, task: int, version: str) -> None:
        found = self._of(version)
        answer = self._change(task, "remove_pkg", version=version)
        assert answer == (403 if self.world.immutable else 200 if found else 404)
        if answer == 200:
            self.files = {name: data for name, data in self.files.items() if name not in found}

    @rule(at=PLACES, version=RELEASES, content=CONTENTS, days=st.integers(0, 2), over=st.booleans())
    def copy(self, at: int, version: str, content: int, days: int, over: bool) -> None:
        """By another program, with a file's old times, as a restore does; over what is there, or else that stays."""
        name, data = self._file(version, content)
        if over or not self._of(version):
            self.delete(at, version, but=name)
            path = self.world.paths[at] / name
            aside = path.with_name(f".{name}")
            aside.write_bytes(data)
            os.utime(aside, (COPIED + days * DAY,) * 2)
            aside.rename(path)
            self.files[name] = data

    @rule(at=PLACES, version=RELEASES, but=st.just(""))
    def delete(self, at: int, version: str, but: str) -> None:
        for name in set(self._of(version)) - {but}:
            (self.world.paths[at] / name).unlink()
            del self.files[name]

    @rule(call=st.sampled_from(CALLS), number=st.sampled_from([errno.EIO, errno.ESTALE]), version=RELEASES)
    def fail(self, call: str, number: int, version: str) -> None:
        """Whatever becomes of an upload, a withdrawal and a look meanwhile: the same again is right."""
        name, data = self._file(version, 0)
        with self.world.failing(call, number):
            uploaded = self.world.tasks[0].upload(name, data)
            yanked = self._change(0, "yank", version=version)
            self.world.tasks[0].get(f"/simple/{self.project}/")
        told = [it for it in (uploaded.status_code, yanked) if it not in (200, 403, 404, 409, 503, 507)]
        assert not told, (call, told, uploaded.reason)
        self.upload(0, version, 0, False)
        self.yank(0, version, "")

    def check(self) -> None:
        told = Told(self.project, self.files, self.yanked, self.status)
        for task in self.world.tasks:
            for _ in range(ASKED):
                compare(task, told, self.bodies)

    def _file(self, version: str, content: int, capital: bool = False) -> tuple[str, bytes]:
        make = wheel if version == VERSIONS[0] else sdist
        return make(self.project.capitalize() if capital else self.project, version, b"%d" * (1 + content))

    def _of(self, version: str) -> list[str]:
        return [name for name in self.files if f"-{version}" in name]

    def _change(self, task: int, action: str, account: tuple[str, str] = PUBLISHER, **fields: str) -> int:
        form = {":action": action, "name": self.project, **fields}
        return requests.post(self.world.tasks[task].url, data=form, auth=account, timeout=60).status_code
