"""What every answer has, whatever it says."""

from __future__ import annotations

import pytest

from server.wire.messages import (
    PHRASE_LIMIT,
    Refusal,
    absent,
    has_etag,
    origin_of,
    plain,
    redirect,
    unauthorized,
    whole,
)


def test_an_answer_says_what_it_is_and_how_long() -> None:
    said = whole(200, "a/b", b"abc", ("X", "y"))
    assert said == (200, (("Content-Type", "a/b"), ("Content-Length", "3"), ("X", "y")), [b"abc"], "")
    text = ("Content-Type", "text/plain; charset=utf-8")
    assert plain(399, "\xe9", ("X", "y")) == (399, (text, ("Content-Length", "2"), ("X", "y")), ["\xe9".encode()], "")
    # What cannot be sent is no reason to send nothing.
    assert plain(200, "a\udcffb").body == [b"a?b"]


def test_a_refusal_is_kept_nowhere_and_has_its_reason() -> None:
    refused = Refusal(400, "so\nit \xe9 is\x85", ("X", "y")).response
    text = ("Content-Type", "text/plain; charset=utf-8")
    fields = (text, ("Content-Length", "14"), ("Cache-Control", "no-store"), ("X", "y"))
    assert (refused.status, refused.headers) == (400, fields)
    assert refused.body == ["so\nit \xe9 is\x85\n".encode()]
    assert refused.phrase == "so it   is"
    assert (absent("x").response.status, absent("x").response.phrase) == (404, "Not Found (x does not exist)")
    asked = unauthorized("Who?").response
    assert (asked.status, asked.phrase, asked.headers[-1]) == (401, "Who?", ("WWW-Authenticate", 'Basic realm="pypi"'))
    assert len(plain(400, "x" * 1000).phrase) == PHRASE_LIMIT <= 300
    assert plain(200, "x").phrase == ""


@pytest.mark.parametrize(("query", "location"), [("", "/a"), ("b=c", "/a?b=c")])
def test_a_redirect_keeps_the_query(query: str, location: str) -> None:
    led = redirect(303, "/a", query)
    assert (led.status, [*led.body]) == (303, [b""])
    html = ("Content-Type", "text/html; charset=UTF-8")
    assert led.headers == (html, ("Content-Length", "0"), ("Location", location))


def test_an_origin_is_as_the_client_wrote_it() -> None:
    assert origin_of({"wsgi.url_scheme": "https", "HTTP_HOST": "x:8"}) == "https://x:8"
    # Of HTTP/1.0.
    assert origin_of({"wsgi.url_scheme": "http"}) == "http://localhost"


@pytest.mark.parametrize(
    ("header", "has_it"),
    [
        (None, None),
        *((text, True) for text in ('"x"', 'W/"x"', '"a" ,"x"', " * ", '"a",\tW/"x"')),
        *((text, False) for text in ("", "x", '"X"', '"a", *', 'w/"x"', '"xy"')),
    ],
)
def test_an_entity_tag_is_one_of_a_list(header: str | None, *, has_it: bool | None) -> None:
    assert has_etag({} if header is None else {"HTTP_IF_NONE_MATCH": header}, '"x"') is has_it
