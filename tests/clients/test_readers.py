"""What a listing says: nothing but the standard's words, the same in both forms, as the libraries read it that others build on."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.server.tasks import JSON_TYPE, PUBLISHER, READER, Task

from .clients import address
from .environments import installed
from .matrix import start
from .releases import MANY, WANTED, WITHDRAWN, wheel
from .test_protocols import CACHE

# https://packaging.python.org/en/latest/specifications/simple-repository-api/, of version 1.4: PEP 503, 592, 629, 658,
# 691, 700, 708, 714, 740, 792. What begins with an underscore is an index's own.
WORDS = {
    "root": {"meta", "projects"},
    "listed": {"name"},
    "meta": {"api-version", "tracks"},
    "project": {"meta", "name", "versions", "files", "alternate-locations", "project-status"},
    "status": {"status", "reason"},
    "file": {
        *{"filename", "url", "hashes", "size", "upload-time", "requires-python", "core-metadata", "yanked"},
        *{"gpg-sig", "provenance"},
    },
    "metas": {
        *{"pypi:repository-version", "pypi:project-status", "pypi:project-status-reason", "pypi:tracks"},
        "pypi:alternate-locations",
    },
    "link": {
        *{"href", "data-requires-python", "data-yanked", "data-core-metadata", "data-dist-info-metadata"},
        *{"data-gpg-sig", "data-provenance"},
    },
}
# PEP 708's are of indexes that extend others; PEP 740's is passed on from an upstream (upstream/test_upstream.py).
OF_OTHERS = {
    "meta": {"tracks"},
    "project": {"alternate-locations"},
    "file": {"provenance"},
    "metas": {"pypi:tracks", "pypi:alternate-locations"},
    "link": {"data-provenance"},
}
SIGNED = wheel("acme-wheel", "1.0")[0]
STATUS = ("acme-app", "deprecated", "acme-new <takes> its place")

READ = """
import json, sys
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple
from unearth import PackageFinder

address, projects = sys.argv[1], json.loads(sys.argv[2])
found = {}
for name, accept in (("html", ACCEPT_HTML_ONLY), ("json", ACCEPT_JSON_ONLY)):
    with PyPISimple(address, accept=accept) as index:
        pages = [index.get_project_page(project) for project in projects]
        found[name] = [
            [project, page.repository_version, page.status, page.status_reason]
            + [
                [it.filename, it.url.partition("#")[0], it.digests, it.requires_python, it.is_yanked, it.yanked_reason,
                 bool(it.has_metadata), it.metadata_digests, it.version, it.project, bool(it.has_sig)]
                for it in page.packages
                if not it.filename.endswith(".asc")
            ]
            for project, page in zip(projects, pages)
        ]
        found[f"{name} names"] = list(index.get_index_page().projects)
        found["dated"] = [(it.upload_time is None, it.size) for page in pages for it in page.packages]
        for page in pages:
            of_files = set()
            for it in page.packages:
                if not it.filename.endswith(".asc"):
                    parse = parse_wheel_filename if it.filename.endswith(".whl") else parse_sdist_filename
                    of_files.add(str(parse(it.filename)[1]))
                    SpecifierSet(it.requires_python or "")
            assert page.versions is None or (set(page.versions), len(page.versions)) == (of_files, len(of_files))
        several = [it for page in pages for it in page.packages if it.has_metadata][:20]
        for it in several:
            metadata = Metadata.from_email(index.get_package_metadata_bytes(it), validate=True)
            assert metadata.requires_python == (SpecifierSet(it.requires_python) if it.requires_python else None)
finder = PackageFinder(index_urls=[address], trusted_hosts=["127.0.0.1"])
found["unearth"] = {project: finder.find_best_match(project, allow_prereleases=False).best.version for project in projects}
print(json.dumps(found))
"""


class Page(HTMLParser):
    """Names and contents of a page's metas, attributes of its links by their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.metas: dict[str, str] = {}
        self.links: dict[str, dict[str, str]] = {}
        self._link: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "meta" and attributes.get("name", "").startswith("pypi:"):
            self.metas[attributes["name"]] = attributes["content"]
        self._link = attributes if tag == "a" else {}

    def handle_data(self, data: str) -> None:
        if self._link:
            self.links[data] = self._link


@pytest.mark.slow
def test_listings_say_what_the_standard_says_and_libraries_read_it(tmp_path: Path) -> None:
    CACHE.mkdir(exist_ok=True)
    reader = installed(CACHE, "3.12", "pypi-simple==1.8.0", "unearth==0.19.0", "packaging==26.4") / "python"
    task = start(tmp_path / "server")
    try:
        (task.directory / f"{SIGNED}.asc").write_bytes(b"signature")
        form = dict(zip((":action", "name", "status", "reason"), ("status", *STATUS), strict=True))
        requests.post(task.url, data=form, auth=PUBLISHER, timeout=60).raise_for_status()
        arguments = [address(task), json.dumps(list(WANTED))]
        read = subprocess.run(
            [reader, "-c", READ, *arguments], capture_output=True, text=True, timeout=120, check=False
        )
        assert read.returncode == 0, read.stderr
        found = json.loads(read.stdout)
        assert found["html"] == found["json"]
        assert found["html names"] == found["json names"]
        pages = {name: (status, reason, files) for name, _, status, reason, *files in found["json"]}
        assert {name: it[:2] for name, it in pages.items() if it[0]} == {STATUS[0]: STATUS[1:]}
        files = [file for *_, files in pages.values() for file in files]
        assert len(files) == len(WANTED) + MANY - 1 + 3
        assert [it[5] for it in files if it[4]] == ["it loses data"]
        assert [it[0] for it in files if it[10]] == [SIGNED]
        assert all(not undated and size for undated, size in found["dated"])
        assert found["unearth"] == WANTED
        assert said(task) == {part: words - OF_OTHERS.get(part, set()) for part, words in WORDS.items()}
    finally:
        task.kill()


def said(task: Task) -> dict[str, set[str]]:
    """The words that all pages use, by their place; both forms say the same of each file."""
    root = task.get("/simple/", READER, headers={"Accept": JSON_TYPE}).json()
    words: dict[str, set[str]] = {part: set() for part in WORDS}

    def note(part: str, found: dict[str, Any]) -> None:
        words[part] |= {word for word in found if word[0] != "_"}

    note("root", root)
    note("meta", root["meta"])
    for project in root["projects"]:
        note("listed", project)
        document = task.project(project["name"])
        page = Page(task.get(f"/simple/{project['name']}/", READER).text)
        note("project", document)
        note("meta", document["meta"])
        note("status", document.get("project-status", {}))
        note("metas", page.metas)
        assert page.metas["pypi:repository-version"] == document["meta"]["api-version"]
        for file in document["files"]:
            link = page.links[file["filename"]]
            note("file", file)
            note("link", link)
            assert file.keys() >= {"filename", "url", "hashes", "size", "upload-time"}
            (told,) = (f"{kind}={digest}" for kind, digest in file["hashes"].items())
            assert link["href"] == f"{file['url']}#{told}"
            assert link.get("data-requires-python") == file.get("requires-python")
            assert link.get("data-yanked") == file.get("yanked")
            assert ("data-gpg-sig" in link) == ("gpg-sig" in file)
            hashes = [f"{kind}={digest}" for kind, digest in file.get("core-metadata", {}).items()]
            assert [link[it] for it in ("data-core-metadata", "data-dist-info-metadata") if it in link] == hashes * 2
    assert WITHDRAWN[1] in task.project(WITHDRAWN[0])["versions"]
    return words
