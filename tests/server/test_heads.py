"""What handlers see of a request's head: one reading of it, or none."""

from __future__ import annotations

import pytest

from server.wire.messages import Environ, Refusal
from server.wire.request import Request, read_request

from .connections import ask
from .tasks import Task

PEER = "192.0.2.1"


def read(line: str, *fields: str) -> Request:
    return read_request("".join(f"{it}\r\n" for it in (line, *fields)).encode("latin-1"), PEER)


def seen(*fields: str, method: str = "GET", version: str = "1.1") -> Environ:
    """What the fields add to what every handler sees."""
    plain = read(f"{method} / HTTP/{version}", "Host: x").environ
    return {
        key: it
        for key, it in read(f"{method} / HTTP/{version}", "Host: x", *fields).environ.items()
        if key not in plain or it != plain[key]
    }


def refused(line: str, *fields: str) -> int:
    with pytest.raises(Refusal) as refusal:
        read(line, *fields)
    return refusal.value.response.status


def test_handlers_see_what_they_read_and_nothing_else() -> None:
    fields = {
        "Accept": "HTTP_ACCEPT",
        "Accept-Encoding": "HTTP_ACCEPT_ENCODING",
        "Authorization": "HTTP_AUTHORIZATION",
        "Content-Type": "CONTENT_TYPE",
        "Host": "HTTP_HOST",
        "If-Modified-Since": "HTTP_IF_MODIFIED_SINCE",
        "If-None-Match": "HTTP_IF_NONE_MATCH",
        "If-Range": "HTTP_IF_RANGE",
        "User-Agent": "HTTP_USER_AGENT",
        "X-Amzn-Trace-Id": "HTTP_X_AMZN_TRACE_ID",
        "X-Forwarded-For": "HTTP_X_FORWARDED_FOR",
    }
    sent = [
        f"{name.upper()}:\t {number}\xe9 \t" if name != "Host" else "host:index:8080"
        for number, name in enumerate(fields)
    ]
    expected = {
        **{key: f"{number}\xe9" for number, key in enumerate(fields.values())},
        "HTTP_HOST": "index:8080",
        "CONTENT_LENGTH": "7",
        "HTTP_RANGE": "bytes=1-",
        "wsgi.url_scheme": "https",
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/simple/caf\xc3\xa9 +/",
        "QUERY_STRING": "a=%20b?c",
        "REMOTE_ADDR": PEER,
    }
    more = ["Content-Length: 7", "Range: bytes=1-", "X-Forwarded-Proto: https", "Connection: x", "Expect: 100-Continue"]
    others = ["Cookie: a", "X_Other: b", "X-Forwarded-Host: c", "Cookie: d", "Empty:"]
    request = read("GET /simple/caf%C3%A9%20+/?a=%20b?c HTTP/1.1", *sent, *more, *others)
    assert request == Request(expected, 7, keeps_alive=True, expects_continue=True)
    smallest = {
        "wsgi.url_scheme": "http",
        "REQUEST_METHOD": "X!",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "REMOTE_ADDR": PEER,
    }
    assert read("X! / HTTP/1.0") == Request(smallest, 0, keeps_alive=False, expects_continue=False)


def test_what_may_come_several_times_is_a_list_and_what_may_not_is_refused() -> None:
    for name in ("Accept", "Accept-Encoding", "If-None-Match", "X-Forwarded-For"):
        assert list(seen(f"{name}: a, b", f"{name.lower()}: c").values()) == ["a, b, c"]
    for name in (
        *(
            "Authorization",
            "Content-Length",
            "Content-Type",
            "Expect",
            "Host",
            "If-Modified-Since",
            "If-Range",
            "Range",
        ),
        *("Transfer-Encoding", "User-Agent", "X-Amzn-Trace-Id", "X-Forwarded-Proto"),
    ):
        assert refused("GET / HTTP/1.1", "Host: x", f"{name}: 1", f"{name.upper()}: 1") == 400, name
        # A proxy may have checked the one header, and another reader obey the other.
        if "-" in name:
            assert (name, refused("GET / HTTP/1.1", "Host: x", f"{name.replace('-', '_')}: 1")) == (name, 400)
    for name in ("script-name", "Script_Name", "PATH-INFO", "path_info"):
        assert refused("GET / HTTP/1.1", "Host: x", f"{name}: 1") == 400


@pytest.mark.parametrize(
    ("version", "fields", "keeps_alive", "expects_continue"),
    [
        ("1.1", (), True, False),
        ("1.9", (), True, False),
        ("1.0", ("Connection: keep-alive", "Expect: 100-continue"), False, False),
        ("1.1", ("Connection: upgrade", "Connection: CLOSE"), False, False),
        ("1.1", ("Expect: 100-CONTINUE",), True, True),
    ],
)
def test_what_a_client_says_of_the_connection(
    version: str, fields: tuple[str, ...], *, keeps_alive: bool, expects_continue: bool
) -> None:
    request = read(f"GET / HTTP/{version}", "Host: x", *fields)
    assert (request.keeps_alive, request.expects_continue) == (keeps_alive, expects_continue)
    assert not seen(*fields, version=version)


def test_one_range_of_bytes_is_passed_on_with_get_alone() -> None:
    for text in ("bytes=0-0", "bytes=1-", "bytes=-5", f"bytes=-{'9' * 18}"):
        assert seen(f"Range: {text}") == {"HTTP_RANGE": text}
        assert not any(seen(f"Range: {text}", method=method) for method in ("HEAD", "POST"))
    for text in ("bytes=-", "bytes=0-0,2-2", "lines=0-0", "bytes 0-0", f"bytes=-{'9' * 19}", ""):
        assert not seen(f"Range: {text}"), text


def test_only_https_is_https() -> None:
    assert seen("X-Forwarded-Proto: https") == {"wsgi.url_scheme": "https"}
    for scheme in ("http", "", "javascript", "https, http"):
        assert not seen(f"X-Forwarded-Proto: {scheme}")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: gzip", 501),
        (f"Content-Length: {'1' * 19}", 400),
        ("Content-Length: 1.0", 400),
        ("Content-Length:", 400),
        ("Expect: 200-maybe", 417),
        ("Expect: 100", 417),
        ("no field", 400),
        ("X: \x7f", 400),
        ("Host: a b", 400),
    ],
)
def test_a_field_that_could_be_misread_is_refused(fields: str, status: int) -> None:
    assert refused("POST / HTTP/1.1", *fields.split("\r\n"), *([] if "Host" in fields else ["Host: x"])) == status


def test_how_long_a_body_is() -> None:
    for fields, length in (
        ((), 0),
        (("Content-Length: 0",), 0),
        ((f"Content-Length: {'9' * 18}",), 10**18 - 1),
        (("Transfer-Encoding: Chunked",), None),
    ):
        assert read("POST / HTTP/1.1", "Host: x", *fields).length == length
    assert not seen("Transfer-Encoding: chunked")
    assert refused("POST / HTTP/1.0", "Transfer-Encoding: chunked") == 400


@pytest.mark.parametrize(
    ("target", "read_as"),
    [
        ("/", ("/", "")),
        ("///a/", ("/a/", "")),
        ("/a?", ("/a", "")),
        ("/a?b=%2f//../\\", ("/a", "b=%2f//../\\")),
        ("/a%252fb", ("/a%2fb", "")),
        ("/a%3Fb%23c", ("/a?b#c", "")),
        ("/.a/..b/c./d..", ("/.a/..b/c./d..", "")),
        ("/\xc3\xa9", ("/\xc3\xa9", "")),
        ("http://x", ("/", "")),
        ("HTTPS://x:80/a?b", ("/a", "b")),
        ("http://x?a", ("/", "a")),
        ("/http://x", 400),
        *(
            (target, 400)
            for target in (
                *("a", "*", "?a", "/#", "/a?b#c", "//x//y", "/a//b", "/a/./b", "/a/../b", "/a/.", "/a/..", "/%2e"),
                *("/%2E%2e/a", "/a%2fb", "/a%2Fb", "/%", "/%1", "/%1g", "/%00", "/a%7f", "/%c2%85", "/%ff", "/\xff"),
                *("/\\", "/%5c", "ftp://x/", "http://a@x/", "http://x#a", "http://x\\a", "http:/x"),
            )
        ),
    ],
)
def test_a_target_has_one_reading_or_none(target: str, read_as: tuple[str, str] | int) -> None:
    if read_as == 400:
        assert refused(f"GET {target} HTTP/1.1", "Host: x") == 400
    else:
        environ = read(f"GET {target} HTTP/1.1", "Host: x").environ
        assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == read_as


def test_a_request_line_has_three_parts() -> None:
    for line, status in {
        "GET /": 400,
        "GET  / HTTP/1.1": 400,
        "GET / HTTP/1.1 ": 400,
        "G@T / HTTP/1.1": 400,
        "GET / http/1.1": 400,
        "GET / HTTP/1.10": 400,
        "GET / HTTP/2.0": 505,
        "GET / HTTP/0.9": 505,
    }.items():
        assert (line, refused(line, "Host: x")) == (line, status)
    assert refused("GET / HTTP/1.1") == 400


@pytest.mark.parametrize(("fields", "size", "status"), [(100, 0, 200), (101, 0, 431), (1, 0, 200), (1, 1, 431)])
def test_a_head_has_a_hundred_fields_and_eight_kilobytes_at_most(
    shared: Task, fields: int, size: int, status: int
) -> None:
    lines = [b"GET /health HTTP/1.1", b"Host: x", *[b"A: b"] * (fields - 1)]
    if fields == 1:
        lines[1:1] = [b"A: " + b"b" * (8192 + size - len(b"\r\n".join([*lines, b"A: "])))]
    assert ask(shared, b"\r\n".join([*lines, b"", b""])).status == status
