"""The index as of a day: what was uploaded by its end, withdrawn as today."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import requests
from hypothesis import strategies as st
from hypothesis.stateful import rule

from ..tasks import JSON_TYPE, sha256
from .machine import ASKED, COPIED, DAY
from .told import Told, compare_document
from .upstream import Said, WithUpstream, digests_of, said_by

SETTLED = 3600
KEPT, CHECKED = "private, max-age=31536000, immutable", "private, no-cache"
# Since 1970: around those of files that are copied, and around today.
DAYS = st.integers(-2, 3).map(lambda it: COPIED // DAY + it) | st.integers(-1, 1).map(lambda it: _today() + it)


class WithDays(WithUpstream):
    @rule(day=DAYS)
    def look_at(self, day: int) -> None:
        for number in range(len(self.world.tasks)):
            for _ in range(ASKED):
                self._look_at(day, number)

    def _look_at(self, day: int, number: int) -> None:
        """At a task, whose clock says whether the day has begun, and is over."""
        now, ends = self.world.at(number), (day + 1) * DAY
        project, other, root = (self._get(number, day, it) for it in (f"{self.project}/", f"{self.outer}/", ""))
        if now < ends - DAY:
            assert [it.status_code for it in (project, other, root)] == [404] * 3
            return
        kept = KEPT if now >= ends + SETTLED else CHECKED
        told = Told(self.project, self._until(ends, self.files), self.yanked, self.status)
        assert project.status_code == (200 if told.files else 404)
        if told.files:
            compare_document(project.json(), told)
            assert project.headers["Cache-Control"] == (CHECKED if self.status == "quarantined" else kept)
        mine = self._until(ends, self.mine)
        listed = {it["name"] for it in root.json()["projects"]}
        assert [it in listed for it in (self.project, self.outer)] == [bool(told.files), bool(mine)]
        assert root.headers["Cache-Control"] == kept
        self._compare_other(said_by(other), mine, ends)
        if other.status_code == 200 and self.is_private is False:
            at_least = self.world.now - self.said.page_until(self.world.now)
            if ends + SETTLED > now - at_least:
                assert other.headers["Cache-Control"] == CHECKED, "it may be from before the day's end"
            elif ends < COPIED + 9 * DAY:
                assert other.headers["Cache-Control"] == KEPT

    def _compare_other(self, found: Said, mine: dict[str, bytes], ends: int) -> None:
        if self.is_private:
            assert digests_of(found) == ({name: sha256(data) for name, data in mine.items()} or 404)
            return
        told: list[Said] = []
        for page in self.told(self.world.now):
            if isinstance(page, dict):
                by_then = {
                    it: file for it, file in page.items() if datetime.fromisoformat(file.uploaded).timestamp() < ends
                }
                told.append(by_then or 404)
            else:
                told.append(page)
        assert found in told or (self.is_private is None and found == 404), (found, told)

    def _until(self, ends: int, files: dict[str, bytes]) -> dict[str, bytes]:
        found = {}
        for name, data in files.items():
            # Opened: the mount keeps what it knows of a file that is not.
            with (self.world.paths[0] / name).open("rb") as file:
                if os.fstat(file.fileno()).st_mtime < ends:
                    found[name] = data
        return found

    def _get(self, number: int, day: int, path: str) -> requests.Response:
        at = datetime.fromtimestamp(day * DAY, UTC).date()
        return self.world.tasks[number].get(f"/at/{at}/simple/{path}", headers={"Accept": JSON_TYPE})


def _today() -> int:
    return int(time.time()) // DAY
