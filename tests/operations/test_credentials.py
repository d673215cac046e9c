"""``credentials`` of a deployed stack, as each client's own parser reads them."""

from __future__ import annotations

import json
import netrc
import os
import re
import subprocess
import threading
import tomllib
from configparser import RawConfigParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from calls import client
from stacks import DEPLOY, Parameters, give, physical_ids

from generator.commands import main
from generator.packages import transport

pytestmark = pytest.mark.usefixtures("here")


def secret(name: str = "PublisherSecret") -> dict[str, str]:
    found = client("secretsmanager").get_secret_value(SecretId=physical_ids()[name])
    values: dict[str, str] = json.loads(found["SecretString"])
    return values


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What ``credentials`` prints."""
    assert main(["credentials", *options]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert not captured.out.endswith("\n\n")
    return captured.out


def test_credentials_to_install_are_the_readers(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    password = secret("ReaderSecret")["password"]
    server = "pypiserver.example.com"
    index = f"https://reader:{password}@{server}/simple/"
    pip = RawConfigParser()
    pip.read_string(printed(capsys))
    assert pip["global"]["index-url"] == index
    (uv,) = tomllib.loads(printed(capsys, "--format", "uv"))["index"]
    assert (uv["url"], uv["default"]) == (index, True)
    pdm = tomllib.loads(printed(capsys, "--format", "pdm"))["pypi"]["private"]
    assert pdm == {"url": f"https://{server}/simple/", "username": "reader", "password": password}
    Path("netrc").write_text(printed(capsys, "--format", "netrc"))
    assert netrc.netrc("netrc").authenticators(server) == ("reader", "", password)
    for form in ("env", "poetry"):
        assert secret()["password"] not in printed(capsys, "--format", form)
        assert password in printed(capsys, "--format", form)


def test_a_stack_without_a_reader_says_whose_there_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    give(ReaderAccount="false")
    assert main([*DEPLOY, "--stack-name", "alone"]) == 0
    steps = capsys.readouterr().out
    assert re.search(r"credentials --stack-name alone .*--format pip --account publisher --output pip\.conf", steps)
    assert main(["credentials", "--stack-name", "alone"]) == 2
    said = "alone has no reader: add --account publisher, or deploy with ReaderAccount=true"
    assert said in " ".join(capsys.readouterr().err.split())


def test_credentials_to_upload_are_the_publishers(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    password = secret()["password"]
    pypirc = RawConfigParser()
    pypirc.read_string(printed(capsys, "--format", "pypirc"))
    repository = {"repository": "https://pypiserver.example.com/", "username": "publisher", "password": password}
    assert dict(pypirc["private"]) == repository
    for form in ("twine", "uv-publish", "poetry-publish", "hatch"):
        assert password in printed(capsys, "--format", form)
        assert main(["credentials", "--format", form, "--account", "reader"]) == 2
        assert "the reader may only install" in capsys.readouterr().err
    as_json = json.loads(printed(capsys, "--format", "json", "--account", "publisher"))
    assert as_json == {"url": "https://pypiserver.example.com/", "username": "publisher", "password": password}


def test_credentials_that_need_quoting(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    """A rotated password may be anything."""
    before = secret()
    odd = {"username": "publisher", "password": "a/b'c@d %\"$x"}
    client("secretsmanager").put_secret_value(SecretId=physical_ids()["PublisherSecret"], SecretString=json.dumps(odd))
    index = RawConfigParser()
    index.read_string(printed(capsys, "--account", "publisher"))
    client("secretsmanager").put_secret_value(
        SecretId=physical_ids()["PublisherSecret"], SecretString=json.dumps(before)
    )
    assert index["global"]["index-url"] == "https://publisher:a%2Fb%27c%40d%20%25%22%24x@pypiserver.example.com/simple/"


def test_secret_of_another_form_is_named(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    before = secret()
    for text in ("hunter2", '{"user": "publisher"}', "[]", "[" * 60_000):
        client("secretsmanager").put_secret_value(SecretId=physical_ids()["PublisherSecret"], SecretString=text)
        assert main(["credentials", "--account", "publisher"]) == 2
        assert "is not JSON with username and password: docs/runbooks/rotate-a-password.md" in capsys.readouterr().err
    odd = json.dumps({"username": "publisher", "password": "schlüssel"})
    client("secretsmanager").put_secret_value(SecretId=physical_ids()["PublisherSecret"], SecretString=odd)
    assert main(["credentials", "--account", "publisher"]) == 2
    assert "give publisher a new password of printable ASCII" in capsys.readouterr().err
    client("secretsmanager").put_secret_value(
        SecretId=physical_ids()["PublisherSecret"], SecretString=json.dumps(before)
    )


def test_a_file_is_not_written_where_git_would_take_it(
    deployed: Parameters, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["git", "-C", str(here)]
    subprocess.run([*git, "init", "-q"], check=True)
    (here / "below").mkdir()
    for path in ("pip.conf", "below/it's mine"):
        assert main(["credentials", "--output", path]) == 2
        refused = capsys.readouterr().err
        assert "git would commit this password" in refused
        assert not (here / path).exists()
        advice = refused.partition("make git ignore it with `")[2].partition("`")[0]
        subprocess.run(["sh", "-c", advice], check=True)
        assert main(["credentials", "--output", path]) == 0
    listed = subprocess.run([*git, "status", "--short"], check=True, capture_output=True, text=True).stdout
    assert "pip.conf" not in listed
    assert "mine" not in listed


def test_credentials_file_is_its_owners_alone(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--output", "pip.conf") == ""
    assert os.stat("pip.conf").st_mode & 0o777 == 0o600
    assert secret("ReaderSecret")["password"] in Path("pip.conf").read_text()
    assert main(["credentials", "--output", "pip.conf"]) == 2
    assert "pip.conf exists" in capsys.readouterr().err
    assert main(["credentials", "--output", "absent/pip.conf"]) == 2
    assert capsys.readouterr().err == "error: absent/pip.conf: No such file or directory\n"


def test_commands_about_packages_speak_to_the_stacks_server(
    deployed: Parameters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without ``--to``. Through a proxy, which has the host and refuses."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(502)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(transport, "_PAUSE_SECONDS", 0.01)
    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        assert main(["yank", "acme-core", "1.2"]) == 1
        assert main(["import", f"http://127.0.0.1:{proxy.server_port}/simple/", "acme"]) == 2
        proxy.shutdown()
        thread.join()
    assert set(asked) == {"pypiserver.example.com:443"}
    assert "pypiserver.example.com" in capsys.readouterr().err


def test_commands_about_packages_tell_that_there_is_no_stack(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["yank", "acme-core", "1.2", "--stack-name", "absent"]) == 2
    assert "there is no stack absent" in capsys.readouterr().err
