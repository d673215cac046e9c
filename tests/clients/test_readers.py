"""What a listing says, as the libraries read it that others build on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import requests

from tests.server.tasks import JSON_TYPE, READER, Task

from .clients import address
from .environments import installed
from .matrix import start
from .releases import MANY, WANTED, WITHDRAWN
from .test_protocols import CACHE

# https://packaging.python.org/en/latest/specifications/simple-repository-api/, of api-version 1.1.
PROJECT_KEYS = {"meta", "name", "versions", "files"}
FILE_KEYS = {
    "filename",
    "url",
    "hashes",
    "size",
    "upload-time",
    "requires-python",
    "core-metadata",
    "yanked",
    "gpg-sig",
}

READ = """
import json, sys
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple
from unearth import PackageFinder

address, projects = sys.argv[1], json.loads(sys.argv[2])
found = {}
for name, accept in (("html", ACCEPT_HTML_ONLY), ("json", ACCEPT_JSON_ONLY)):
    with PyPISimple(address, accept=accept) as index:
        pages = [index.get_project_page(project) for project in projects]
        found[name] = [
            [it.filename, it.url.partition("#")[0], it.digests, it.requires_python, it.is_yanked, it.yanked_reason,
             it.has_metadata, it.metadata_digests, it.version, it.project]
            for page in pages for it in page.packages
        ]
        found[f"{name} names"] = list(index.get_index_page().projects)
finder = PackageFinder(index_urls=[address], trusted_hosts=["127.0.0.1"])
found["unearth"] = {project: finder.find_best_match(project, allow_prereleases=False).best.version for project in projects}
print(json.dumps(found))
"""


@pytest.mark.slow
def test_libraries_read_the_same_of_both_forms(tmp_path: Path) -> None:
    CACHE.mkdir(exist_ok=True)
    reader = installed(CACHE, "3.12", "pypi-simple", "unearth") / "python"
    task = start(tmp_path / "server")
    try:
        arguments = [address(task), json.dumps(list(WANTED))]
        read = subprocess.run(
            [reader, "-c", READ, *arguments], capture_output=True, text=True, timeout=120, check=False
        )
        assert read.returncode == 0, read.stderr
        found = json.loads(read.stdout)
        assert found["html"] == found["json"]
        assert found["html names"] == found["json names"]
        assert len(found["json"]) == len(WANTED) + MANY - 1 + 3
        assert [it[5] for it in found["json"] if it[4]] == ["it loses data"]
        assert found["unearth"] == WANTED
        says_what_the_specification_has(task)
    finally:
        task.kill()


def says_what_the_specification_has(task: Task) -> None:
    """Keys that begin with an underscore are an index's own."""
    root = requests.get(f"{task.url}/simple/", auth=READER, headers={"Accept": JSON_TYPE}, timeout=60).json()
    assert {key for key in root if key[0] != "_"} == {"meta", "projects"}
    for project in root["projects"]:
        assert {key for key in project if key[0] != "_"} == {"name"}
        document = task.project(project["name"])
        assert document.keys() == PROJECT_KEYS
        assert {key for key in document["meta"] if key[0] != "_"} == {"api-version"}
        for file in document["files"]:
            assert file.keys() <= FILE_KEYS
            assert file.keys() >= {"filename", "url", "hashes", "size"}
    assert WITHDRAWN[1] in task.project(WITHDRAWN[0])["versions"]
