"""Projects that are taken from another index: what is served of them, and what is never asked."""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ..clients import pip_install, run
from ..tasks import JSON_TYPE, READER, sha256, wait_for, wheel
from .conftest import StartUpstream
from .playing import ADDRESS, CONTENT, FILES, NAME, Index, World, file_url, send, stamp


def test_a_project_of_the_index_is_installed_and_asked_for_once(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str, tmp_path: Path
) -> None:
    tasks = [start_upstream(directory) for _ in range(2)]
    for number, task in enumerate([*tasks, *tasks]):
        result = pip_install(task, tmp_path / f"installed{number}", "outer==1.0")
        assert result.returncode == 0, result.stderr
    assert pypi.asked.count(outer) == 1
    assert pypi.asked.count("/simple/outer/") == 1


def test_a_private_name_is_never_asked_for(start_upstream: StartUpstream, directory: Path, pypi: Index) -> None:
    """Names that match, that have a file however it is spelled, and that had one."""
    for name in ("acme-core", "mine", "removed", "pkg-3d"):
        pypi.add(name, *wheel(name.replace("-", "_"), "9.9"))
    (directory / "pkg-3d-1.0.tar.gz").write_bytes(b"x")
    one, two = (start_upstream(directory, PRIVATE_NAMES="ACME_*", IMMUTABLE_PACKAGES="false") for _ in range(2))
    assert one.upload(*wheel("mine", "1.0")).status_code == 200
    removed, content = wheel("removed", "1.0")
    assert one.upload(removed, content).status_code == 200
    (directory / removed).unlink()
    for task in (two, one):
        for name in ("acme-core", "Acme.Core", "ACME_core", "mine", "MINE", "removed", "pkg-3d"):
            task.get(f"/simple/{name}/", allow_redirects=True)
            task.get(f"/packages/.upstream/{name}/{name}-9.9-py3-none-any.whl")
    assert one.get("/simple/removed/").status_code == 404
    assert [it["filename"] for it in one.project("mine")["files"]] == ["mine-1.0-py3-none-any.whl"]
    assert pypi.asked == []


def test_a_project_that_was_taken_from_there_cannot_be_uploaded(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str
) -> None:
    one, two = start_upstream(directory), start_upstream(directory)
    url = file_url(one, "outer", NAME)
    assert one.get(url).content == CONTENT
    refused = two.upload(*wheel("outer", "2.0"))
    assert refused.status_code == 403
    assert "PrivateNames" in refused.text
    three = start_upstream(directory, PRIVATE_NAMES="outer")
    assert three.get("/simple/outer/").status_code == 404
    assert three.get(url).status_code == 404
    assert three.upload(*wheel("outer", "2.0")).status_code == 200
    assert [it["filename"] for it in one.project("outer")["files"]] == ["outer-2.0-py3-none-any.whl"]
    assert one.get(url).status_code == 404


def test_two_tasks_fetch_a_file_once(start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        """For longer than a task waits until it looks whether another has the file."""
        time.sleep(0.7)
        send(handler, 200, "application/octet-stream", CONTENT)

    tasks = [start_upstream(directory) for _ in range(2)]
    url = file_url(tasks[0], "outer", NAME)
    pypi.answers[outer] = answer
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: tasks[number % 2].get(url).content, range(32)))
    assert answers == [CONTENT] * 32
    assert pypi.asked.count(outer) == 1


def test_a_large_file_has_the_time_that_it_takes(start_upstream: StartUpstream, directory: Path, pypi: Index) -> None:
    content = bytes(40 << 20)
    pypi.add("large", "large-1.0.tar.gz", content)
    task = start_upstream(directory)
    assert task.get(file_url(task, "large", "large-1.0.tar.gz")).content == content


def test_a_file_that_one_task_lists_is_to_be_had_at_each(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str
) -> None:
    """Each remembers a page for minutes, and a client's next request may meet another task."""
    settled, fresh = start_upstream(directory), start_upstream(directory)
    assert settled.get(file_url(settled, "outer", NAME)).content == CONTENT
    name, content = wheel("outer", "2.0")
    pypi.add("outer", name, content)
    for page in directory.glob(".upstream/pages/*"):
        os.utime(page, (time.time() - 1000,) * 2)
    url = file_url(fresh, "outer", name)
    assert wait_for(lambda: settled.get(url).content == content)
    assert pypi.asked.count("/simple/outer/") == 2
    for number in range(5):
        assert settled.get(f"/packages/.upstream/outer/outer-3.{number}.tar.gz").status_code == 404
    assert pypi.asked.count("/simple/outer/") == 2


def test_what_does_not_have_its_digest_is_not_served(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str
) -> None:
    task = start_upstream(directory)
    url = file_url(task, "outer", NAME)
    wrong = bytes(reversed(CONTENT))
    pypi.files[outer] = wrong
    assert task.get(url).status_code == 503
    assert not list(directory.glob(".upstream/files/*"))


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://u@files.test/x",
        "http://169.254.169.254/latest/meta-data/",
        "https://other.test/x",
    ],
)
def test_a_redirect_leads_only_to_hosts_of_files(
    start_upstream: StartUpstream, directory: Path, pypi: Index, world: World, outer: str, location: str
) -> None:
    pypi.files["/x"] = CONTENT
    pypi.answers[outer] = lambda handler: send(handler, 307, "text/plain", b"", Location=location)
    task = start_upstream(directory)
    assert task.get(file_url(task, "outer", NAME)).status_code == 503
    assert world.tried() == {"93.184.216.34"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "169.254.170.2", "10.0.0.5", "::1", "fd00:ec2::254", "::ffff:169.254.169.254",
     "64:ff9b::a9fe:a9fe", "100.64.0.1", "0.0.0.0"],
)  # fmt: skip
def test_a_name_of_an_inner_address_is_not_connected_to(
    start_upstream: StartUpstream, directory: Path, world: World, outer: str, address: str
) -> None:
    task = start_upstream(directory)
    url = file_url(task, "outer", NAME)
    world.hosts = [("files.test", address)]
    world.write()
    assert task.get(url).status_code == 503
    assert world.tried() == {"93.184.216.34"}


def test_the_address_that_was_checked_is_the_one_connected_to(
    start_upstream: StartUpstream, directory: Path, world: World, outer: str
) -> None:
    task = start_upstream(directory)
    url = file_url(task, "outer", NAME)
    world.hosts = [(FILES, "10.0.0.5"), (FILES, ADDRESS)]
    world.write()
    assert task.get(url).content == CONTENT
    assert world.tried() == {ADDRESS}


@pytest.mark.parametrize("wrong", ["certificate", "name"])
def test_an_index_that_cannot_prove_its_name_is_asked_for_nothing(
    start_upstream: StartUpstream, directory: Path, world: World, pypi: Index, outer: str, wrong: str
) -> None:
    authorities = ssl.get_default_verify_paths().openssl_cafile
    world.hosts += [("mirror.test", ADDRESS)]
    world.write()
    task = start_upstream(
        directory,
        **(
            {"SSL_CERT_FILE": authorities} if wrong == "certificate" else {"UPSTREAM_URL": "https://mirror.test/simple"}
        ),
    )
    assert task.get("/simple/outer/").status_code == 503
    assert world.tried() == {ADDRESS}
    assert pypi.asked == []


@pytest.mark.slow
def test_a_page_outlives_its_index_and_is_asked_for_anew(
    start_upstream: StartUpstream, directory: Path, pypi: Index, world: World, outer: str
) -> None:
    task = start_upstream(directory)
    assert task.get(file_url(task, "outer", NAME)).status_code == 200
    world.advance(600)
    assert task.project("outer")["files"]
    assert pypi.not_modified == ["/simple/outer/"]
    pypi.down = True
    world.advance(600)
    assert task.get(file_url(task, "outer", NAME)).content == CONTENT
    assert task.get("/simple/unknown/").status_code == 503
    world.advance(8 * 86400)
    assert task.get("/simple/outer/").status_code == 503


def test_young_files_are_hidden_until_they_are_old_enough(
    start_upstream: StartUpstream, directory: Path, pypi: Index, world: World, outer: str
) -> None:
    young, timeless, future = wheel("outer", "2.0"), wheel("outer", "3.0"), wheel("outer", "4.0")
    pypi.add("outer", *young, days_ago=5)
    pypi.add("outer", *timeless, days_ago=None)
    pypi.add("outer", *future, days_ago=-20)
    pypi.add("outer", *wheel("outer", "5.0"), facts={"upload-time": "yesterday"})
    pypi.add("exempt", *wheel("exempt", "1.0"), days_ago=0)
    settings = {"MIN_RELEASE_AGE_DAYS": "7", "COOLDOWN_EXEMPT_NAMES": "ex*"}
    task = start_upstream(directory, **settings)
    assert [it["filename"] for it in task.project("outer")["files"]] == [NAME]
    assert len(task.project("exempt")["files"]) == 1
    path = f"/packages/.upstream/outer/{young[0]}"
    assert start_upstream(directory).get(path).content == young[1]
    assert task.get(path).status_code == 403
    world.advance(2 * 86400 + 3600)
    assert [it["filename"] for it in task.project("outer")["files"]] == [NAME, young[0]]
    assert task.get(path).content == young[1]


@pytest.mark.parametrize("blocked", ["outer", "Outer==1", f"sha256:{sha256(CONTENT)}"])
def test_blocked_files_are_not_served_even_if_they_are_here(
    start_upstream: StartUpstream, directory: Path, outer: str, blocked: str
) -> None:
    path = file_url(start_upstream(directory), "outer", NAME)
    task = start_upstream(directory, BLOCKED_FILES=f"other,{blocked}")
    assert task.project("outer")["files"] == []
    assert task.get(path).status_code == 403


def test_what_an_index_says_of_a_file_is_passed_on(start_upstream: StartUpstream, directory: Path, pypi: Index) -> None:
    metadata = b"Metadata-Version: 2.1\nName: outer\nVersion: 1.0\n"
    facts = {"requires-python": ">=3.8", "yanked": 'it "breaks"', "core-metadata": {"sha256": sha256(metadata)}}
    # PEP 714: the older name beside it, with which pip 22.3 to 23.1.2 crashes, is not passed on.
    path = pypi.add("outer", NAME, CONTENT, facts=facts | {"dist-info-metadata": facts["core-metadata"]})
    pypi.files[f"{path}.metadata"] = metadata
    pypi.add("outer", *wheel("another", "1.0"))
    task = start_upstream(directory)
    (file,) = task.project("outer")["files"]
    assert {**file, **facts} == file
    assert "dist-info-metadata" not in file
    assert 'data-yanked="it &quot;breaks&quot;"' in task.get("/simple/outer/").text
    assert task.get(f"{file['url']}.metadata").content == metadata


@pytest.mark.parametrize(("yanked", "told"), [(None, None), ("", None), (False, None), (True, True), ("why", "why")])
def test_only_what_is_true_withdraws(
    start_upstream: StartUpstream, directory: Path, pypi: Index, yanked: object, told: object
) -> None:
    """PEP 691: \"present and a truthy value\"."""
    pypi.add("outer", NAME, CONTENT, facts={"yanked": yanked})
    task = start_upstream(directory)
    assert task.project("outer")["files"][0].get("yanked") == told
    assert ("data-yanked" in task.get("/simple/outer/").text) == (told is not None)


def test_an_address_with_a_fragment_or_a_query_has_its_metadata(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    metadata = b"Metadata-Version: 2.1\nName: outer\nVersion: 1.0\n"
    address = f"https://files.test/files/{NAME}?key=1"
    facts = {"url": f"{address}#sha256={sha256(CONTENT)}", "core-metadata": {"sha256": sha256(metadata)}}
    path = pypi.add("outer", NAME, CONTENT, facts=facts)
    pypi.files |= {f"{path}?key=1": CONTENT, f"{path}?key=1.metadata": metadata}
    task = start_upstream(directory)
    url = file_url(task, "outer", NAME)
    assert task.get(url).content == CONTENT
    assert task.get(f"{url}.metadata").content == metadata


def test_addresses_are_relative_to_where_a_page_was_found(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    path = pypi.add("outer", NAME, CONTENT, facts={"url": f"../files/{NAME}"})
    pypi.files[f"/moved{path}"] = pypi.files.pop(path)
    page = json.dumps(pypi.pages.pop("outer")).encode()
    for start, status, end in (("/simple/outer/", 301, "/a/"), ("/a/", 303, "/b/"), ("/b/", 308, "/moved/outer/")):
        pypi.answers[start] = partial(send, status=status, content_type="text/plain", body=b"", Location=end)
    pypi.answers["/moved/outer/"] = lambda handler: send(handler, 200, JSON_TYPE, page)
    for _ in range(2):
        # The second has the page from the disk.
        task = start_upstream(directory)
        assert task.get(file_url(task, "outer", NAME)).content == CONTENT
        for file in directory.glob(".upstream/files/*"):
            file.unlink()
    assert pypi.asked.count("/moved/outer/") == 1


@pytest.mark.slow
@pytest.mark.parametrize("client", ["uv", "poetry"])
def test_clients_install_from_both_sides_by_one_index(
    start_upstream: StartUpstream, directory: Path, pypi: Index, outer: str, tmp_path: Path, client: str
) -> None:
    task = start_upstream(directory)
    name, content = wheel("inner", "1.0", metadata="Requires-Dist: outer>=1\n")
    assert task.upload(name, content).status_code == 200
    url = f"{task.with_credentials(READER)}/simple/"
    if client == "uv":
        target = tmp_path / "target"
        result = run(
            sys.executable, "-m", "uv", "pip", "install", "--no-cache", "--target", target, "--index-url", url, "inner"
        )
        assert result.returncode == 0, result.stderr
        assert {path.stem for path in target.glob("*.py")} == {"inner", "outer"}
    else:
        (tmp_path / "pyproject.toml").write_text(
            '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["inner"]\n'
            "[tool.poetry]\npackage-mode = false\n"
            f'[[tool.poetry.source]]\nname = "one"\nurl = "{url}"\npriority = "primary"\n'
        )
        home = {"HOME": str(tmp_path), "POETRY_VIRTUALENVS_IN_PROJECT": "true", "POETRY_CACHE_DIR": str(tmp_path / "c")}
        result = run(sys.executable, "-m", "poetry", "install", "--no-interaction", cwd=tmp_path, **home)
        assert result.returncode == 0, result.stdout + result.stderr
        assert list(tmp_path.glob(".venv/lib/*/site-packages/outer.py"))
    assert pypi.asked_for("inner") == 0
    assert pypi.asked.count(outer) == 1


def test_what_upstream_says_of_a_project_and_of_who_made_a_file_is_passed_on(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    provenance = "https://pypi.test/integrity/outer/1.0/provenance?a&b"
    pypi.add("outer", NAME, CONTENT, facts={"provenance": provenance})
    pypi.pages["outer"]["project-status"] = {"status": "deprecated", "reason": 'use "inner"\n<b>'}
    pypi.add("odd", *wheel("odd", "1.0"), facts={"provenance": "javascript:alert(1)"})
    pypi.pages["odd"]["project-status"] = {"status": "haunted"}
    task = start_upstream(directory)
    document = task.project("outer")
    assert document["project-status"] == {"status": "deprecated", "reason": 'use "inner" <b>'}
    assert [it["provenance"] for it in document["files"]] == [provenance]
    page = task.get("/simple/outer/").text
    assert 'data-provenance="https://pypi.test/integrity/outer/1.0/provenance?a&amp;b"' in page
    assert '<meta name="pypi:project-status-reason" content="use &quot;inner&quot; &lt;b&gt;">' in page
    odd = task.project("odd")
    assert "project-status" not in odd
    assert "provenance" not in odd["files"][0]


def test_a_day_has_what_upstream_says_was_uploaded_by_its_end(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    for version, days_ago in (("1.0", 30), ("1.1", 20), ("1.2", 9), ("1.3", 3), ("1.4", None)):
        pypi.add("outer", *wheel("outer", version), days_ago=days_ago)
    pypi.add("undated", *wheel("undated", "1.0"), days_ago=None)
    task = start_upstream(directory, MIN_RELEASE_AGE_DAYS="7", PRIVATE_NAMES="acme-*")

    def at(days_ago: float, project: str = "outer") -> tuple[list[str], str]:
        response = task.get(f"/at/{stamp(days_ago)[:10]}/simple/{project}/", headers={"Accept": JSON_TYPE})
        found = response.json()["versions"] if response.status_code == 200 else [str(response.status_code)]
        return found, "immutable" if "immutable" in response.headers["Cache-Control"] else "asked"

    assert at(40)[0] == ["404"]
    assert at(25) == (["1.0"], "immutable")
    assert at(15) == (["1.0", "1.1"], "immutable")
    # The youngest will be shown, once it is old enough.
    assert at(2) == (["1.0", "1.1", "1.2"], "asked")
    assert at(0) == (["1.0", "1.1", "1.2"], "asked")
    assert at(2, "undated")[0] == ["404"]
    assert at(2, "acme-core")[0] == ["404"]
    assert not [it for it in pypi.asked if "acme" in it]
    file = task.get(f"/at/{stamp(15)[:10]}/simple/outer/", headers={"Accept": JSON_TYPE}).json()["files"][1]
    assert task.get(file["url"]).content == wheel("outer", "1.1")[1]


def test_a_day_is_not_kept_for_ever_as_it_was_before_its_end(
    start_upstream: StartUpstream, directory: Path, pypi: Index
) -> None:
    pypi.add("outer", NAME, CONTENT, days_ago=30)
    assert start_upstream(directory).get("/simple/outer/").status_code == 200
    (page,) = (directory / ".upstream/pages").iterdir()
    os.utime(page, (time.time() - 4 * 86400,) * 2)
    pypi.down = True
    task = start_upstream(directory)
    headers = {
        days: task.get(f"/at/{stamp(days)[:10]}/simple/outer/", headers={"Accept": JSON_TYPE}).headers["Cache-Control"]
        for days in (2, 10)
    }
    assert "immutable" not in headers[2]
    assert "immutable" in headers[10]
