"""``local``: the product on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from generator.operations.exits import DONE, Problem
from generator.parts.container_program import VARIABLE, entry_point, packed

# The load balancer's stand-in: it terminates TLS, reuses connections, and buffers no upload.
NGINX = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    client_max_body_size 0;
    upstream tasks {{ {servers} keepalive 32; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://tasks;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""

USAGE = """
{url}/  serving {directory}

publisher  {publisher}  {publisher_password}
reader     {reader}  {reader_password}

{requests}twine upload --repository-url {url}/ -u {publisher} -p {publisher_password} dist/*
{ssl}uv publish --publish-url {url}/ -u {publisher} -p {publisher_password} dist/*
{requests}pip install --index-url {reader_url}/simple/ PROJECT
{ssl}uv pip install --index-url {reader_url}/simple/ PROJECT

Ctrl-C stops everything. Access log: {logs}
"""
PLAIN = "One task without TLS, as {missing} is not installed; with nginx and openssl there are two, behind TLS."


@contextmanager
def running(program: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> Iterator[None]:
    """A process that is asked to stop, and waited for, at the end. Raises FileNotFoundError."""
    process = subprocess.Popen(
        program,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            # An idle connection would hold gunicorn for its whole grace period.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def certificate_in(home: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key. Raises CalledProcessError."""
    certificate, key = home / "certificate.pem", home / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-config",
            os.devnull,
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            # uv refuses a certificate authority's certificate as a server's.
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-out",
            certificate,
            "-keyout",
            key,
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def refuse_taken(port: int) -> None:
    """Raises Problem where this process cannot listen on ``port``: whoever does would be taken for the server."""
    with socket.socket() as listener:
        # Connections of an earlier run that linger do not take it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise Problem(f"port {port}: {error.strerror}: give another --port") from error


def wait_for_listener(port: int, log: Path) -> None:
    """Raises SystemExit with the log if nothing listens within 20 seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"Nothing listens on port {port}:\n{log.read_text()}")


def run(directory: Path, port: int, python: str, environment: Mapping[str, str]) -> int:
    """Serve ``directory`` until SIGINT or SIGTERM: two tasks behind nginx with TLS, or else one without.

    ``environment`` is the task definition's, ``python`` an interpreter with pypiserver and gunicorn. DONE. Raises Problem
    where the port is taken.
    """
    # Blocked before anything starts, so that a signal always finds `sigwait`, and children start clean.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    missing = [name for name, found in (("nginx", nginx), ("openssl", shutil.which("openssl"))) if not found]
    refuse_taken(port)
    directory.mkdir(parents=True, exist_ok=True)
    accounts = {
        "PUBLISHER_USERNAME": "publisher",
        "PUBLISHER_PASSWORD": secrets.token_hex(16),
        "READER_USERNAME": "reader",
        "READER_PASSWORD": secrets.token_hex(16),
    }
    settings = {**environment, **accounts, "PACKAGES_DIRECTORY": str(directory)}
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pypiserver-local-")))
        certificate: Path | None = None
        if nginx and not missing:
            ports = [free_port(), free_port()]
            logs = [start(stack, home, python, settings, port) for port in ports]
            certificate = proxy(stack, home, nginx, port, ports)
        else:
            print(PLAIN.format(missing=" and ".join(missing)))
            logs = [start(stack, home, python, settings, port)]
        print(usage(port, directory, accounts, certificate, logs), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return DONE


def start(stack: ExitStack, home: Path, python: str, settings: Mapping[str, str], port: int) -> Path:
    """A task on ``port``, until ``stack`` ends; its access log."""
    log = home / f"task-{port}.log"
    inherited = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(home)}
    # As in the task definition, by ``python`` instead of the image's.
    command, rest = packed()
    environment = {**inherited, **settings, "PORT": str(port), VARIABLE: rest}
    program = [*entry_point(python), *command]
    stack.enter_context(running(program, environment, stack.enter_context(log.open("wb"))))
    wait_for_listener(port, log)
    return log


def proxy(stack: ExitStack, home: Path, nginx: str, port: int, tasks: Sequence[int]) -> Path:
    """nginx with TLS on ``port`` before the ports of the ``tasks``, until ``stack`` ends; its certificate."""
    certificate, key = certificate_in(home)
    servers = " ".join(f"server 127.0.0.1:{task};" for task in tasks)
    configuration = home / "nginx.conf"
    configuration.write_text(NGINX.format(home=home, port=port, servers=servers, certificate=certificate, key=key))
    log = home / "nginx.log"
    command = [nginx, "-e", str(log), "-p", str(home), "-c", str(configuration)]
    stack.enter_context(running(command, os.environ, stack.enter_context(log.open("wb"))))
    wait_for_listener(port, log)
    return certificate


def usage(
    port: int, directory: Path, accounts: Mapping[str, str], certificate: Path | None, logs: Sequence[Path]
) -> str:
    """What to type in another terminal; ``certificate`` ``None``: without TLS."""
    scheme = "https" if certificate else "http"
    return USAGE.format(
        url=f"{scheme}://localhost:{port}",
        reader_url=f"{scheme}://reader:{accounts['READER_PASSWORD']}@localhost:{port}",
        directory=directory,
        publisher=accounts["PUBLISHER_USERNAME"],
        publisher_password=accounts["PUBLISHER_PASSWORD"],
        reader=accounts["READER_USERNAME"],
        reader_password=accounts["READER_PASSWORD"],
        requests=f"REQUESTS_CA_BUNDLE={certificate} " if certificate else "",
        ssl=f"SSL_CERT_FILE={certificate} " if certificate else "",
        logs=", ".join(str(log) for log in logs),
    )
