"""The index as of a day: what was uploaded by its end, withdrawn as today."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import requests
from hypothesis import strategies as st
from hypothesis.stateful import rule

from ..tasks import JSON_TYPE, Task, sha256
from .machine import ASKED, COPIED, DAY, Project
from .told import Told, compare_document
from .upstream import Said, Upstream, digests_of, said_by

SETTLED = 3600
KEPT, CHECKED = "private, max-age=31536000, immutable", "private, no-cache"
# Since 1970: around those of files that are copied, and around today.
DAYS = st.integers(-2, 3).map(lambda it: COPIED // DAY + it) | st.integers(-1, 1).map(lambda it: _today() + it)


class Days(Project):
    @rule(day=DAYS)
    def look_at(self, day: int) -> None:
        ends = (day + 1) * DAY
        told = Told(self.project, _until(ends, self.files, self.world.paths[0]), self.yanked, self.status)
        for number, task in enumerate([*self.world.tasks] * ASKED):
            now = self.world.at(number % len(self.world.tasks))
            project, root = _looks(task, day, self.project)
            if now < ends - DAY:
                assert [project.status_code, root.status_code] == [404, 404]
                continue
            kept = KEPT if now >= ends + SETTLED else CHECKED
            assert project.status_code == (200 if told.files else 404)
            if told.files:
                compare_document(project.json(), told)
                assert project.headers["Cache-Control"] == (CHECKED if self.status == "quarantined" else kept)
            assert (self.project in _names(root)) == bool(told.files)
            assert root.headers["Cache-Control"] == kept


class UpstreamDays(Upstream):
    @rule(day=DAYS)
    def look_at(self, day: int) -> None:
        ends = (day + 1) * DAY
        mine = _until(ends, self.mine, self.world.paths[0])
        for number, task in enumerate([*self.world.tasks] * ASKED):
            now = self.world.at(number % len(self.world.tasks))
            told: list[Said] = [_by_then(ends, page) for page in self.told(self.world.now)]
            project, root = _looks(task, day, self.outer)
            found = said_by(project)
            if now < ends - DAY:
                assert [found, root.status_code] == [404, 404]
                continue
            assert (self.outer in _names(root)) == bool(mine)
            if self.is_private:
                assert digests_of(found) == ({name: sha256(data) for name, data in mine.items()} or 404)
                continue
            assert found in told or (self.is_private is None and found == 404), (found, told)
            age = self.world.now - self.said.page_until(self.world.now)
            if isinstance(found, dict) and ends + SETTLED > now - age:
                assert project.headers["Cache-Control"] == CHECKED, "it may be from before the day's end"
            elif isinstance(found, dict) and ends < COPIED + 9 * DAY:
                assert project.headers["Cache-Control"] == KEPT


def _looks(task: Task, day: int, project: str) -> list[requests.Response]:
    """At the project and at all of them."""
    at = f"/at/{datetime.fromtimestamp(day * DAY, UTC).date()}/simple/"
    return [task.get(path, headers={"Accept": JSON_TYPE}) for path in (f"{at}{project}/", at)]


def _names(root: requests.Response) -> set[str]:
    return {it["name"] for it in root.json()["projects"]}


def _until(ends: int, files: dict[str, bytes], directory: Path) -> dict[str, bytes]:
    found = {}
    for name, data in files.items():
        # Opened: the mount keeps what it knows of a file that is not.
        with (directory / name).open("rb") as file:
            if os.fstat(file.fileno()).st_mtime < ends:
                found[name] = data
    return found


def _by_then(ends: int, said: Said) -> Said:
    if isinstance(said, int):
        return said
    return {
        name: file for name, file in said.items() if datetime.fromisoformat(file.uploaded).timestamp() < ends
    } or 404


def _today() -> int:
    return int(time.time()) // DAY
