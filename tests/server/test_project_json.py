"""A project as PyPI's JSON has it, for those who look for updates: Renovate, Dependabot, nvchecker, mirrors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import requests

from .conftest import StartTask
from .tasks import JSON_TYPE, PUBLISHER, Task, sdist, sha256, wait_for, wheel

METADATA = """\
Summary: What it is
Home-page: UNKNOWN
Author: Ann
Author-email: ann@example.com
License-Expression: MIT
Keywords: one,two
Classifier: A :: B
Classifier: C
Project-URL: Source, https://example.com/?a=1,2
Project-URL: Docs, https://docs.example.com/
Requires-Dist: other>=1
Description-Content-Type: text/markdown

# Héllo

More.
"""


def yank(task: Task, version: str, reason: str) -> None:
    form = {":action": "yank", "name": "demo", "version": version, "reason": reason}
    assert requests.post(task.url, data=form, auth=PUBLISHER, timeout=60).status_code == 200


def document(task: Task, path: str = "/demo/json") -> dict[str, Any]:
    response = task.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    found: dict[str, Any] = response.json()
    return found


def test_updates_are_found_by_date_python_and_withdrawal(start_newest: StartTask, directory: Path) -> None:
    files = [wheel("demo", version, metadata=METADATA) for version in ("1.0", "1.1", "2.0rc1")]
    files.append(sdist("demo", "1.0", metadata="Requires-Python: >=3.9\n"))
    for number, (name, content) in enumerate(files):
        (directory / name).write_bytes(content)
        os.utime(directory / name, (1_700_000_000.25 + number,) * 2)
    task = start_newest(directory)
    yank(task, "1.1", "loses data")
    found = document(task)
    assert set(found) == {"info", "last_serial", "releases", "urls"}
    assert found["info"] == {
        "author": "Ann",
        "author_email": "ann@example.com",
        "classifiers": ["A :: B", "C"],
        "description": "# Héllo\n\nMore.",
        "description_content_type": "text/markdown",
        "download_url": None,
        "dynamic": None,
        "home_page": None,
        "keywords": "one,two",
        "license": None,
        "license_expression": "MIT",
        "license_files": None,
        "maintainer": None,
        "maintainer_email": None,
        "name": "demo",
        "package_url": f"{task.url}/project/demo/",
        "platform": None,
        "project_url": f"{task.url}/project/demo/",
        "project_urls": {"Source": "https://example.com/?a=1,2", "Docs": "https://docs.example.com/"},
        "provides_extra": None,
        "release_url": f"{task.url}/project/demo/",
        "requires_dist": ["other>=1"],
        "requires_python": ">=3.8",
        "summary": "What it is",
        "version": "1.0",
        "yanked": False,
        "yanked_reason": None,
    }
    assert document(task, "/pypi/demo/json") == document(task, "/pypi/demo/json/") == found
    one = document(task, "/pypi/demo/1.1.0/json")
    assert (one["info"]["version"], one["info"]["yanked_reason"]) == ("1.1", "loses data")
    assert (one["urls"], "releases" in one) == (found["releases"]["1.1"], False)
    assert task.get("/pypi/demo/3/json").status_code == task.get("/pypi/absent/json").status_code == 404
    assert task.get("/pypi/De.Mo/1.1/json").headers["Location"] == "/pypi/de-mo/1.1/json"
    assert list(found["releases"]) == ["2.0rc1", "1.1", "1.0"]
    assert found["urls"] == found["releases"]["1.0"]
    source, built = sorted(found["urls"], key=lambda file: file["packagetype"], reverse=True)
    name, content = files[0]
    assert built == {
        "comment_text": "",
        "digests": {"sha256": sha256(content)},
        "filename": name,
        "has_sig": False,
        "packagetype": "bdist_wheel",
        "python_version": "py3",
        "requires_python": ">=3.8",
        "size": len(content),
        "upload_time": "2023-11-14T22:13:20",
        "upload_time_iso_8601": "2023-11-14T22:13:20.250000Z",
        "url": f"{task.url}/packages/{name}",
        "yanked": False,
        "yanked_reason": None,
    }
    assert (source["packagetype"], source["python_version"], source["requires_python"]) == ("sdist", "source", ">=3.9")
    (withdrawn,) = found["releases"]["1.1"]
    assert (withdrawn["yanked"], withdrawn["yanked_reason"]) == (True, "loses data")


def test_what_is_withdrawn_or_a_candidate_is_told_of_only_if_there_is_nothing_else(
    start_newest: StartTask, directory: Path
) -> None:
    task = start_newest(directory)

    def told() -> tuple[str, bool]:
        info = document(task)["info"]
        return info["version"], info["yanked"]

    for version, expected in (("1.0", "1.0"), ("2.0rc1", "1.0"), ("1.5", "1.5")):
        assert task.upload(*wheel("demo", version)).status_code == 200
        assert told() == (expected, False)
    yank(task, "1.5", "")
    assert told() == ("1.0", False)
    yank(task, "1.0", "")
    assert told() == ("2.0rc1", False)
    yank(task, "2.0rc1", "")
    assert told() == ("1.5", True)


def test_what_says_nothing_of_itself_or_too_much_is_listed(start_newest: StartTask, directory: Path) -> None:
    odd = {
        "demo-1.0-py2.py3-none-any.whl": b"no archive",
        "demo-2.0.zip": b"",
        "demo-2.1-py2.7.egg": b"",
        "demo-2.2.win32-py2.7.exe": b"",
        "demo-2.3.win-amd64-py3.8.msi": b"",
        "demo.tar.gz": b"",
    }
    for name, content in odd.items():
        (directory / name).write_bytes(content)
    (directory / "demo-2.0.zip.asc").write_bytes(b"signature")
    (directory / "alone-1.0.zip.asc").write_bytes(b"signature")
    hostile = "Summary: a\x01\u202e</script>\nAuthor: a\n b\nProject-URL: none\nProject-URL: ,x\nKeywords: \n"
    name, content = wheel("demo", "9.0", metadata=hostile + "Classifier: x\n" * 60_000)
    (directory / name).write_bytes(content)
    task = start_newest(directory)
    found = document(task)
    assert (found["info"]["summary"], found["info"]["version"]) == (None, "9.0")
    kinds = {file["filename"]: file["packagetype"] for files in found["releases"].values() for file in files}
    assert {name: kinds.get(name) for name in odd} == {
        "demo-1.0-py2.py3-none-any.whl": "bdist_wheel",
        "demo-2.0.zip": "sdist",
        "demo-2.1-py2.7.egg": "bdist_egg",
        "demo-2.2.win32-py2.7.exe": "bdist_wininst",
        "demo-2.3.win-amd64-py3.8.msi": "bdist_msi",
        "demo.tar.gz": "sdist",
    }
    assert [file["has_sig"] for file in found["releases"]["2.0"]] == [True]
    # A signature is no distribution.
    assert task.get("/alone/json").status_code == 404
    name, content = wheel("demo", "10.0", metadata=hostile)
    (directory / name).write_bytes(content)
    info = document(task)["info"]
    assert (info["author"], info["keywords"], info["project_urls"]) == ("a b", None, None)


def test_an_unchanged_project_is_not_sent_again(start_newest: StartTask, directory: Path) -> None:
    for version in range(100):
        (directory / f"demo-{version}.tar.gz").write_bytes(b"")
    task = start_newest(directory)
    first = task.get("/demo/json")
    assert first.headers["Content-Encoding"] == "gzip"
    again = task.get("/demo/json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert task.upload(*wheel("demo", "1000")).status_code == 200
    assert task.get("/demo/json", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def serials(*tasks: Task) -> tuple[int, int]:
    """Of the project, and of all, once every answer of all the tasks agrees on them."""
    # Each task is one process: once is enough.
    assert wait_for(lambda: len({number for task in tasks for number in told(task)[0]}) == 1)
    return max(told(tasks[0])[0]), max(told(task)[1] for task in tasks)


def told(task: Task) -> tuple[set[int], int]:
    name = "demo"
    page, root = task.project(name)["meta"], task.get("/simple/", headers={"Accept": JSON_TYPE})
    of_all = root.json()
    (listed,) = (it["_last-serial"] for it in of_all["projects"] if it["name"] == name)
    answers = [task.get(path) for path in (f"/simple/{name}/", f"/{name}/json", f"/pypi/{name}/json")]
    headers = [int(answer.headers["X-PyPI-Last-Serial"]) for answer in answers]
    assert int(root.headers["X-PyPI-Last-Serial"]) == of_all["meta"]["_last-serial"] >= listed
    # Every reader of JSON has them whole.
    assert max(headers) < 2**53
    return {listed, page["_last-serial"], answers[1].json()["last_serial"], *headers}, of_all["meta"]["_last-serial"]


def test_serials_grow_with_every_change_at_every_task_and_outlive_them(
    start_newest: StartTask, directory: Path
) -> None:
    tasks = [start_newest(directory, IMMUTABLE_PACKAGES="false") for _ in range(2)]
    (directory / "other-1.0.tar.gz").write_bytes(b"")
    upload = tasks[0].upload

    def copied() -> None:
        (directory / "demo-2.0.tar.gz").write_bytes(b"")
        os.utime(directory / "demo-2.0.tar.gz", (1_700_000_000,) * 2)

    def withdrawn(action: str) -> None:
        form = {":action": action, "name": "demo", "version": "1.0"}
        assert requests.post(tasks[1].url, data=form, auth=PUBLISHER, timeout=60).status_code == 200

    seen = (0, 0)
    for change in (
        lambda: upload(*wheel("demo", "1.0")),
        lambda: upload(*wheel("demo", "1.1")),
        lambda: upload(*wheel("demo", "1.1", b"other")),
        lambda: withdrawn("yank"),
        lambda: withdrawn("unyank"),
        copied,
        (directory / "demo-2.0.tar.gz").unlink,
        copied,
        lambda: withdrawn("remove_pkg"),
    ):
        change()
        now = serials(*tasks)
        assert (now[0] > seen[0], now[1] > seen[1]) == (True, True), (seen, now)
        seen = now
    for task in tasks:
        task.kill()
    # Nobody sees it go.
    assert serials(start_newest(directory)) == seen
    (directory / "demo-2.0.tar.gz").unlink()
    later = serials(start_newest(directory))
    assert (later[0] > seen[0], later[1] > seen[1]) == (True, True)
    assert serials(start_newest(directory)) == later


def test_a_projects_serial_is_its_own(start_newest: StartTask, directory: Path) -> None:
    (directory / wheel("demo", "1.0")[0]).write_bytes(wheel("demo", "1.0")[1])
    task = start_newest(directory)
    before = serials(task)
    etag = task.get("/simple/demo/", headers={"Accept": JSON_TYPE}).headers["ETag"]
    assert task.upload(*wheel("other", "1.0")).status_code == 200
    after = serials(task)
    assert (after[0] == before[0], after[1] > before[1]) == (True, True)
    same = task.get("/simple/demo/", headers={"Accept": JSON_TYPE, "If-None-Match": etag})
    assert (same.status_code, same.headers["X-PyPI-Last-Serial"]) == (304, str(before[0]))
