"""Pages of an index outside that is anybody's: what comes of them is a page of ours, or nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

from server.proxy.remote import BadPage, listing_of, read_page
from server.wire.outbound import Outbound

from .target import Finding, Server, World
from .wire import DRAW

PAGE, FILES = "https://pypi.test/simple/outer/", "files.test"
OUTBOUND = Outbound("https://pypi.test/simple", [FILES])
TEXTS = ["other-1.0.zip", "a" * 64, "\ud800", "1" * 30]
TEXTS += ['"><script>', "\n\r\0", "javascript:x", "2020-13-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "1.1"]
URLS = [f"https://{FILES}/x", f"//{FILES}/x", f"http://{FILES}/x", f"https://{FILES}\\@other.test/", "../../x"]
URLS += [
    f"https://{FILES}:99999/",
    f"https://{FILES}:443/x y",
    "https://[::1/",
    f"https://a@{FILES}/",
    "https://pypi.test/",
]
NAMES = ["outer-1.0.tar.gz", "outer-1-py3-none-any.whl", "Outer-2-1-py2.py3-none-any.whl", "../outer-1.0.tar.gz"]
LEAVES = st.sampled_from(TEXTS) | st.sampled_from(URLS)
ANYTHING = LEAVES | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["sha256", "x"]), inner, max_size=2),
    max_leaves=3,
)
FILE = {
    "filename": "outer-1-py3-none-any.whl",
    "url": URLS[0],
    "hashes": {"sha256": "a" * 64},
    "size": 5,
    "yanked": False,
    "requires-python": ">=3",
    "upload-time": "2020-01-01T00:00:00Z",
    "core-metadata": {"sha256": "b" * 64},
}


@st.composite
def pages(draw: DRAW) -> bytes:
    """A good page, of which up to three things are replaced by anything."""
    files: list[Any] = [dict(FILE, filename=name) for name in draw(st.lists(st.sampled_from(NAMES), max_size=3))]
    page: Any = {"meta": {"api-version": "1.1"}, "name": "outer", "files": files}
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from([*files, *files, page]))
        place[draw(st.sampled_from(list(place)))] = draw(ANYTHING)
    content = json.dumps(page if draw(st.integers(0, 9)) else draw(ANYTHING)).encode()
    return content[: draw(st.sampled_from([None] * 9 + [-1]))]


class _Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def check(world: World, server: Server, content: bytes) -> None:
    """Raises Finding, or whatever reading and listing the page raises that is no BadPage."""
    try:
        files = read_page(content, "outer", PAGE, OUTBOUND.split).files
    except BadPage:
        return
    listing = listing_of("outer", list(files.values()))
    elements = _Elements(listing.html.content.decode()).found
    links = [attributes for tag, attributes in elements if tag == "a"]
    hosts = re.compile(rf"https://({FILES}|pypi\.test)(:443)?/")
    if (
        {tag for tag, _ in elements} - {"html", "head", "meta", "title", "body", "h1", "a", "br"}
        or [
            link["href"]
            for link in links
            if not str(link["href"]).lower().startswith("/packages/.upstream/outer/outer-")
        ]
        or {name for link in links for name in link} - {"href", *(f"data-{it}" for it in ATTRIBUTES)}
        or [file.url for file in files.values() if not hosts.match(file.url)]
        or len(json.loads(listing.json.content)["files"]) != len(links)
    ):
        raise Finding(f"{content!r} became {listing}")


ATTRIBUTES = ("provenance", "yanked", "requires-python", "core-metadata", "dist-info-metadata")
