"""The one reading of a request: what is routed, authorised and handed on is this, and never what was sent."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from .http import Environ, Refusal

# Headers that some handler reads. Others are nobody's, so none can be read in two ways.
_KEPT = (
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_AUTHORIZATION",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_RANGE",
    "HTTP_RANGE",
    "HTTP_USER_AGENT",
    "HTTP_X_AMZN_TRACE_ID",
    "HTTP_X_FORWARDED_FOR",
)
_ABSOLUTE_FORM = re.compile(r"https?://[^/?#@\\]*", re.IGNORECASE)
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ONE_RANGE = re.compile(r"bytes=(\d{1,18}-\d{0,18}|-\d{1,18})", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def canonical(environ: Environ) -> Environ:
    """
    A new environment of just what the handlers and pypiserver are to see. Raises Refusal.

    What servers derive from headers that some proxies set (script name, host, address) is replaced by constants.
    """
    path, query = read_target(environ["RAW_URI"])
    host = environ.get("HTTP_HOST", "localhost")
    if not _HOST.fullmatch(host):
        raise Refusal(400, "The Host header is malformed.")
    read = {key: environ[key] for key in _KEPT if key in environ}
    # Another unit, several ranges, and a range of another method are passed over (RFC 9110, section 14.2).
    if environ["REQUEST_METHOD"] != "GET" or not _ONE_RANGE.fullmatch(read.get("HTTP_RANGE", "")):
        read.pop("HTTP_RANGE", None)
    return read | {
        "REQUEST_METHOD": environ["REQUEST_METHOD"],
        "SCRIPT_NAME": "",
        # WSGI carries bytes as Latin-1 (PEP 3333).
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        # Only the addresses in /NAME/json are built from these two.
        "HTTP_HOST": host,
        "wsgi.url_scheme": "https" if environ.get("HTTP_X_FORWARDED_PROTO") == "https" else "http",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": environ["SERVER_PROTOCOL"],
        "REMOTE_ADDR": environ.get("REMOTE_ADDR", ""),
        "wsgi.version": (1, 0),
        "wsgi.input": environ["wsgi.input"],
        "wsgi.errors": environ["wsgi.errors"],
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": environ["wsgi.file_wrapper"],
    }


def read_target(target: str) -> tuple[str, str]:
    """
    The decoded path, which begins with one slash, and the query as it was sent. Raises Refusal (400).

    `target` is the request target of RFC 9112, section 3.2, in origin or absolute form, with bytes as Latin-1.
    """
    if absolute := _ABSOLUTE_FORM.match(target):
        target = target[absolute.end() :]
        if not target.startswith("/"):
            target = f"/{target}"
    raw, _, query = target.partition("?")
    if not raw.startswith("/") or "#" in target:
        raise Refusal(400, "The request target must be a path.")
    if _BAD_ESCAPE.search(raw) or "%2f" in raw.lower():
        raise Refusal(400, "The path has a malformed escape, or an escaped slash.")
    try:
        # Decoded once: what still looks escaped is part of a name.
        path = unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise Refusal(400, "The path is not UTF-8.") from None
    if _CONTROLS.search(path) or "\\" in path:
        raise Refusal(400, "The path has a control character or a backslash.")
    # An index URL that ends in a slash gets another one from some clients.
    path = "/" + path.lstrip("/")
    if any(segment in (".", "..") for segment in path.split("/")) or "//" in path:
        raise Refusal(400, "The path has an empty segment, or one of dots.")
    return path, query
