"""A storage that fails in the midst of what is done: what an answer says is true, and all heals with the storage."""

from __future__ import annotations

import errno

import pytest
import requests

from .faults import ASKING, LINKING, RENAMING, WRITING, Fault
from .tasks import JSON_TYPE, PUBLISHER, Task, sdist, sha256, visible, wheel


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
def test_what_an_uploads_answer_says_is_true(fault: Fault, signed: bool) -> None:
    for call, number, project in fault.cases(
        (*ASKING, *WRITING, *LINKING, *RENAMING, *(["linkasc"] if signed else []))
    ):
        name, content = wheel(project, "1.0")
        signature = (f"{name}.asc", b"signature") if signed else None
        fault.set(call, number)
        response = fault.task.upload(name, content, signature=signature)
        fault.end()
        case = (call, errno.errorcode[number], response.status_code, response.text)
        listed = [(name, sha256(content), ">=3.8")]
        stored = [it for it in visible(fault.directory) if it.startswith(f"{project}-")]
        if response.status_code == 200:
            assert (fault.directory / name).read_bytes() == content, case
            assert fault.files(fault.other, project) == listed, case
        elif "Nothing was stored" in response.text:
            assert not stored, case
        else:
            assert response.status_code == 503, case
            assert "is public" in response.text or "may be public" in response.text or not stored, case
        # It heals: the same once more is right, and is listed with all that belongs to it.
        again = fault.task.upload(name, content, signature=signature)
        assert again.status_code == 200, (case, again.text)
        for task in (fault.task, fault.other):
            assert fault.files(task, project) == listed, case
        assert (fault.directory / f"{name}.asc").exists() == signed, case


@pytest.mark.slow
def test_what_a_replacements_answer_says_is_true(mutable: Fault) -> None:
    for call, number, project in mutable.cases((*ASKING, *WRITING, "link", *RENAMING)):
        name, content = wheel(project, "1.0")
        assert mutable.task.upload(name, content).status_code == 200
        assert mutable.files(mutable.task, project) == [(name, sha256(content), ">=3.8")]
        replacement = wheel(project, "1.0", b"new")[1]
        mutable.set(call, number)
        response = mutable.task.upload(name, replacement)
        mutable.end()
        case = (call, errno.errorcode[number], response.status_code, response.text)
        stored = (mutable.directory / name).read_bytes()
        if response.status_code == 200:
            assert stored == replacement, case
        elif "Nothing was stored" in response.text:
            assert stored == content, case
        else:
            assert response.status_code == 503, case
            assert stored in (content, replacement), case
            assert "is public" in response.text or "may be public" in response.text or stored == content, case
        for task in (mutable.task, mutable.other):
            assert mutable.files(task, project) == [(name, sha256(stored), ">=3.8")], case
        assert mutable.task.upload(name, replacement).status_code == 200, case
        for task in (mutable.task, mutable.other):
            assert mutable.files(task, project) == [(name, sha256(replacement), ">=3.8")], case


def remove(task: Task, project: str) -> requests.Response:
    form = {":action": "remove_pkg", "name": project, "version": "1.0"}
    return requests.post(task.url, data=form, auth=PUBLISHER, timeout=60)


@pytest.mark.slow
def test_what_a_removals_answer_says_is_true(mutable: Fault) -> None:
    for call, number, project in mutable.cases(("opendir", "stat", "readdir", "close", "unlink", "dirfsync")):
        name, content = wheel(project, "1.0")
        assert mutable.task.upload(name, content).status_code == 200
        mutable.set(call, number)
        response = remove(mutable.task, project)
        mutable.end()
        case = (call, errno.errorcode[number], response.status_code, response.text)
        there = (mutable.directory / name).exists()
        assert response.status_code in (200, 404, 503), case
        assert there == (response.status_code != 200 and "is removed" not in response.text), case
        recorded = [it["file"] for it in mutable.task.changes() if it["change"] == "removal"]
        assert (name in recorded) != there, case
        if there:
            assert name in mutable.task.get(f"/simple/{project}/").text, case
            assert remove(mutable.task, project).status_code == 200, case
        for task in (mutable.task, mutable.other):
            assert task.get(f"/simple/{project}/").status_code == 404, case


@pytest.mark.slow
def test_nothing_is_taken_for_absent_while_the_storage_fails(fault: Fault) -> None:
    name, content = wheel("known", "1.0")
    (fault.directory / name).write_bytes(content)
    (fault.directory / "sub").mkdir()
    inner, inner_content = sdist("inner", "1.0")
    (fault.directory / "sub" / inner).write_bytes(inner_content)
    (fault.directory / "linked-1.0.tar.gz").symlink_to(f"sub/{inner}")
    paths = [
        "/simple/",
        "/simple/known/",
        "/known/json",
        "/packages/",
        f"/packages/{name}",
        f"/packages/{name}.metadata",
    ]
    paths += [
        "/simple/inner/",
        f"/packages/sub/{inner}",
        "/project/known/",
        "/simple/linked/",
        "/packages/linked-1.0.tar.gz",
        "/simple/nothing/",
        "/packages/no-1.0.tar.gz",
    ]
    headers = {"Accept": f"{JSON_TYPE}, */*;q=0.1"}
    well = {path: fault.task.get(path, headers=headers) for path in paths}
    assert [it.status_code for it in well.values()] == [200] * 11 + [404] * 2
    for call, number, project in fault.cases((*ASKING, "lstat")):
        # Without it, nobody would ask the storage what is known already.
        (fault.directory / wheel(project, "1.0")[0]).write_bytes(b"x")
        fault.set(call, number)
        answers = {path: fault.task.get(path, headers=headers) for path in paths}
        fault.end()
        for path, answer in answers.items():
            case = (call, errno.errorcode[number], path, answer.status_code, answer.text[:200])
            assert answer.status_code in (well[path].status_code, 503), case
            if answer.status_code == 200 and path not in ("/simple/", "/packages/"):
                assert answer.content == well[path].content, case
        for path in paths:
            healed = fault.task.get(path, headers=headers)
            assert healed.status_code == well[path].status_code, (call, number, path)
        assert fault.files(fault.task, "known") == [(name, sha256(content), ">=3.8")]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EINVAL])
def test_a_read_error_is_no_fact(fault: Fault, number: int) -> None:
    task = fault.task
    for name, content in (wheel("read", "1.0"), sdist("read", "1.0", metadata="Requires-Python: >=3.8\n")):
        (fault.directory / name).write_bytes(content)
    name = wheel("read", "1.0")[0]
    assert task.get("/simple/").status_code == 200
    fault.set("read", number)
    assert task.get(f"/packages/{name}.metadata").status_code == 503
    assert task.get("/simple/read/").status_code == 503
    fault.end()
    assert task.get(f"/packages/{name}.metadata").status_code == 200
    assert [file["requires-python"] for file in task.project("read")["files"]] == [">=3.8"] * 2


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_link_that_cannot_be_asked_for_is_not_taken_for_absent(fault: Fault, number: int) -> None:
    (fault.directory / "kept").mkdir()
    (fault.directory / "kept" / "file").write_bytes(b"content")
    link = fault.directory / "linked-1.0.tar.gz"
    link.symlink_to("kept/file")
    fault.set("lstat", number)
    for path in ("/packages/linked-1.0.tar.gz", "/simple/linked/"):
        assert fault.task.get(path).status_code == 503
    fault.end()
    assert fault.task.get("/packages/linked-1.0.tar.gz").content == b"content"
    assert fault.task.get("/simple/linked/").status_code == 200
    assert "leads to no file" not in fault.task.errors.read_text()
