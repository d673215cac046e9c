"""Pages for people: projects by name, and one project. Without scripts; text from packages cannot add any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from shlex import quote as shell_quote
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from server.distributions.archives import core_metadata
from server.distributions.metadata import info
from server.distributions.names import normalized
from server.distributions.tarballs import Unfit
from server.store.entries import open_file
from server.store.kept import Details, Identity
from server.store.packages import Packages
from server.store.statuses import UNSAID
from server.store.yanks import reason_of
from server.views.listings import Listing, Listings, uploaded, url_of
from server.views.markdown import to_html
from server.views.releases import Files, described_by, latest_of, releases_of
from server.views.shell import page, text, visible
from server.views.summaries import UNREAD, Summaries
from server.views.turns import in_turn
from server.wire.messages import Environ, Response, Work, absent, origin_of

WELCOME = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Package index</title></head>
<body><h1>Package index</h1><p>The index for pip and uv is at <a href="simple/">simple/</a>.</p></body></html>
"""

# Limits the size of a page, and its cost.
NAMES_SHOWN = 60
FILES_SHOWN = 200
FACTS_SHOWN = 60
FACT_CHARACTERS = 300
QUERY_CHARACTERS = 200
WORDS_LIMIT = 8
DESCRIPTION_CHARACTERS = 50_000
# Each is read from its archive once, and kept, up to 200 KiB.
DESCRIPTIONS_REMEMBERED = 64

_INSTALLABLE = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_ADDRESS = re.compile(r"https?://[^\s\"<>]+", re.IGNORECASE)


class Pages:
    """Both methods raise OSError if a directory or file cannot be read; `project` also raises Awaited."""

    def __init__(self, packages: Packages, listings: Listings, summaries: Summaries) -> None:
        self._index = packages.index
        self._listings = listings
        self._summaries = summaries
        self._names: tuple[int, list[str]] = (-1, [])
        self._about = lru_cache(DESCRIPTIONS_REMEMBERED)(self._read_about)

    def search(self, environ: Environ) -> Response:
        """A page of the projects that have each word of `q` in name or summary; all projects without it.

        Names that start with the whole of `q` come first, then names that contain it.
        """
        self._index.refresh()
        generation = self._index.projects_generation
        if self._names[0] != generation:
            self._names = generation, sorted(self._index.projects())
        names = self._names[1]
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        asked = query.get("q", "")[:QUERY_CHARACTERS].strip()
        found = self._found(names, asked.casefold().split()[:WORDS_LIMIT])
        whole = normalized("-".join(asked.split()))
        found.sort(key=lambda name: (not name.startswith(whole), whole not in name))
        last = max(0, len(found) - 1) // NAMES_SHOWN + 1
        number = min(max(1, int(query["page"])), last) if re.fullmatch(r"\d{1,6}", query.get("page", "")) else 1
        links = map(self._hit, found[(number - 1) * NAMES_SHOWN : number * NAMES_SHOWN])
        listed = (
            f'<ul class="names">{"".join(links)}</ul>' if found else "<p>No project has this in its name or summary."
        )
        reading = "" if self._summaries.complete else "<p>Summaries are still being read: there may be more to find."
        return page(
            environ,
            "Package index",
            f'<h1>Projects</h1><p>{_count(len(names), "project")}. The index for pip and uv is at <a href="/simple/">simple/</a>.'
            f"{reading}{listed}{''.join(_others(asked, number, last))}",
            asked,
        )

    def _found(self, names: list[str], words: list[str]) -> list[str]:
        known = self._summaries.known
        for word in words:
            part = normalized(word)
            names = [name for name in names if part in name or word in known.get(name, UNREAD).folded]
        return list(names)

    def _hit(self, name: str) -> str:
        known = self._summaries.known.get(name, UNREAD)
        summary = f'<small dir="auto">{text(known.text)}</small>' if known.text else ""
        return f'<li><a href="/project/{quote(name)}/">{text(name)}</a>{summary}</li>'

    def project(self, name: str, environ: Environ) -> Work:
        """`name` is normalised (PEP 503). Raises Refusal if there is no such project."""
        listing = self._listings.current(name, environ)
        if listing is None:
            raise absent(name)
        versions = releases_of(listing, FILES_SHOWN)
        latest = latest_of(versions, listing.withdrawn.reasons)
        return in_turn(
            environ, lambda: page(environ, name, "".join(self._parts(name, versions, latest, environ, listing)))
        )

    def _parts(
        self, name: str, versions: dict[str, Files], latest: str | None, environ: Environ, listing: Listing
    ) -> Iterator[str]:
        yield f"<h1>{text(name)}</h1>"
        status = listing.withdrawn.status
        if status != UNSAID:
            yield f"<p><b>{status.state.capitalize()}</b> {text(status.reason)}"
        known: dict[str, Any] = {}
        if latest:
            path, details = described_by(versions[latest])
            try:
                known = self._about(path, details.identity)
            except OSError:
                yield "<p>What the package says of itself cannot be read now."
        if known.get("summary"):
            yield f'<p dir="auto">{text(known["summary"])}'
        if latest and (reason := reason_of(listing.withdrawn.reasons, latest)) is not None:
            yield f'<p class="warning">Every release is yanked. {text(reason)}'
        if _INSTALLABLE.fullmatch(name):
            yield from _install(name, f"{origin_of(environ)}/simple/")
        yield '<div class="project"><article>'
        yield from _described(known)
        yield "</article><aside>"
        yield from _facts(known)
        yield from _versions(versions, latest, listing)
        if len(listing.files) > FILES_SHOWN:
            yield f'<p>Older files are in the <a href="/simple/{quote(name)}/">simple index</a>.'
        yield "</aside></div>"

    def _read_about(self, path: str, identity: Identity) -> dict[str, Any]:
        """Of the file that had this identity. Raises OSError."""
        with open_file(str(self._index.root), path) as file:
            content = core_metadata(path, file)
        try:
            known = info(content or b"")
        except Unfit:
            return {}
        return {**known, "description": (known["description"] or "")[: DESCRIPTION_CHARACTERS + 1]}


def _others(asked: str, number: int, last: int) -> Iterator[str]:
    """Links to the previous and the next page."""
    if last == 1:
        return
    yield f'<nav aria-label="Pages"><span>Page {number:,} of {last:,}</span>'
    for label, other in (("Previous", number - 1), ("Next", number + 1)):
        if 1 <= other <= last:
            yield f'<a href="/?{escape(urlencode({"q": asked, "page": other}))}">{label}</a>'
    yield "</nav>"


def _install(name: str, address: str) -> Iterator[str]:
    url = shell_quote(address)
    for command in (
        f"pip install --index-url {url} {name}",
        f"uv pip install --default-index {url} {name}",
        f"poetry source add --priority explicit private {url}\npoetry add --source private {name}",
    ):
        yield f"<pre>{text(command)}</pre>"
    yield "<small>Each asks for the user name and the password, or finds them where it keeps them.</small>"


def _described(known: dict[str, Any]) -> Iterator[str]:
    description = known.get("description") or ""
    if not description:
        return
    shown = visible(description[:DESCRIPTION_CHARACTERS])
    yield "<h2>Description</h2>"
    if (known["description_content_type"] or "").partition(";")[0].strip().lower() == "text/markdown":
        yield f'<div dir="auto">{to_html(shown)}</div>'
    else:
        yield f'<pre dir="auto">{escape(shown)}</pre>'
    if len(description) > DESCRIPTION_CHARACTERS:
        yield "<p>The rest of it is in the package."


def _facts(known: dict[str, Any]) -> Iterator[str]:
    """What the newest release says about itself; empty if it says nothing."""
    urls = {"Home page": known.get("home_page"), **(known.get("project_urls") or {})}
    links = [_fact(label, url) for label, url in urls.items() if url and _ADDRESS.fullmatch(url)]
    facts = {
        "Licence": [_plain(known.get("license_expression") or known.get("license"))],
        "Author": [_plain(known.get("author") or known.get("author_email"))],
        "Maintainer": [_plain(known.get("maintainer") or known.get("maintainer_email"))],
        "Python": [_plain(known.get("requires_python"))],
        "Links": links,
        "Requires": list(map(_plain, known.get("requires_dist") or [])),
    }
    found = {name: [it for it in values if it][:FACTS_SHOWN] for name, values in facts.items()}
    if any(found.values()):
        yield "<h2>Facts</h2><dl>"
        for name, values in found.items():
            if values:
                yield f"<dt>{name}</dt>{''.join(f'<dd><bdi>{it}</bdi></dd>' for it in values)}"
        yield "</dl>"


def _fact(label: str, url: str) -> str:
    return f'<a href="{text(url)}" rel="nofollow noreferrer">{_plain(label)}</a>'


def _plain(value: str | None) -> str:
    return text((value or "")[:FACT_CHARACTERS])


def _versions(versions: dict[str, Files], latest: str | None, listing: Listing) -> Iterator[str]:
    yield "<h2>Versions</h2>"
    for version, found in versions.items():
        is_open = " open" if version == latest else ""
        first = min(uploaded(details) for _, details in found)
        reason = reason_of(listing.withdrawn.reasons, version)
        yield (
            f"<details{is_open}><summary><b>{text(version)}</b><small>{'yanked · ' * (reason is not None)}"
            f"{first:%Y-%m-%d} · {_count(len(found), 'file')}</small></summary>"
        )
        if reason is not None:
            yield f"<p><strong>Yanked</strong> {text(reason)}"
        yield from map(_file, reversed(found))
        yield "</details>"


def _file(file: tuple[str, Details]) -> str:
    path, details = file
    facts = [_size(details.identity.size), f"{uploaded(details):%Y-%m-%d %H:%M} UTC"]
    if details.requires_python:
        facts.append(f"Python {details.requires_python}")
    return (
        f'<p><a href="{escape(url_of(path))}#sha256={details.sha256}">{text(path.rpartition("/")[2])}</a><br>'
        f"<bdi>{text(' · '.join(facts))}</bdi><code>sha256:{details.sha256}</code>"
    )


def _size(size: float) -> str:
    if size < 1000:
        return f"{size} bytes"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1000 or unit == "GiB":
            break
    return f"{size:.1f} {unit}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
