"""What a task tells of a project, in each form in which it does."""

from __future__ import annotations

import html
import re
import zipfile
from io import BytesIO
from typing import Any, NamedTuple

from ..tasks import JSON_TYPE, Task, sha256


class Told(NamedTuple):
    """`files` by name, `yanked` the reasons by version."""

    project: str
    files: dict[str, bytes]
    yanked: dict[str, str]
    status: str

    @property
    def offered(self) -> dict[str, bytes]:
        return self.files if self.status != "quarantined" else {}

    @property
    def digests(self) -> dict[str, str]:
        return {it: sha256(data) for it, data in self.offered.items()}

    @property
    def reasons(self) -> dict[str, str]:
        """Of files that are offered and withdrawn."""
        return {it: self.yanked[version] for version in self.yanked for it in self.offered if f"-{version}" in it}


def compare(task: Task, told: Told, bodies: dict[str, bytes]) -> None:
    """Raises AssertionError where the task tells anything else. `bodies` collects what has which ETag."""
    name = told.project
    offered, digests, reasons = told.offered, told.digests, told.reasons
    page = task.get(f"/simple/{name}/")
    document = task.get(f"/simple/{name}/", headers={"Accept": JSON_TYPE})
    project = task.get(f"/{name}/json")
    people = task.get(f"/project/{name}/")
    found = 200 if told.files else 404
    assert [it.status_code for it in (page, document, people)] == [found] * 3
    assert project.status_code == (200 if offered else 404)
    assert (f">{name}<" in task.get("/simple/").text) == bool(told.files)
    projects = task.get("/simple/", headers={"Accept": JSON_TYPE}).json()["projects"]
    assert (name in {it["name"] for it in projects}) == bool(told.files)
    assert _links(task.get("/packages/").text, name) == digests
    for it in told.files:
        _compare_file(task, it, told.files[it] if it in offered else None)
    if not told.files:
        return
    assert _links(page.text, name) == _links(people.text, name) == digests
    marks = re.findall(r'<a [^>]*data-yanked="([^"]*)"[^>]*>([^<]*)</a>', page.text)
    assert {it: html.unescape(reason) for reason, it in marks} == reasons
    compare_document(document.json(), told)
    assert re.findall('<meta name="pypi:project-status" content="([^"]*)"', page.text) == (
        [] if told.status == "active" else [told.status]
    )
    if offered:
        released = [it for release in project.json()["releases"].values() for it in release]
        assert {it["filename"]: it["digests"]["sha256"] for it in released} == digests
        assert {it["filename"]: it["yanked_reason"] or "" for it in released if it["yanked"]} == reasons
    for answer in (page, document):
        assert bodies.setdefault(answer.headers["ETag"], answer.content) == answer.content
    # Of JSON the serial grows once more when another process misses a file that was removed.
    again = task.get(f"/simple/{name}/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def compare_document(document: dict[str, Any], told: Told) -> None:
    """The project's JSON (PEP 691); raises AssertionError."""
    files = document["files"]
    assert {it["filename"]: it["hashes"]["sha256"] for it in files} == told.digests
    assert {it["filename"]: it["yanked"] for it in files if it.get("yanked", False) is not False} == {
        it: reason or True for it, reason in told.reasons.items()
    }
    assert document.get("project-status", {}).get("status", "active") == told.status


def _links(page: str, project: str) -> dict[str, str]:
    """The digests of the project's files, by name."""
    pattern = rf'<a [^>]*href="/packages/({project}-[^"#]*)#sha256=(\w+)"'
    return dict(re.findall(pattern, page, re.IGNORECASE))


def _compare_file(task: Task, name: str, content: bytes | None) -> None:
    """With None it is not to be had."""
    answers = [task.get(f"/packages/{name}"), task.get(f"/packages/{name}.metadata")]
    if content is None:
        assert [it.status_code for it in answers] == [403, 403]
        return
    assert answers[0].content == content
    if name.endswith(".whl"):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            (metadata,) = (it for it in archive.namelist() if it.endswith("/METADATA"))
            assert answers[1].content == archive.read(metadata)
    else:
        assert answers[1].status_code == 404
