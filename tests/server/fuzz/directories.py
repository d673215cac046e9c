"""A package directory in which tasks, people and restores work at once; what is known to be there stays served."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from ..tasks import JSON_TYPE, PUBLISHER, READER, basic, sdist, sha256
from .target import Answer, Finding, Server, World, eventually

PROJECTS = ["alpha", "beta", "gamma"]
NAMES = [(project, version) for project in PROJECTS for version in ("1.0", "2.0")]
CONTENTS = 3


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(path.parent, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def _loop(path: Path) -> None:
    path.mkdir()
    (path / "a").symlink_to(f"../{path.name}")


# What people and restores leave at a path.
ODD: dict[str, Callable[[Path], None]] = {
    "link to itself": lambda path: path.symlink_to(path.name),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link out": lambda path: path.symlink_to("/etc/passwd"),
    "link to the directory": lambda path: path.symlink_to("."),
    "pipe": os.mkfifo,
    "socket": _socket,
    "directory": Path.mkdir,
    "directory with a loop": _loop,
}
# Beside the packages.
STRAYS = [
    os.fsdecode(b"odd-\xff-1.0.tar.gz"),
    "odd-1.0\n.tar.gz",
    "README",
    "\udcff",
    "lost+found",
    "odd-1.0.tar.gz",
    ".hidden",
]
STRAYS += [".upload-1", "~", "odd", "-1.0.tar.gz", "alpha", "odd-1.0.whl"]


class Step(NamedTuple):
    """`name` is an index of NAMES or STRAYS; `content` one of so many that a file may have."""

    kind: str
    name: int
    content: int
    odd: str


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(["upload", "upload", "write", "overwrite", "remove", "odd", "stray", "list", "download"]),
        st.integers(0, 100),
        st.integers(0, CONTENTS - 1),
        st.sampled_from(list(ODD)),
    ),
    min_size=1,
    max_size=8,
)


class _Model:
    """What must be there: of each name in NAMES its content, b"" for an odd entry."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.there: dict[str, bytes] = {}
        self.strays: list[str] = []

    def take(self, server: Server, step: Step) -> None:
        project, version = NAMES[step.name % len(NAMES)]
        name, content = sdist(project, version, b"%d" % step.content)
        path = self.world.directory / name
        match step.kind:
            case "upload":
                self._upload(server, name, content)
            case "write" if name not in self.there:
                path.write_bytes(content)
                self.there[name] = content
            case "overwrite" if self.there.get(name) != b"":
                aside = path.with_name(".aside")
                aside.write_bytes(content)
                aside.rename(path)
                self.there[name] = content
            case "remove" if name in self.there:
                if server.immutable or not self.there[name]:
                    _remove(path)
                else:
                    self._ask_to_remove(server, project, version)
                del self.there[name]
            case "odd" if name not in self.there:
                ODD[step.odd](path)
                self.there[name] = b""
            case "stray":
                stray = STRAYS[step.name % len(STRAYS)]
                if stray not in self.strays:
                    ODD[step.odd](self.world.directory / stray)
                    self.strays.append(stray)
            case "list":
                self._check_project(server, project)
            case "download":
                self._check_download(server, name)
        self._check_kept(server)

    def _upload(self, server: Server, name: str, content: bytes) -> None:
        body = (
            b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--B\r\nContent-Disposition: '
            b'form-data; name="content"; filename="%s"\r\n\r\n%s\r\n--B--\r\n' % (name.encode(), content)
        )
        lines = ["Content-Type: multipart/form-data; boundary=B", f"Content-Length: {len(body)}"]
        status = _ask(server, "POST /", PUBLISHER, *lines, body=body).status
        there = self.there.get(name)
        wanted = {200 if there in (None, content) else 409}
        if not server.immutable:
            # What is no file is replaced as well, unless it is a directory.
            wanted = {200, 409} if there == b"" else {200}
        if status not in wanted:
            raise Finding(f"an upload of {name}, of which there is {there!r}, is answered {status}")
        if status == 200:
            self.there[name] = content

    def _ask_to_remove(self, server: Server, project: str, version: str) -> None:
        """At once: what another program wrote beside an upload may be found later, and is not there to remove before."""
        body = f":action=remove_pkg&name={project}&version={version}".encode()
        lines = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        if not eventually(lambda: _ask(server, "POST /", PUBLISHER, *lines, body=body).status == 200):
            raise Finding(f"{project} {version} cannot be removed")

    def _check_kept(self, server: Server) -> None:
        listing = _ask(server, "GET /simple/demo/", READER)
        if listing.status != 200 or b"demo-1.1.tar.gz" not in listing.body:
            raise Finding(f"a project that stayed is answered {listing}")

    def _check_project(self, server: Server, project: str) -> None:
        """What another program changed beside an upload may be found later."""
        wanted = {name: sha256(it) for name, it in self.there.items() if it and name.startswith(f"{project}-")}
        found: list[object] = []

        def listed() -> bool:
            answer = _ask(server, f"GET /simple/{project}/", READER, f"Accept: {JSON_TYPE}")
            files = json.loads(answer.body)["files"] if answer.status == 200 else []
            found[:] = [answer.status, {it["filename"]: it["hashes"]["sha256"] for it in files}]
            return found == [200 if wanted else 404, wanted]

        if not eventually(listed):
            raise Finding(f"{project} is listed as {found}, and there is {wanted}")

    def _check_download(self, server: Server, name: str) -> None:
        content = self.there.get(name) or None
        answer = _ask(server, f"GET /packages/{name}", READER)
        if (answer.status, answer.body) != (200, content) and not (content is None and answer.status == 404):
            raise Finding(f"{name} is answered {answer}, and there is {content!r}")
        part = _ask(server, f"GET /packages/{name}", READER, "Range: bytes=3-9")
        if content and (part.status, part.body) != (206, content[3:10]):
            raise Finding(f"a part of {name} is answered {part}")

    def check(self) -> None:
        for server in [*self.world.servers, self.world.mutable]:
            for project in PROJECTS:
                self._check_project(server, project)
            for name in self.there:
                self._check_download(server, name)
            self._check_root(server)

    def _check_root(self, server: Server) -> None:
        """A name is not looked at again: what took a file's place leaves its project in the list, without files."""
        wanted = {"demo", "zqhidden", "inner"} | {name.partition("-")[0] for name, it in self.there.items() if it}
        odd = {name.partition("-")[0] for name, it in self.there.items() if not it}
        found: set[str] = set()

        def listed() -> bool:
            body = _ask(server, "GET /simple/", READER, f"Accept: {JSON_TYPE}").body
            found.clear()
            found.update(project["name"] for project in json.loads(body)["projects"])
            return wanted <= found <= wanted | odd

        if not eventually(listed):
            raise Finding(f"the projects listed are {found}, and there are {wanted}")

    def clear(self) -> None:
        for name in [*self.there, *self.strays]:
            _remove(self.world.directory / name)


def check(world: World, server: Server, taken: list[Step]) -> None:
    """Each step at the server that its content chooses. Raises Finding."""
    model = _Model(world)
    servers = [*world.servers, world.mutable]
    try:
        for step in taken:
            model.take(servers[(step.content + servers.index(server)) % len(servers)], step)
        model.check()
    except Finding as finding:
        raise Finding(f"{finding}\nafter {taken}") from None
    finally:
        model.clear()
    if left := world.changes():
        raise Finding(f"{left} came of {taken}")


def _ask(server: Server, line: str, account: tuple[str, str], *lines: str, body: bytes = b"") -> Answer:
    fields = ["Host: x", "Connection: close", f"Authorization: {basic(account)}", *lines]
    found = server.ask("\r\n".join([f"{line} HTTP/1.1", *fields, "", ""]).encode() + body)
    if len(found) != 1:
        raise Finding(f"{line} has {len(found)} answers")
    return found[0]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
