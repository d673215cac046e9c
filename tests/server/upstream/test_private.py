"""Whatever is asked, and whatever happens meanwhile: no private name gets out."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.distributions.names import Patterns
from server.proxy import upstream
from server.proxy.policy import Policy
from server.proxy.sides import Sides
from server.store.index import Index as Files
from server.wire.outbound import Outbound

from ..tasks import wheel
from .conftest import StartUpstream
from .playing import Index, file_url, send

Change = Callable[[str], str]

THREADS = 8
"""For pages, and as many for files, as docs/upstream.md says."""

PRIVATE = ["acme-core", "acme-3d", "mine", "own-lib"]
SPELLINGS: list[Change] = [
    str,
    str.upper,
    str.title,
    lambda it: it.replace("-", "_"),
    lambda it: it.replace("-", "-.-"),
]
ENCODINGS = [
    str,
    lambda it: "".join(f"%{ord(c):02x}" for c in it),
    lambda it: it.replace("-", "%2D"),
    lambda it: f"/{it}",
]
PATHS = [
    "/simple/{}/",
    "/simple/{}",
    "/{}/",
    "/{}",
    "/project/{}/",
    "/{}/json",
    "/pypi/{}/json",
    "/packages/.upstream/{}/{}-9.whl",
]
ASKED = st.tuples(
    st.sampled_from(PRIVATE),
    st.sampled_from(SPELLINGS),
    st.sampled_from(ENCODINGS),
    st.sampled_from(PATHS),
    st.booleans(),
)


@pytest.mark.slow
def test_no_private_name_is_asked_for(start_upstream: StartUpstream, directory: Path, pypi: Index) -> None:
    tasks = [start_upstream(directory, PRIVATE_NAMES="acme-*") for _ in range(2)]
    for name in PRIVATE:
        pypi.add(name, *wheel(name.replace("-", "_"), "9"))
    pypi.add("public", *wheel("public", "1"))
    uploaded = set(PRIVATE[:2])

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ASKED, st.sampled_from(PRIVATE), st.text(max_size=8))
    def ask(asked: tuple[str, Change, Change, str, bool], upload: str, text: str) -> None:
        name, spell, encode, path, second = asked
        if upload not in uploaded:
            assert tasks[second].upload(*wheel(upload.replace("-", "_"), "1")).status_code == 200
            uploaded.add(upload)
        if name in uploaded:
            tasks[not second].get(path.replace("{}", encode(spell(name))), allow_redirects=True)
        tasks[second].get(f"/simple/{text}/")

    ask()
    assert tasks[0].project("public")["files"]
    for name in PRIVATE:
        assert not any(name in path for path in pypi.asked), pypi.asked


def test_a_project_that_was_taken_from_there_is_private_at_every_task_once_it_has_been_here(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    """Another program's file lets it be uploaded; when both are gone, a task that was asked for neither still knows."""
    pypi.add("own-lib", *wheel("own_lib", "9"))
    one, two = start_upstream(directory), start_upstream(directory)
    assert [task.get("/simple/own-lib/").status_code for task in (one, two)] == [200, 200]
    (directory / wheel("own_lib", "1")[0]).write_bytes(wheel("own_lib", "1")[1])
    assert one.upload(*wheel("own_lib", "2")).status_code == 200
    for path in directory.glob("own_lib-*"):
        path.unlink()
    assert [task.get("/simple/own-lib/").status_code for task in (two, one)] == [404, 404]
    assert pypi.asked.count("/simple/own-lib/") == 1


@pytest.mark.parametrize("there", ["link out", "link to nothing", "link to itself", "pipe", "in a directory", "later"])
def test_a_project_whose_file_is_not_served_is_private(
    start_upstream: StartUpstream, directory: Path, pypi: Index, tmp_path: Path, there: str
) -> None:
    """pypiserver serves what a link leads to, which may be gone at the moment."""
    name, content = wheel("own_lib", "1")
    pypi.add("own-lib", *wheel("own_lib", "9"))
    pypi.add("public", *wheel("public", "1"))
    task = start_upstream(directory) if there == "later" else None
    home = directory / "below" if there == "in a directory" else directory
    home.mkdir(exist_ok=True)
    if there == "link out":
        (tmp_path / name).write_bytes(content)
        (home / name).symlink_to(tmp_path / name)
    elif there == "pipe":
        os.mkfifo(home / name)
    else:
        (home / name).symlink_to(name if there == "link to itself" else "nothing")
    task = task or start_upstream(directory)
    assert task.get("/simple/own-lib/").status_code == 404
    assert task.project("public")["files"]
    (home / name).unlink()
    assert task.get("/simple/own-lib/").status_code == 404
    assert task.upload(name, content).status_code == 200
    assert pypi.asked == ["/simple/public/"]


def test_an_upload_that_is_refused_makes_no_project_private(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    """Else who may upload could take any project of the index outside from everybody."""
    refused: dict[str, tuple[str, bytes, dict[str, str]]] = {
        "damaged": (wheel("damaged", "1")[0], b"no wheel", {}),
        "other": (wheel("other", "1")[0], wheel("another", "1")[1], {}),
        "digest": (*wheel("digest", "1"), {"sha256_digest": "0" * 64}),
        "form": (*wheel("form", "1"), {"name": "formed"}),
        "empty": (wheel("empty", "1")[0], b"", {}),
    }
    task = start_upstream(directory)
    for project, (name, content, fields) in refused.items():
        pypi.add(project, *wheel(project, "9"))
        assert task.upload(name, content, fields).status_code == 400
        assert [it["filename"] for it in task.project(project)["files"]] == [wheel(project, "9")[0]]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="giving up root's rights needs setpriv")
def test_what_cannot_be_read_may_be_any_project_and_none_is_asked_for(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    pypi.add("own-lib", *wheel("own_lib", "9"))
    (directory / "below").mkdir()
    (directory / "below" / wheel("own_lib", "1")[0]).write_bytes(b"content")
    (directory / "below").chmod(0)
    task = start_upstream(directory, wrapper="setpriv --inh-caps=-all --bounding-set=-all")
    for path in ("/simple/own-lib/", f"/packages/.upstream/own-lib/{wheel('own_lib', '9')[0]}"):
        assert task.get(path).status_code == 503
    assert pypi.asked == []
    (directory / "below").chmod(0o700)
    assert [it["filename"] for it in task.project("own-lib")["files"]] == [wheel("own_lib", "1")[0]]
    assert pypi.asked == []


UNREADABLE = [
    *(
        "hid-1.0\u200b.tar.gz",
        "hi\u200bd-1.0.tar.gz",
        "hid\\-1.0.tar.gz",
        os.fsdecode(b"hid-\xff1.0.tar.gz"),
        "hid-1.0\n.whl",
    ),
    *(
        "hid-1.0.exe",
        "Hid-v1.0.msi",
        "hid-1.0.rpm",
        "hid-1.0.tar.gz.part",
        ".hid-1.0.tar.gz.Xq3",
        "hid-1.0.tar.zst",
        "hid-1",
    ),
]


@pytest.mark.parametrize("below", ["", "there", "od\\d"])
def test_a_file_that_is_passed_over_for_its_name_makes_its_project_private(
    start_upstream: StartUpstream, directory: Path, pypi: Index, below: str
) -> None:
    (directory / below).mkdir(exist_ok=True)
    names = {f"p{number}": name for number, name in enumerate(UNREADABLE)}
    for project, name in names.items():
        # As pN, with what is within hid.
        spelled = name.lower().replace("hi", project, 1).replace("d", "", 1)
        (directory / below / spelled).write_bytes(b"")
        pypi.add(project, *wheel(project, "9"))
    pypi.add("public", *wheel("public", "1"))
    task = start_upstream(directory)
    assert {project: task.get(f"/simple/{project}/").status_code for project in names} == dict.fromkeys(names, 404)
    assert task.project("public")["files"]
    assert pypi.asked == ["/simple/public/"]


def test_what_is_hidden_for_a_file_here_can_be_uploaded_at_once(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    pypi.add("own-lib", *wheel("own_lib", "9"))
    task = start_upstream(directory)
    assert task.project("own-lib")["files"]
    assert task.upload(*wheel("own_lib", "1")).status_code == 403
    (directory / "own_lib-1.0.exe").write_bytes(b"")
    assert task.get("/simple/own-lib/").status_code == 404
    assert task.upload(*wheel("own_lib", "1")).status_code == 200
    assert [it["filename"] for it in task.project("own-lib")["files"]] == [wheel("own_lib", "1")[0]]


def test_what_is_here_for_ten_seconds_is_private_from_then_on(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever put it there and has removed it since, a later task knows that it was there."""
    for name in ("own_lib-1.0.tar.gz", "acme-3d-1.0.tar.gz", "signed-3d-1.0.tar.gz.asc"):
        (directory / name).write_bytes(b"")
    os.mkfifo(directory / "passed_over-1.0.tar.gz")
    begun, over = threading.Event(), threading.Event()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 1:
            over.set()
            threading.Event().wait()
        assert begun.wait(30)

    monkeypatch.setattr(upstream, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    index, policy = Files(directory), Policy(least_age_days=0, exempt=Patterns(""), blocked="")
    outbound = Outbound("https://pypi.test/simple", [])
    outside = upstream.UpstreamSettings(
        url="", outbound=outbound, private_names=Patterns(""), policy=policy, cache_bytes=1000
    )
    upstream.Upstream(outside, index)
    while not index.ready:
        index.refresh()
    begun.set()
    assert over.wait(30)
    assert slept == [10, 10]
    for path in directory.iterdir():
        if not path.is_dir():
            path.unlink()
    gone = Files(directory)
    while not gone.ready:
        gone.refresh()
    later = Sides(gone, Patterns(""))
    names = ("own-lib", "acme-3d", "acme", "signed-3d", "signed", "passed-over", "public")
    assert [it for it in names if not later.is_private(it)] == ["public"]


@pytest.mark.parametrize("kind", ["page", "file"])
def test_a_name_that_becomes_private_while_its_request_waits_for_a_thread_does_not_get_out(
    start_upstream: StartUpstream, directory: Path, pypi: Index, kind: str
) -> None:
    one, two = start_upstream(directory), start_upstream(directory, PRIVATE_NAMES="secret")
    proceed = threading.Event()

    def answer_late(handler: BaseHTTPRequestHandler) -> None:
        proceed.wait(60)
        send(handler, 404, "text/plain", b"")

    name, content = wheel("secret", "9")
    asked, waiting = "/simple/secret/", [f"/simple/slow{number}/" for number in range(THREADS)]
    held = waiting
    if kind == "file":
        pypi.add("secret", name, content)
        asked, held = (
            file_url(one, "secret", name),
            [pypi.add("slow", *wheel("slow", str(it))) for it in range(THREADS)],
        )
        waiting = [file["url"] for file in one.project("slow")["files"]]
        pypi.asked.clear()
    for path in held:
        pypi.answers[path] = answer_late
    with ThreadPoolExecutor(THREADS + 1) as pool:
        answers = [pool.submit(one.get, path) for path in waiting]
        while set(pypi.asked) != set(held):
            time.sleep(0.1)
        last = pool.submit(one.get, asked)
        # Long enough to be waiting, too.
        time.sleep(1)
        assert two.upload(*wheel("secret", "1")).status_code == 200
        proceed.set()
        assert last.result().status_code == 404
        assert {answer.result().status_code for answer in answers} <= {404, 503}
    assert set(pypi.asked) == set(held)
