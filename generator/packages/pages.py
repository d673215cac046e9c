"""What an index's pages say: HTML of PEP 503, JSON of PEP 691, and directory listings.

Read as pip does: a file's name is the end of its address, whatever the text of its link; details are used if they make
sense, and an entry without an address is skipped.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import InvalidName, canonicalize_name

from generator.packages.filenames import is_package

JSON = "application/vnd.pypi.simple.v1+json"
HTML = ("text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml")
ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_TEXT_CHARACTERS = 200
_HASH = re.compile(r"(?:^|&)((?!egg=)\w+)=([0-9a-zA-Z]+)(?=&|$)")
_EGG = re.compile(r"(?:^|&)egg=([\w.+!-]{1,200})")
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class File:
    """A file that a page links to, and what the page says about it; ``None`` if it says nothing.

    ``hashes`` are by name, in lower case; ``yanked`` is the reason, perhaps empty; ``signed`` is for a signature next to
    it, ``attested`` for attestations (PEP 740).
    """

    name: str
    url: str
    hashes: dict[str, str] = field(default_factory=dict)
    size: int | None = None
    uploaded: datetime | None = None
    yanked: str | None = None
    signed: bool = False
    attested: bool = False

    @property
    def sha256(self) -> str:
        """Empty if the page has none."""
        return self.hashes.get("sha256", "")


class Entry(NamedTuple):
    """A project that a page lists: its normalised name, and the address that it links to, if any."""

    name: str
    url: str | None


@dataclass
class Page:
    """Of an index's root ``projects``, of any page ``files``; ``unread`` says what pip would try that is no file with an address.
    ``following`` is the address of the next part, if it has one.

    ``declared``: it says of itself that it is a page of an index. ``status`` is a project's (PEP 792), with the reason.
    """

    projects: list[Entry] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    declared: bool = False
    status: str = ""
    following: str | None = None

    def add(self, other: Page) -> None:
        """What the next part has."""
        self.projects += other.projects
        self.files += other.files
        self.unread += other.unread


def read(content: bytes, kind: str, charset: str | None, url: str) -> Page:
    """The page at ``url``, of the media type ``kind``. Raises ValueError if it is not a page of an index."""
    return _of_json(content, url) if kind == JSON else _of_html(_text(content, charset), url)


def _text(content: bytes, charset: str | None) -> str:
    if charset is None and (found := _CHARSET.search(content[:2048])):
        charset = found[1].decode()
    try:
        return content.decode(charset or "utf-8-sig", "replace")
    except LookupError:
        return content.decode("utf-8-sig", "replace")


def _of_json(content: bytes, url: str) -> Page:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    version = _dict(document.get("meta")).get("api-version", "1.0")
    if not str(version).startswith("1."):
        raise ValueError(f"it is of version {version} of the interface, and 1.x is known here")
    listed, files = document.get("projects"), document.get("files")
    if not isinstance(listed, list) and not isinstance(files, list):
        raise ValueError("it has no list of projects or files")
    status = _dict(document.get("project-status"))
    page = Page(declared=True, status=_status(status.get("status"), status.get("reason")))
    for entry in listed if isinstance(listed, list) else ():
        spelling = _text_of(_dict(entry).get("name"))
        if name := _project(spelling):
            page.projects.append(Entry(name, None))
        else:
            page.unread.append(f"{spelling[:_TEXT_CHARACTERS] or 'an entry'}: it is not the name of a project")
    for entry in map(_dict, files if isinstance(files, list) else ()):
        if link := _joined(url, entry.get("url")):
            page.files.append(_file_of_json(entry, link))
        else:
            name = _text_of(entry.get("filename"))[:_TEXT_CHARACTERS]
            page.unread.append(f"{name or 'an entry'}: the page has no URL for it")
    return page


def _file_of_json(entry: dict[str, Any], link: str) -> File:
    size, yanked = entry.get("size"), entry.get("yanked")
    hashes = _dict(entry.get("hashes"))
    return File(
        name=_text_of(entry.get("filename")) or _last(link),
        url=link,
        hashes={
            str(key).lower(): it.strip().lower() for key, it in hashes.items() if isinstance(it, str) and it.strip()
        },
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        uploaded=_time(entry.get("upload-time")),
        yanked=(yanked if isinstance(yanked, str) else "") if yanked else None,
        signed=entry.get("gpg-sig") is True,
        attested=bool(entry.get("provenance")),
    )


class _Links(HTMLParser):
    """The links of a page with their attributes, its base, and what its ``meta`` elements say."""

    def __init__(self) -> None:
        super().__init__()
        self.base: str | None = None
        self.links: list[dict[str, str]] = []
        self.meta: dict[str, str] = {}
        self.following: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("a", "base", "link", "meta"):
            return
        # Of a repeated attribute, the first.
        given = {name: value or "" for name, value in reversed(attrs)}
        if tag == "meta":
            self.meta.setdefault(given.get("name", "").lower(), given.get("content", ""))
        elif "href" in given:
            if tag == "base":
                self.base = given["href"] if self.base is None else self.base
            elif given.get("rel", "").lower() == "next":
                self.following = given["href"]
            elif tag == "a":
                self.links.append(given)


def _of_html(text: str, url: str) -> Page:
    parser = _Links()
    # Not closed: what is cut off at the end has no address, and searching it would take hours in a malicious page.
    parser.feed(text)
    base = _joined(url, parser.base) or url
    page = Page(
        declared="pypi:repository-version" in parser.meta,
        status=_status(parser.meta.get("pypi:project-status"), parser.meta.get("pypi:project-status-reason")),
        following=_joined(base, parser.following),
    )
    below: dict[bool, list[Entry]] = {True: [], False: []}
    for link in parser.links:
        if (address := _joined(base, link["href"])) is None:
            page.unread.append(f"{link['href'][:_TEXT_CHARACTERS]}: it is not a URL")
            continue
        egg = _EGG.search(urlsplit(address).fragment)
        if egg and not is_package(_last(address)):
            page.unread.append(f"{egg[1]}: pip builds it from {address.partition('#')[0]}, which is not a file")
            continue
        if urlsplit(address).scheme not in ("http", "https"):
            continue
        name = _last(address)
        if entry := _entry(address, url):
            below[name == ""].append(entry)
        if name and name != "index.html":
            page.files.append(_file_of_html(link, address, name))
    # In directory listings, what does not end in a slash is a file. GitLab's project addresses have none.
    page.projects = below[True] or ([] if any(is_package(file.name) for file in page.files) else below[False])
    return page


def _file_of_html(link: dict[str, str], address: str, name: str) -> File:
    return File(
        name=name,
        url=address,
        hashes={key.lower(): value.lower() for key, value in _HASH.findall(urlsplit(address).fragment)},
        yanked=link.get("data-yanked"),
        signed=link.get("data-gpg-sig") == "true",
        attested=bool(link.get("data-provenance")),
    )


def _entry(address: str, page: str) -> Entry | None:
    """The project whose page ``address`` is, if it is directly below ``page``."""
    # A server that does not know its external address names another host, or http, or only the end of its path.
    home, path = (urlsplit(it).path.removesuffix("index.html").rstrip("/") for it in (page, address))
    above, _, inside = path.rpartition("/")
    name = _project(unquote(inside))
    if name is None or not (above == home or (above and home.endswith(above))):
        return None
    return Entry(name, address if above == home else None)


def _project(name: str) -> str | None:
    """Normalised; ``None`` if it is not a project's name."""
    try:
        return canonicalize_name(name.strip(), validate=True)
    except InvalidName:
        return None


def _last(address: str) -> str:
    """What the address ends in: the name of a file."""
    return unquote(urlsplit(address).path.rpartition("/")[2]).strip()


def _joined(base: str, link: object) -> str | None:
    if not isinstance(link, str) or not link.strip():
        return None
    try:
        joined = urljoin(base, link.strip())
        urlsplit(joined)
    except ValueError:
        return None
    return joined


def _text_of(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _dict(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _status(status: object, reason: object) -> str:
    """``active`` is none, as everything without one is."""
    if not isinstance(status, str) or status in ("", "active"):
        return ""
    return f"{status} ({reason})" if isinstance(reason, str) and reason else status


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
