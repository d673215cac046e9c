"""A project of the index outside, which may become one of ours: what is told of it, and what is asked for outside."""

from __future__ import annotations

import errno
import itertools
import os
import time
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple

import requests
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from ..tasks import JSON_TYPE, Task, sha256, wheel
from ..upstream.playing import FILES, send
from .machine import ASKED, CALLS, CONTENTS, DAY, PLACES, REASONS, RELEASES, TASKS, VERSIONS, Machine, numbers

# What docs/upstream.md says, and what tasks remember beside that: an absence, a failure, and that they failed to ask.
CURRENT, ABSENT, RETRY, FAILED, BELIEVED = 300, 60, 30, 10, 7 * DAY
# Of the clock that is wrong a kept page seems so much older; and nothing is exact.
WRONG_CLOCK, SLACK = 1.1 * DAY, 5.0
# Longer than a failure, an absence and a page are remembered, than a day, and than a page is believed.
WAITS = [25, 75, 320, 2 * DAY, 9 * DAY]
# By which another program's copy has made its project private for good.
NOTICED = 30.0
UPLOADED = {"1.0": "2020-09-12T12:00:00.000000Z", "2.0rc1": "2020-09-14T12:00:00.000000Z"}
# As a status: another file's bytes, of the same length.
LIES = 299
# Contents and yanks by version.
PAGES = st.dictionaries(RELEASES, st.tuples(CONTENTS, REASONS), max_size=2)


class File(NamedTuple):
    sha256: str
    yanked: str | None
    uploaded: str


# By name; or the status of an answer without a page.
Page = dict[str, File]
Said = Page | int


class Timeline:
    """What was said of something, each from its time to that of the next."""

    def __init__(self, first: Said) -> None:
        self._said = [(float("-inf"), first)]

    def say(self, it: Said, now: float) -> None:
        self._said.append((now, it))

    def page_until(self, now: float) -> float:
        """When there last was a page."""
        ends = [at for at, _ in self._said[1:]] + [now]
        return max(end for (_, it), end in zip(self._said, ends, strict=True) if isinstance(it, dict))

    def within(self, seconds: float, now: float) -> list[Said]:
        """What was so at any moment of the last `seconds`."""
        ends = [at for at, _ in self._said[1:]] + [now]
        return [it for (_, it), end in zip(self._said, ends, strict=True) if end >= now - seconds - SLACK]


class Upstream(Machine):
    """`mine` has its files here; `is_private` is None while it depends on who noticed them."""

    @initialize()
    def begin_upstream(self) -> None:
        self.outer = f"outer{next(numbers)}x"
        self.page: Page = {}
        self.said = Timeline(404)
        # What it may have, by version and content; the bytes and what is answered, by digest.
        self.possible: dict[tuple[str, int], tuple[str, str]] = {}
        self.contents: dict[str, bytes] = {}
        self.answers: dict[str, Timeline] = {}
        for version, content in itertools.product(VERSIONS, (0, 1)):
            name, data = wheel(self.outer, version, b"%d" * (1 + content))
            digest = sha256(data)
            self.possible[version, content] = name, digest
            self.world.beyond.index.files[f"/{digest}/{name}"] = self.contents[digest] = data
            self.answers[digest] = Timeline(200)
        self.mine: dict[str, bytes] = {}
        self.odd = self.recorded = self.taken = False
        self.copied = 0.0
        self.proved: float | None = None
        self.fetched: set[str] = set()
        self.perhaps_fetched: set[str] = set()
        self.asked = 0
        self.say({"1.0": (0, None)})
        # Nobody has asked before.
        self.said = Timeline(self.page)
        assert {it.get("/simple/acme-core/").status_code for it in self.world.tasks} == {404}

    @property
    def is_private(self) -> bool | None:
        return True if self.recorded or self.mine or self.odd else None if self.copied else False

    # What the index outside says.

    @rule(page=PAGES)
    def say(self, page: dict[str, tuple[int, str | None]]) -> None:
        """Have these files, and no others."""
        self.page = {}
        index, path = self.world.beyond.index, f"/simple/{self.outer}/"
        index.pages[self.outer] = {"meta": {"api-version": "1.1"}, "name": self.outer, "files": []}
        index.answers.pop(path, None)
        for version, (content, yanked) in page.items():
            name, digest = self.possible[version, content]
            self.page[name] = File(digest, yanked, UPLOADED[version])
            facts = {
                "url": f"https://{FILES}/{digest}/{name}",
                "yanked": yanked is not None and (yanked or True),
                "upload-time": UPLOADED[version],
            }
            index.add(self.outer, name, self.contents[digest], facts=facts)
        self.said.say(self.page, self.world.now)

    @rule(status=st.sampled_from([404, 410, 403, 429, 500]))
    def stop(self, status: int) -> None:
        """Have no page, for now or for good."""
        self._answer(f"/simple/{self.outer}/", status)
        self.said.say(status, self.world.now)

    @rule(version=RELEASES, content=CONTENTS, status=st.sampled_from([500, LIES, 404, 410, 403, 200]))
    def serve(self, version: str, content: int, status: int) -> None:
        """Answer so for a file, listed or not yet."""
        name, digest = self.possible[version, content]
        self._answer(f"/{digest}/{name}", status)
        self.answers[digest].say(status, self.world.now)

    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    # What is done here.

    @rule(task=TASKS, version=RELEASES)
    def upload_it(self, task: int, version: str) -> None:
        name, data = wheel(self.outer, version, b"ours")
        answer = self.world.tasks[task].upload(name, data)
        # A process may have asked outside although another answered.
        is_here = self.recorded or self.mine or self.odd
        told = [200] if is_here else [403] if self.taken and self.is_private is False else [200, 403]
        assert answer.status_code in told, answer.reason
        if answer.status_code == 200:
            self._become_private()
            self.recorded = True
            self.mine[name] = data

    @rule(at=PLACES, version=RELEASES, odd=st.booleans())
    def copy_it(self, at: int, version: str, odd: bool) -> None:
        """A file that is listed, or one that is passed over for its name."""
        name, data = wheel(self.outer, version, b"ours")
        if odd:
            name = f"{self.outer}-1.0.exe"
        self._become_private()
        path = self.world.paths[at] / name
        aside = path.with_name(f".{name}")
        aside.write_bytes(data)
        aside.rename(path)
        if not (self.mine or self.odd):
            self.copied = time.monotonic()
        if odd:
            self.odd = True
        else:
            self.mine[name] = data

    @rule(at=PLACES)
    def delete_it(self, at: int) -> None:
        was_here = self.mine or self.odd
        for name in [*self.mine, *([f"{self.outer}-1.0.exe"] if self.odd else [])]:
            (self.world.paths[at] / name).unlink()
        self.mine, self.odd = {}, False
        if was_here and time.monotonic() - self.copied > NOTICED:
            self.recorded = True

    @rule(call=st.sampled_from(CALLS), number=st.sampled_from([errno.EIO, errno.ESTALE]))
    def fail_to_tell(self, call: str, number: int) -> None:
        """Whatever becomes of it: nobody was answered, so nothing has to be known."""
        with self.world.failing(call, number):
            answers = [self.world.tasks[0].get(f"/simple/{self.outer}/", headers={"Accept": JSON_TYPE})]
            answers += [self.world.tasks[0].get(f"/packages/.upstream/{self.outer}/{name}") for name in self.page]
        assert {it.status_code for it in answers} <= {200, 404, 503}
        self.perhaps_fetched |= {it.sha256 for it in self.page.values()}
        self.taken = self.taken or self._is_taken()
        self._distrust()

    @precondition(lambda self: self.steps % 4 == 2)
    @rule()
    def forget(self) -> None:
        """What may be removed at any time."""
        for path in self.world.paths[0].glob(".upstream/[pf]*/*"):
            path.unlink(missing_ok=True)
        self.fetched, self.perhaps_fetched = set(), set()
        self._distrust()

    def check(self) -> None:
        for task in self.world.tasks:
            for _ in range(ASKED):
                self._compare(task)
        if self.is_private:
            assert self._asked() == self.asked, "a private name was asked for"
        assert not [it for it in self.world.beyond.index.asked if "acme" in it]

    def told(self, now: float) -> list[Said]:
        """What may be told of the project at this time, unless it is private."""
        believed = (
            self.proved is not None
            and now - self.proved < BELIEVED - WRONG_CLOCK
            and not {404, 410} & self._statuses(now - self.proved + CURRENT, now)
        )
        fails = self._statuses(RETRY, now) & {403, 429, 500}
        told = self._pages(BELIEVED + WRONG_CLOCK if fails else CURRENT, now)
        absent = self._statuses(ABSENT, now)
        if absent & {404, 410} or (403 in absent and not believed):
            told.append(404)
        if self._statuses(FAILED, now) & {429, 500} and not believed:
            told.append(503)
        return told

    def _compare(self, task: Task) -> None:
        began = self.world.now
        answer = task.get(f"/simple/{self.outer}/", headers={"Accept": JSON_TYPE})
        found = said_by(answer)
        if self.is_private:
            assert digests_of(found) == ({name: sha256(data) for name, data in self.mine.items()} or 404)
            for name in self.page:
                assert task.get(f"/packages/.upstream/{self.outer}/{name}").status_code == 404
            return
        told = self.told(began)
        # Of a file that was here for a moment some may know.
        assert found in told or (self.is_private is None and found == 404), (found, told)
        if isinstance(found, dict):
            self.taken = True
            if not self._statuses(CURRENT, began):
                self.proved = began
            for name, file in found.items():
                # Another process may have an older page, and know nothing of the file.
                if all(isinstance(it, dict) and name in it and it[name].sha256 == file.sha256 for it in told):
                    self._compare_file(task, name, file.sha256)

    def _compare_file(self, task: Task, name: str, digest: str) -> None:
        """The very bytes, or a definite no, or later: what was had once is had always."""
        said = self.answers[digest].within(FAILED, self.world.now)
        answer = task.get(f"/packages/.upstream/{self.outer}/{name}")
        expected = {200: 200, 404: 404, 410: 404, 403: 404, 500: 503, LIES: 503}
        told = {expected[it] for it in said if isinstance(it, int)} | (
            {200} if digest in self.perhaps_fetched else set()
        )
        told = {200} if digest in self.fetched else told
        # Of a file that was here for a moment some may know.
        assert answer.status_code in told or (self.is_private is None and answer.status_code == 404), (
            answer.status_code,
            told,
        )
        if answer.status_code == 200:
            assert answer.content == self.contents[digest]
            self.fetched.add(digest)

    def _answer(self, path: str, status: int) -> None:
        index = self.world.beyond.index

        def answer(handler: BaseHTTPRequestHandler) -> None:
            body = bytes(reversed(index.files[path])) if status == LIES else b""
            send(handler, 200 if status == LIES else status, "text/plain", body)

        answers = index.answers
        if status == 200:
            answers.pop(path, None)
        else:
            answers[path] = answer

    def _distrust(self) -> None:
        """What processes have in memory may not be on the disk: until it is, nothing has to be believed."""
        self.proved = None
        self.world.wait(WAITS[2])

    def _is_taken(self) -> bool:
        """As docs/upstream.md has it."""
        side = self.world.paths[1] / f".upstream/sides/{self.outer}"
        return side.is_symlink() and os.readlink(side) == "upstream"

    def _become_private(self) -> None:
        """From now on it is asked for no more."""
        if not self.is_private:
            self.asked = self._asked()

    def _statuses(self, seconds: float, now: float) -> set[int]:
        return {it for it in self.said.within(seconds, now) if isinstance(it, int)}

    def _pages(self, seconds: float, now: float) -> list[Said]:
        return [it for it in self.said.within(seconds, now) if isinstance(it, dict)]

    def _asked(self) -> int:
        return sum(self.outer in path for path in self.world.beyond.index.asked)


def said_by(answer: requests.Response) -> Said:
    """A project's page, in JSON."""
    if answer.status_code != 200:
        return answer.status_code
    return {
        it["filename"]: File(it["hashes"]["sha256"], _reason(it.get("yanked")), it["upload-time"])
        for it in answer.json()["files"]
    }


def digests_of(said: Said) -> dict[str, str] | int:
    return said if isinstance(said, int) else {name: file.sha256 for name, file in said.items()}


def _reason(yanked: object) -> str | None:
    return "" if yanked is True else yanked if isinstance(yanked, str) else None
