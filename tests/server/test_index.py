"""Listings and downloads: their forms, and that they are those of the directory as it is now."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from server.store.packages import Packages
from server.views.listings import Listings

from .conftest import StartTask
from .tasks import JSON_TYPE, PUBLISHER, Task, basic, sdist, sha256, status_of, wheel

HTML_TYPE = "application/vnd.pypi.simple.v1+html"


def test_a_projects_document_follows_pep_691_700_and_714(start: StartTask, directory: Path) -> None:
    name, content = wheel("demo", "1.0", metadata="Summary: demo\n")
    (directory / name).write_bytes(content)
    (directory / "Demo-0.9.tar.gz").write_bytes(b"source")
    (directory / "demo-2.0-1build-py3-none-any.whl").write_bytes(b"no zip file")
    os.utime(directory / name, (1_700_000_000.25,) * 2)
    task = start(directory)
    document = task.project("demo")
    assert document["meta"] == {"_last-serial": document["meta"]["_last-serial"], "api-version": "1.4"}
    assert (document["name"], document["versions"]) == ("demo", ["0.9", "1.0", "2.0"])
    source, file, broken = document["files"]
    # PEP 714: the older name of the last key is for HTML alone, as pip 22.3 to 23.1.2 crashes on it in JSON.
    assert file | {"core-metadata": 0} == {
        "filename": name,
        "url": f"/packages/{name}",
        "hashes": {"sha256": sha256(content)},
        "size": len(content),
        "upload-time": "2023-11-14T22:13:20.250000Z",
        "requires-python": ">=3.8",
        "core-metadata": 0,
    }
    metadata = task.get(file["url"] + ".metadata")
    assert metadata.content.startswith(b"Metadata-Version: 2.1\nName: demo")
    assert file["core-metadata"] == {"sha256": sha256(metadata.content)}
    for other in (source, broken):
        assert "core-metadata" not in other
        assert task.get(other["url"] + ".metadata").status_code == 404
    html = task.get("/simple/demo/").text
    for attribute in ("data-core-metadata", "data-dist-info-metadata"):
        assert f'{attribute}="sha256={sha256(metadata.content)}"' in html
    assert 'data-requires-python="&gt;=3.8"' in html


def test_no_link_has_a_plus_which_some_clients_read_as_a_blank(start_newest: StartTask, directory: Path) -> None:
    name, content = wheel("local", "1.0+abc.1")
    (directory / name).write_bytes(content)
    task = start_newest(directory)
    address = f"/packages/{name.replace('+', '%2B')}"
    assert [file["url"] for file in task.project("local")["files"]] == [address]
    ((found,),) = task.get("/local/json").json()["releases"].values()
    assert found["url"] == task.url + address
    for page in ("/simple/local/", "/packages/", "/project/local/"):
        links = re.findall(r'href="(/packages/[^"#]*)', task.get(page).text)
        assert links == [address], page
    for spelling in (address, f"/packages/{name}", address.replace("%", "%25")):
        assert task.get(spelling).content == content
        assert task.get(f"{spelling}.metadata").status_code == 200


def test_clients_keep_what_cannot_change_and_ask_again_for_the_rest(start_newest: StartTask, directory: Path) -> None:
    """A year for files and metadata, unless they may be replaced, or may still be written by who copied them there."""
    year, asking = "private, max-age=31536000, immutable", "private, no-cache"
    old, new, signature = (wheel("demo", version)[0] for version in ("1.0", "2.0", "1.0"))
    for name in (old, new):
        (directory / name).write_bytes(wheel("demo", name.split("-")[1])[1])
    (directory / f"{signature}.asc").write_bytes(b"signature")
    os.utime(directory / old, (1_700_000_000,) * 2)
    os.utime(directory / f"{signature}.asc", (1_700_000_000,) * 2)
    for immutable in ("true", "false"):
        task = start_newest(directory, IMMUTABLE_PACKAGES=immutable)
        kept = year if immutable == "true" else asking
        for path, caching in {
            f"/packages/{old}": kept,
            f"/packages/{old}.metadata": kept,
            f"/packages/{new}": asking,
            f"/packages/{new}.metadata": asking,
            f"/packages/{signature}.asc": asking,
            "/simple/": asking,
            "/simple/demo/": asking,
            "/packages/": asking,
            "/demo/json": asking,
            "/project/demo/": asking,
            "/": asking,
        }.items():
            response = task.get(path)
            assert (response.status_code, response.headers["Cache-Control"]) == (200, caching), path
            if etag := response.headers.get("ETag"):
                for method in (requests.get, requests.head):
                    same = method(task.url + path, auth=PUBLISHER, headers={"If-None-Match": etag}, timeout=60)
                    headers = (same.headers["ETag"], same.headers["Cache-Control"])
                    assert (same.status_code, same.content, headers) == (304, b"", (etag, caching)), path
        part = task.get(f"/packages/{old}", headers={"Range": "bytes=1-2"})
        assert (part.status_code, part.headers["Cache-Control"]) == (206, kept)
        for path, account, status in (
            ("/simple/absent/", PUBLISHER, 404),
            (f"/packages/{old}x", PUBLISHER, 404),
            ("/packages/demo-9-py3-none-any.whl.metadata", PUBLISHER, 404),
            (f"/packages/{old}", None, 401),
        ):
            refused = task.get(path, account)
            assert (refused.status_code, refused.headers["Cache-Control"]) == (status, "no-store")


def test_metadata_that_a_client_has_is_not_read_again(start_newest: StartTask, directory: Path) -> None:
    name, content = wheel("demo", "1.0")
    (directory / name).write_bytes(content)
    task = start_newest(directory, IMMUTABLE_PACKAGES="false")
    path = f"/packages/{name}.metadata"
    etag = task.get(path).headers["ETag"]
    assert etag != task.get(f"/packages/{name}").headers["ETag"]
    assert task.get(path, headers={"If-None-Match": "*"}).status_code == 304
    assert task.upload(*wheel("demo", "1.0", metadata="Summary: another\n")).status_code == 200
    changed = task.get(path, headers={"If-None-Match": etag})
    assert (changed.status_code, b"another" in changed.content) == (200, True)
    (directory / "no-1.0-py3-none-any.whl").write_bytes(b"no archive")
    assert task.get("/packages/no-1.0-py3-none-any.whl.metadata", headers={"If-None-Match": "*"}).status_code == 404


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "text/html; charset=UTF-8"),
        ("text/html", "text/html; charset=UTF-8"),
        (JSON_TYPE, JSON_TYPE),
        ("application/vnd.pypi.simple.latest+json", JSON_TYPE),
        (HTML_TYPE, HTML_TYPE),
        ("application/vnd.pypi.simple.latest+html", HTML_TYPE),
        ("application/*", JSON_TYPE),
        ("text/*, application/*;q=0.9", "text/html; charset=UTF-8"),
        (f"{JSON_TYPE}, {HTML_TYPE}; q=0.1, text/html; q=0.01", JSON_TYPE),
        (f"text/html; q=0.5, {HTML_TYPE};q=0.7, {JSON_TYPE};q=0", HTML_TYPE),
        ("nonsense;q=x,,", "text/html; charset=UTF-8"),
    ],
)
def test_content_is_negotiated(populated: Task, accept: str, expected: str) -> None:
    for path in ("/simple/", "/simple/demo/"):
        response = populated.get(path, headers={"Accept": accept})
        assert (response.headers["Content-Type"], response.headers["Vary"]) == (expected, "Accept")


def test_an_unchanged_listing_or_file_is_not_sent_again(populated: Task) -> None:
    for path in ("/simple/", "/simple/demo/", "/packages/demo-1.0.tar.gz"):
        etag = populated.get(path).headers["ETag"]
        response = populated.get(path, headers={"If-None-Match": etag})
        assert (response.status_code, response.content) == (304, b"")
        assert populated.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br;q=1, GZIP;q=0.5", True),
        ("*", True),
        ("*, gzip;q=0", False),
        ("", False),
        ("gzip;q=x", False),
    ],
)
def test_a_large_listing_is_compressed_for_those_who_accept_it(
    populated: Task, accepted: str, compressed: bool
) -> None:
    for number in range(200):
        (populated.directory / f"large-1.{number}.tar.gz").write_bytes(b"content")
    plain = populated.get("/simple/large/", headers={"Accept-Encoding": "identity"})
    answer = populated.get("/simple/large/", headers={"Accept-Encoding": accepted}, stream=True)
    assert (answer.headers.get("Content-Encoding") == "gzip") == compressed
    assert (int(answer.headers["Content-Length"]) < len(plain.content)) == compressed
    assert answer.content == plain.content
    # The two forms differ by the byte, and so do their tags.
    assert (answer.headers["ETag"] != plain.headers["ETag"]) == compressed
    assert answer.headers["Vary"] == plain.headers["Vary"] == "Accept, Accept-Encoding"
    again = populated.get(
        "/simple/large/", headers={"Accept-Encoding": accepted, "If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304
    small = populated.get("/simple/demo/", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in small.headers


def test_a_listings_etag_changes_with_the_project_alone(populated: Task) -> None:
    before = populated.get("/simple/demo/").headers["ETag"]
    populated.upload(*sdist("unrelated", "1.0"))
    assert populated.get("/simple/demo/").headers["ETag"] == before
    populated.upload(*sdist("demo", "1.1"))
    assert populated.get("/simple/demo/").headers["ETag"] != before


@pytest.mark.parametrize(
    "path",
    [
        "../secret-1.0.tar.gz",
        "%2e%2e/secret-1.0.tar.gz",
        "sub/../../secret-1.0.tar.gz",
        "/etc/passwd",
        "..%2fsecret-1.0.tar.gz",
        ".hidden-1.0.tar.gz",
        ".hidden/demo-1.0.tar.gz",
        "sub",
        "sub/",
        "linked/secret-1.0.tar.gz",
        "notes.txt",
        "sub/notes.txt",
        "a%00b-1.0.tar.gz",
    ],
)
def test_only_listed_files_are_served(populated: Task, path: str) -> None:
    root = populated.directory
    for other in (root.parent / "secret-1.0.tar.gz", root / ".hidden-1.0.tar.gz", root / "notes.txt"):
        other.write_bytes(b"secret")
    for name in (".hidden", "sub"):
        (root / name).mkdir(exist_ok=True)
        (root / name / "demo-1.0.tar.gz").write_bytes(b"secret")
    (root / "sub" / "notes.txt").write_bytes(b"secret")
    if not (root / "linked").is_symlink():
        (root / "linked").symlink_to(root.parent)
    connection = populated.connect()
    connection.sendall(
        f"GET /packages/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(PUBLISHER)}\r\n\r\n".encode()
    )
    assert status_of(connection) in (400, 404)


def test_an_upload_to_one_task_is_at_once_seen_by_the_other(start: StartTask, directory: Path) -> None:
    tasks = [start(directory), start(directory, GUNICORN_WORKERS="2")]
    for n in range(40):
        writer, reader = tasks[n % 2], tasks[1 - n % 2]
        name, content = sdist("seen", f"1.{n}", os.urandom(100).hex().encode())
        assert writer.upload(name, content).status_code == 200
        files = reader.project("seen")["files"]
        assert (len(files), files[-1]["hashes"]["sha256"]) == (n + 1, sha256(content))
        assert reader.get(f"/packages/seen-1.{n}.tar.gz").content == content
        assert reader.upload(f"seen-1.{n}.tar.gz", b"again").status_code == 409


def test_changes_from_outside_are_at_once_seen(start: StartTask, directory: Path) -> None:
    task = start(directory)
    inner = directory / "sub" / "inner"
    for n in range(10):
        assert task.get("/simple/outside/").status_code == 404
        inner.mkdir(parents=True)
        assert task.get("/simple/outside/").status_code == 404
        (inner / "outside-1.0.tar.gz").write_bytes(b"%d" % n)
        (file,) = task.project("outside")["files"]
        assert file["hashes"]["sha256"] == sha256(b"%d" % n)
        assert task.get("/packages/sub/inner/outside-1.0.tar.gz").content == b"%d" % n
        assert task.upload("outside-1.0.tar.gz", b"exists in a sub-directory").status_code == 409
        (directory / "outside-2.0.tar.gz").write_bytes(b"2")
        assert task.project("outside")["versions"] == ["1.0", "2.0"]
        os.replace(inner / "outside-1.0.tar.gz", directory / "outside-2.0.tar.gz")
        (file,) = task.project("outside")["files"]
        assert (file["filename"], file["hashes"]["sha256"]) == ("outside-2.0.tar.gz", sha256(b"%d" % n))
        os.unlink(directory / "outside-2.0.tar.gz")
        shutil.rmtree(directory / "sub")


@pytest.mark.slow
def test_a_directory_takes_its_projects_along(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory)
    inner = directory / "sub" / "inner"
    for listed in (["gone"], []):
        if listed:
            inner.mkdir(parents=True)
            (inner / "gone-1.0.tar.gz").write_bytes(b"content")
        else:
            shutil.rmtree(directory / "sub")
        projects = task.get("/simple/", headers={"Accept": JSON_TYPE}).json()["projects"]
        assert [project["name"] for project in projects] == listed


@pytest.mark.slow
def test_a_trusted_index_sees_changes_at_once(start_newest: StartTask, directory: Path) -> None:
    """Two seconds after its last change a directory is no longer read, only opened."""
    writer, reader = start_newest(directory), start_newest(directory)
    (directory / "sub").mkdir()
    for n in range(2):
        for pause in (2.2, 0):
            assert len(reader.get("/simple/", headers={"Accept": JSON_TYPE}).json()["projects"]) == min(n, 1)
            time.sleep(pause)
        if n:
            (directory / "sub" / "settled-1.1.tar.gz").touch()
        else:
            writer.upload(*sdist("settled", "1.0"))
        assert len(reader.project("settled")["files"]) == n + 1


def test_a_change_within_the_clocks_granularity_does_not_hide(coarse: Path) -> None:
    listings = Listings(Packages(coarse))
    for n in range(60):
        (coarse / f"hidden-1.{n}.tar.gz").write_bytes(b"content")
        listing = listings.current("hidden", {"server.arrived": time.monotonic()})
        assert listing
        assert len(listing.files) == n + 1


def test_a_storage_that_keeps_whole_seconds_is_refused(start_newest: StartTask, coarse: Path) -> None:
    """A file that is replaced by one of its size within a second could not be told from it."""
    with pytest.raises(AssertionError, match="cannot do what the index relies on: keep times finer than a second"):
        start_newest(coarse)


def test_a_file_rewritten_in_place_is_listed_anew(start_newest: StartTask, directory: Path) -> None:
    path = directory / "demo-1.0.tar.gz"
    path.write_bytes(b"first")
    task = start_newest(directory)
    assert task.project("demo")["files"][0]["hashes"]["sha256"] == sha256(b"first")
    path.write_bytes(b"second")
    assert task.get("/packages/demo-1.0.tar.gz").content == b"second"
    time.sleep(1.2)
    (file,) = task.project("demo")["files"]
    assert (file["hashes"]["sha256"], file["size"]) == (sha256(b"second"), 6)


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_clock_skew_hides_nothing(start: StartTask, directory: Path, skew: float) -> None:
    """The file server's clock, whose times the directory carries, is an hour off."""
    task = start(directory)
    for n in range(10):
        (directory / f"skewed-1.{n}.tar.gz").write_bytes(b"%d" % n)
        os.utime(directory, (time.time() + skew,) * 2)
        assert len(task.project("skewed")["files"]) == n + 1
    uploaded = datetime.fromisoformat(task.project("skewed")["files"][0]["upload-time"].replace("Z", "+00:00"))
    assert abs((datetime.now(UTC) - uploaded).total_seconds()) < 3600


@pytest.fixture
def populated(shared: Task) -> Task:
    (shared.directory / "demo-1.0.tar.gz").write_bytes(b"content")
    return shared


@pytest.fixture
def coarse(tmp_path: Path) -> Iterator[Path]:
    """A directory whose times are whole seconds: ext2 with inodes of 128 bytes."""
    image, path = tmp_path / "disk.img", tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or not shutil.which("mkfs.ext2"):
        pytest.skip("mounting a file system of whole seconds needs root and mkfs.ext2")
    with image.open("wb") as disk:
        disk.truncate(8 << 20)
    subprocess.run(["mkfs.ext2", "-q", "-I", "128", "-N", "1024", image], check=True, stderr=subprocess.DEVNULL)
    if subprocess.run(["mount", "-o", "loop", image, path], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("there are no loop devices")
    (path / "packages").mkdir()
    yield path / "packages"
    subprocess.run(["umount", "-l", path], check=True)
