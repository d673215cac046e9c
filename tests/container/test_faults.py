"""A storage that fails in the midst of what is done: what an answer says is true, and all heals with the storage."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from .conftest import StartTask
from .tasks import Task, sdist, sha256, visible, wheel

CALLS = ("creat", "write", "fsync", "open", "opendir", "read", "link", "linkasc", "linkdone", "unlink", "dirfsync")
ERRORS = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EACCES, errno.ENOSPC, errno.EDQUOT)


class Fault:
    def __init__(self, control: Path) -> None:
        self._control = control

    def set(self, call: str, number: int) -> None:
        self._control.write_text(f"{call} {number}")

    def end(self) -> None:
        self._control.unlink(missing_ok=True)


@pytest.fixture
def faulty(start_newest: StartTask, directory: Path, tmp_path: Path) -> tuple[Task, Fault]:
    library, control = tmp_path / "fault.so", tmp_path / "control"
    source = Path(__file__).with_name("fault.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    task = start_newest(directory, LD_PRELOAD=str(library), FAULT_DIRECTORY=str(directory), FAULT_CONTROL=str(control))
    return task, Fault(control)


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
def test_what_an_uploads_answer_says_is_true(faulty: tuple[Task, Fault], directory: Path, signed: bool) -> None:
    task, fault = faulty
    for call in CALLS:
        for number in ERRORS:
            project = f"p{call}{number}"
            name, content = wheel(project, "1.0")
            signature = (f"{name}.asc", b"signature") if signed else None
            fault.set(call, number)
            response = task.upload(name, content, signature=signature)
            fault.end()
            case = (call, errno.errorcode[number], response.status_code, response.text)
            stored = [it for it in visible(directory) if it.startswith(f"{project}-")]
            if response.status_code == 200:
                assert (directory / name).read_bytes() == content, case
            elif "Nothing was stored" in response.text:
                assert not stored, case
            else:
                assert response.status_code == 503, case
                assert "may be public" in response.text or not stored, case
            # It heals: the same once more is right, and is listed with all that belongs to it.
            again = task.upload(name, content, signature=signature)
            assert again.status_code == 200, (case, again.text)
            (file,) = task.project(project)["files"]
            assert (file["hashes"], file["requires-python"]) == ({"sha256": sha256(content)}, ">=3.8"), case
            assert (directory / f"{name}.asc").exists() == signed, case


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EINVAL])
def test_a_read_error_is_no_fact(faulty: tuple[Task, Fault], directory: Path, number: int) -> None:
    task, fault = faulty
    for name, content in (wheel("read", "1.0"), sdist("read", "1.0", metadata="Requires-Python: >=3.8\n")):
        (directory / name).write_bytes(content)
    name = wheel("read", "1.0")[0]
    assert task.get("/simple/").status_code == 200
    fault.set("read", number)
    assert task.get(f"/packages/{name}.metadata").status_code == 503
    assert task.get("/simple/read/").status_code == 503
    fault.end()
    assert task.get(f"/packages/{name}.metadata").status_code == 200
    assert [file["requires-python"] for file in task.project("read")["files"]] == [">=3.8"] * 2
