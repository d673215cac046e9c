"""Withdrawals in any form: only the publisher's count, and every server lists what the last one said."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import urlencode

from hypothesis import strategies as st

from ..tasks import JSON_TYPE, PUBLISHER, READER, basic
from .target import Finding, Server, World
from .wire import DRAW

VERSIONS = {"1.0": "1.0", "1.0.0": "1.0", "v1": "1.0", "1.1": "1.1", "1.2": None, "": None, "..": None, "1/0": None}
LIMIT_BYTES = 1024


class Yank(NamedTuple):
    action: str
    name: str
    version: str
    reason: str | None
    role: str


@st.composite
def yanks(draw: DRAW) -> Yank:
    reasons = st.none() | st.text(max_size=300) | st.text("é\0\n<\"&'", min_size=500, max_size=600)
    return Yank(
        draw(st.sampled_from(["yank", "unyank"])),
        draw(st.sampled_from(["demo", "Demo", "DEMO", "demo/", "../demo", "absent", ""])),
        draw(st.sampled_from(list(VERSIONS))),
        draw(reasons),
        draw(st.sampled_from(["publisher", "publisher", "reader", "stranger"])),
    )


def check(world: World, server: Server, yank: Yank) -> None:
    """Raises Finding."""
    fields = {":action": yank.action, "name": yank.name, "version": yank.version}
    reason = yank.reason or ""
    if yank.reason is not None:
        fields["reason"] = yank.reason
    body = urlencode(fields).encode()
    lines = ["POST / HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
    lines.append("Content-Type: application/x-www-form-urlencoded")
    if yank.role != "stranger":
        lines.append(f"Authorization: {basic(PUBLISHER if yank.role == 'publisher' else READER)}")
    before = _listed(server)
    (found,) = server.ask("\r\n".join([*lines, "", ""]).encode() + body)
    release = VERSIONS[yank.version] if yank.name.lower() == "demo" else None
    unfit = yank.action == "yank" and (len(reason.encode()) > LIMIT_BYTES or "\0" in reason)
    expected = before
    status = {"stranger": 401, "reader": 403, "publisher": 400 if unfit else 404 if release is None else 200}[yank.role]
    if status == 200 and release:
        expected = before | {release: (reason or True) if yank.action == "yank" else False}
    if found.status != status:
        raise Finding(f"{yank} is answered with {found}, and not {status}")
    for other in world.servers:
        if (listed := _listed(other)) != expected:
            raise Finding(f"after {yank} {listed} is listed, and not {expected}")
    if world.changes():
        raise Finding(f"{yank} left {world.changes()}")


def _listed(server: Server) -> dict[str, object]:
    """By version."""
    lines = ["GET /simple/demo/ HTTP/1.1", "Host: x", "Connection: close", f"Accept: {JSON_TYPE}"]
    lines.append(f"Authorization: {basic(READER)}")
    (found,) = server.ask("\r\n".join([*lines, "", ""]).encode())
    files = json.loads(found.body)["files"]
    return {it["filename"].removesuffix(".tar.gz").split("-")[1]: it.get("yanked", False) for it in files}
