"""nginx with TLS in front of the tasks, in place of the load balancer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from generator.local.processes import running, wait_for_listener

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
"""It reuses connections, and buffers no upload."""


def proxy(
    stack: ExitStack, home: Path, nginx: str, port: int, tasks: Sequence[int], certificate: Path, key: Path
) -> None:
    """nginx with TLS on ``port`` in front of the ports of the ``tasks``, until ``stack`` ends."""
    servers = " ".join(f"server 127.0.0.1:{task};" for task in tasks)
    configuration = home / "nginx.conf"
    configuration.write_text(NGINX.format(home=home, port=port, servers=servers, certificate=certificate, key=key))
    log = home / "nginx.log"
    command = [nginx, "-e", str(log), "-p", str(home), "-c", str(configuration)]
    process = stack.enter_context(running(command, os.environ, stack.enter_context(log.open("wb"))))
    wait_for_listener(process, port, log)


def certificate_in(home: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key: those in ``home`` while they are valid for another day.

    Raises CalledProcessError.
    """
    certificate, key = home / "certificate.pem", home / "key.pem"
    still_good = ["openssl", "x509", "-checkend", str(24 * 3600), "-noout", "-in", str(certificate)]
    if key.exists() and not subprocess.run(still_good, capture_output=True).returncode:
        return certificate, key
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
