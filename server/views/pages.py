"""Pages for people: projects by name, and one project's versions. Without scripts; what packages say is text."""

from __future__ import annotations

import re
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from html import escape
from itertools import islice, takewhile
from shlex import quote as shell_quote
from urllib.parse import parse_qs, quote

from server.distributions.archives import core_metadata
from server.distributions.metadata import About, about
from server.distributions.names import normalized
from server.distributions.tarballs import Unfit
from server.store.entries import open_file
from server.store.kept import Details, Identity
from server.store.packages import Packages
from server.store.yanks import reason_of
from server.views.listings import LEGACY_TYPE, Body, Listing, Listings, respond, uploaded, url_of
from server.views.releases import Files, described_by, latest_of, releases_of
from server.wire.messages import Environ, Response, origin_of

WELCOME = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Package index</title></head>
<body><h1>Package index</h1><p>The index for pip and uv is at <a href="simple/">simple/</a>.</p></body></html>
"""

# Bound a page, and what it costs.
NAMES_SHOWN = 60
FILES_SHOWN = 200
QUERY_CHARACTERS = 200
# Each is read from its archive once, and held in up to 200 KiB.
DESCRIPTIONS_REMEMBERED = 64

# Control characters, and those that turn the direction of what follows: they would dress one text as another.
_MISLEADING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_INSTALLABLE = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")

_STYLE = """
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0 auto;max-width:52rem;padding:0 1rem 3rem;font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center;padding:1rem 0}
header a{font-weight:600;text-decoration:none}
form{display:flex;flex:1 1 16rem;gap:.5rem}
input,button,pre{font:inherit;padding:.35rem .7rem;border:1px solid #8886;border-radius:.4rem}
input{flex:1;min-width:0}
h1{margin:1rem 0 .25rem;line-height:1.2}
h2{margin:2rem 0 .75rem;font-size:1.2rem}
pre{padding:.75rem 1rem;white-space:pre-wrap;background:#8881}
pre,code{font:.875rem/1.5 ui-monospace,monospace}
ul{columns:15rem;padding:0;list-style:none}
header,details{border-bottom:1px solid #8886}
summary{display:flex;flex-wrap:wrap;align-items:baseline;gap:0 1rem;padding:.5rem 0;cursor:pointer}
b{flex:1 1 8rem}
b::before{content:"▸ "}
[open] b::before{content:"▾ "}
details p{margin:0 0 1rem 1.1rem;font-size:.9rem}
code{display:block;font-size:.75rem}
code,small{opacity:.75}
"""
_HEADERS = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


def asked_by_people(environ: Environ) -> bool:
    """Whether `/` is to ask for credentials: installers, and what looks whether a server answers, get WELCOME."""
    accept = environ.get("HTTP_ACCEPT", "")
    # A browser shows its dialogue, and sends what was typed there, only once it was refused.
    person = "text/html" in accept or environ["QUERY_STRING"] or "HTTP_AUTHORIZATION" in environ
    return bool(person) and "vnd.pypi" not in accept


class Pages:
    """Both methods raise OSError if a directory or file cannot be read."""

    def __init__(self, packages: Packages, listings: Listings) -> None:
        self._index = packages.index
        self._listings = listings
        self._names: tuple[int, list[str]] = (-1, [])
        self._about = lru_cache(DESCRIPTIONS_REMEMBERED)(self._read_about)

    def search(self, environ: Environ) -> Response:
        """The projects whose names have what `q` says, those that begin with it first; the first of all without it."""
        self._index.refresh()
        generation = self._index.projects_generation
        if self._names[0] != generation:
            self._names = generation, sorted(self._index.projects())
        names = self._names[1]
        asked = parse_qs(environ["QUERY_STRING"]).get("q", [""])[0][:QUERY_CHARACTERS].strip()
        wanted = normalized("-".join(asked.split()))
        start = bisect_left(names, wanted)
        found = list(takewhile(lambda name: name.startswith(wanted), names[start : start + NAMES_SHOWN + 1]))
        found += islice((name for name in names if wanted in name), NAMES_SHOWN + 1)
        found = list(dict.fromkeys(found))
        links = (f'<li><a href="/project/{quote(name)}/">{_text(name)}</a>' for name in found[:NAMES_SHOWN])
        note = ""
        if len(found) > NAMES_SHOWN:
            note = f"<p>There are more than these {NAMES_SHOWN}: type more of the name."
        elif not found:
            note = "<p>No project has this in its name."
        return _respond(
            environ,
            "Package index",
            f'<h1>Projects</h1><p>{_count(len(names), "project")}. The index for pip and uv is at <a href="/simple/">simple/</a>.'
            f"<ul>{''.join(links)}</ul>{note}",
            asked,
        )

    def project(self, name: str, environ: Environ) -> Response | None:
        """`name` is normalised (PEP 503); None if there is no such project."""
        listing = self._listings.current(name, environ)
        if listing is None:
            return None
        versions = releases_of(listing, FILES_SHOWN)
        latest = latest_of(versions, listing.withdrawn.reasons)
        return _respond(environ, name, "".join(self._parts(name, versions, latest, environ, listing)))

    def _parts(
        self, name: str, versions: dict[str, Files], latest: str | None, environ: Environ, listing: Listing
    ) -> Iterable[str]:
        yield f"<h1>{_text(name)}</h1>"
        known = None
        if latest:
            path, details = described_by(versions[latest])
            try:
                known = self._about(path, details.identity)
            except OSError:
                yield "<p>What the package says of itself cannot be read now."
        if known and known.summary:
            yield f'<p dir="auto">{_text(known.summary)}'
        if _INSTALLABLE.fullmatch(name):
            command = f"pip install --index-url {shell_quote(f'{origin_of(environ)}/simple/')} {name}"
            yield f"<pre>{_text(command)}</pre><small>pip asks for the user name and the password.</small>"
        yield "<h2>Versions</h2>"
        for version, found in versions.items():
            is_open = " open" if version == latest else ""
            first = min(uploaded(details) for _, details in found)
            reason = reason_of(listing.withdrawn.reasons, version)
            yield (
                f"<details{is_open}><summary><b>{_text(version)}</b><small>{'yanked · ' * (reason is not None)}"
                f"{first:%Y-%m-%d} · {_count(len(found), 'file')}</small></summary>"
            )
            if reason is not None:
                yield f"<p><b>Yanked</b> {_text(reason)}"
            yield from map(_file, reversed(found))
            yield "</details>"
        if len(listing.files) > FILES_SHOWN:
            yield f'<p>Older files are in the <a href="/simple/{quote(name)}/">simple index</a>.'
        if known and known.description:
            yield f'<h2>Description</h2><pre dir="auto">{_text(known.description)}</pre>'
            if known.cut:
                yield "<p>The rest of it is in the package."

    def _read_about(self, path: str, identity: Identity) -> About | None:
        """Of the file that had this identity. Raises OSError."""
        with open_file(str(self._index.root), path) as file:
            content = core_metadata(path, file)
        try:
            return about(content) if content else None
        except Unfit:
            return None


def _file(file: tuple[str, Details]) -> str:
    path, details = file
    facts = [_size(details.identity.size), f"{uploaded(details):%Y-%m-%d %H:%M} UTC"]
    if details.requires_python:
        facts.append(f"Python {details.requires_python}")
    return (
        f'<p><a href="{escape(url_of(path))}#sha256={details.sha256}">{_text(path.rpartition("/")[2])}</a><br>'
        f"<bdi>{_text(' · '.join(facts))}</bdi><code>sha256:{details.sha256}</code>"
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


def _text(value: str) -> str:
    return escape(_MISLEADING.sub("\ufffd", value))


def _respond(environ: Environ, title: str, content: str, asked: str = "") -> Response:
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{_text(title)}</title>'
        f'<style>{_STYLE}</style></head><body><header><a href="/">Package index</a><form action="/">'
        f'<input type="search" name="q" value="{_text(asked)}" placeholder="Find a project" aria-label="Find a project">'
        f"<button>Find</button></form></header><main>{content}</main></body></html>\n"
    )
    return respond(Body(page), LEGACY_TYPE, environ, *_HEADERS)
