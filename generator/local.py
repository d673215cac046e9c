"""The product on this machine: two tasks on one directory behind nginx with TLS, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
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

from generator.parent import nested

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

REQUESTS_CA_BUNDLE={certificate} twine upload --repository-url {url}/ -u {publisher} -p {publisher_password} dist/*
SSL_CERT_FILE={certificate} uv publish --publish-url {url}/ -u {publisher} -p {publisher_password} dist/*
REQUESTS_CA_BUNDLE={certificate} pip install --index-url {reader_url}/simple/ PROJECT
SSL_CERT_FILE={certificate} uv pip install --index-url {reader_url}/simple/ PROJECT

Ctrl-C stops everything. Access log: {home}/task1.log, {home}/task2.log
"""


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


def serve(program: Sequence[str], environment: Mapping[str, str], directory: Path, port: int) -> None:
    """Run two tasks of `program` and nginx until SIGINT or SIGTERM. `environment` is the task definition's."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if nginx is None or shutil.which("openssl") is None:
        sys.exit("nginx and openssl are needed: apt-get install nginx-light openssl")
    directory.mkdir(parents=True, exist_ok=True)
    passwords = {
        "PUBLISHER_PASSWORD": secrets.token_urlsafe(24),
        "READER_PASSWORD": secrets.token_urlsafe(24),
    }
    credentials = {"PUBLISHER_USERNAME": "publisher", "READER_USERNAME": "reader", **passwords}
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pypiserver-local-")))
        servers = ""
        for number in (1, 2):
            task_port = free_port()
            task_environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "TMPDIR": str(home),
                **environment,
                **credentials,
                "PACKAGES_DIRECTORY": str(directory),
                "PORT": str(task_port),
            }
            log = home / f"task{number}.log"
            stack.enter_context(running(program, task_environment, stack.enter_context(log.open("wb"))))
            wait_for_listener(task_port, log)
            servers += f"server 127.0.0.1:{task_port}; "
        certificate, key = certificate_in(home)
        configuration = home / "nginx.conf"
        configuration.write_text(NGINX.format(home=home, port=port, servers=servers, certificate=certificate, key=key))
        log = home / "nginx.log"
        nginx_command = [nginx, "-e", str(log), "-p", str(home), "-c", str(configuration)]
        stack.enter_context(running(nginx_command, os.environ, stack.enter_context(log.open("wb"))))
        wait_for_listener(port, log)
        usage = USAGE.format(
            url=f"https://localhost:{port}",
            reader_url=f"https://reader:{passwords['READER_PASSWORD']}@localhost:{port}",
            directory=directory,
            publisher="publisher",
            publisher_password=passwords["PUBLISHER_PASSWORD"],
            reader="reader",
            reader_password=passwords["READER_PASSWORD"],
            certificate=certificate,
            home=home,
        )
        print(usage, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def task_program(python: str) -> list[str]:
    """Entry point and command of the generated task definition, run by ``python`` instead of the image's."""
    task = nested().templates()["compute.yaml"].resources["TaskDefinition"]
    container = task.ContainerDefinitions[0]
    _, *arguments = container.EntryPoint
    return [python, *arguments, *container.Command]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path("packages"), help="the package files")
    parser.add_argument("--port", type=int, default=8443, help="of the HTTPS listener on localhost")
    parser.add_argument("--python", default=sys.executable, help="an interpreter with pypiserver and gunicorn")
    parser.add_argument("--environment", type=json.loads, default={}, help="further settings, a JSON object")
    options = parser.parse_args()
    # Blocked before anything starts, so that a signal always finds `sigwait`, and children start clean.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    serve(
        task_program(options.python),
        options.environment,
        options.directory.resolve(),
        options.port,
    )


if __name__ == "__main__":
    main()
