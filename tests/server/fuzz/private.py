"""Private names in any form of request: the index behind the server is never asked for them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

from hypothesis import strategies as st

from ..tasks import READER, basic
from .target import Finding, Server, World
from .wire import DRAW

# A local project, and names that the server's PRIVATE_NAMES has.
PRIVATE = ["demo", "acme-core", "acme-3d"]
TEMPLATES = [b"/simple/%b/", b"/simple/%b", b"/%b/", b"/%b", b"/%b/json", b"/project/%b/", b"//simple//%b//"]
TEMPLATES += [
    b"/packages/%b-9-py3-none-any.whl",
    b"http://x/simple/%b/",
    b"/at/2026-01-01/simple/%b/",
    b"/at/2026-01-01/simple/%b",
    b"/simple/../simple/%b/",
    b"/packages/../simple/%b/",
]
TEMPLATES += [b"/packages/.upstream/%b/x-9-py3-none-any.whl", b"/packages/.upstream/public/../%b/x-9.tar.gz"]
AROUND = [b"", b"", b"", b".", b"-", b"_", b"%20", b"%00", b"%2e", b"/.", b";a", b"?a", b"%3f", b"%23", b"\xe9", b"%0a"]


def _escaped(text: str) -> bytes:
    return "".join(f"%{byte:02x}" for byte in text.encode()).encode()


ENCODINGS: list[Callable[[str], bytes]] = [str.encode, str.encode, _escaped]
ENCODINGS += [lambda it: it.replace("-", "%2D").encode()]
ENCODINGS += [lambda it: _escaped(it).replace(b"%", b"%25"), lambda it: it.replace("o", "\uff4f").encode()]


@st.composite
def requests(draw: DRAW) -> bytes:
    name = draw(st.sampled_from(PRIVATE))
    name = "".join(draw(st.sampled_from([it, it.upper()])) for it in name)
    name = name.replace("-", draw(st.sampled_from(["-", "_", ".", "--", "-_.", "._."])))
    encoded = draw(st.sampled_from(ENCODINGS))(name)
    path: bytes = draw(st.sampled_from(TEMPLATES)) % (
        draw(st.sampled_from(AROUND)) + encoded + draw(st.sampled_from(AROUND))
    )
    accept = draw(st.sampled_from(["*/*", "text/html", "application/vnd.pypi.simple.v1+json"]))
    head = f" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: {accept}\r\nAuthorization: {basic(READER)}\r\n\r\n"
    return draw(st.sampled_from([b"GET ", b"HEAD "])) + path + head.encode()


def check(world: World, server: Server, raw: bytes) -> None:
    """Raises Finding."""
    before = len(world.outside.asked)
    server.ask(raw)
    for path in world.outside.asked[before:]:
        told = unicodedata.normalize("NFKC", unquote(unquote(path))).lower()
        if set(PRIVATE) & {re.sub("[-_.]+", "-", it).strip("-") for it in told.split("/")}:
            raise Finding(f"{raw!r} made the server ask for {path!r}")
