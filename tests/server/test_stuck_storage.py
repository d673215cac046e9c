"""A file system whose calls do not end, as when NFS loses its server: what needs none of it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import StartTask
from .connections import head
from .mounts import missing, mounts
from .tasks import READER, sha256, status_of, wheel

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]
NAME, CONTENT = wheel("demo", "1.0", bytes(1000))


def test_a_stuck_storage_leaves_the_rest_answering_and_all_recovers(
    start_newest: StartTask, directory: Path, tmp_path: Path
) -> None:
    (directory / NAME).write_bytes(CONTENT)
    hang = tmp_path / "hang"
    with mounts(directory, tmp_path, count=1, HANG=str(hang)) as (mount,):
        task = start_newest(mount)
        assert task.project("demo")["files"]
        try:
            hang.touch()
            name, content = wheel("new", "1.0")
            upload, tail = task.begin_upload(name, len(content))
            upload.sendall(content + tail)
            # More than there are threads.
            targets = ("/simple/demo/", f"/packages/{NAME}", "/simple/", "/demo/json", "/packages/")
            waiting = [task.connect() for _ in range(200)]
            for number, connection in enumerate(waiting):
                connection.sendall(head(f"GET {targets[number % len(targets)]} HTTP/1.1", READER))
            for _ in range(3):
                assert task.get("/health", None).status_code == 503
                assert task.get("/", None).status_code == 200
                assert task.get("/simple/", None).status_code == 401
                assert task.upload(name, content, account=READER).status_code == 403
        finally:
            hang.unlink()
        assert {status_of(connection) for connection in [*waiting, upload]} == {200}
        assert task.get("/health", None).status_code == 200
        assert task.project("new")["files"][0]["hashes"] == {"sha256": sha256(content)}
        assert task.get(f"/packages/{NAME}").content == CONTENT
