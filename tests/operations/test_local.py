"""What ``local`` keeps and refuses; how the server runs there is tested in tests/server/test_local.py."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
from custom_resource import serving

from generator.commands import main
from generator.local import processes
from generator.local.environment import read
from generator.local.processes import free_port, refuse_taken
from generator.local.proxy import certificate_in, proxy
from generator.local.run import usage
from generator.local.state import ACCOUNTS, passwords
from generator.operations.exits import Problem
from server import contract
from tests.forking import Forked, run
from tests.server.tasks import wait_for, wheel

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def test_passwords_stay_and_are_their_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = passwords()
    assert made.keys() == {*ACCOUNTS}
    assert len({*made.values()}) == len(ACCOUNTS)
    assert passwords() == made
    (file,) = (tmp_path / "state").rglob("*.json")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"publisher": 1}', "\xff", "[" * 100_000])
def test_a_spoiled_file_is_named(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    passwords()
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(Problem, match=r"passwords\.json cannot be read: remove it"):
        passwords()
    file.unlink()
    assert passwords()


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(Problem, match="name another place in XDG_STATE_HOME"):
        passwords()


def test_variables_of_the_server_are_read() -> None:
    given = ["IMMUTABLE_PACKAGES=false", "FALLBACK_URL=https://pypi.org/simple", "POLL_SECONDS=5", "UPSTREAM_URL="]
    assert read(given) == {
        "IMMUTABLE_PACKAGES": "false",
        "FALLBACK_URL": "https://pypi.org/simple",
        "POLL_SECONDS": "5",
        "UPSTREAM_URL": "",
    }


def test_every_mistake_in_a_variable_is_named_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "IMMUTABLE_PACKAGE=false": "the server has no IMMUTABLE_PACKAGE, but IMMUTABLE_PACKAGES",
        "READER_PASSWORD=x": "the server has no READER_PASSWORD, but READER_SECRET",
        "POLL_SECONDS": "it wants NAME=VALUE",
        "POLL_SECONDS=0": "must be a whole number from 1 to 3600",
        "POLL_SECONDS=\u0664": "must be a whole number from 1 to 3600",
        "IMMUTABLE_PACKAGES=no": "must be true or false",
        "PORT=9000": "give --port",
        "PACKAGES_DIRECTORY=/srv": "give --directory",
    }
    words = [word for it in given for word in ("--environment", it)]
    assert main(["local", *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [f"error: --environment {it}: {why}" for it, why in given.items()]


NUMBERS = [it for it in contract.ALL if isinstance(it, contract.Number) and it is not contract.PORT]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda it: it.name)
def test_the_bounds_of_a_number_are_those_of_the_server(number: contract.Number) -> None:
    for value in (number.least, number.most):
        assert read([f"{number.name}={value}"]) == {number.name: str(value)}
    for value in (number.least - 1, number.most + 1):
        with pytest.raises(Problem, match=f"must be {number.form}"):
            read([f"{number.name}={value}"])


def local(home: Path, *words: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    """In a process of its own, as it blocks signals."""
    environment = {"PATH": path, "XDG_STATE_HOME": str(home), "TMPDIR": str(home)}
    return run("generator", ["local", "--directory", str(home / "packages"), *words], environment, ROOT, 60)


def test_a_server_that_ends_at_once_is_not_waited_for(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    python.chmod(0o755)
    done = local(tmp_path, "--python", python.name, "--port", str(free_port()), path=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 1
    first, second, third = done.stderr.splitlines()
    assert (first, second) == ("starting …", "no such module")
    assert third.startswith("error: task-")
    assert third.endswith(" has ended")


@contextmanager
def serving_locally(home: Path, *words: str, path: str, ending: signal.Signals) -> Iterator[str]:
    """What ``local`` prints before it serves. Whoever ends it by a signal sees it succeed."""
    environment = {"PATH": path, "XDG_STATE_HOME": str(home / "state"), "TMPDIR": str(home)}
    with open(os.devnull) as nothing, (home / "out").open("w") as out, (home / "err").open("w") as err:
        streams = [it.fileno() for it in (nothing, out, err)]
        process = Forked(Path(sys.executable), "generator", ["local", *words], environment, home, streams)
    try:
        printed = home / "out"
        assert wait_for(lambda: "Ctrl-C" in printed.read_text() or process.poll() is not None)
        yield printed.read_text()
    finally:
        if process.poll() is None:
            os.kill(process.pid, ending)
        ended = process.wait(30)
    assert ended == 0
    assert (home / "err").read_text() == "starting …\n"


@pytest.mark.parametrize(
    ("scheme", "tasks", "ending"),
    [("http", 1, signal.SIGINT), ("https", 2, signal.SIGTERM)],
    ids=["alone", "behind nginx"],
)
def test_what_is_printed_works(tmp_path: Path, scheme: str, tasks: int, ending: signal.Signals) -> None:
    """By the Python that runs the command, with the settings that are given; then nothing is left but the files."""
    if tasks == 2 and not NGINX:
        pytest.skip("nginx is not installed")
    port = free_port()
    fallback = "FALLBACK_URL=https://elsewhere.example/simple"
    words = ["--directory", "served", "--port", str(port), "--environment", fallback]
    path = str(tmp_path) if tasks == 1 else "/usr/bin:/bin"
    with serving_locally(tmp_path, *words, path=path, ending=ending) as printed:
        url = f"{scheme}://localhost:{port}"
        assert f"{url}/  serving {tmp_path}/served" in printed.splitlines()
        accounts = dict(re.findall("(?m)^(publisher|reader) +(\\w+)$", printed))
        assert len({*accounts.values()}) == 2
        commands = [shlex.split(line) for line in printed.splitlines() if re.search("(twine|pip|uv) ", line)]
        variables = [dict([words.pop(0).split("=")]) if "=" in words[0] else {} for words in commands]
        trusted: dict[str, Any] = {"verify": variables[0]["REQUESTS_CA_BUNDLE"]} if tasks == 2 else {}
        assert [it for it in variables if {*it.values()} != {*trusted.values()}] == []
        assert [" ".join(words) for words in commands] == [
            f"twine upload --repository-url {url}/ -u publisher -p {accounts['publisher']} dist/*",
            f"uv publish --publish-url {url}/ -u publisher -p {accounts['publisher']} dist/*",
            f"pip install --index-url {scheme}://reader:{accounts['reader']}@localhost:{port}/simple/ PROJECT",
            f"uv pip install --index-url {scheme}://reader:{accounts['reader']}@localhost:{port}/simple/ PROJECT",
        ]
        logs = [Path(it) for it in re.findall(r"[^ ,]+\.log", printed)]
        assert len(logs) == tasks
        form = {":action": "file_upload", "protocol_version": "1"}
        name, content = wheel("pkg", "1.0")
        for account, status in (("reader", 403), ("publisher", 200)):
            given = (account, accounts[account])
            sent = requests.post(f"{url}/", form, files={"content": (name, content)}, auth=given, timeout=30, **trusted)
            assert sent.status_code == status
        simple = commands[2][3]
        assert name in requests.get(f"{simple}pkg/", timeout=30, **trusted).text
        other = requests.get(f"{simple}absent/", allow_redirects=False, timeout=30, **trusted)
        assert other.headers["Location"] == "https://elsewhere.example/simple/absent/"
        assert '"path": "/simple/pkg/"' in "".join(it.read_text() for it in logs)
    assert (tmp_path / "served" / name).read_bytes() == content
    assert not logs[0].parent.exists()
    assert all(Path(it).exists() for it in trusted.values()), "clients go on to trust it"
    for it in (port, *(int(log.stem.removeprefix("task-")) for log in logs)):
        refuse_taken(it)


SERVER = """\
#!{python}
import os, signal, socket, tempfile, time
from pathlib import Path
home = Path({home!r})
def end(file):
    (home / file).touch()
    os.kill(os.getppid(), signal.{signal})
def told(*_):
    end("told")
    os._exit(0)
signal.signal(signal.SIGTERM, told)
with (home / "tasks").open("a") as tasks:
    print(os.getpid(), file=tasks)
(home / "temporary").write_text(tempfile.gettempdir())
if {early}:
    end("asked")
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
listener.accept()
time.sleep(0.5)
if not {early}:
    end("asked")
time.sleep(60)
"""


@pytest.mark.parametrize("early", [True, False], ids=["starting", "serving"])
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM"])
def test_who_ends_it_has_nothing_left(tmp_path: Path, ending: str, early: bool) -> None:
    """Neither a task, which is told to end and not killed, nor what a task has put where temporary files go. To ask again
    while it ends changes nothing.
    """
    python = tmp_path / "python"
    python.write_text(SERVER.format(python=sys.executable, home=str(tmp_path), signal=ending, early=early))
    python.chmod(0o755)
    # Without openssl: one task, and no proxy.
    port = free_port()
    done = local(tmp_path, "--python", str(python), "--port", str(port), path=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "starting …\n")
    first, _, second, *_ = done.stdout.splitlines()
    assert re.match("One task without TLS, as (nginx and )?openssl is not installed", first)
    assert second == f"http://localhost:{port}/  serving {tmp_path}/packages"
    assert (tmp_path / "asked").exists(), "it has served until then"
    assert (tmp_path / "told").exists()
    temporary = Path((tmp_path / "temporary").read_text())
    assert temporary.parent == tmp_path, "one of its own"
    assert not temporary.exists()
    (task,) = (tmp_path / "tasks").read_text().split()
    assert not Path("/proc", task).exists()


def test_a_proxy_that_does_not_start_is_told_with_what_it_says(tmp_path: Path) -> None:
    """And the two tasks that it was for are told to end."""
    python, nginx = tmp_path / "python", tmp_path / "nginx"
    python.write_text(SERVER.format(python=sys.executable, home=str(tmp_path), signal="SIGINT", early=False))
    nginx.write_text("#!/bin/sh\necho unknown directive >&2\nexit 1\n")
    for program in (python, nginx):
        program.chmod(0o755)
    done = local(tmp_path, "--python", str(python), "--port", str(free_port()), path=f"{tmp_path}:/usr/bin:/bin")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "starting …\nunknown directive\nerror: nginx has ended\n"
    assert (tmp_path / "told").exists()
    tasks = (tmp_path / "tasks").read_text().split()
    assert [Path("/proc", it).exists() for it in tasks] == [False, False]


@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_the_proxy_passes_on_what_a_load_balancer_does(tmp_path: Path) -> None:
    """To both tasks by turns, with who asks for what by which scheme; it has no bound for uploads, and ends with the rest."""
    seen: list[tuple[int, dict[str, str | None], int]] = []

    class Task(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = len(self.rfile.read(int(self.headers["Content-Length"])))
            names = ("Host", "X-Forwarded-For", "X-Forwarded-Proto", "Connection")
            seen.append((self.connection.getsockname()[1], {name: self.headers[name] for name in names}, length))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    assert NGINX
    port = free_port()
    certificate, key = certificate_in(tmp_path)
    with ExitStack() as stack:
        tasks = [int(stack.enter_context(serving(Task)).rpartition(":")[2]) for _ in range(2)]
        proxy(stack, tmp_path, NGINX, port, tasks, certificate, key)
        trusting = ssl.create_default_context(cafile=str(certificate))
        for _ in range(2):
            client = HTTPSConnection("localhost", port, context=trusting, timeout=30)
            client.request("POST", "/", bytes(1_500_000))
            assert client.getresponse().status == 200
            client.close()
    assert {it[0] for it in seen} == set(tasks)
    given = {
        "Host": f"localhost:{port}",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https",
        "Connection": None,
    }
    assert [it[1:] for it in seen] == [(given, 1_500_000)] * 2
    refuse_taken(port)
    assert (tmp_path / "nginx.log").exists()


def test_a_port_is_taken_by_who_listens_and_not_by_what_an_earlier_run_has_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            # Who closes first has a connection that lingers.
            listener.accept()[0].close()
            assert client.recv(1) == b""
        with pytest.raises(Problem, match=f"port {port}: .*: give another --port"):
            refuse_taken(port)
    refuse_taken(port)
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", port))


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / ".index").touch()
    done = local(tmp_path, "--port", str(free_port()))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/packages cannot be written to: ")
    assert done.stderr.count("\n") == 1


def test_a_home_with_a_blank_in_its_path_can_be_pasted() -> None:
    certificate = Path("/home/ada lovelace/certificate.pem")
    lines = usage(8443, Path("/srv"), dict.fromkeys(ACCOUNTS, "x"), certificate, []).splitlines()
    commands = [shlex.split(line) for line in lines if "_CA_BUNDLE" in line or "SSL_CERT" in line]
    assert {(words[0].partition("=")[2], words[1]) for words in commands} == {
        (str(certificate), program) for program in ("twine", "uv", "pip")
    }


def test_a_process_that_does_not_stop_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.1)
    program = ["sh", "-c", "trap '' TERM; sleep 1000 & echo $! >child; echo >ready; wait"]
    with (tmp_path / "log").open("wb") as log, contextlib.chdir(tmp_path), processes.running(program, os.environ, log):
        assert wait_for((tmp_path / "ready").exists)
    state = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")

    def has_ended() -> bool:
        """Or is an orphan's child, whose end init has not seen yet."""
        try:
            return state.read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    assert wait_for(has_ended)


def test_a_certificate_is_kept_while_it_is_good_for_a_day(tmp_path: Path) -> None:
    certificate, key = certificate_in(tmp_path)
    assert key.stat().st_mode & 0o077 == 0
    first = certificate.read_bytes()
    assert certificate_in(tmp_path) == (certificate, key)
    assert certificate.read_bytes() == first
    tell = ["openssl", "x509", "-noout", "-in", str(certificate)]
    for seconds, ends in ((29 * 86400, 0), (31 * 86400, 1)):
        assert subprocess.run([*tell, "-checkend", str(seconds)], capture_output=True, check=False).returncode == ends
    shown = subprocess.run([*tell, "-text"], capture_output=True, text=True, check=True).stdout
    assert "DNS:localhost, IP Address:127.0.0.1" in shown
    assert "CA:FALSE" in shown
    # As if it were older: one for today alone.
    request = ["openssl", "req", "-x509", "-new", "-key", str(key), "-days", "1", "-subj", "/CN=old"]
    subprocess.run([*request, "-out", str(certificate)], capture_output=True, check=True)
    old = certificate.read_bytes()
    certificate_in(tmp_path)
    assert certificate.read_bytes() not in (old, first)
    key.unlink()
    certificate_in(tmp_path)
    assert key.exists()
