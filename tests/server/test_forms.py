"""Forms and file names that clients do not send, or that would be stored as something else."""

from __future__ import annotations

import pytest
import requests

from .tasks import PUBLISHER, Task, sdist, visible, wheel

ACTION = b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
NAME, CONTENT = sdist("formed", "1.0")


def file_part(disposition: bytes = b"", headers: bytes = b"") -> bytes:
    disposition = disposition or b'form-data; name="content"; filename="%s"' % NAME.encode()
    return b"--B\r\nContent-Disposition: " + disposition + b"\r\n" + headers + b"\r\n" + CONTENT + b"\r\n"


def send(task: Task, body: bytes, content_type: str = "multipart/form-data; boundary=B") -> requests.Response:
    return requests.post(task.url, body, auth=PUBLISHER, headers={"Content-Type": content_type}, timeout=60)


END = b"--B--\r\n"
FORMS = {
    "no boundary": (ACTION + file_part() + END, "multipart/form-data"),
    "extended boundary": (ACTION + file_part() + END, "multipart/form-data; boundary*=utf-8''B"),
    "two boundaries": (ACTION + file_part() + END, "multipart/form-data; boundary=B; boundary=C"),
    "another type": (ACTION + file_part() + END, "multipart/mixed; boundary=B"),
    "charset with NUL": (ACTION + file_part(headers=b"Content-Type: text/plain; charset=\0\r\n") + END, None),
    "extended file name": (ACTION + file_part(b"form-data; name=content; filename*=idna''%ff") + END, None),
    "name in two pieces": (ACTION + file_part(b"form-data; name*=utf-8''content; name*0=x; filename=f") + END, None),
    "two names": (ACTION + file_part(b'form-data; name="content"; name="x"; filename="f-1.0.zip"') + END, None),
    "two file names": (ACTION + file_part(b'form-data; name="content"; filename="a"; filename="b"') + END, None),
    "quoted pair": (ACTION + file_part(b'form-data; name="con\\tent"; filename="f-1.0.zip"') + END, None),
    "folded header": (ACTION + file_part(b'form-data;\r\n name="content"; filename="f-1.0.zip"') + END, None),
    "two dispositions": (
        ACTION + file_part(headers=b'Content-Disposition: form-data; name="content"; filename="x"\r\n') + END,
        None,
    ),
    "transfer encoding": (ACTION + file_part(headers=b"Content-Transfer-Encoding: base64\r\n") + END, None),
    "no name": (ACTION + file_part(b"form-data") + END, None),
    "no disposition": (ACTION + b"--B\r\n\r\nx\r\n" + file_part() + END, None),
    "not UTF-8": (ACTION + file_part(b'form-data; name="content"; filename="\xff"') + END, None),
    "no file name": (ACTION + file_part(b'form-data; name="content"') + END, None),
    "no final boundary": (ACTION + file_part(), None),
    "preamble": (b"before\r\n" + ACTION + file_part() + END, None),
    "epilogue": (ACTION + file_part() + END + b"after", None),
    "two files": (ACTION + file_part() + file_part() + END, None),
    "two actions": (ACTION + ACTION + file_part() + END, None),
    "long headers": (ACTION + file_part(headers=b"X: " + b"x" * 20_000 + b"\r\n") + END, None),
    "long field": (
        ACTION + b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"x" * 2000 + b"\r\n" + END,
        None,
    ),
    "20,000 parts": (ACTION + b'--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 20_000 + END, None),
    "20,000 fields": (b"&".join(b"a%d=1" % n for n in range(5_000)), "application/x-www-form-urlencoded"),
    "empty": (b"", None),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_malformed_form_is_refused_with_a_reason(shared: Task, case: str) -> None:
    body, content_type = FORMS[case]
    before = visible(shared.directory)
    response = send(shared, body, content_type or "multipart/form-data; boundary=B")
    assert response.status_code == 400, response.text
    assert "malformed" in response.text
    assert response.reason == response.text.strip()[:240].strip()
    assert visible(shared.directory) == before


def test_a_form_without_files_may_name_its_charset(shared: Task) -> None:
    said = {
        send(shared, b":action=nonsense", content_type).text
        for content_type in ("application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded ; charset=utf-8")
    }
    assert len(said) == 1
    assert "malformed" not in said.pop()


def test_the_form_of_old_setuptools_is_understood(shared: Task) -> None:
    """Its body begins with a line end, and values in it are not quoted alike."""
    assert send(shared, b"\r\n" + ACTION + file_part() + END).status_code == 200
    assert (shared.directory / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "name",
    [
        "noversion.tar.gz",
        "foo-1.0.TAR.GZ",
        "foo-1.0.WHL",
        "pkg-3d-1.0.tar.gz",
        "foo-one.tar.gz",
        "foo-1.0.egg",
        "foo-1.0.tar.gz.asc",
        "foo-1.0-py3-none.whl",
        "foo-1.0-x-py3-none-any.whl",
        "foo--1.0-py3-none-any.whl",
        "-1.0.tar.gz",
        "foo-1.0.tar",
        "foo-1.0-2.tar.gz",
        # 17,576 tags.
        "-".join(["foo-1.0", *[".".join("abcdefghijklmnopqrstuvwxyz")] * 3]) + ".whl",
    ],
)
def test_names_that_would_be_filed_wrongly_are_refused(shared: Task, name: str) -> None:
    before = visible(shared.directory)
    content = sdist("foo", "1.0")[1] if "whl" not in name else wheel("foo", "1.0")[1]
    response = shared.upload(name, content)
    assert (response.status_code, visible(shared.directory)) == (400, before), response.text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "Agreed", "version": "1"}, 200),
        ({"name": "other", "version": "1.0"}, 400),
        ({"name": "agreed", "version": "1.1"}, 400),
        ({"name": "agreed", "version": "none"}, 400),
    ],
)
def test_form_and_file_name_agree(shared: Task, fields: dict[str, str], status: int) -> None:
    assert shared.upload(*sdist("agreed", "1.0"), fields).status_code == status
    (shared.directory / "agreed-1.0.tar.gz").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("My_Pkg-1.0-py3-none-any.whl", "my_pkg-1.0-py3-none-any.whl"),
        ("my_pkg-1.0-py3-none-any.whl", "my.pkg-1.0-py3-none-any.whl"),
        ("my_pkg-1.0-py3-none-any.whl", "my_pkg-1.0.0-py3-none-any.whl"),
        ("my_pkg-1.0-1-py3-none-any.whl", "my_pkg-1.0-01-py3-none-any.whl"),
        ("my_pkg-1.0-py2.py3-none-any.whl", "my_pkg-1.0-py3.py2-none-any.whl"),
        ("my_pkg-1.0.tar.gz", "my-pkg-1.0.tar.gz"),
        ("my_pkg-1.0.tar.gz", "My_Pkg-1.0.zip"),
    ],
)
def test_a_file_has_one_spelling(shared: Task, first: str, second: str) -> None:
    version = second.split("-")[2 if second.startswith("my-pkg") else 1].removesuffix(".tar.gz").removesuffix(".zip")

    def content(extra: bytes) -> bytes:
        if first.endswith(".whl"):
            return wheel("My_Pkg", version, extra)[1]
        return sdist("My_Pkg", version, extra)[1]

    try:
        assert shared.upload(first, content(b"1")).status_code == 200
        for sent in (content(b"2"), content(b"1")):
            response = shared.upload(second, sent)
            assert (response.status_code, "already exists" in response.text) == (409, True), response.text
        assert shared.upload(first, content(b"1")).status_code == 200
        assert [file["filename"] for file in shared.project("my-pkg")["files"]] == [first]
    finally:
        for path in shared.directory.glob("[Mm]y*"):
            path.unlink()


def test_a_build_of_its_own_is_another_file(shared: Task) -> None:
    for name in ("built-1.0-py3-none-any.whl", "built-1.0-1-py3-none-any.whl", "built-1.0-py2-none-any.whl"):
        assert shared.upload(name, wheel("built", "1.0")[1]).status_code == 200
    assert len(shared.project("built")["files"]) == 3
