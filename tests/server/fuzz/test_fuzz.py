"""The part of `make fuzz` that is always the same; and that each thing which must never be would be found."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..tasks import PUBLISHER, READER, basic, wheel
from . import private, raw
from .explore import PROPERTIES, explore
from .target import Finding, World, answers
from .wire import TOKEN, Sent

# gunicorn's and bottle's readers import what is deprecated, and leave files open.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ROUNDS = {"raw": 2, "nginx": 2, "forms": 2, "other settings": 2, "private names": 2, "identity tokens": 2}
"""Of those that have more than one."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("fuzz") / "world")
    with made.closing:
        yield made


@pytest.mark.parametrize("name", PROPERTIES)
def test_nothing_is_found(world: World, name: str) -> None:
    if name == "nginx" and not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    explore(world, name, Counter(), rounds=ROUNDS.get(name, 1))


def request(line: str, account: tuple[str, str] | None = None) -> bytes:
    credentials = f"Authorization: {basic(account)}\r\n" if account else ""
    return f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{credentials}\r\n".encode()


def test_a_stranger_who_is_told_a_name_is_found(world: World) -> None:
    with pytest.raises(Finding, match="a stranger was told"):
        raw.check(world, world.servers[0], Sent("stranger", request("GET /simple/", READER), ()))


def test_a_token_that_is_told_of_another_project_is_found(world: World) -> None:
    for path in ("/simple/", "/packages/sub/inner-1.0.tar.gz"):
        with pytest.raises(Finding, match="a token was told"):
            raw.check(world, world.servers[0], Sent("token", request(f"GET {path}", READER), ()))
        raw.check(world, world.servers[0], Sent("token", request(f"GET {path}", TOKEN), ()))
    raw.check(world, world.servers[0], Sent("token", request("GET /simple/demo/", TOKEN), ()))


def test_an_upload_by_a_reader_is_found(world: World) -> None:
    name, content = wheel("smuggled", "1.0")
    body = (
        b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--B\r\nContent-Disposition: '
        b'form-data; name="content"; filename="%s"\r\n\r\n%s\r\n--B--\r\n' % (name.encode(), content)
    )
    lines = f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    sent = request("POST /", PUBLISHER).removesuffix(b"\r\n") + lines + body
    with pytest.raises(Finding, match="a reader added"):
        raw.check(world, world.servers[0], Sent("reader", sent, ()))


def test_a_private_name_that_gets_out_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "PRIVATE", ["public"])
    with pytest.raises(Finding, match="made the server ask for '/simple/public/'"):
        private.check(world, world.upstream, request("GET /simple/public/", READER))


def test_a_changed_file_and_a_dead_worker_are_found(tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    with world.closing:
        demo = world.directory / "demo-1.1.tar.gz"
        kept = demo.read_bytes()
        demo.write_bytes(b"other")
        with pytest.raises(Finding, match=r"demo-1\.1\.tar\.gz is gone or changed"):
            world.changes()
        demo.write_bytes(kept)
        world.check()
        world.servers[1].workers[0] += 1
        with pytest.raises(Finding, match="a worker process ended"):
            world.servers[1].check()


@pytest.mark.parametrize(
    "stream",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", b"junk\r\n\r\n"],
)
def test_answers_that_are_none_are_found(stream: bytes) -> None:
    with pytest.raises(Finding):
        answers(stream)
