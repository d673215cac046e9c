"""Request by request against `pypi-server run --backend simple-dir` on the same directory."""

from __future__ import annotations

import io
import os
import re
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from generator.parts.container_program import VARIABLE, entry_point, packed

from .conftest import StartTask
from .tasks import PUBLISHER, free_port, sdist, wheel

NAME, CONTENT = wheel("demo", "1.0")

# (method, path, form, headers): ours differs from the stock server, why, and how.
DIFFERENCES: dict[str, tuple[str, int, int]] = {
    # request: (reason, stock status, our status)
    "wrong password": ("clients ask again on 401", 403, 401),
    "unknown project": (
        "404 without FALLBACK_URL; the stock server is run with --disable-fallback here",
        404,
        404,
    ),
    "upload of a dot-file": ("it would never be listed", 200, 400),
    "upload with a leading dash": ("it could not be installed", 200, 400),
    "upload of an over-long name": ("it cannot be stored", 500, 400),
    "upload of an empty file": ("it is no distribution", 200, 400),
    "upload with a wrong digest": ("what arrived is not what was sent", 200, 400),
    "upload of no archive": ("it is no distribution", 200, 400),
    "same upload again": ("the file is there, as asked", 409, 200),
    "removal": ("IMMUTABLE_PACKAGES=true", 200, 403),
    "removal without version": ("IMMUTABLE_PACKAGES=true", 400, 403),
    "removal of nothing": ("IMMUTABLE_PACKAGES=true", 404, 403),
    "documentation upload": ("the stock server checks and discards it", 200, 400),
    "metadata": ("PEP 658", 404, 200),
    "json": ("all that PyPI's has", 200, 200),
    "search": ("PyPI and pip dropped it", 200, 405),
    "welcome with credentials": ("a page to find projects", 200, 200),
}

Request = tuple[str, str, dict[str, object]]
UPLOAD = {":action": "file_upload"}
NEW, SIGNED = sdist("new", "1.0"), sdist("s", "1.0")
DOCUMENTATION = io.BytesIO()
with zipfile.ZipFile(DOCUMENTATION, "w") as archive:
    archive.writestr("index.html", "documentation")

REQUESTS: dict[str, Request] = {
    "welcome": ("GET", "/", {"auth": None}),
    "welcome with credentials": ("GET", "/", {}),
    "favicon": ("GET", "/favicon.ico", {}),
    "health": ("GET", "/health", {"auth": None}),
    "index": ("GET", "/simple/", {}),
    "index without slash": ("GET", "/simple", {}),
    "index without credentials": ("GET", "/simple/", {"auth": None}),
    "wrong password": ("GET", "/simple/", {"auth": (PUBLISHER[0], "wrong")}),
    "head of the index": ("HEAD", "/simple/", {}),
    "project": ("GET", "/simple/demo/", {}),
    "head of a project": ("HEAD", "/simple/demo/", {}),
    "project without slash": ("GET", "/simple/demo", {}),
    "project not normalised": ("GET", "/simple/De.Mo__x/", {}),
    "project in capitals": ("GET", "/simple/DEMO/", {}),
    "project in a sub-directory": ("GET", "/simple/inner/", {}),
    "project with odd names": ("GET", "/simple/odd/", {}),
    "unknown project": ("GET", "/simple/absent/", {}),
    "package": ("GET", f"/packages/{NAME}", {}),
    "head of a package": ("HEAD", f"/packages/{NAME}", {}),
    "range of a package": ("GET", f"/packages/{NAME}", {"headers": {"Range": "bytes=5-9"}}),
    "bad range of a package": ("GET", f"/packages/{NAME}", {"headers": {"Range": "bytes=999999-"}}),
    "unmodified package": (
        "GET",
        f"/packages/{NAME}",
        {"headers": {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}},
    ),
    "package without credentials": ("GET", f"/packages/{NAME}", {"auth": None}),
    "package in a sub-directory": ("GET", "/packages/sub/inner-1.0.tar.gz", {}),
    "package of a local version": ("GET", "/packages/odd-1.0+local.1.tar.gz", {}),
    "signature": ("GET", "/packages/odd-1.0.zip.asc", {}),
    "unknown package": ("GET", "/packages/absent-1.0.tar.gz", {}),
    "file that is no package": ("GET", "/packages/notes.txt", {}),
    "hidden file": ("GET", "/packages/.hidden-1.0.tar.gz", {}),
    "all packages": ("GET", "/packages/", {}),
    "all packages without slash": ("GET", "/packages", {}),
    "metadata": ("GET", f"/packages/{NAME}.metadata", {}),
    "json": ("GET", "/demo/json", {}),
    "json not normalised": ("GET", "/Demo/json", {}),
    "json of an unknown project": ("GET", "/absent/json", {}),
    "bad url": ("GET", "/demo", {}),
    "bad url with slash": ("GET", "/demo/", {"auth": None}),
    "unknown path": ("GET", "/a/b/c", {}),
    "wrong method": ("PUT", "/simple/", {}),
    "delete": ("DELETE", f"/packages/{NAME}", {}),
    "search": (
        "POST",
        "/RPC2",
        {
            "data": "<methodCall><methodName>search</methodName><params><param><value><string>demo</string></value></param></params></methodCall>"
        },
    ),
    "post without credentials": ("POST", "/", {"auth": None, "data": UPLOAD}),
    "post without action": ("POST", "/", {"data": {"a": "b"}}),
    "post without form": ("POST", "/", {"data": b"", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
    "unknown action": ("POST", "/", {"data": {":action": "explode"}}),
    "verify": ("POST", "/", {"data": {":action": "verify"}}),
    "submit": ("POST", "/", {"data": {":action": "submit"}}),
    "submit as multipart": ("POST", "/", {"files": {":action": (None, "submit")}}),
    "upload without content": ("POST", "/", {"data": UPLOAD}),
    "documentation upload": (
        "POST",
        "/",
        {"data": {":action": "doc_upload"}, "files": {"content": ("docs-1.0.zip", DOCUMENTATION.getvalue())}},
    ),
    "upload of a bad name": ("POST", "/", {"data": UPLOAD, "files": {"content": ("notes.txt", b"x")}}),
    "upload of a dot-file": ("POST", "/", {"data": UPLOAD, "files": {"content": (".dot-1.0.tar.gz", b"x")}}),
    "upload with a leading dash": ("POST", "/", {"data": UPLOAD, "files": {"content": ("-rf-1.0.tar.gz", b"x")}}),
    "upload of an over-long name": (
        "POST",
        "/",
        {"data": UPLOAD, "files": {"content": (f"l-{'1' * 300}.tar.gz", b"x")}},
    ),
    "upload of an empty file": ("POST", "/", {"data": UPLOAD, "files": {"content": ("empty-1.0.tar.gz", b"")}}),
    "upload with a wrong digest": (
        "POST",
        "/",
        {"data": {**UPLOAD, "md5_digest": "0"}, "files": {"content": ("wrong-1.0.tar.gz", b"x")}},
    ),
    "upload with a foreign signature": (
        "POST",
        "/",
        {"data": UPLOAD, "files": {"content": ("s-1.0.tar.gz", b"x"), "gpg_signature": ("t-1.0.tar.gz.asc", b"x")}},
    ),
    "upload": ("POST", "/", {"data": UPLOAD, "files": {"content": NEW}}),
    "upload again": ("POST", "/", {"data": UPLOAD, "files": {"content": (NEW[0], b"other")}}),
    "same upload again": ("POST", "/", {"data": UPLOAD, "files": {"content": NEW}}),
    "upload of no archive": ("POST", "/", {"data": UPLOAD, "files": {"content": ("junk-1.0.tar.gz", b"junk")}}),
    "upload again by twine": (
        "POST",
        "/",
        {"data": UPLOAD, "files": {"content": (NEW[0], b"other")}, "headers": {"User-Agent": "twine/7"}},
    ),
    "upload with a signature": (
        "POST",
        "/",
        {"data": UPLOAD, "files": {"content": SIGNED, "gpg_signature": (f"{SIGNED[0]}.asc", b"y")}},
    ),
    "removal without version": ("POST", "/", {"data": {":action": "remove_pkg", "name": "demo"}}),
    "removal of nothing": ("POST", "/", {"data": {":action": "remove_pkg", "name": "none", "version": "1"}}),
    "removal": ("POST", "/", {"data": {":action": "remove_pkg", "name": "gone", "version": "1.0"}}),
}

# Ours adds ETag, Vary, Cache-Control and so on; what the stock server sends must be the same.
COMPARED_HEADERS = (
    "Content-Type",
    "Location",
    "Content-Range",
    "Accept-Ranges",
    "Last-Modified",
    "WWW-Authenticate",
)


def populate(directory: Path) -> None:
    (directory / "sub").mkdir()
    for name in (
        "gone-1.0.tar.gz",
        "sub/inner-1.0.tar.gz",
        "odd-1.0+local.1.tar.gz",
        "odd-1.0.zip",
        "odd-1.0.zip.asc",
        "Odd-1.0rc1.tar.gz",
        "odd-1.10.tar.gz",
        "odd-1.9.tar.gz",
        "odd-1.9-1-py3-none-any.whl",
        "odd.egg",
        ".hidden-1.0.tar.gz",
        "notes.txt",
        "unversioned.zip",
    ):
        (directory / name).write_bytes(name.encode())
    (directory / NAME).write_bytes(CONTENT)
    for path in directory.rglob("*"):
        os.utime(path, (1_700_000_000,) * 2)


@pytest.fixture
def stock(image: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of the stock server on its own copy of the directory."""
    directory = tmp_path / "stock"
    directory.mkdir()
    populate(directory)
    port = free_port()
    launcher = (
        "from pypiserver import app; from wsgiref.simple_server import make_server; import sys, pathlib;"
        "make_server('127.0.0.1', int(sys.argv[1]), app(roots=[pathlib.Path(sys.argv[2])], backend_arg='simple-dir',"
        "authenticate=['download','list','update'], disable_fallback=True,"
        f"auther=lambda user, password: (user, password) == {PUBLISHER!r})).serve_forever()"
    )
    process = subprocess.Popen(
        [image, "-c", launcher, str(port), directory], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            requests.get(f"{url}/health", timeout=5)
            break
        except requests.ConnectionError:
            time.sleep(0.05)
    yield url
    process.kill()
    process.wait()


def links(html: str) -> list[tuple[str, str]]:
    """Ours escapes the `+` of local versions, which some clients read as a blank."""
    return re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', html.replace("%2B", "+"))


def test_status_headers_and_links_are_those_of_the_stock_server(start: StartTask, stock: str, directory: Path) -> None:
    populate(directory)
    # As it is delivered: this is the widest test of a client's view.
    _, *boot = entry_point()
    ours = start(directory, command=[*boot, *packed().command], **{VARIABLE: packed().rest})
    found = {}
    for name, (method, path, options) in REQUESTS.items():
        options = {"auth": PUBLISHER, "allow_redirects": False, "timeout": 30} | options
        expected = requests.request(method, stock + path, **options)  # type: ignore[arg-type]  # options of requests
        actual = requests.request(method, ours.url + path, **options)  # type: ignore[arg-type]  # as above
        if name in DIFFERENCES:
            found[name] = (DIFFERENCES[name][0], expected.status_code, actual.status_code)
            continue
        assert actual.status_code == expected.status_code, name
        if expected.status_code >= 400:
            continue
        for header in COMPARED_HEADERS:
            # Ours redirects to a path, whatever the Host header claims.
            value = (expected.headers.get(header) or "").removeprefix(stock)
            if name != "health" and value:
                assert actual.headers.get(header) == value, (name, header)
        if name.startswith(("project", "index", "all")):
            # Ours sorts by PEP 440: 1.0 after its candidate, which pypiserver's order has the other way round.
            theirs, ours_ = links(expected.text), links(actual.text)
            if name in ("project with odd names", "all packages", "all packages without slash"):
                theirs.sort()
                ours_.sort()
            assert ours_ == theirs, name
        elif name != "welcome":
            assert actual.content == expected.content, name
    assert found == DIFFERENCES
