"""Requests as bytes: from HTTP's grammar, and beside it."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st

from ..tasks import PUBLISHER, READER, basic, wheel

DRAW = st.DrawFn

METHODS = ["GET", "GET", "GET", "POST", "POST", "HEAD"]
ODD_METHODS = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"]
ODD_METHODS += ["get", "Post", "PRI", "X", "", "GE T", "G\0ET", "GET\t", "P\xd6ST", '"GET"', "_"]
ODD_VERSIONS = ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 ", "HTTP/1", "", "HTTP/11.1"]
SEGMENTS = [
    "simple",
    "packages",
    "demo",
    "health",
    "RPC2",
    "json",
    "sub",
    "inner-1.0.tar.gz",
    "demo-1.0-py3-none-any.whl",
]
SEGMENTS += ["at", "2026-01-01", "9999-12-31"]
SEGMENTS += ["demo-1.0-py3-none-any.whl.metadata", "demo-1.1.tar.gz", "_", "oidc", "mint-token", ".well-known"]
PATHS = [
    "",
    "",
    "RPC2",
    "health",
    "simple/",
    "simple",
    "simple/demo/",
    "packages/",
    "packages/demo-1.1.tar.gz",
    "demo/json",
    "at/2026-01-01/simple/",
    "at/2026-01-01/simple/demo/",
]
PATHS += [
    "packages/demo-1.0-py3-none-any.whl",
    "packages/demo-1.0-py3-none-any.whl.metadata",
    "packages/sub/inner-1.0.tar.gz",
]
PATHS += ["_/oidc/audience", "_/oidc/mint-token", "_/oidc/burn-token", ".well-known/pytp"]
ODD_SEGMENTS = [*SEGMENTS, ".", "..", "", "%2e%2e", "%2f", "%00", "%", "%zz"]
ODD_SEGMENTS += [
    "%5c",
    "\\",
    "\0",
    " ",
    "\t",
    "caf%C3%A9",
    "\xe9",
    "%ff",
    "%0d%0a",
    ";a=b",
    "#",
    "?",
    "@",
    ".index",
    "%2eindex",
]
ODD_SEGMENTS += ["De.Mo", "d%65mo", "d%2565mo", "favicon.ico", "a" * 300, "%E2%80%A8", "%EF%BC%8F", "%C2%85", "staging"]
ODD_PREFIXES = [
    "",
    "//",
    "http://x",
    "http://x/",
    "HTTP://X/",
    "http:",
    "https://a@b/",
    "x:1",
    "*",
    "/;/",
    "http://x\\/",
]
FIELDS = [
    "Accept: */*",
    "Accept: application/vnd.pypi.simple.v1+json",
    "User-Agent: twine/6",
]
ODD_FIELDS = [
    "Accept: ;q=, */*;q=1e999",
    "Accept-Encoding: gzip;q=0, br, *",
    "Connection: close",
    "Connection: keep-alive, upgrade, close",
    "Expect: 100-continue",
    "Expect: 200-ok",
    "Range: bytes=0-9",
    "Range: bytes=-5",
    "Range: bytes=99999999999999999-",
    "Range: bytes=5-2",
    "If-Range: x",
    "If-None-Match: *",
    'If-None-Match: "a", W/"b',
    "If-Modified-Since: Mon, 99 Foo 99999 99:99:99 GMT",
    "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 +9999",
    "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 -0000",
    "X-Forwarded-For: 1.2.3.4, \xff",
    "X-Forwarded-Proto: javascript",
    "X-Forwarded-Proto: https",
    "X-Amzn-Trace-Id: Root=1-2",
    "Sec-WebSocket-Key1: x",
    "Upgrade: h2c",
    "HTTP2-Settings: AA",
    "Content_Length: 5",
    "Transfer_Encoding: chunked",
    "Script-Name: /x",
    "X-HTTP-Method-Override: PUT",
    "Host: other",
    "Host: a b",
    "Content-Type: text/xml",
    "Content-Type: application/x-www-form-urlencoded",
    "User-Agent: \x7f",
    "User-Agent: twine/6 \xe9\xff",
    " folded: x",
    "\tfolded",
    "No colon",
    ": no name",
    "Space : x",
    "X:",
    "X: \0",
    "X: a\rb",
    "X: a\nContent-Length: 3",
    "X: " + "a" * 9000,
]
ODD_LENGTHS = ["0{n}", "+{n}", "-{n}", "{n}, {n}", "{n}\t", "0x{n}", "{n}.0", "1_0", "\xb2", "", "{n}0", "5"]
ODD_LENGTHS += ["0", "18446744073709551617", "999999999999999999", "9" * 30]
ODD_CODINGS = ["Chunked", "identity", "chunked, identity", "gzip, chunked", "\x0bchunked", "chunked;a=b", "x", ""]
ODD_CODING_NAMES = ["Transfer-Encoding ", " Transfer-Encoding", "transfer_encoding", "Transfer\tEncoding"]
ODD_SIZES = [
    "{n:X};a=b",
    "0{n:x}",
    "{n:x} ",
    "+{n:x}",
    "0x{n:x}",
    '{n:x};a="\n"',
    "{n:x}\n",
    "",
    "f" * 20,
    "-1",
    "{n:x};\r",
]
TOKENS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"\xff",
    b"%00",
    b"\r\n\r\n",
    b"\x0b",
    b"\x85",
    b"0\r\n\r\n",
    b"a" * 9000,
]

UPLOADED, UPLOADED_CONTENT = wheel("smuggled", "1.0")
FORM = (
    b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
    b'--B\r\nContent-Disposition: form-data; name="content"; filename="%s"\r\n\r\n%s\r\n--B--\r\n'
    % (UPLOADED.encode(), UPLOADED_CONTENT)
)
BODIES = [
    b"",
    b"x",
    FORM,
    b":action=remove_pkg&name=demo&version=1.0",
    b":action=status&name=absent&status=quarantined",
    b'{"token": "e30.e30.e30"}',
    b"<methodCall><methodName>search</methodName><params><param><value><string>dem</string></value></param></params></methodCall>",
    b"0\r\n\r\n",
    b"a" * 5000,
]
TOKEN = ("__token__", "pypiserver-of-demo")
# Who sends: nobody knows the wrong passwords, and no request of one role has the password of another.
ROLES: dict[str, list[tuple[str, str] | None]] = {
    "stranger": [None, None, ("reader", "wrong"), ("publisher", READER[1]), ("", "")],
    "reader": [READER],
    "publisher": [PUBLISHER],
    "token": [TOKEN],
}


NO_ACCOUNT: list[list[str]] = [[], ["Authorization:"], ["Authorization: Basic"], ["Authorization: Bearer x"]]


class Oddly:
    """Picks what is usual, but for up to two aspects of an example: with more, everything is refused for the first."""

    def __init__(self, draw: DRAW, *aspects: str) -> None:
        self._draw = draw
        self._odd = draw(st.sets(st.sampled_from(aspects), max_size=2))

    def __call__(self, aspect: str, usual: Any, odd: list[Any]) -> Any:
        return self._draw(st.sampled_from(odd)) if aspect in self._odd else usual

    def mutated(self, aspect: str, source: bytes) -> bytes:
        return self._draw(mutated(source)) if aspect in self._odd else source


class Sent(NamedTuple):
    role: str
    raw: bytes
    cuts: tuple[int, ...]


@st.composite
def mutated(draw: DRAW, source: bytes, most: int = 2) -> bytes:
    """`source` with one to so many changes."""
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(source)))
        end = min(len(source), at + draw(st.integers(0, 40)))
        new = draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
        kind = draw(st.sampled_from(["insert", "delete", "double", "replace", "cut"]))
        source = {
            "insert": source[:at] + new + source[at:],
            "delete": source[:at] + source[end:],
            "double": source[:end] + source[at:],
            "replace": source[:at] + new + source[end:],
            "cut": source[:at],
        }[kind]
    return source


@st.composite
def _authorization(draw: DRAW, role: str, odd: Oddly) -> list[str]:
    account = draw(st.sampled_from(ROLES[role]))
    if account is None:
        return draw(st.sampled_from(NO_ACCOUNT))
    value = basic(account)
    forms = [
        value.replace("Basic", "bAsIc"),
        value.replace(" ", "  "),
        f"{value}=",
        f"{value} x",
        f"{value}\r\nAuthorization: x",
    ]
    return [f"Authorization: {odd('authorization', value, forms)}"]


@st.composite
def _target(draw: DRAW, odd: Oddly) -> str:
    path = draw(st.sampled_from(PATHS))
    if odd("path", False, [True]):
        path = "/".join(draw(st.lists(st.sampled_from(ODD_SEGMENTS) | st.text(max_size=3), max_size=4)))
    query = odd("query", "", ["?a=b", "?a=%00&b", "?:action=remove_pkg", "#x", "?", "/"])
    return f"{odd('prefix', '/', ODD_PREFIXES)}{path}{query}"


@st.composite
def _chunks(draw: DRAW, body: bytes, odd: Oddly) -> bytes:
    encoded = b""
    while body:
        size = draw(st.integers(max(1, len(body) // 4), len(body)))
        line = odd("size", "{n:x}", ["{n:x}", *ODD_SIZES]).format(n=size)
        encoded += line.encode() + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    end: bytes = odd("end", b"0\r\n\r\n", [b"", b"0\r\n", b"0\r\nX: y\r\n\r\n", b"00\r\n\r\n", b"0\r\n" * 30, b"0\n\n"])
    return encoded + end


_ASPECTS = [
    "method",
    "path",
    "query",
    "prefix",
    "version",
    "fields",
    "authorization",
    "length",
    "coding",
    "coding_name",
    "size",
    "end",
    "host",
    "framing",
    "line_end",
    "head",
    "body",
]


@st.composite
def one(draw: DRAW, role: str, depth: int = 1) -> bytes:
    """A request, or something like one; its body may be another."""
    odd = Oddly(draw, *_ASPECTS)
    body = draw(st.sampled_from(BODIES) | (one(role, depth - 1) if depth else st.binary(max_size=20)))
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=2)) + draw(_authorization(role, odd))
    if odd("fields", False, [True]):
        fields += draw(st.lists(st.sampled_from(ODD_FIELDS), min_size=1, max_size=2))
    method = odd("method", draw(st.sampled_from(METHODS)), ODD_METHODS)
    if method == "GET" and draw(st.booleans()):
        body = b""
    framing = odd("framing", draw(st.sampled_from(["length", "chunks"])) if body else "none", ["both", "none"])
    if framing in ("length", "both"):
        fields.append(f"Content-Length: {odd('length', '{n}', ODD_LENGTHS).format(n=len(body))}")
    if framing in ("chunks", "both"):
        fields.append(
            f"{odd('coding name', 'Transfer-Encoding', ODD_CODING_NAMES)}: {odd('coding', 'chunked', ODD_CODINGS)}"
        )
        body = draw(_chunks(body, odd))
    if method == "POST" and body:
        fields.append("Content-Type: multipart/form-data; boundary=B")
    hosts = odd("host", ["Host: x"], [[], ["Host: x", "Host: x"], ["Host:"], ["Host: [::1]:80"], ["Host: x/y"]])
    line = f"{method} {draw(_target(odd))} {odd('version', 'HTTP/1.1', ODD_VERSIONS)}"
    head = odd("line_end", "\r\n", ["\n", "\r", "\r\n "]).join(
        [line, *draw(st.permutations([*hosts, *fields])), "", ""]
    )
    encoded = head.encode("latin-1", "replace") if draw(st.booleans()) else head.encode("utf-8", "replace")
    return odd.mutated("head", encoded) + odd.mutated("body", body)


@st.composite
def sent(draw: DRAW, roles: tuple[str, ...] = tuple(ROLES)) -> Sent:
    role = draw(st.sampled_from(roles))
    raw = b"".join(draw(st.lists(one(role), min_size=1, max_size=3)))
    return Sent(role, raw, tuple(draw(st.lists(st.integers(0, 1 << 14), max_size=2))))
