"""The one parser of a request: routing, authorisation and handlers see its result, never what was sent."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from server.wire.messages import Environ, Refusal

HEAD_LIMIT_BYTES = 1 << 13
FIELDS_LIMIT = 100

# RFC 9112, sections 3 and 5, without what servers may tolerate: bare line feeds, folded lines, blanks around names.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([\x21-\x7e\x80-\xff]+) HTTP/([0-9])\.([0-9])")
_FIELD = re.compile(rf"({_TOKEN}):([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ONE_RANGE = re.compile(r"bytes=(\d{1,18}-\d{0,18}|-\d{1,18})", re.ASCII)

_ABSOLUTE_FORM = re.compile(r"https?://[^/?#@\\]*(?=[/?]|\Z)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# The fields that are passed on; handlers see no others. These may come several times, which makes a list ...
_LISTS = {
    "accept": "HTTP_ACCEPT",
    "accept-encoding": "HTTP_ACCEPT_ENCODING",
    "if-none-match": "HTTP_IF_NONE_MATCH",
    "x-forwarded-for": "HTTP_X_FORWARDED_FOR",
    "connection": "connection",
}
# ... and these at most once.
_SINGLES = {
    "authorization": "HTTP_AUTHORIZATION",
    "content-length": "CONTENT_LENGTH",
    "content-type": "CONTENT_TYPE",
    "expect": "expect",
    "host": "HTTP_HOST",
    "if-modified-since": "HTTP_IF_MODIFIED_SINCE",
    "if-range": "HTTP_IF_RANGE",
    "range": "HTTP_RANGE",
    "transfer-encoding": "transfer-encoding",
    "user-agent": "HTTP_USER_AGENT",
    "x-amzn-trace-id": "HTTP_X_AMZN_TRACE_ID",
    "x-forwarded-proto": "wsgi.url_scheme",
}
# WSGI servers let these headers replace parts of the path, which would then not be the authorised one.
_REFUSED = {"script-name", "path-info"}


class Request(NamedTuple):
    """`environ` has exactly what handlers may see, under WSGI's names (PEP 3333).

    `length` is the body's in bytes; None if it is sent in chunks.
    """

    environ: Environ
    length: int | None
    keeps_alive: bool
    expects_continue: bool


def read_request(head: bytes | bytearray, peer: str) -> Request:
    """`head` is the request line and the fields, each with its CRLF. Raises Refusal; the connection must be closed."""
    request_line, *lines = head.decode("latin-1").split("\r\n")[:-1]
    method, path, query, minor = _read_request_line(request_line)
    fields = _read_fields(lines)
    if "HTTP_HOST" not in fields and minor != "0":
        raise Refusal(400, "The Host header is missing.")
    length = _read_length(fields, minor)
    expected = fields.pop("expect", "").lower()
    if expected not in ("", "100-continue"):
        raise Refusal(417, "Only 100-continue can be expected.")
    keeps_alive = "close" not in fields.pop("connection", "").lower() and minor != "0"
    # Another unit, several ranges, or a range with another method is ignored (RFC 9110, section 14.2).
    if "HTTP_RANGE" in fields and (method != "GET" or not _ONE_RANGE.fullmatch(fields["HTTP_RANGE"])):
        del fields["HTTP_RANGE"]
    # Addresses in pages and /NAME/json are built from this and HTTP_HOST.
    if fields.get("wsgi.url_scheme") != "https":
        fields["wsgi.url_scheme"] = "http"
    environ: Environ = {
        **fields,
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": peer,
    }
    return Request(environ, length, keeps_alive, expected != "" and minor != "0")


# Lines repeat, from one client and from many. Each may be as long as a head, which limits how many are kept.
@lru_cache(maxsize=256)
def _read_request_line(line: str) -> tuple[str, str, str, str]:
    """Method, decoded path as WSGI carries it, query, and the minor version of HTTP/1."""
    matched = _REQUEST_LINE.fullmatch(line)
    if matched is None:
        raise Refusal(400, "The request line is malformed.")
    method, target, major, minor = matched.groups()
    if major != "1":
        raise Refusal(505, "Only HTTP/1 is spoken here.")
    path, query = read_target(target)
    # PEP 3333: a WSGI string carries one byte in each character, which is Latin-1.
    return method, path if path.isascii() else path.encode().decode("latin-1"), query, minor


def _read_fields(lines: list[str]) -> Environ:
    if len(lines) > FIELDS_LIMIT:
        raise Refusal(431, f"A request has at most {FIELDS_LIMIT} headers.")
    fields: Environ = {}
    for line in lines:
        name, key, value = _read_field(line)
        if key is None:
            continue
        if key not in fields:
            fields[key] = value
        elif name in _LISTS:
            fields[key] = f"{fields[key]}, {value}"
        else:
            raise Refusal(400, f"There is more than one {name} header.")
    return fields


@lru_cache(maxsize=256)
def _read_field(line: str) -> tuple[str, str | None, str]:
    """The name in lower case, its name in the environment, unless nobody reads it, and the value."""
    matched = _FIELD.fullmatch(line)
    if matched is None:
        raise Refusal(400, "A header is malformed.")
    name, value = matched[1].lower(), matched[2].strip("\t ")
    if name == "host" and not _HOST.fullmatch(value):
        raise Refusal(400, "The Host header is malformed.")
    key = _SINGLES.get(name) or _LISTS.get(name)
    if key is None and ((dashed := name.replace("_", "-")) in _REFUSED or (dashed != name and dashed in _SINGLES)):
        # Some servers read `_` in a header's name as `-`: a proxy would have checked another header than they obey.
        raise Refusal(400, f"The header {name} is refused.")
    return name, key, value


def _read_length(fields: Environ, minor: str) -> int | None:
    coding, length = fields.pop("transfer-encoding", None), fields.get("CONTENT_LENGTH")
    if coding is not None:
        if length is not None or minor == "0":
            raise Refusal(400, "The length of the body is ambiguous.")
        if coding.lower() != "chunked":
            raise Refusal(501, "The only transfer coding is chunked.")
        return None
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise Refusal(400, "Content-Length is not a number.")
    return int(length)


def read_target(target: str) -> tuple[str, str]:
    """The decoded path, which begins with one slash, and the query as it was sent. Raises Refusal (400).

    `target` is the request target of RFC 9112, section 3.2, in origin or absolute form, with bytes as Latin-1.
    """
    if absolute := _ABSOLUTE_FORM.match(target):
        # Slashes at the beginning of a path count as one.
        target = f"/{target[absolute.end() :]}"
    path, _, query = target.partition("?")
    if not path.startswith("/") or "#" in target:
        raise Refusal(400, "The request target must be a path.")
    if "%" in path or not path.isascii():
        if _BAD_ESCAPE.search(path) or "%2f" in path.lower():
            raise Refusal(400, "The path has a malformed escape, or an escaped slash.")
        try:
            # Decoded only once. An escape that this yields, `%25` then `2f`, stays part of the name.
            path = unquote_to_bytes(path.encode("latin-1")).decode()
        except UnicodeDecodeError:
            raise Refusal(400, "The path is not UTF-8.") from None
    if _CONTROLS.search(path) or "\\" in path:
        raise Refusal(400, "The path has a control character or a backslash.")
    # Some clients append another slash to an index URL that ends in one.
    path = "/" + path.lstrip("/")
    if "//" in path or "/./" in path or "/../" in path or path.endswith(("/.", "/..")):
        raise Refusal(400, "The path has an empty segment, or one of dots.")
    return path, query
