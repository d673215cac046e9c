"""The way to a source: what is wrong with an address, a certificate, a proxy or .netrc is named."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from generator.packages import transport

from ..server.tasks import free_port, visible, wheel
from .conftest import Import
from .sources import Scripted, answer

GOOD, GOOD_CONTENT = wheel("acme", "1.0")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_PAUSE_SECONDS", 0.01)


@contextmanager
def certified(source: Scripted, home: Path, *options: str) -> Iterator[str]:
    """``source`` with TLS, and a certificate that its own key has signed."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(home / "key"), "-out", str(home / "certificate"), "-subj", "/CN=x", *options),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "certificate", home / "key")
    server = source._server
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield source.url.replace("http:", "https:")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-addext", "subjectAltName=IP:127.0.0.1"], "self-signed certificate"),
        (["-addext", "subjectAltName=DNS:other.example.com"], "self-signed certificate"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_certificate_that_is_not_accepted_is_told_in_words(
    options: list[str],
    reason: str,
    scripted: Scripted,
    bring: Import,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    directory: Path,
) -> None:
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT))
    with certified(scripted, tmp_path, *options) as url:
        for words in ([], ["acme"]):
            assert bring(url, *words) == 2
            error = capsys.readouterr().err
            assert f"the certificate of 127.0.0.1:{url.split(':')[2].split('/')[0]} is not accepted: {reason}" in error
            assert "REQUESTS_CA_BUNDLE" in error
            assert not any(word in error for word in ("HTTPSConnectionPool", "Max retries", "_ssl.c", "Error("))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate"))
        assert bring(url) == (0 if "IP:" in options[1] else 2)
        assert ("match" in capsys.readouterr().err) == ("IP:" not in options[1])


def test_what_does_not_answer_is_told_in_words(
    scripted: Scripted, bring: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    for url, words in (
        (scripted.url.replace("http:", "https:"), "does not speak TLS there: is it http:// instead of https://?"),
        (f"http://127.0.0.1:{free_port()}/simple/", "nothing listens at 127.0.0.1:"),
        ("http://pypi.invalid/simple/", "the name pypi.invalid cannot be found"),
        ("http://127.0.0.1:99999/simple/", "this is not the URL of an index"),
    ):
        assert bring(url) == 2
        error = capsys.readouterr().err
        assert words in error
        assert not any(word in error for word in ("ConnectionPool", "Max retries", "Error("))


def test_a_proxy_that_is_down_is_not_taken_for_the_source(
    bring: Import, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert bring("http://pypi.invalid/simple/") == 2
    said = capsys.readouterr().err
    assert "the proxy of this environment (HTTPS_PROXY, HTTP_PROXY) does not connect to pypi.invalid: " in said


def test_blanks_around_an_address_do_not_count(scripted: Scripted, bring: Import, directory: Path) -> None:
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT))
    assert bring(f" {scripted.url}\n") == 0
    assert visible(directory) == [GOOD]


def _no_file(home: Path) -> str:
    return str(home / "none.pem")


def _no_certificates(home: Path) -> str:
    (home / "empty.pem").write_text("nothing")
    return str(home / "empty.pem")


@pytest.mark.parametrize("bundle", [_no_file, _no_certificates])
def test_a_file_without_certificates_is_named_by_its_variable(
    bundle: Callable[[Path], str],
    scripted: Scripted,
    bring: Import,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle(tmp_path))
    assert bring(scripted.url.replace("http:", "https:")) == 2
    error = capsys.readouterr().err
    assert "REQUESTS_CA_BUNDLE" in error
    assert not any(word in error for word in ("TMPDIR", "_ssl.c", "Error("))


@pytest.mark.parametrize("proxy", ["http://", "socks5://127.0.0.1:1"])
def test_an_unusable_proxy_is_named(
    proxy: str, scripted: Scripted, bring: Import, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    assert bring(scripted.url) == 2
    assert "the proxy of this environment (HTTPS_PROXY, HTTP_PROXY) cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"machine 127.0.0.1 bogus x", b"\xff", None], ids=["no word", "no text", "no file"]
)
def test_a_netrc_that_cannot_be_read_is_named_where_it_is_needed(
    content: bytes | None,
    scripted: Scripted,
    bring: Import,
    directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if content is None:
        (tmp_path / "netrc").mkdir()
    else:
        (tmp_path / "netrc").write_bytes(content)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    scripted.page("acme", scripted.file(GOOD, GOOD_CONTENT))
    assert bring(scripted.url) == 0
    scripted.answers["/simple/"] = lambda it: answer(it, 401)
    assert bring(scripted.url) == 2
    assert "or in .netrc, which cannot be read: " in capsys.readouterr().err
