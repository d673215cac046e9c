"""`/at/DAY/simple/`: real clients see the index as it was listed at the end of a day, and no day costs anything afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import requests

from server.store.packages import Packages
from server.views.days import Days, day_of
from server.views.listings import Listings
from server.views.root import Root
from server.views.turns import KEPT_BYTES, in_turn
from server.wire.calls import TakesLong
from server.wire.messages import Response

from .conftest import StartTask
from .connections import head
from .tasks import JSON_TYPE, PUBLISHER, READER, Task, sdist, status_of, wheel

KEPT = "private, max-age=31536000, immutable"
ASKED = "private, no-cache"
UPLOADED = {
    wheel("acme", "1.0"): "2026-01-10T23:59:59",
    wheel("acme", "1.1"): "2026-01-11T00:00:00",
    sdist("acme", "2.0"): "2026-03-01T12:00:00",
    wheel("later", "1.0"): "2026-02-01T00:00:00",
}
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture
def task(start_newest: StartTask, directory: Path) -> Task:
    for (name, content), at in UPLOADED.items():
        (directory / name).write_bytes(content)
        os.utime(directory / name, (datetime.fromisoformat(f"{at}+00:00").timestamp(),) * 2)
    return start_newest(directory)


def versions(task: Task, day: str, project: str = "acme") -> list[str]:
    response = task.get(f"/at/{day}/simple/{project}/", headers={"Accept": JSON_TYPE})
    return list(response.json()["versions"]) if response.status_code == 200 else [f"{response.status_code}"]


def test_a_day_has_what_was_uploaded_until_its_end(task: Task) -> None:
    days = {
        "1969-12-31": ["404"],
        "2026-01-09": ["404"],
        "2026-01-10": ["1.0"],
        "2026-01-11": ["1.0", "1.1"],
        "2026-02-28": ["1.0", "1.1"],
        TODAY: ["1.0", "1.1", "2.0"],
    }
    assert {day: versions(task, day) for day in days} == days
    assert versions(task, "2026-01-31", "later") == ["404"]
    assert versions(task, "2026-02-01", "absent") == ["404"]
    for accept in (JSON_TYPE, "text/html"):
        roots = {
            day: task.get(f"/at/{day}/simple/", headers={"Accept": accept}) for day in ("2026-01-31", "2026-02-01")
        }
        assert [("acme" in it.text, "later" in it.text) for it in roots.values()] == [(True, False), (True, True)]
        assert {it.headers["Cache-Control"] for it in roots.values()} == {KEPT}
        assert {it.headers["Content-Type"].partition(";")[0] for it in roots.values()} == {accept}
        assert all(it.text.startswith("{" if accept == JSON_TYPE else "<!DOCTYPE html>") for it in roots.values())
    page = task.get("/at/2026-01-10/simple/acme/")
    assert "/packages/acme-1.0-py3-none-any.whl#sha256=" in page.text
    assert "1.1" not in page.text


def test_a_day_that_is_over_is_kept_for_ever_and_today_is_not(task: Task) -> None:
    past, today = (task.get(f"/at/{day}/simple/acme/") for day in ("2026-01-10", TODAY))
    assert (past.headers["Cache-Control"], today.headers["Cache-Control"]) == (KEPT, ASKED)
    again = task.get("/at/2026-01-10/simple/acme/", headers={"If-None-Match": past.headers["ETag"]})
    assert (again.status_code, again.headers["Cache-Control"]) == (304, KEPT)
    assert versions(task, TODAY, "fresh") == ["404"]
    assert task.upload(*wheel("fresh", "1.0")).status_code == 200
    assert versions(task, TODAY, "fresh") == ["1.0"]


def test_yanks_and_statuses_are_of_now(task: Task) -> None:
    fields = {":action": "yank", "name": "acme", "version": "1.0", "reason": "evil"}
    assert requests.post(task.url, data=fields, auth=PUBLISHER, timeout=60).status_code == 200
    (file,) = task.get("/at/2026-01-10/simple/acme/", headers={"Accept": JSON_TYPE}).json()["files"]
    assert file["yanked"] == "evil"
    fields = {":action": "status", "name": "acme", "status": "quarantined", "reason": "stolen"}
    assert requests.post(task.url, data=fields, auth=PUBLISHER, timeout=60).status_code == 200
    response = task.get("/at/2026-01-10/simple/acme/", headers={"Accept": JSON_TYPE})
    document = response.json()
    assert (document["files"], document["project-status"]["status"]) == ([], "quarantined")
    # It may be let out again.
    assert response.headers["Cache-Control"] == ASKED


def test_what_is_no_day_is_refused_with_the_reason(task: Task) -> None:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    for day, status, said in (
        (tomorrow, 404, "has not begun"),
        ("9999-12-31", 404, "has not begun"),
        ("2026-02-30", 400, "is no day"),
        ("20260201", 400, "is no day"),
        ("2026-W01-1", 400, "is no day"),
        ("\uff12026-01-01", 400, "is no day"),
        ("yesterday", 400, "is no day"),
    ):
        for path in ("", "acme/"):
            response = task.get(f"/at/{day}/simple/{path}")
            assert (response.status_code, said in response.text) == (status, True), day
            assert response.headers["Cache-Control"] == "no-store"
    for path, location in (
        ("/at/2026-01-10/simple", "/at/2026-01-10/simple/"),
        ("/at/2026-01-10/simple/acme", "/at/2026-01-10/simple/acme/"),
        ("/at/2026-01-10/simple/Ac.Me/", "/at/2026-01-10/simple/ac-me/"),
    ):
        response = task.get(path)
        assert (response.status_code, response.headers["Location"]) == (301, location)
    assert task.get("/at/2026-01-10/simple/acme/", None).status_code == 401
    assert task.get("/at/yesterday/simple/", None).status_code == 401
    assert task.get("/at/2026-01-10/packages/").status_code == 404
    assert (
        task.get("/at/2026-01-10/simple/absent/", headers={"Accept": "text/html"})
        .headers["Content-Type"]
        .startswith("text/html")
    )


def test_nothing_is_made_for_who_waits_no_longer() -> None:
    """Who asked long ago gets an answer, and the next has its turn."""
    late = in_turn({"server.arrived": time.monotonic() - 3600, "REMOTE_USER": "reader"}, lambda: pytest.fail("made"))
    with pytest.raises(TakesLong):
        late.call()


def test_accounts_take_turns(start_newest: StartTask, directory: Path) -> None:
    """One that asks for all days of a large project holds up nobody else."""
    many(directory, 2000)
    task = start_newest(directory)
    task.project("nightly")
    asked = [f"/at/{date(2024, 1, 1) + timedelta(days=number)}/simple/nightly/" for number in range(200)]
    waiting = [task.connect() for _ in asked]
    for path, connection in zip(asked, waiting, strict=True):
        connection.sendall(head(f"GET {path} HTTP/1.1", READER))
    assert status_of(waiting[0]) == 200
    for path in ("/at/2024-01-01/simple/nightly/", "/pypi/nightly/json", "/project/nightly/"):
        assert task.get(path).status_code == 200
    answered = [line["path"] for line in task.access_log() if line["user"] == READER[0]]
    assert len(answered) < 100


def test_a_day_is_made_once_for_all_who_want_it_until_something_changes(tmp_path: Path) -> None:
    many(tmp_path, 3)
    packages = Packages(tmp_path)
    listings = Listings(packages)
    days = Days(packages.index, listings, Root(packages))

    def body() -> object:
        environ = {"server.arrived": time.monotonic(), "REMOTE_USER": "reader", "QUERY_STRING": ""}
        work = days.project("nightly", day_of("2024-01-01"), environ)
        assert work
        answer = work.call()
        assert isinstance(answer, Response)
        return next(iter(answer.body))

    first = body()
    assert body() is first
    packages.yanks.change("nightly", "1.0", "broken")
    listings._listings.clear()
    assert body() != first


@pytest.fixture
def index(task: Task) -> str:
    return f"{task.with_credentials(READER)}/at/2026-02-01/simple/"


def test_pip_and_uv_install_what_was_newest_then(index: str, tmp_path: Path) -> None:
    installers: dict[str, list[str | Path]] = {
        "pip": [sys.executable, "-m", "pip", "--isolated", "install", "--no-cache-dir", "--index-url", index],
        "uv": [Path(sys.executable).with_name("uv"), "pip", "install", "--no-config", "--default-index", index],
    }
    for name, command in installers.items():
        target = tmp_path / name
        environment = {"PATH": os.defpath, "HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache")}
        subprocess.run([*command, "--target", target, "acme"], env=environment, check=True, timeout=120)
        assert (target / "acme.py").read_text().startswith("VERSION = b'1.1'")


def many(directory: Path, count: int) -> None:
    """A release each hour since November 2023."""
    for number in range(count):
        (directory / f"nightly-1.{number}.tar.gz").write_bytes(b"x")
        os.utime(directory / f"nightly-1.{number}.tar.gz", (1_700_000_000 + number * 3600,) * 2)


def resident_kib(task: Task) -> int:
    found = subprocess.run(
        ["ps", "-o", "rss=", "-g", str(os.getpgid(task.process.pid))], capture_output=True, text=True, check=True
    )
    return sum(map(int, found.stdout.split()))


@pytest.mark.slow
def test_any_number_of_days_leaves_nothing_behind(start_newest: StartTask, directory: Path) -> None:
    many(directory, 2000)
    task = start_newest(directory)
    session = requests.Session()
    session.auth = READER

    def days(first: int, count: int) -> None:
        for number in range(first, first + count):
            day = f"{datetime(2023, 12, 1, tzinfo=UTC) + timedelta(days=number):%Y-%m-%d}"
            for path in ("nightly/", ""):
                assert session.get(f"{task.url}/at/{day}/simple/{path}", timeout=60).status_code == 200

    days(0, 100)
    before = resident_kib(task)
    days(100, 200)
    assert resident_kib(task) < before + ((KEPT_BYTES + (8 << 20)) >> 10)
