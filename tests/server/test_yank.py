"""Releases that are withdrawn (PEP 592): who may, what is listed where and when, and what clients make of it."""

from __future__ import annotations

import errno
import html
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from server.store.packages import Packages
from server.store.statuses import UNSAID, Status
from server.store.yanks import Yanks
from server.views.listings import Listings

from .clients import pip_install, run
from .conftest import StartTask
from .faults import Fault
from .mounts import asked, missing, mounts
from .tasks import PUBLISHER, READER, Task, sdist, sha256, stock_packages, wheel

REASON = "bröken \"on\" 'win' <b>&amp;</b>\t→\nsee #12 \u202e\U0001f4a5\x1b[31m"


def change(
    task: Task, action: str, version: str, account: tuple[str, str] | None = PUBLISHER, **fields: str
) -> requests.Response:
    form = {":action": action, "name": "Demo", "version": version, **fields}
    return requests.post(task.url, data=form, auth=account, timeout=60)


def yanked(task: Task, project: str = "demo") -> dict[str, Any]:
    """What JSON has of each file that is withdrawn; that HTML has the same is checked."""
    found = {
        it["filename"]: it["yanked"] for it in task.project(project)["files"] if it.get("yanked", False) is not False
    }
    page = task.get(f"/simple/{project}/").text
    links = {
        html.unescape(name): html.unescape(reason)
        for reason, name in re.findall(r'<a [^>]*data-yanked="([^"]*)"[^>]*>([^<]*)</a>', page)
    }
    assert links == {name: "" if reason is True else reason for name, reason in found.items()}
    return found


def filled(directory: Path, *versions: str) -> dict[str, bytes]:
    files = dict(wheel("demo", version) for version in versions)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return files


def test_it_is_at_once_listed_everywhere_with_its_reason(start: StartTask, directory: Path) -> None:
    old, new = filled(directory, "1.0", "1.1")
    (directory / "sub").mkdir()
    (directory / "sub" / "demo-1.1-1-py3-none-any.whl").write_bytes(wheel("demo", "1.1")[1])
    tasks = [start(directory), start(directory)]
    assert [yanked(task) for task in tasks] == [{}, {}]
    for number, reason in enumerate([REASON, "", "r" * 1024, "x"]):
        assert change(tasks[number % 2], "yank", "1.1.0", reason=reason).status_code == 200
        for task in tasks:
            assert yanked(task) == dict.fromkeys([new, "demo-1.1-1-py3-none-any.whl"], reason or True)
    assert change(tasks[1], "yank", "1.0").status_code == 200
    assert all(yanked(task)[old] is True for task in tasks)
    for _ in range(2):
        # What is not withdrawn may be taken back as well.
        assert change(tasks[0], "unyank", "1.1", reason="ignored").status_code == 200
        assert [yanked(task) for task in tasks] == [{old: True}, {old: True}]


def test_only_the_publisher_can(shared: Task) -> None:
    filled(shared.directory, "1.0")
    assert yanked(shared) == {}
    for action in ("yank", "unyank"):
        assert change(shared, action, "1.0", READER).status_code == 403
        assert change(shared, action, "1.0", None).status_code == 401
        assert change(shared, action, "1.0", ("publisher", "wrong")).status_code == 401
        assert requests.get(f"{shared.url}/?:action={action}&name=demo&version=1.0", auth=READER).status_code == 200
    assert yanked(shared) == {}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "absent"}, 404),
        ({"name": "../demo"}, 404),
        ({"name": ""}, 404),
        ({"version": "2.0"}, 404),
        ({"version": ""}, 404),
        ({"version": ".."}, 404),
        ({"reason": "r" * 1025}, 400),
        ({"reason": "ü" * 513}, 400),
        ({"reason": "a\0b"}, 400),
    ],
)
def test_what_cannot_be_withdrawn_is_told(shared: Task, fields: Mapping[str, str], status: int) -> None:
    filled(shared.directory, "1.0")
    form = {":action": "yank", "name": "demo", "version": "1.0", **fields}
    parts = {name: (None, value) for name, value in form.items()}
    for sent in ({"data": form}, {"files": parts}):
        answer = requests.post(shared.url, auth=PUBLISHER, timeout=60, **sent)
        assert answer.status_code == status, answer.text
    assert yanked(shared) == {}


def test_the_log_has_what_was_changed_and_not_what_failed(fault: Fault) -> None:
    filled(fault.directory, "1.0")
    for answered, recorded in ((503, []), (200, ["yank", "status"])):
        if answered == 503:
            fault.set("rename", errno.EIO)
        assert change(fault.task, "yank", "1.0", reason="broken").status_code == answered
        assert change(fault.task, "status", "", status="archived").status_code == answered
        fault.end()
        assert [it["change"] for it in fault.task.changes() if it["change"] != "refusal"] == recorded


@pytest.mark.parametrize(("name", "version"), [("demo.tar.gz", ""), ("demo-..zip", "."), ("demo-...zip", "..")])
def test_a_file_without_a_version_is_no_failing_storage(
    start_newest: StartTask, directory: Path, name: str, version: str
) -> None:
    (directory / name).write_bytes(b"content")
    task = start_newest(directory)
    for action in ("yank", "unyank"):
        assert change(task, action, version).status_code == 404
    assert (yanked(task), (directory / ".yanked").exists()) == ({}, False)


def test_it_outlives_the_file_the_task_and_what_is_kept(start_newest: StartTask, directory: Path) -> None:
    """As a release: files that come later are withdrawn too."""
    files = filled(directory, "1.0")
    task = start_newest(directory)
    assert change(task, "yank", "1.0", reason=REASON).status_code == 200
    (name,) = files
    (directory / name).unlink()
    assert task.get("/simple/demo/").status_code == 404
    filled(directory, "1.0")
    assert yanked(task) == {name: REASON}
    task.kill()
    subprocess.run(["rm", "-r", directory / ".index"], check=True)
    task = start_newest(directory)
    source, content = sdist("demo", "1.0")
    assert task.upload(source, content).status_code == 200
    assert yanked(task) == {name: REASON, source: REASON}
    # The directory elsewhere, as a restore makes it.
    copy = directory.with_name("copy")
    subprocess.run(["cp", "-a", directory, copy], check=True)
    assert yanked(start_newest(copy)) == {name: REASON, source: REASON}


def test_a_restore_beneath_a_running_task_is_seen(start_newest: StartTask, directory: Path) -> None:
    """What is no link withdraws, and what is damaged stops no listing."""
    name, other = filled(directory, "1.0", "2.0")
    task = start_newest(directory)
    assert yanked(task) == {}
    (directory / ".yanked" / "demo").mkdir(parents=True)
    (directory / ".yanked" / "demo" / "1").write_text("")
    os.symlink(b"yanked: \xff", directory / ".yanked" / "demo" / "2")
    assert yanked(task) == {name: True, other: "\ufffd"}
    subprocess.run(["rm", "-r", directory / ".yanked" / "demo"], check=True)
    (directory / ".yanked" / "demo").write_text("")
    os.utime(directory)
    assert yanked(task) == {}


def test_who_knows_no_yanks_serves_the_directory_as_before(
    start_newest: StartTask, newest_image: Path, directory: Path
) -> None:
    (name,) = filled(directory, "1.0")
    task = start_newest(directory)
    assert change(task, "yank", "1.0", reason=REASON).status_code == 200
    assert stock_packages(newest_image, directory) == [name]
    later, content = sdist("demo", "1.0")
    (directory / later).write_bytes(content)
    assert yanked(task) == {name: REASON, later: REASON}


def test_the_log_has_who_and_why(start_newest: StartTask, directory: Path) -> None:
    filled(directory, "1.0")
    task = start_newest(directory)
    assert change(task, "yank", "1.0.0", reason="a\nb").status_code == 200
    assert change(task, "unyank", "1.0").status_code == 200
    assert change(task, "yank", "1.0", READER).status_code == 403
    found = [[line[key] for key in ("change", "user", "file", "reason")] for line in task.changes()]
    assert found == [
        ["yank", "publisher", "demo==1.0", "a\nb"],
        ["unyank", "publisher", "demo==1.0", None],
        ["refusal", "reader", None, "The account reader may not upload."],
    ]


def test_the_page_for_people_says_so(start_newest: StartTask, directory: Path) -> None:
    filled(directory, "1.0", "2.0")
    task = start_newest(directory)
    assert change(task, "yank", "2.0", reason="<b>\u202ebroken").status_code == 200
    page = task.get("/project/demo/", headers={"Accept": "text/html"}).text
    assert "<strong>Yanked</strong> &lt;b&gt;\ufffdbroken" in page
    assert re.findall(r"<b>([^<]*)</b><small>yanked", page) == ["2.0"]
    # The one that is open is the one that pip takes.
    assert re.findall(r"<details open><summary><b>([^<]*)</b>", page) == ["1.0"]


@pytest.mark.slow
def uv_install(task: Task, target: Path, requirement: str) -> subprocess.CompletedProcess[str]:
    index = f"{task.with_credentials(READER)}/simple/"
    options = ["--no-config", "--no-cache", "--target", str(target), "--index-url", index]
    return run(sys.executable, "-m", "uv", "pip", "install", *options, requirement)


def test_pip_and_uv_pass_over_it_and_take_it_by_its_version(start: StartTask, directory: Path, tmp_path: Path) -> None:
    filled(directory, "1.0", "1.1")
    task = start(directory)
    assert change(task, "yank", "1.1", reason="deletes everything").status_code == 200
    for client in (pip_install, uv_install):
        for number, (requirement, version) in enumerate({"demo": "1.0", "demo>=1": "1.0", "demo==1.1": "1.1"}.items()):
            target = tmp_path / f"{client.__name__}{number}"
            done = client(task, target, requirement)
            assert done.returncode == 0, done.stdout + done.stderr
            assert (target / f"demo-{version}.dist-info").exists()
        assert "deletes everything" in done.stdout + done.stderr


@pytest.mark.slow
def test_poetry_passes_over_it_and_takes_it_by_its_version(
    start_newest: StartTask, directory: Path, tmp_path: Path
) -> None:
    filled(directory, "1.0", "1.1")
    task = start_newest(directory)
    assert change(task, "yank", "1.1").status_code == 200
    for number, (constraint, version) in enumerate({">=1": "1.0", "==1.1": "1.1"}.items()):
        project = tmp_path / f"project{number}"
        project.mkdir()
        (project / "pyproject.toml").write_text(
            f'[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["demo{constraint}"]\n'
            f'[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = "ours"\nurl = "{task.url}/simple/"\n'
        )
        account = {"POETRY_HTTP_BASIC_OURS_USERNAME": READER[0], "POETRY_HTTP_BASIC_OURS_PASSWORD": READER[1]}
        cache = {"POETRY_CACHE_DIR": str(tmp_path / f"cache{number}")}
        locked = run(sys.executable, "-m", "poetry", "lock", "-n", cwd=project, **account, **cache)
        assert locked.returncode == 0, locked.stdout + locked.stderr
        assert f'name = "demo"\nversion = "{version}"' in (project / "poetry.lock").read_text()


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_two_hosts_know_at_once_without_a_reading(start_newest: StartTask, directory: Path, tmp_path: Path) -> None:
    """Each with a mount that knows of the other's changes only what close-to-open consistency tells."""
    with mounts(directory, tmp_path, count=2) as hosts:
        tasks = [start_newest(host) for host in hosts]
        versions = [f"1.{number}" for number in range(6)]
        for version in versions:
            assert tasks[0].upload(*wheel("demo", version)).status_code == 200
        names = [wheel("demo", version)[0] for version in versions]
        # The first makes the hidden directory.
        assert change(tasks[0], "yank", "1.0").status_code == 200
        assert [yanked(task) for task in tasks] == [{names[0]: True}] * 2
        before = [asked(host, "readdir /") for host in hosts]
        expected: dict[str, Any] = {names[0]: True}
        for number in range(24):
            version, name, task = versions[number % 6], names[number % 6], tasks[number % 2]
            if number % 5:
                assert change(task, "yank", version, reason=f"r{number}").status_code == 200
                expected[name] = f"r{number}"
            else:
                assert change(task, "unyank", version).status_code == 200
                expected.pop(name, None)
            assert [yanked(it) for it in tasks] == [expected] * 2
        after = [asked(host, "readdir /") for host in hosts]
        assert all(there - then <= 4 for there, then in zip(after, before, strict=True)), (before, after)


def test_what_is_taken_back_is_never_told_without_its_reason(directory: Path) -> None:
    """Nor is a project quarantined for a moment, whose status is taken back while it is read."""
    yanks, done = Yanks(str(directory)), threading.Event()
    reasons: set[str | None] = set()
    statuses: set[Status] = set()

    def read() -> None:
        other = Yanks(str(directory))
        while not done.is_set():
            reasons.add(other.of("demo").reasons.get("1"))
            statuses.add(other.status("demo"))
            statuses.add(other.of("demo").status)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(150):
        yanks.change("demo", "1.0", "bad")
        yanks.change_status("demo", Status("deprecated"))
        yanks.change("demo", "1.0", None)
        yanks.change_status("demo", UNSAID)
    done.set()
    reader.join()
    assert reasons <= {None, "bad"}
    assert statuses <= {UNSAID, Status("deprecated")}


def test_a_file_that_was_replaced_is_not_told_with_what_is_said_of_its_successor(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are read side by side; here all that happens falls between the two."""
    (old, new), path = (b"old", b"new"), directory / "demo-1.0.tar.gz"
    path.write_bytes(old)
    packages, read = Packages(directory), threading.Event()
    of_project, of = packages.details.of_project, packages.yanks.of

    def first(*given: Any, **options: Any) -> Any:
        found = of_project(*given, **options)
        read.set()
        return found

    def late(project: str) -> Any:
        assert read.wait(60)
        if path.read_bytes() == old:
            path.with_name("new").write_bytes(new)
            path.with_name("new").replace(path)
            packages.yanks.change("demo", "1.0", "bad")
        return of(project)

    monkeypatch.setattr(packages.details, "of_project", first)
    monkeypatch.setattr(packages.yanks, "of", late)
    listing = Listings(packages).current("demo", {"server.arrived": time.monotonic()})
    assert listing is not None
    assert [(known.sha256, listing.withdrawn.reasons) for _, known in listing.files] == [(sha256(new), {"1": "bad"})]
