"""What every page for people has: its head, its style, and text that can only be text."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape

from server.views.listings import LEGACY_TYPE, Body, respond
from server.wire.messages import Environ, Response, whole

# Control characters, and those that change the text direction: they would disguise one text as another.
_MISLEADING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)

_STYLE = """
:root{color-scheme:light dark;background:Canvas}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:0 1rem 3rem;font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center;padding:1rem 0}
header a{font-weight:600;text-decoration:none}
a:focus-visible,summary:focus-visible,:is(input,button):focus-visible{outline:2px solid;outline-offset:2px}
form{display:flex;flex:1 1 16rem;gap:.5rem}
input,button,pre{font:inherit;padding:.35rem .7rem;border:1px solid #8886;border-radius:.4rem}
input{flex:1;min-width:0}
h1{margin:1rem 0 .25rem;line-height:1.2}
h2{margin:2rem 0 .5rem;font-size:1.2rem}
:is(h3,h4,h5,h6){margin:1.5rem 0 .5rem;line-height:1.3}
pre{margin:.5rem 0;padding:.5rem .75rem;white-space:pre-wrap;background:#8881}
pre,code{font:.875rem/1.5 ui-monospace,monospace}
.names{columns:20rem;padding:0;list-style:none}
.names small{display:block}
.names li{padding:.2rem 0;break-inside:avoid}
nav{display:flex;gap:1rem}
.warning{padding:.5rem .75rem;border:1px solid;border-radius:.4rem}
.project{display:grid;grid-template-columns:minmax(0,1fr) 20rem;gap:0 2.5rem}
aside{font-size:.9rem}
dt{margin-top:.75rem;font-weight:600}
dd{margin:0}
table{border-collapse:collapse;display:block;overflow-x:auto}
:is(td,th){padding:.25rem .6rem;border:1px solid #8886;text-align:left}
blockquote{margin:1rem 0;padding-left:1rem;border-left:.25rem solid #8886}
header,details{border-bottom:1px solid #8886}
summary{display:flex;flex-wrap:wrap;align-items:baseline;gap:0 1rem;padding:.5rem 0;cursor:pointer}
b{flex:1 1 8rem}
b::before{content:"▸ "}
[open] b::before{content:"▾ "}
details p{margin:0 0 1rem 1.1rem}
details code{display:block;font-size:.75rem}
@media(prefers-color-scheme:dark){a{color:#9cf}}
@media(max-width:52rem){.project{display:block}}
@media print{form,nav{display:none}}
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
    """Whether a person asks: installers and health probes get no pages."""
    accept = environ.get("HTTP_ACCEPT", "")
    # A browser shows its login dialogue, and sends what was entered, only after a refusal.
    person = "text/html" in accept or environ["QUERY_STRING"] or "HTTP_AUTHORIZATION" in environ
    return bool(person) and "vnd.pypi" not in accept


def visible(value: str) -> str:
    """`value` without invisible characters."""
    return _MISLEADING.sub("\ufffd", value)


def text(value: str) -> str:
    return escape(visible(value))


def page(environ: Environ, title: str, content: str, asked: str = "") -> Response:
    """`content` is HTML; `asked` is the search text."""
    return respond(Body(_document(title, content, asked)), LEGACY_TYPE, environ, *_HEADERS)


def for_people(response: Response, environ: Environ) -> Response:
    """An error as a page, if a browser asks for one; anything else unchanged."""
    if response.status < 400 or environ["REQUEST_METHOD"] != "GET" or "text/html" not in environ.get("HTTP_ACCEPT", ""):
        return response
    if "vnd.pypi" in environ["HTTP_ACCEPT"]:
        return response
    html = _document(str(response.status), f"<h1>{text(response.phrase)}</h1>", "").encode()
    kept = [it for it in response.headers if it[0] not in ("Content-Type", "Content-Length")]
    return whole(response.status, LEGACY_TYPE, html, *kept, *_HEADERS)._replace(reason=response.reason)


def _document(title: str, content: str, asked: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{text(title)}</title>'
        f'<style>{_STYLE}</style></head><body><header><a href="/">Package index</a><form action="/">'
        f'<input type="search" name="q" value="{text(asked)}" placeholder="Find a project" aria-label="Find a project">'
        f'<button type="submit">Find</button></form></header><main>{content}</main></body></html>\n'
    )
