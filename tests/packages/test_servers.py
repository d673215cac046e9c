"""``import`` from the servers that people come from: each runs, and has what its own clients gave it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from ..server.conftest import StartTask, python_with
from ..server.tasks import READER, Task, free_port, sdist, visible, wheel
from .conftest import Import

OLD = datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)


@contextmanager
def running(command: list[str], url: str, home: Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """A server, until it has answered once and the block is over."""
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            try:
                requests.get(url, timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        else:
            raise AssertionError((home / "server.log").read_text())
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The stock server's index, and its directory."""
    directory = tmp_path / "stock"
    directory.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port), "-a", ".", "-P", "."]
    with running([*command, str(directory)], f"http://127.0.0.1:{port}/health", tmp_path):
        yield f"http://127.0.0.1:{port}/simple/", directory


def put(directory: Path, name: str, content: bytes, uploaded: datetime = OLD) -> None:
    (directory / name).write_bytes(content)
    os.utime(directory / name, (uploaded.timestamp(),) * 2)


def test_from_the_stock_server(
    stock: tuple[str, Path], bring: Import, target: Task, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its pages are HTML without times; Last-Modified has them."""
    url, theirs = stock
    files = dict([wheel("acme", "1.0"), sdist("acme", "1.0"), wheel("acme_tools", "2.0"), ("junk-1.0.tar.gz", b"junk")])
    for name, content in files.items():
        put(theirs, name, content)
    put(theirs, "acme-1.0.tar.gz.asc", b"a signature")
    put(theirs, "acme-0.9-py3.9.egg", b"an egg")
    assert bring(url) == 1
    printed = capsys.readouterr().out
    assert "no package  acme-0.9-py3.9.egg: it is not a wheel or source distribution" in printed
    assert "refused  junk-1.0.tar.gz: 400 Nothing was stored: junk-1.0.tar.gz was refused" in printed
    assert "incomplete: 3 imported, 0 were here, 1 refused, 1 no package" in printed
    del files["junk-1.0.tar.gz"]
    assert visible(directory) == sorted([*files, "acme-1.0.tar.gz.asc"])
    assert {name: (directory / name).read_bytes() for name in files} == files
    assert {file["upload-time"] for file in target.project("acme")["files"]} == {"2021-03-04T05:06:07.000000Z"}


def test_from_our_own_server(
    start_newest: StartTask, bring: Import, target: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "sub").mkdir()
    for project, uploaded in (("acme", OLD), ("sub/tools", OLD + timedelta(microseconds=1))):
        name, content = wheel(project.rpartition("/")[2], "1.0")
        put(theirs / Path(project).parent, name, content, uploaded)
    source = start_newest(theirs)
    monkeypatch.setenv("IMPORT_USERNAME", READER[0])
    monkeypatch.setenv("IMPORT_PASSWORD", READER[1])
    assert bring(f"{source.url}/simple") == 0
    for project in ("acme", "tools"):
        (before,), (after,) = source.project(project)["files"], target.project(project)["files"]
        same = ("filename", "hashes", "size", "upload-time", "requires-python", "core-metadata")
        assert [after[key] for key in same] == [before[key] for key in same]


@pytest.mark.slow
def test_from_devpi(bring: Import, target: Task, directory: Path, tmp_path: Path) -> None:
    """Index and user are made over its own interface, the files uploaded as twine does."""
    python = python_with("devpi", ["devpi-server==6.20.3"])
    home, port = tmp_path / "devpi", free_port()
    url = f"http://127.0.0.1:{port}"
    binaries = python.parent
    subprocess.run([binaries / "devpi-init", "--serverdir", home, "--no-root-pypi"], check=True, capture_output=True)
    server = [str(binaries / "devpi-server"), "--serverdir", str(home), "--host", "127.0.0.1", "--port", str(port)]
    files = dict([wheel("acme", "1.0"), sdist("acme", "1.0"), wheel("acme_tools", "2.0")])
    with running(server, url, tmp_path):
        assert requests.put(f"{url}/somebody", json={"password": "word"}, timeout=60).status_code == 201
        token = requests.post(f"{url}/+login", json={"user": "somebody", "password": "word"}, timeout=60).json()
        signed = {"X-Devpi-Auth": b64encode(f"somebody:{token['result']['password']}".encode()).decode()}
        index = f"{url}/somebody/dev"
        assert requests.put(index, json={"bases": []}, headers=signed, timeout=60).status_code == 200
        for name, content in files.items():
            project, version = name.split("-")[:2]
            form = {":action": "file_upload", "name": project, "version": version.removesuffix(".tar.gz")}
            sent = requests.post(f"{index}/", data=form, files={"content": (name, content)}, headers=signed, timeout=60)
            assert sent.status_code == 200, sent.text
        assert bring(f"{index}/+simple/") == 0
        assert bring(f"{index}/+simple/") == 0
    assert {name: (directory / name).read_bytes() for name in visible(directory)} == files
    (file,) = target.project("acme-tools")["files"]
    assert file["size"] == len(files[file["filename"]])


FILES = dict([wheel("acme", "1.0"), sdist("acme", "1.0"), wheel("acme_tools", "2.0")])


@pytest.mark.slow
def test_from_simple_repository_server(bring: Import, directory: Path, tmp_path: Path) -> None:
    """JSON, with times of the files of its directory, in which each project has one."""
    python, port = python_with("simple-repository", ["simple-repository-server==0.10.0"]), free_port()
    for name, content in FILES.items():
        home = tmp_path / "theirs" / name.split("-")[0].replace("_", "-")
        home.mkdir(parents=True, exist_ok=True)
        put(home, name, content)
    command = [str(python), "-m", "simple_repository_server", "--host", "127.0.0.1", "--port", str(port)]
    with running([*command, str(tmp_path / "theirs")], f"http://127.0.0.1:{port}/simple/", tmp_path):
        for url in (f"http://127.0.0.1:{port}/simple/", f"http://127.0.0.1:{port}/"):
            assert bring(url) == 0
    assert {name: (directory / name).read_bytes() for name in visible(directory)} == FILES


@pytest.mark.slow
def test_from_pypiron(bring: Import, target: Task, directory: Path, tmp_path: Path) -> None:
    """Uploaded by its own clients' form, one release withdrawn."""
    python, port = python_with("pypiron", ["pypiron==0.0.29"]), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(python.parent / "pypiron"), "serve", "--bind-addr", f"127.0.0.1:{port}", "--data-dir"]
    environment = {"PYPIRON_ADMIN_PASS": "word", "HOME": str(tmp_path), "PATH": os.defpath}
    with running([*command, str(tmp_path / "data")], f"{url}/health", tmp_path, environment):
        for name, content in FILES.items():
            project, version = name.split("-")[:2]
            form = {":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "name": project}
            form |= {
                "version": version.removesuffix(".tar.gz"),
                "filetype": "sdist" if ".tar" in name else "bdist_wheel",
            }
            form |= {"pyversion": "source" if ".tar" in name else "py3"}
            files = {"content": (name, content)}
            sent = requests.post(f"{url}/legacy/", data=form, files=files, auth=("admin", "word"), timeout=60)
            assert sent.status_code == 200, sent.text
        for address in (f"{url}/simple/", url):
            assert bring(address) == 0
    assert {name: (directory / name).read_bytes() for name in visible(directory)} == FILES
    assert all(file["upload-time"] > "2026" for file in target.project("acme")["files"])


@pytest.mark.slow
def test_from_a_listing_of_nginx(bring: Import, target: Task, directory: Path, tmp_path: Path) -> None:
    """It cuts the texts of its links after 50 characters; the second run asks for no file."""
    project = "a_project_whose_name_is_long_enough_to_be_cut_off"
    files = dict([wheel(project, "1.0+local.1"), sdist(project, "1.0+local.1"), wheel("acme", "1.0")])
    (tmp_path / "theirs").mkdir()
    for name, content in files.items():
        put(tmp_path / "theirs", name, content)
    nginx, port = shutil.which("nginx"), free_port()
    assert nginx, "apt-get install nginx"
    places = " ".join(f"{it}_temp_path {tmp_path}/{it};" for it in ("proxy", "fastcgi", "uwsgi", "scgi", "client_body"))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/errors; events {{}}\n"
        f"http {{ access_log {tmp_path}/access; {places}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ root {tmp_path}/theirs; autoindex on; }} }} }}\n"
    )
    url = f"http://127.0.0.1:{port}/"
    with running([nginx, "-e", f"{tmp_path}/errors", "-c", str(tmp_path / "nginx.conf")], url, tmp_path):
        assert ".." in requests.get(url, timeout=60).text.replace("../", "")
        assert bring(url) == 0
        assert bring(url) == 0
    assert {name: (directory / name).read_bytes() for name in visible(directory)} == files
    assert (tmp_path / "access").read_text().count("GET /acme-1.0") == 1
    assert {file["upload-time"] for file in target.project("acme")["files"]} == {"2021-03-04T05:06:07.000000Z"}
