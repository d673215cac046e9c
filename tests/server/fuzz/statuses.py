"""Statuses of projects in any form: only the publisher's count, and every server says what the last one said."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import urlencode

from hypothesis import strategies as st

from ..tasks import JSON_TYPE, PUBLISHER, READER, basic
from .target import Answer, Finding, Server, World
from .wire import DRAW, TOKEN
from .yanks import LIMIT_BYTES

STATES = ["active", "archived", "deprecated", "quarantined"]
ACCOUNTS = {"publisher": PUBLISHER, "reader": READER, "token": TOKEN, "stranger": ("publisher", "wrong")}
FILE = "/packages/demo-1.1.tar.gz"


class Marking(NamedTuple):
    name: str
    status: str
    reason: str
    role: str


@st.composite
def markings(draw: DRAW) -> Marking:
    return Marking(
        draw(st.sampled_from(["demo", "De.Mo", "DEMO", "demo/", "../demo", "absent", ""])),
        draw(st.sampled_from([*STATES, *STATES, "Archived", "", "active: x", "a\0"])),
        draw(st.just("") | st.text(max_size=300) | st.text("é\0\n<\"&': ", min_size=500, max_size=600)),
        draw(st.sampled_from(["publisher", "publisher", "publisher", *ACCOUNTS])),
    )


def check(world: World, server: Server, marking: Marking) -> None:
    """Raises Finding; leaves the project active."""
    reason = marking.reason
    unfit = marking.status not in STATES or len(reason.encode()) > LIMIT_BYTES or "\0" in reason
    unfit = unfit or (marking.status == "active" and bool(reason))
    known = marking.name in ("demo", "DEMO")
    wanted = {"stranger": 401, "reader": 403, "token": 403, "publisher": 400 if unfit else 200 if known else 404}
    found = _mark(server, marking)
    if found.status != wanted[marking.role]:
        raise Finding(f"{marking} is answered with {found}")
    expected: dict[str, str] = {}
    if found.status == 200 and marking.status != "active":
        expected = {"status": marking.status, **({"reason": reason} if reason else {})}
    for other in world.servers:
        if (told := _told(other)) != (expected, 403 if expected.get("status") == "quarantined" else 200):
            raise Finding(f"after {marking} {told} is told, and not {expected}")
    if _mark(server, Marking("demo", "active", "", "publisher")).status != 200 or world.changes():
        raise Finding(f"{marking} stays, or left {world.changes()}")


def _mark(server: Server, marking: Marking) -> Answer:
    fields = {":action": "status", "name": marking.name, "status": marking.status, "reason": marking.reason}
    body = urlencode(fields).encode()
    lines = ["POST / HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/x-www-form-urlencoded", f"Authorization: {basic(ACCOUNTS[marking.role])}"]
    (found,) = server.ask("\r\n".join([*lines, "", ""]).encode() + body)
    return found


def _told(server: Server) -> tuple[dict[str, str], int]:
    """What a listing says, and how a download is answered."""
    answers = []
    for path in ("/simple/demo/", FILE):
        lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", f"Accept: {JSON_TYPE}"]
        answers += server.ask("\r\n".join([*lines, f"Authorization: {basic(READER)}", "", ""]).encode())
    return json.loads(answers[0].body).get("project-status", {}), answers[1].status
