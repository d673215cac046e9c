"""Clients that begin and do not go on: whoever does goes before them."""

from __future__ import annotations

import contextlib
import socket

from hypothesis import strategies as st

from ..tasks import PUBLISHER, READER, basic
from .target import Finding, Server, World
from .wire import DRAW, Sent, sent

# Nobody answers these before a time limit of the server's is over.
UNFINISHED = [
    b"GET /simple/ HTTP/1.1\r\nHost: x\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 100\r\n"
    + f"Authorization: {basic(PUBLISHER)}\r\n\r\n--B\r\n".encode(),
]


@st.composite
def clients(draw: DRAW) -> list[bytes]:
    """What each sends: requests, cut off anywhere."""

    def cut(it: Sent) -> bytes:
        return it.raw[: draw(st.integers(0, len(it.raw)))]

    return [cut(it) for it in draw(st.lists(sent(("stranger", "reader")), min_size=1, max_size=20))]


def check(world: World, server: Server, begun: list[bytes]) -> None:
    """Raises Finding if `/health` or a listing waits for them, which is so if they are told of a time limit before."""
    with contextlib.ExitStack() as stack:
        connections = []
        for data in UNFINISHED * 40 + begun:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.task.port), timeout=60))
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            connections.append(connection)
        server.check_health()
        lines = f"Host: x\r\nConnection: close\r\nAuthorization: {basic(READER)}".encode()
        listing, _ = server.exchange(b"GET /simple/demo/ HTTP/1.1\r\n" + lines + b"\r\n\r\n")
        if not listing.startswith(b"HTTP/1.1 200 "):
            raise Finding(f"a listing beside slow clients is answered {listing[:300]!r}")
        for connection in connections[: len(UNFINISHED) * 40]:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                raise Finding(f"answered after slow clients, who were told {connection.recv(300)!r}")
    server.logged()
    if new := world.changes():
        raise Finding(f"{new} came of {begun}")
