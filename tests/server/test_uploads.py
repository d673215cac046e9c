"""What is stored, what is refused, and that nothing partial is ever seen."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from .conftest import StartTask
from .tasks import PUBLISHER, READER, Task, sdist, sha256, staged, status_of, visible, wait_for, wheel, zipped


def test_an_upload_is_listed_and_served_as_it_was_sent(start: StartTask, directory: Path) -> None:
    task = start(directory)
    name, content = wheel("demo", "1.0", os.urandom(300_000))
    digests = {
        "sha256_digest": sha256(content),
        "md5_digest": hashlib.md5(content).hexdigest(),
        "blake2_256_digest": hashlib.blake2b(content, digest_size=32).hexdigest(),
    }
    response = task.upload(name, content, {"description": "x" * 2_000_000, **digests})
    assert (response.status_code, response.text) == (200, "")
    (file,) = task.project("demo")["files"]
    assert (file["filename"], file["hashes"]["sha256"], file["size"]) == (name, sha256(content), len(content))
    assert task.get(file["url"]).content == content
    assert visible(directory) == [name]


@pytest.mark.parametrize(
    "name",
    [
        ".hidden-1.0.tar.gz",
        "-rf-1.0.tar.gz",
        "demo-" + "1" * 300 + ".tar.gz",
        "demo.txt",
        "demo 1.0.tar.gz",
        "d\u00e9mo-1.0.tar.gz",
        "a.-1.0-py3-none-any.whl",
        "\u212aa-1.0-py3-none-any.whl",
        "../demo-1.0.tar.gz",
        "a/demo-1.0.tar.gz",
        ".upload-1.0.tar.gz",
        "",
    ],
)
def test_bad_names_are_refused_with_a_reason(shared: Task, name: str) -> None:
    before = visible(shared.directory)
    response = shared.upload(name, b"content")
    assert response.status_code == 400
    assert response.text.strip()
    assert visible(shared.directory) == before


def test_other_refusals_leave_nothing(shared: Task) -> None:
    before = visible(shared.directory)
    name, content = wheel("refused", "1.0")
    for field in ("sha256_digest", "md5_digest", "blake2_256_digest"):
        response = shared.upload(name, content, {field: "0" * 64})
        assert (response.status_code, field in response.text) == (400, True)
    assert shared.upload(name, b"").status_code == 400
    assert shared.upload(name, content, signature=("other-1.0.tar.gz.asc", b"signature")).status_code == 400
    assert shared.upload(name, content, account=READER).status_code == 403
    assert shared.upload(name, content, account=None).status_code == 401
    assert shared.upload(name, content, account=(PUBLISHER[0], "wrong")).status_code == 401
    assert visible(shared.directory) == before


def promised(task: Task, project: str) -> dict[str, tuple[bool, bool]]:
    """By name, whether a signature is promised in JSON and in HTML."""
    files = {it["filename"]: it.get("gpg-sig", False) for it in task.project(project)["files"]}
    links = task.get(f"/simple/{project}/").text.splitlines()
    return {
        name: (signed, any(f">{name}</a>" in link and 'data-gpg-sig="true"' in link for link in links))
        for name, signed in files.items()
    }


def test_a_signature_is_promised_where_there_is_one(start_newest: StartTask, directory: Path) -> None:
    """Also when another program brings or removes it; and one without a file promises nothing."""
    task = start_newest(directory)
    (first, content), (second, other) = wheel("signed", "1.0"), wheel("signed", "2.0")
    assert task.upload(first, content, signature=(f"{first}.asc", b"signature")).status_code == 200
    assert task.upload(second, other).status_code == 200
    assert promised(task, "signed") == {first: (True, True), second: (False, False)}
    assert task.get(f"/packages/{first}.asc").content == b"signature"
    (directory / f"{first}.asc").rename(directory / f"{second}.asc")
    assert promised(task, "signed") == {first: (False, False), second: (True, True)}
    (directory / second).unlink()
    assert promised(task, "signed") == {first: (False, False)}


def test_a_replaced_file_has_not_the_signature_of_the_old_one(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory, IMMUTABLE_PACKAGES="false")
    (name, content), (_, other) = wheel("signed", "1.0"), wheel("signed", "1.0", b"other")
    signature = (f"{name}.asc", b"signature")
    assert task.upload(name, content, signature=signature).status_code == 200
    # The very same file keeps its own.
    assert task.upload(name, content).status_code == 200
    assert promised(task, "signed") == {name: (True, True)}
    assert task.upload(name, other).status_code == 200
    assert promised(task, "signed") == {name: (False, False)}
    assert visible(directory) == [name]


def test_a_signature_is_stored_beside_its_distribution(shared: Task) -> None:
    name, content = wheel("signed", "1.0")
    assert shared.upload(name, content, signature=(f"{name}.asc", b"signature")).status_code == 200
    assert (shared.directory / f"{name}.asc").read_bytes() == b"signature"
    assert [file["filename"] for file in shared.project("signed")["files"]] == [name]


@pytest.mark.parametrize(("agent", "status"), [("twine/7", 400), ("uv/1", 409)])
def test_a_released_file_is_not_overwritten(shared: Task, agent: str, status: int) -> None:
    name, content = wheel("released", "1.0")
    shared.upload(name, content)
    response = shared.upload(name, b"other", agent=agent)
    assert (response.status_code, "already exists" in response.text) == (status, True)
    assert (shared.directory / name).read_bytes() == content


def test_a_file_that_is_stored_in_a_subdirectory_is_not_uploaded_again(shared: Task) -> None:
    name, content = wheel("within", "1.0")
    (shared.directory / "older").mkdir()
    (shared.directory / "older" / name).write_bytes(content)
    assert shared.upload(name, content).status_code == 200
    signature = (f"{name}.asc", b"signature")
    for refused in (shared.upload(name, b"other"), shared.upload(name, content, signature=signature)):
        assert (refused.status_code, "already exists" in refused.text) == (409, True)
    (file,) = shared.project("within")["files"]
    assert (file["url"], file["hashes"]["sha256"]) == (f"/packages/older/{name}", sha256(content))


def test_who_may_not_upload_is_told_before_anything_is_sent(shared: Task) -> None:
    connection, _ = shared.begin_upload("never-1.0.tar.gz", 1_000_000, account=READER)
    assert status_of(connection) == 403
    assert staged(shared.directory) == []


def test_removal_is_refused_unless_files_are_mutable(start: StartTask, directory: Path) -> None:
    name, content = wheel("demo", "1.0")
    (directory / name).write_bytes(content)
    form = {":action": "remove_pkg", "name": "demo", "version": "1.0"}
    immutable, mutable = start(directory), start(directory, IMMUTABLE_PACKAGES="false")
    for encoding in ({"data": form}, {"files": {key: (None, value) for key, value in form.items()}}):
        assert requests.post(immutable.url, auth=PUBLISHER, timeout=30, **encoding).status_code == 403
        assert (directory / name).exists()
        assert requests.post(mutable.url, auth=PUBLISHER, timeout=30, **encoding).status_code == 200
        assert not (directory / name).exists()
        assert immutable.get("/simple/demo/").status_code == 404
        assert mutable.upload(name, content).status_code == 200
    assert mutable.upload(name, content + b"2").status_code == 200
    for task in (immutable, mutable):
        assert task.project("demo")["files"][0]["hashes"]["sha256"] == sha256(content + b"2")


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_a_truncated_upload_is_refused_and_leaves_nothing(shared: Task, share: float) -> None:
    before = visible(shared.directory)
    connection, _ = shared.begin_upload("cut-1.0.tar.gz", 1_000_000)
    connection.sendall(os.urandom(int(1_000_000 * share)))
    connection.shutdown(socket.SHUT_WR)
    assert status_of(connection) in (0, 400)
    connection.close()
    assert wait_for(lambda: visible(shared.directory) == before)
    assert shared.get("/simple/cut/").status_code == 404


def test_a_body_shorter_than_announced_is_refused_although_its_form_is_complete(shared: Task) -> None:
    connection, tail = shared.begin_upload("short-1.0.tar.gz", 10, announced=5_000)
    connection.sendall(b"0123456789" + tail)
    connection.shutdown(socket.SHUT_WR)
    assert status_of(connection) in (0, 400)
    assert shared.get("/simple/short/").status_code == 404


def test_an_upload_sent_in_chunks_is_stored(shared: Task) -> None:
    name, content = wheel("chunked", "1.0", os.urandom(200_000))
    body = (
        b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
        b'--B\r\nContent-Disposition: form-data; name="content"; filename="%s"\r\n\r\n%s\r\n--B--\r\n'
        % (name.encode(), content)
    )
    response = requests.post(
        shared.url,
        data=iter([body[:70_000], body[70_000:]]),
        headers={"Content-Type": "multipart/form-data; boundary=B"},
        auth=PUBLISHER,
        timeout=30,
    )
    assert response.status_code == 200
    assert (shared.directory / name).read_bytes() == content


def test_content_that_looks_like_boundaries_survives(shared: Task) -> None:
    # Stored, so that the boundaries are there as they are.
    content = zipped(
        [
            ("tricky-1.0/PKG-INFO", b"Name: tricky\nVersion: 1.0\n"),
            ("tricky-1.0/setup.py", b""),
            ("tricky-1.0/boundaries", b"\r\n--B\r\n\r\n--" * 20_000 + b"\r\n-"),
        ]
    )
    assert shared.upload("tricky-1.0.zip", content).status_code == 200
    assert (shared.directory / "tricky-1.0.zip").read_bytes() == content


@pytest.mark.slow
def test_readers_never_see_part_of_an_upload(start: StartTask, directory: Path) -> None:
    writer, reader = start(directory), start(directory)
    name, content = sdist("slow", "1.0", os.urandom(500_000).hex().encode())
    connection, tail = writer.begin_upload(name, len(content))
    for at in range(0, len(content), 100_000):
        connection.sendall(content[at : at + 100_000])
        assert reader.get("/simple/slow/").status_code == 404
        assert reader.get("/packages/slow-1.0.tar.gz").status_code == 404
    connection.sendall(tail)
    assert status_of(connection) == 200
    assert reader.project("slow")["files"][0]["hashes"]["sha256"] == sha256(content)


def test_racing_uploads_of_one_name_have_one_winner(start: StartTask, directory: Path) -> None:
    tasks = [start(directory), start(directory)]
    for round_ in range(8):
        contents = [sdist("race", f"1.{round_}", os.urandom(250_000).hex().encode())[1] for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            uploads = [
                pool.submit(tasks[n % 2].upload, f"race-1.{round_}.tar.gz", content)
                for n, content in enumerate(contents)
            ]
        statuses = [upload.result().status_code for upload in uploads]
        assert sorted(statuses) == [200, 409, 409, 409]
        winner = contents[statuses.index(200)]
        assert (directory / f"race-1.{round_}.tar.gz").read_bytes() == winner
        for task in tasks:
            assert task.get(f"/packages/race-1.{round_}.tar.gz").content == winner


def test_a_task_killed_in_an_upload_leaves_nothing_listed(start: StartTask, directory: Path) -> None:
    first, second = start(directory), start(directory)
    connection, _ = first.begin_upload("killed-1.0.tar.gz", 5_000_000)
    connection.sendall(bytes(4_500_000))
    assert wait_for(lambda: any(path.stat().st_size for path in staged(directory)))
    first.kill()
    assert (len(staged(directory)), visible(directory)) == (1, [])
    assert second.get("/simple/killed/").status_code == 404
    name, retried = sdist("killed", "1.0")
    assert second.upload(name, retried).status_code == 200
    assert second.get(f"/packages/{name}").content == retried


def test_only_stale_leftovers_are_removed(start_newest: StartTask, directory: Path) -> None:
    stale, fresh, package = (directory / name for name in (".upload-stale", ".upload-fresh", "old-1.0.tar.gz"))
    for path in (stale, fresh, package):
        path.write_bytes(b"content")
    for path in (stale, package):
        os.utime(path, (time.time() - 24 * 3600,) * 2)
    start_newest(directory)
    assert wait_for(lambda: not stale.exists())
    # Nothing is created at the start.
    assert sorted(os.listdir(directory)) == [".upload-fresh", "old-1.0.tar.gz"]


def test_what_is_no_file_keeps_no_leftover(start_newest: StartTask, directory: Path) -> None:
    staging = directory / ".index" / "staging"
    staging.mkdir(parents=True)
    for number in range(20):
        (staging / f"directory{number}").mkdir()
        (staging / f"file{number}").touch()
    for path in staging.iterdir():
        os.utime(path, (time.time() - 24 * 3600,) * 2)
    start_newest(directory)
    assert wait_for(lambda: not any(path.is_file() for path in staging.iterdir()))


def test_a_full_disk_refuses_the_upload_and_keeps_serving(start: StartTask, small_disk: Path) -> None:
    task = start(small_disk)
    name, content = wheel("kept", "1.0")
    assert task.upload(name, content).status_code == 200
    response = task.upload("large-1.0.tar.gz", os.urandom(6 << 20))
    assert (response.status_code, "full" in response.text) == (507, True)
    assert visible(small_disk) == [name]
    assert task.get(f"/packages/{name}").content == content
    assert task.upload(*sdist("small", "1.0")).status_code == 200


@pytest.mark.slow
def test_memory_and_temporary_disk_do_not_grow_with_the_upload(
    start: StartTask, directory: Path, tmp_path: Path
) -> None:
    task = start(directory)
    size, block = 300_000_000, os.urandom(1_000_000)
    task.upload(*sdist("warm", "1.0", block))
    file = tmp_path / "huge-1.0.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("huge-1.0/PKG-INFO", "Name: huge\nVersion: 1.0\n")
        archive.writestr("huge-1.0/setup.py", "")
        with archive.open("huge-1.0/data", "w", force_zip64=True) as member:
            for _ in range(size // len(block)):
                member.write(block)
    before, peak, temporary, done = resident(task), 0, 0, threading.Event()

    def watch() -> None:
        nonlocal peak, temporary
        while not done.wait(0.02):
            peak = max(peak, resident(task))
            usage = sum(path.stat().st_size for path in task.temporary.rglob("*") if path.is_file())
            temporary = max(temporary, usage)

    watcher = threading.Thread(target=watch)
    watcher.start()
    connection, tail = task.begin_upload(file.name, file.stat().st_size)
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(len(block)):
            digest.update(part)
            connection.sendall(part)
    connection.sendall(tail)
    assert status_of(connection) == 200
    assert task.project("huge")["files"][0]["hashes"]["sha256"] == digest.hexdigest()
    done.set()
    watcher.join()
    print(f"resident {before >> 20} MiB before, {peak >> 20} MiB at most; temporary files {temporary >> 10} KiB")
    assert peak - before < 20 << 20
    assert temporary < 1 << 20


def resident(task: Task) -> int:
    """Bytes of resident memory of the task's processes."""
    pids = subprocess.run(
        ["pgrep", "-g", str(task.process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small file system needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)
