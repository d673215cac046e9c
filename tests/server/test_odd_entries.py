"""A package directory holds what people and restores leave in it; nothing of that stops what else is there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from .conftest import StartTask
from .tasks import PUBLISHER, READER, Task, sdist, sha256, staged, wait_for


def loop(directory: Path) -> None:
    (directory / "README").symlink_to("README")


def looping_package(directory: Path) -> None:
    (directory / "odd-1.0.tar.gz").symlink_to("odd-1.0.tar.gz")


def dangling(directory: Path) -> None:
    (directory / "odd-1.0.tar.gz").symlink_to("nowhere")


def leading_out(directory: Path) -> None:
    (directory / "odd-1.0.tar.gz").symlink_to("/etc/passwd")


def leading_out_by_another(directory: Path) -> None:
    (directory / "inner").symlink_to("..")
    (directory.parent / "secret").write_bytes(b"secret")
    (directory / "odd-1.0.tar.gz").symlink_to("inner/secret")


def leading_to_a_neighbour(directory: Path) -> None:
    """Whose path begins with that of the package directory."""
    neighbour = directory.with_name(f"{directory.name}-of-another")
    neighbour.mkdir()
    (neighbour / "secret").write_bytes(b"secret")
    (directory / "odd-1.0.tar.gz").symlink_to(neighbour / "secret")


def leading_to_a_directory(directory: Path) -> None:
    (directory / "odd-1.0.tar.gz").symlink_to("/etc")


def pipe(directory: Path) -> None:
    os.mkfifo(directory / "odd-1.0.tar.gz")


def listening_socket(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(directory, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/odd-1.0.tar.gz")
        os.close(here)


def directory_called_like_a_package(directory: Path) -> None:
    (directory / "odd-1.0.tar.gz").mkdir()


def unnameable(directory: Path) -> None:
    """No address can have a backslash."""
    (directory / "odd\\-1.0.tar.gz").write_bytes(b"x")
    (directory / "sub\\").mkdir()
    (directory / "sub\\" / "odd-1.0.tar.gz").write_bytes(b"x")


def undecodable(directory: Path) -> None:
    (directory / os.fsdecode(b"odd-\xff-1.0.tar.gz")).write_bytes(b"x")
    (directory / os.fsdecode(b"\xff")).mkdir()
    (directory / os.fsdecode(b"\xff") / "odd-1.0.tar.gz").write_bytes(b"x")


def unprintable(directory: Path) -> None:
    (directory / "odd-1.0\n.tar.gz").write_bytes(b"x")


def of_two_lines(directory: Path) -> None:
    """pypiserver's rule tries each way to read it."""
    (directory / f"odd{'-1' * 120}\n.whl").write_bytes(b"x")


def deep(directory: Path) -> None:
    """Deeper than a path may be long."""
    os.close(dig(directory, "d" * 250, 20))


def dig(directory: Path, name: str, depth: int) -> int:
    """A descriptor of the innermost of so many directories, one in another."""
    here = os.open(directory, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    return here


ODD = [
    loop,
    looping_package,
    dangling,
    leading_out,
    leading_out_by_another,
    leading_to_a_neighbour,
    leading_to_a_directory,
    pipe,
    listening_socket,
    directory_called_like_a_package,
    undecodable,
    unnameable,
    unprintable,
    of_two_lines,
    deep,
]


@pytest.mark.parametrize("make", [looping_package, dangling, leading_out, pipe, directory_called_like_a_package])
def test_an_upload_does_not_take_an_odd_entrys_name(
    start_newest: StartTask, directory: Path, make: Callable[[Path], None]
) -> None:
    make(directory)
    task = start_newest(directory)
    answer = task.upload(*sdist("odd", "1.0"))
    assert (answer.status_code, "is not a file" in answer.text) == (409, True)
    assert not staged(directory)


def test_a_directory_is_never_replaced(start_newest: StartTask, directory: Path) -> None:
    directory_called_like_a_package(directory)
    task = start_newest(directory, IMMUTABLE_PACKAGES="false")
    answer = task.upload(*sdist("odd", "1.0"))
    assert (answer.status_code, "is not a file" in answer.text) == (409, True)
    assert (directory / "odd-1.0.tar.gz").is_dir()
    assert not staged(directory)


@pytest.mark.parametrize("make", ODD)
def test_an_odd_entry_is_passed_over(start_newest: StartTask, directory: Path, make: Callable[[Path], None]) -> None:
    (directory / "demo-1.0.tar.gz").write_bytes(b"content")
    task = start_newest(directory)
    for _ in range(2):
        assert [it["filename"] for it in task.project("demo")["files"]] == ["demo-1.0.tar.gz"]
        assert task.get("/simple/").text.count("<a ") == 1
        assert task.get("/packages/odd-1.0.tar.gz").status_code == 404
        assert task.get("/simple/odd/").status_code == 404
        assert task.upload(*sdist("added", f"1.{_}")).status_code == 200
        assert task.get("/health", None).status_code == 200
        (directory / f"added-1.{_}.tar.gz").unlink()
        if not _:
            make(directory)
    if make is deep:
        # pytest's own removal of temporary directories does not reach it.
        shutil.rmtree(directory / ("d" * 250))


@pytest.mark.parametrize("make", [dangling, leading_out, pipe, undecodable, unnameable, unprintable])
def test_an_odd_entry_is_reported_once(start_newest: StartTask, directory: Path, make: Callable[[Path], None]) -> None:
    make(directory)
    odd = os.listdir(directory)
    task = start_newest(directory)
    for number in range(3):
        (directory / f"demo-1.{number}.tar.gz").write_bytes(b"content")
        assert len(task.project("demo")["files"]) == number + 1
    told = task.errors.read_text()
    assert [told.count(ascii(name)) for name in odd] == [1] * len(odd)


def test_a_name_that_is_an_address_runs_nothing(start_newest: StartTask, directory: Path) -> None:
    (directory / "javascript:alert(1)-1.0.tar.gz").write_bytes(b"content")
    task = start_newest(directory)
    for path in ("/packages/", "/simple/"):
        page = task.get(path)
        policy = page.headers.get("Content-Security-Policy", "")
        assert 'href="javascript:' not in page.text or policy == "default-src 'none'"


def test_links_within_the_directory_are_followed(start_newest: StartTask, directory: Path) -> None:
    (directory / "sub").mkdir()
    (directory / "sub" / "kept").write_bytes(b"content")
    (directory / "demo-1.0.tar.gz").symlink_to("sub/kept")
    task = start_newest(directory)
    assert task.project("demo")["files"][0]["hashes"]["sha256"] == sha256(b"content")
    assert task.get("/packages/demo-1.0.tar.gz").content == b"content"


def test_a_link_turned_outward_is_served_no_more(start_newest: StartTask, directory: Path) -> None:
    path = directory / "demo-1.0.tar.gz"
    path.write_bytes(b"content")
    task = start_newest(directory)
    assert len(task.project("demo")["files"]) == 1
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert task.get("/packages/demo-1.0.tar.gz").status_code == 404
    assert "passwd" not in task.get("/simple/demo/").text
    assert task.get("/simple/demo/").status_code == 404


def test_a_loop_in_a_files_place_is_no_failure(start_newest: StartTask, directory: Path) -> None:
    name, content = sdist("odd", "1.0")
    (directory / name).write_bytes(content)
    task = start_newest(directory)
    assert len(task.project("odd")["files"]) == 1
    (directory / name).unlink()
    looping_package(directory)
    assert task.get("/packages/").status_code == 200
    assert task.get("/simple/odd/").status_code == 404
    assert task.upload(name, content).status_code == 409


# Either is longer than the 4,096 bytes of a path, and the first deeper than Python calls functions.
@pytest.mark.parametrize(("name", "depth"), [("d", 2_100), ("d" * 250, 40)])
def test_directories_may_nest_as_deep_as_a_file_system_lets_them(
    start_newest: StartTask, directory: Path, tmp_path: Path, name: str, depth: int
) -> None:
    task = start_newest(directory)
    innermost = dig(directory, name, depth)
    os.close(os.open("demo-1.0.tar.gz", os.O_WRONLY | os.O_CREAT, dir_fd=innermost))
    os.close(innermost)
    try:
        assert [it["filename"] for it in task.project("demo")["files"]] == ["demo-1.0.tar.gz"]
        assert task.get("/simple/absent/").status_code == 404
        (directory / name).rename(tmp_path / "moved")
        assert task.get("/simple/demo/").status_code == 404
        (tmp_path / "moved").rename(directory / name)
        assert task.get("/simple/demo/").status_code == 200
    finally:
        # pytest's own removal of temporary directories does not reach it.
        subprocess.run(["rm", "-rf", directory / name, tmp_path / "moved"], check=True)
    assert task.get("/simple/demo/").status_code == 404
    assert task.upload(*sdist("demo", "1.0")).status_code == 200


@pytest.fixture
def unprivileged(start_newest: StartTask, directory: Path) -> Callable[[], Task]:
    """A task of a user who may not read everything."""
    if os.geteuid() != 0:
        return lambda: start_newest(directory)
    if not shutil.which("setpriv"):
        pytest.skip("giving up root's rights needs setpriv")
    return lambda: start_newest(directory, wrapper="setpriv --inh-caps=-all --bounding-set=-all")


def test_a_directory_that_may_not_be_read_hides_only_itself(unprivileged: Callable[[], Task], directory: Path) -> None:
    (directory / "demo-1.0.tar.gz").write_bytes(b"content")
    (directory / "lost+found").mkdir(mode=0o700)
    (directory / "lost+found" / "found-1.0.tar.gz").write_bytes(b"content")
    (directory / "lost+found").chmod(0)
    task = unprivileged()
    try:
        assert task.get("/simple/demo/").status_code == 200
        assert task.get("/packages/demo-1.0.tar.gz").content == b"content"
        assert task.get("/simple/").status_code == 200
        assert task.get("/health", None).status_code == 200
        # It may lie in what cannot be read.
        for path in ("/simple/found/", "/simple/absent/", "/packages/lost+found/found-1.0.tar.gz"):
            assert task.get(path, READER).status_code == 503
        yank = {":action": "yank", "name": "found", "version": "1.0"}
        assert requests.post(task.url, data=yank, auth=PUBLISHER, timeout=60).status_code == 503
        assert task.errors.read_text().count("lost+found") == 1
    finally:
        (directory / "lost+found").chmod(0o755)
    assert task.get("/simple/found/").status_code == 200
    assert task.get("/simple/absent/").status_code == 404


def test_a_file_that_may_not_be_read_hides_only_itself(unprivileged: Callable[[], Task], directory: Path) -> None:
    for name in ("demo-1.0.tar.gz", "demo-1.1.tar.gz", "other-1.0.tar.gz"):
        (directory / name).write_bytes(b"content")
    for name in ("demo-1.1.tar.gz", "other-1.0.tar.gz"):
        (directory / name).chmod(0)
    task = unprivileged()
    assert [it["filename"] for it in task.project("demo")["files"]] == ["demo-1.0.tar.gz"]
    assert task.get("/packages/demo-1.1.tar.gz").status_code == 503
    assert task.get("/simple/other/").status_code == 503
    (directory / "linked-1.0.tar.gz").symlink_to("other-1.0.tar.gz")
    assert task.get("/simple/linked/").status_code == 503
    (directory / "other-1.0.tar.gz").chmod(0o644)
    assert wait_for(lambda: task.get("/simple/other/").status_code == 200)


def test_a_day_of_which_something_may_not_be_read_is_kept_by_nobody(
    unprivileged: Callable[[], Task], directory: Path
) -> None:
    """It will be another one when the mode has been mended."""
    (directory / "lost").mkdir()
    for path in ("demo-1.0.tar.gz", "demo-1.1.tar.gz", "whole-1.0.tar.gz", "lost/found-1.0.tar.gz"):
        (directory / path).write_bytes(b"content")
        os.utime(directory / path, (1_700_000_000,) * 2)

    def kept(task: Task, project: str) -> bool:
        return "immutable" in task.get(f"/at/2023-12-01/simple/{project}").headers["Cache-Control"]

    (directory / "demo-1.1.tar.gz").chmod(0)
    task = unprivileged()
    assert [kept(task, project) for project in ("demo/", "whole/", "")] == [False, True, True]
    (directory / "demo-1.1.tar.gz").chmod(0o644)
    assert wait_for(lambda: kept(task, "demo/"))
    (directory / "lost").chmod(0)
    try:
        assert [kept(task, project) for project in ("demo/", "whole/", "")] == [False, False, False]
    finally:
        (directory / "lost").chmod(0o755)


def test_a_directory_that_may_not_be_read_any_more_hides_only_itself(
    unprivileged: Callable[[], Task], directory: Path
) -> None:
    """A task that knew what is in it answers as one that did not."""
    inner = directory / "sub"
    inner.mkdir()
    for path in (directory / "demo-1.0.tar.gz", inner / "demo-1.1.tar.gz", inner / "other-1.0.tar.gz"):
        path.write_bytes(b"content")
    (directory / "linked-1.0.tar.gz").symlink_to("sub/demo-1.1.tar.gz")
    (directory / "linked-1.1.tar.gz").write_bytes(b"content")
    knowing = unprivileged()
    assert [len(knowing.project(name)["files"]) for name in ("demo", "linked", "other")] == [2, 2, 1]
    inner.chmod(0)
    try:
        for task in (knowing, unprivileged()):
            # Files are looked at again after a second.
            assert wait_for(lambda task=task: task.get("/simple/other/").status_code == 503)
            assert [it["filename"] for it in task.project("demo")["files"]] == ["demo-1.0.tar.gz"]
            assert [it["filename"] for it in task.project("linked")["files"]] == ["linked-1.1.tar.gz"]
    finally:
        inner.chmod(0o755)
    assert wait_for(lambda: len(knowing.project("demo")["files"]) == 2)


def test_health_tells_whether_listings_can_be_served(start_newest: StartTask, directory: Path) -> None:
    (directory / "demo-1.0.tar.gz").write_bytes(b"content")
    task = start_newest(directory)
    moved = directory.rename(directory.with_name("moved"))
    for path in ("/simple/demo/", "/simple/absent/", "/health"):
        assert task.get(path).status_code == 503
    moved.rename(directory)
    for path in ("/health", "/simple/demo/"):
        assert task.get(path).status_code == 200


@pytest.mark.parametrize("seconds", [1 << 40, -(1 << 40)])
def test_a_time_that_no_date_can_say_stops_no_listing(start_newest: StartTask, seconds: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as home:
        directory = Path(home)
        name, content = sdist("dated", "1.0")
        (directory / name).write_bytes(content)
        os.utime(directory / name, (seconds, seconds))
        task = start_newest(directory)
        (file,) = task.project("dated")["files"]
        assert file["upload-time"].startswith("9999" if seconds > 0 else "1000")
        downloaded = task.get(f"/packages/{name}")
        assert downloaded.content == content
        task.kill()
