"""Reads pages as a browser does."""

from __future__ import annotations

from html.parser import HTMLParser

from .tasks import READER, Task

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class Page(HTMLParser):
    """What a browser makes of a page: its text, the destinations of its links, its elements and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._within: list[str] = []
        self.parts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self._within.append(tag)
        self.parts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        # Elements that need no end are closed by that of what they are in.
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._within[-1:]:
            self.text += data
            if self._within:
                self.parts[self._within[-1]][-1] += data

    @property
    def projects(self) -> list[str]:
        return [link.removeprefix("/project/").removesuffix("/") for link in self.links if "/project/" in link]


def page(task: Task, path: str, account: tuple[str, str] = READER, **headers: str) -> Page:
    response = task.get(path, account, headers=BROWSER | headers)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
    return Page(response.content.decode())
