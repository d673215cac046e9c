"""The form's ``upload_time``: when a file was uploaded where it comes from."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .conftest import StartTask
from .tasks import READER, Task, sdist, visible, wheel

TIME = "2021-03-04T05:06:07.250000Z"


def test_it_is_listed_and_the_log_has_the_true_time(start: StartTask, directory: Path) -> None:
    task, other = start(directory), start(directory)
    name, content = wheel("dated", "1.0")
    for attempt in (TIME, "2022-03-04T05:06:07Z"):
        # The same file again is there already, as it is.
        assert task.upload(name, content, {"upload_time": attempt}).status_code == 200
        for it in (task, other):
            assert [file["upload-time"] for file in it.project("dated")["files"]] == [TIME]
    assert task.get(f"/packages/{name}").headers["Last-Modified"] == "Thu, 04 Mar 2021 05:06:07 GMT"
    assert {line["time"][:4] for line in task.changes()} == {str(datetime.now(UTC).year)}


def test_the_first_moment_of_2003_is_a_time(shared: Task) -> None:
    assert shared.upload(*wheel("oldest", "1.0"), {"upload_time": "2003-01-01T00:00:00Z"}).status_code == 200
    (file,) = shared.project("oldest")["files"]
    assert datetime.fromisoformat(file["upload-time"]) == datetime(2003, 1, 1, tzinfo=UTC)


def age(path: Path, days: float) -> None:
    os.utime(path, (time.time() - days * 86400,) * 2)


def test_a_release_is_closed_after_days(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory)
    (name, content), (tagged, _) = wheel("closed", "1.0"), wheel("closed", "1.0.0")
    other = tagged.replace("py3-none", "cp313-none")
    assert task.upload(name, content).status_code == 200
    age(directory / name, 13.9)
    assert task.upload(name.replace("py3", "py2"), content).status_code == 200
    # Reckoned from the first, whatever came later, and however the version is spelled.
    age(directory / name, 14.1)
    refused = task.upload(other, content)
    assert (refused.status_code, "older than 14 days" in refused.reason) == (400, True)
    assert "closed 1.0.0 is of " in refused.text
    assert task.upload(*sdist("closed", "1.0")).status_code == 400
    assert not list(directory.glob("*cp313*"))
    # What is there already, what is imported, and other releases.
    assert task.upload(name, content).status_code == 200
    assert task.upload(*sdist("closed", "1.0"), {"upload_time": TIME}).status_code == 200
    assert task.upload(*wheel("closed", "1.0.post1")).status_code == 200
    assert start_newest(directory, RELEASE_OPEN_DAYS="0").upload(other, content).status_code == 200


def test_a_closed_release_can_be_replaced_where_files_can(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory, IMMUTABLE_PACKAGES="false")
    assert task.upload(*sdist("closed", "1.0")).status_code == 200
    age(directory / "closed-1.0.tar.gz", 15)
    assert task.upload(*wheel("closed", "1.0")).status_code == 400
    assert task.upload(*sdist("closed", "1.0", b"other")).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1614834367",
        "2021-03-04",
        "2021-03-04T05:06:07",
        "2021-03-04T05:06:07+01:00",
        "2021-02-30T05:06:07Z",
        "2002-12-31T23:59:59Z",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2101-01-01T00:00:00Z",
        "\uff12\uff10\uff12\uff11-03-04T05:06:07Z",
    ],
)
def test_what_is_no_time_or_an_impossible_one_is_refused(shared: Task, text: str) -> None:
    before = visible(shared.directory)
    answer = shared.upload(*wheel("undated", "1.0"), {"upload_time": text})
    assert (answer.status_code, "upload_time" in answer.reason) == (400, True)
    assert visible(shared.directory) == before


def test_the_reader_cannot(shared: Task) -> None:
    assert shared.upload(*wheel("dated", "3.0"), {"upload_time": TIME}, account=READER).status_code == 403


def test_a_download_is_not_resumed_with_another_file_of_the_same_time(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory, IMMUTABLE_PACKAGES="false")
    (name, first), (_, second) = sdist("dated", "1.0", extra=b"1" * 9), sdist("dated", "1.0", extra=b"2" * 9)
    assert len(first) == len(second)
    tags = []
    for content in (first, second):
        assert task.upload(name, content, {"upload_time": TIME}).status_code == 200
        tags.append(task.get(f"/packages/{name}").headers["ETag"])
    resumed = task.get(f"/packages/{name}", headers={"Range": "bytes=5-", "If-Range": tags[0]})
    assert (resumed.status_code, resumed.content) == (200, second)
    assert task.get(f"/packages/{name}", headers={"If-None-Match": tags[0]}).status_code == 200
