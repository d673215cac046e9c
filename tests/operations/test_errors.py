"""Whatever goes wrong between here and AWS is one line that says what to do; one of each kind in a real process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from botocore import exceptions  # type: ignore[import-untyped] # botocore has no types
from commands import command
from custom_resource import serving
from emulator import environment
from program import installed

from generator.operations.errors import ClientError, explain
from generator.operations.invocation import called_as

ROOT = Path(__file__).parents[2]
PAGE = b"<!DOCTYPE html><html><title>Guest network</title><body>Please log in</body></html>"


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return command(words, {"PATH": os.defpath, **env})


def process(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "generator", *words],
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


Run = Callable[..., subprocess.CompletedProcess[str]]


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error."""
    assert done.stderr.startswith("error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@contextmanager
def answering(status: int, body: bytes, asked: list[str] | None = None) -> Iterator[str]:
    """``asked`` gets the path of each request."""

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if asked is not None:
                asked.append(self.path)
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_line: object) -> None:
            """Silent: the output is pytest's."""

    with serving(Proxy) as url:
        yield url


@pytest.mark.parametrize(("status", "start"), [(200, run), (302, run), (403, process), (407, run)])
def test_web_page_instead_of_an_answer(status: int, start: Run, tmp_path: Path) -> None:
    with answering(status, PAGE) as url:
        done = start("status", **environment(url, tmp_path))
    assert done.returncode == 1
    error = one_line(done)
    assert "answered DescribeStacks with a web page" in error
    assert "HTTPS_PROXY" in error


@pytest.mark.parametrize(("status", "body"), [(200, b"gibberish"), (400, b"<a><b></a>"), (418, b"")])
def test_answer_that_is_none_of_awss(status: int, body: bytes, tmp_path: Path) -> None:
    with answering(status, body) as url:
        done = run("status", **environment(url, tmp_path))
    assert done.returncode == 1
    one_line(done)


def test_gateway_without_a_server_behind_it(tmp_path: Path) -> None:
    asked: list[str] = []
    with answering(502, PAGE, asked) as url:
        done = run("status", **environment(url, tmp_path))
    assert done.returncode == 1
    assert len(asked) == 10
    assert "HTTPS_PROXY" in one_line(done)


@pytest.mark.slow
def test_nobody_listens(tmp_path: Path) -> None:
    with answering(200, b"") as url:
        pass
    done = run("status", **environment(url, tmp_path))
    assert done.returncode == 1
    assert "--endpoint-url" in one_line(done)


SAID = {
    "the AWS credentials have expired (Call): get new ones": (
        *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
    ),
    "AWS does not know these credentials": (
        *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    ),
    "AWS throttles Call even after ten attempts: wait": (
        *("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"),
    ),
    "these credentials may not Call: said AWS": (
        *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"),
    ),
    "Call was answered by ": ("502", "503", "504", "407"),
    "Call: said AWS": ("ValidationError",),
}


@pytest.mark.parametrize(("start", "code"), [(start, code) for start, codes in SAID.items() for code in codes])
def test_each_code_of_aws_is_answered_in_its_way(start: str, code: str) -> None:
    """Services have different names for the same, and a HEAD has only a status."""
    answer: dict[str, Any] = {"Error": {"Code": code, "Message": "said\n  AWS"}}
    assert explain(ClientError(answer, "Call")).startswith(start)
    bare = {"Error": {"Message": "said AWS"}, "ResponseMetadata": {"HTTPStatusCode": code}}
    assert explain(ClientError(bare, "Call")).startswith(start)


@pytest.mark.parametrize(
    ("name", "to_do"),
    [
        ("LoginError", "run `aws login`"),
        ("SSOTokenLoadError", "run `aws sso login`"),
        ("UnauthorizedSSOTokenError", "run `aws sso login`"),
        ("TokenRetrievalError", "run `aws sso login`"),
        ("CredentialRetrievalError", "run `aws configure` or `aws sso login`, or choose a --profile"),
        ("UnknownEndpointError", "look at --region"),
        ("InvalidRegionError", "look at --region"),
        ("EndpointConnectionError", "check the network, the proxy (HTTPS_PROXY)"),
        ("ConnectTimeoutError", "check the network, the proxy (HTTPS_PROXY)"),
        ("ReadTimeoutError", "check the network, the proxy (HTTPS_PROXY)"),
        ("SSLError", "check the network, the proxy (HTTPS_PROXY)"),
        ("ProxyConnectionError", "check the network, the proxy (HTTPS_PROXY)"),
    ],
)
def test_each_failure_before_an_answer_says_what_to_do(name: str, to_do: str) -> None:
    kind = getattr(exceptions, name)
    fields = [field for _, field, _, _ in Formatter().parse(kind.fmt) if field]
    assert f": {to_do}" in explain(kind(**dict.fromkeys(fields, "x")))


@pytest.mark.parametrize(
    ("words", "config", "code", "hint"),
    [
        (("--endpoint-url", "nonsense"), "", 2, "check --endpoint-url"),
        (("--region", "no where"), "", 2, "check"),
        (("--profile", "missing"), "", 2, "`aws configure list-profiles`"),
        (("--profile", "half"), "[profile half]\naws_access_key_id = x\n", 2, "`aws configure`"),
        (("--profile", "broken"), "[profile broken\n", 2, "mend that file"),
        (("--profile", "loop"), "[profile loop]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = none\n", 2, "correct the profile"),
        (("--profile", "bare"), "[profile bare]\n", 2, "no AWS credentials"),
        (("--profile", "sso"), "[profile sso]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n"
         "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n", 1, "`aws sso login`"),
        (("--profile", "program"), "[profile program]\ncredential_process = /bin/false\n", 1, "`aws configure`"),
    ],
)  # fmt: skip
def test_configuration_that_leads_nowhere(
    words: tuple[str, ...], config: str, code: int, hint: str, tmp_path: Path
) -> None:
    (tmp_path / "none").write_text(config)
    env = environment("http://127.0.0.1:9", tmp_path)
    if config:
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    done = run("status", *words, **env, AWS_EC2_METADATA_DISABLED="true")
    assert done.returncode == code, done.stderr
    assert hint in one_line(done)


@pytest.mark.parametrize(
    "setting",
    [
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:99999"},
        {"AWS_ENDPOINT_URL": "http://"},
        pytest.param({"AWS_DEFAULT_REGION": ""}, marks=pytest.mark.slow),
        {
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x",
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
        },
    ],
)
def test_settings_that_boto3_does_not_check(setting: dict[str, str], tmp_path: Path) -> None:
    done = run("status", **{**environment("http://127.0.0.1:9", tmp_path), **setting})
    assert done.returncode in (1, 2)
    assert "check" in one_line(done) or "--region" in done.stderr


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    done = process("local", "--directory", "/dev/null/packages")
    assert done.returncode == 1
    assert "/dev/null" in one_line(done)


def test_no_region_is_refused(tmp_path: Path) -> None:
    done = process("status", **{**environment("http://127.0.0.1:9", tmp_path), "AWS_DEFAULT_REGION": ""})
    assert done.returncode == 2
    assert "add --region" in one_line(done)


def test_port_of_another_program(tmp_path: Path) -> None:
    """Which would be taken for the server, and get its passwords."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run("local", "--directory", str(tmp_path / "made"), "--port", str(other.getsockname()[1]))
    assert done.returncode == 2
    assert "give another --port" in one_line(done)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        *(("delete", "--yes", "--stack-name", name) for name in ("", "my stack", "1st", "a_b", "x" * 129)),
        ("status", "--stack-name", ""),
        ("catalog", "publish", "--version", "1", "--stack-name", ""),
        ("deploy", "--bucket", "s3://templates"),
        ("deploy", "--bucket", ""),
        ("publish", "--prefix", "a b"),
    ],
)
def test_names_that_aws_would_misunderstand(words: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing listens there: AWS is not asked. It lists every stack where a name is empty, and the first would go."""
    done = run(*words, **environment("http://127.0.0.1:9", tmp_path))
    assert done.returncode == 2
    assert "must be" in one_line(done)


def test_catalog_without_its_stack(tmp_path: Path) -> None:
    absent = (
        b"<ErrorResponse><Error><Code>ValidationError</Code>"
        b"<Message>Stack with id pypi-catalog does not exist</Message></Error></ErrorResponse>"
    )
    with answering(400, absent) as url:
        done = run("catalog", "publish", "--bucket", "b", "--version", "1", **environment(url, tmp_path))
    assert done.returncode == 2
    assert "deploy templates/service-catalog.yaml first, as docs/service-catalog.md says" in one_line(done)


@pytest.mark.slow
def test_interrupted_while_a_library_loads(tmp_path: Path) -> None:
    """Long enough to be met for certain: a boto3 that never gets ready."""
    (tmp_path / "boto3.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(600)\n")
    env = {"PATH": os.defpath, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-m", "generator", "status"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""


def test_what_needs_no_aws_loads_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "boto3.py").write_text("raise SystemExit('boto3 was loaded')\n")
    (tmp_path / "botocore.py").write_text("raise SystemExit('botocore was loaded')\n")
    commands = (["--help"], ["--version"], ["deploy", "--help"], ["program", "--from", "templates/compute.yaml"])
    lines = [f"assert main({words}) == 0" for words in commands]
    script = "\n".join(["from generator.commands import main", *lines, "import generator.build.write"])
    env = {"PATH": os.defpath, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    subprocess.run([sys.executable, "-c", script], env=env, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["deplyo"], "'deploy'"), (["catalog", "publsh"], "'publish'"), (["deploy", "--bukket", "x"], "--bucket")],
)
def test_misspelt_words_are_answered_with_what_was_meant(words: list[str], meant: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert meant in one_line(done)


@pytest.mark.parametrize(
    "command",
    [
        "templates",
        "local",
        "program",
        "publish",
        "deploy",
        "status",
        "credentials",
        "import",
        "yank",
        "unyank",
        "delete",
    ],
)
def test_help_has_an_example_that_is_a_command(command: str) -> None:
    done = run(command, "--help", COLUMNS="300")
    assert done.returncode == 0
    assert f"Example: {called_as()} {command}" in done.stdout


def test_completion_by_bash(tmp_path: Path) -> None:
    program = installed(tmp_path / "bin")
    script = """
    eval "$(pypiserver-aws --show-completion)"
    COMP_WORDS=(pypiserver-aws de); COMP_CWORD=1
    _pypiserver_aws_completion pypiserver-aws
    echo "${COMPREPLY[@]}"
    """
    env = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["deploy", "delete"], done.stderr


def test_an_output_without_an_ellipsis_gets_another_character() -> None:
    with answering(404, b"") as url:
        done = process("import", url, "--to", url, "--yes", PYTHONIOENCODING="latin-1", TWINE_PASSWORD="x")
    assert done.returncode == 2
    assert done.stdout == f"reading {url}/ ?\n"
    assert url in one_line(done)


def test_choices_of_a_missing_word_are_in_its_line() -> None:
    done = run("rotate")
    assert done.returncode == 2
    assert "Missing argument 'account'. Choose from: reader, publisher. " in one_line(done)
