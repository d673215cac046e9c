"""How a form is cut into its parts: whatever two readers could understand differently is malformed."""

from __future__ import annotations

import io

import pytest

from server.wire.multipart import HEADERS_LIMIT_BYTES, PARTS_LIMIT, Malformed, boundary_of, parts

NAMED = b'Content-Disposition: form-data; name="a"'


Found = list[tuple[str, str | None, bytes]]


def read(form: bytes) -> Found | str:
    """Its parts, or why it is malformed: the same whether it arrives at once or in pieces."""
    found: list[Found | str] = []
    for most in (1 << 20, 1 if len(form) < 10_000 else 5_000):
        arriving = io.BytesIO(form)
        try:
            cut = parts(lambda size, it=arriving, most=most: it.read(min(size, most)), b"B")  # type: ignore[misc]
            found.append([(part.name, part.filename, b"".join(part.chunks)) for part in cut])
        except Malformed as error:
            found.append(str(error))
    assert found[0] == found[1]
    return found[0]


def one(headers: bytes) -> Found | str:
    """The part with these headers."""
    return read(b"--B\r\n" + headers + b"\r\n\r\nx\r\n--B--")


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=B", b"B"),
        (" Multipart/Form-Data ;\tBOUNDARY=B ; charset=x ", b"B"),
        ('multipart/form-data;boundary="a b\'()+_,-./:=?"', b"a b'()+_,-./:=?"),
        (f"multipart/form-data; boundary={'b' * 70}", b"b" * 70),
    ],
)
def test_a_content_type_has_the_boundary(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "multipart/mixed; boundary=B",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="B "',
        "multipart/form-data; boundary=\xe9",
        f"multipart/form-data; boundary={'b' * 71}",
    ],
)
def test_without_a_boundary_nothing_is_a_form(content_type: str) -> None:
    with pytest.raises(Malformed, match="sent as multipart/form-data with a boundary"):
        boundary_of(content_type)


@pytest.mark.parametrize(
    ("headers", "name", "filename"),
    [
        (NAMED, "a", None),
        (b"CONTENT-DISPOSITION:Form-Data ;NAME=a;\tFileName=b", "a", "b"),
        (b'Content-Disposition: form-data; name=""; filename=""', "", ""),
        ('Content-Disposition: form-data; x=y; filename="\xe9;="; name="\u65e5"'.encode(), "\u65e5", "\xe9;="),
        (b"X: \xff\r\n" + NAMED + b"\r\nContent-Type: text/plain", "a", None),
        *((b"Content-Transfer-Encoding: " + it + b"\r\n" + NAMED, "a", None) for it in (b"Binary", b"8BIT", b"7bit")),
    ],
)
def test_a_part_has_a_name_and_perhaps_that_of_a_file(headers: bytes, name: str, filename: str | None) -> None:
    assert one(headers) == [(name, filename, b"x")]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (b"", "malformed header"),
        (NAMED + b"\r\n b", "malformed header"),
        (NAMED + b"\r\nX : y", "malformed header"),
        (NAMED + b"\r\nX: \x01", "malformed header"),
        (NAMED + b"\r\n" + NAMED, "two Content-Disposition headers"),
        (NAMED + b"\r\nContent-Transfer-Encoding: base64", "transfer encoding"),
        (b"X: y", "has no name"),
        (b'Content-Disposition: attachment; name="a"', "has no name"),
        (b'Content-Disposition: form-data; filename="a"', "has no name"),
        (b'Content-Disposition: form-data; name="\xff"', "not UTF-8"),
        (NAMED + b"; NAME=b", "two parameters name"),
        (NAMED + b"; filename*=utf-8''b", "extended parameter"),
        (NAMED + b'; filename="\\b"', "extended parameter"),
        (NAMED + b"; filename", "extended parameter"),
        (NAMED + b" b", "extended parameter"),
    ],
)
def test_a_part_that_could_have_another_name_is_malformed(headers: bytes, why: str) -> None:
    assert why in one(headers)


LAST = b"--B\r\n" + NAMED + b"\r\n\r\nx\r\n--B"


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (b"", "ends too early"),
        (LAST, "ends too early"),
        (LAST + b"-", "ends too early"),
        (b"x" + LAST + b"--", "something precedes"),
        (b"\r\n\r\n" + LAST + b"--", "something precedes"),
        (b"\n" + LAST + b"--", "something precedes"),
        (b"x\r\n" + LAST + b"--", "something precedes"),
        (LAST + b"\n\r" + LAST + b"--", "not followed by a line end"),
        (LAST + b" \r\n", "not followed by a line end"),
        (LAST + b"--x", "something follows"),
        (LAST + b"--\r\nx", "something follows"),
        (LAST + b"--\r\n\r\n", "something follows"),
    ],
)
def test_a_form_begins_and_ends_with_boundaries(form: bytes, why: str) -> None:
    assert why in read(form)


@pytest.mark.parametrize("before", [b"", b"\r\n"])
@pytest.mark.parametrize("after", [b"", b"\r", b"\n", b"\r\n"])
def test_old_clients_send_line_ends_around_a_form(before: bytes, after: bytes) -> None:
    assert read(before + LAST + b"--" + after) == [("a", None, b"x")]
    assert read(before + b"--B--" + after) == []


def test_a_form_has_so_many_parts_and_each_so_many_bytes_of_headers() -> None:
    part = b"--B\r\n" + NAMED + b"\r\n\r\n\r\n"
    assert len(read(part * PARTS_LIMIT + b"--B--")) == PARTS_LIMIT
    assert read(part * (PARTS_LIMIT + 1) + b"--B--") == f"it has more than {PARTS_LIMIT} parts"
    assert 5_000 <= PARTS_LIMIT <= 50_000
    padded = NAMED + b"\r\nX: "
    padded += b"x" * (HEADERS_LIMIT_BYTES - len(padded))
    assert one(padded) == [("a", None, b"x")]
    assert "too long" in one(padded + b"x")
