"""Any bytes, as anybody: nobody learns or changes what is not his."""

from __future__ import annotations

from .target import Finding, Server, World
from .wire import Sent


def check(world: World, server: Server, sent: Sent) -> None:
    """Raises Finding."""
    found = server.ask(sent.raw, sent.cuts)
    try:
        new = world.changes()
        if sent.role in ("stranger", "token"):
            world.check_told_nothing(repr([(answer.headers, answer.body) for answer in found]).encode(), sent.role)
        if new and sent.role != "publisher":
            raise Finding(f"a {sent.role} added {new}")
        if new and not any(answer.status == 200 for answer in found):
            raise Finding(f"{new} was added, and the answer is {found}")
    except Finding as finding:
        raise Finding(f"{finding}\nsent by a {sent.role}: {sent.raw!r}") from None
    finally:
        world.clear()
