"""The tasks, with a proxy in front if there is one, and what to type in another terminal."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote

from generator.local.processes import free_port, refuse_taken, running, wait_for_listener
from generator.local.proxy import certificate_in, proxy
from generator.local.state import passwords, state
from generator.operations.exits import DONE, Problem
from generator.parts.container_program import VARIABLE, entry_point, packed
from server.store.abilities import lacking

USAGE = """
{url}/  serving {directory}

publisher  {publisher}
reader     {reader}

{requests}twine upload --repository-url {url}/ -u publisher -p {publisher} dist/*
{ssl}uv publish --publish-url {url}/ -u publisher -p {publisher} dist/*
{requests}pip install --index-url {reader_url}/simple/ PROJECT
{ssl}uv pip install --index-url {reader_url}/simple/ PROJECT

Ctrl-C stops everything; the passwords stay. Access log: {logs}
"""
PLAIN = "One task without TLS, as {missing} is not installed; with nginx and openssl there are two, behind TLS."

_ENDING = {signal.SIGINT, signal.SIGTERM}


def run(directory: Path, port: int, python: str, environment: Mapping[str, str]) -> int:
    """Serve ``directory`` until SIGINT or SIGTERM: two tasks behind nginx with TLS, or one without.

    ``environment`` is the task definition's, ``python`` an interpreter with pypiserver and gunicorn. DONE. Raises Problem
    if the port is taken, or the directory cannot be used.
    """
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    missing = [name for name, found in (("nginx", nginx), ("openssl", shutil.which("openssl"))) if not found]
    refuse_taken(port)
    directory.mkdir(parents=True, exist_ok=True)
    _refuse_unable(directory)
    kept = passwords()
    accounts = {f"{name.upper()}_USERNAME": name for name in kept}
    accounts |= {f"{name.upper()}_PASSWORD": password for name, password in kept.items()}
    settings = {**environment, **accounts, "PACKAGES_DIRECTORY": str(directory)}
    print("starting …", file=sys.stderr, flush=True)
    with ExitStack() as stack:
        # Before anything starts, so that a signal always finds `sigwait`.
        stack.enter_context(_held(_ENDING))
        home = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="pypiserver-local-", ignore_cleanup_errors=True))
        )
        certificate: Path | None = None
        if nginx and not missing:
            ports = [free_port(), free_port()]
            logs = [start(stack, home, python, settings, port) for port in ports]
            certificate, key = certificate_in(state())
            proxy(stack, home, nginx, port, ports, certificate, key)
        else:
            print(PLAIN.format(missing=" and ".join(missing)))
            logs = [start(stack, home, python, settings, port)]
        print(usage(port, directory, kept, certificate, logs), flush=True)
        signal.sigwait(_ENDING)
    return DONE


@contextmanager
def _held(signals: set[signal.Signals]) -> Iterator[None]:
    """They are blocked meanwhile; one that comes while all is ending is forgotten."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        while came := signal.sigpending() & signals:
            signal.sigwait(came)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _refuse_unable(directory: Path) -> None:
    """Raises Problem. The server would wait for a storage that fails, as a shared one may recover."""
    try:
        missing = lacking(directory)
    except OSError as error:
        raise Problem(f"{directory} cannot be written to: {error.strerror}: give another --directory") from error
    if missing:
        raise Problem(f"{directory} is on a storage that cannot: {'; '.join(missing)}: give another --directory")


def start(stack: ExitStack, home: Path, python: str, settings: Mapping[str, str], port: int) -> Path:
    """A task on ``port``, until ``stack`` ends; its access log."""
    log = home / f"task-{port}.log"
    inherited = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(home)}
    # As in the task definition, by ``python`` instead of the image's.
    command, rest = packed()
    environment = {**inherited, **settings, "PORT": str(port), VARIABLE: rest}
    program = [*entry_point(python), *command]
    task = stack.enter_context(running(program, environment, stack.enter_context(log.open("wb"))))
    wait_for_listener(task, port, log)
    return log


def usage(port: int, directory: Path, kept: Mapping[str, str], certificate: Path | None, logs: Sequence[Path]) -> str:
    """What to type in another terminal. ``kept``: the passwords; ``certificate`` ``None``: without TLS."""
    scheme = "https" if certificate else "http"
    return USAGE.format(
        url=f"{scheme}://localhost:{port}",
        reader_url=f"{scheme}://reader:{kept['reader']}@localhost:{port}",
        directory=directory,
        **kept,
        requests=f"REQUESTS_CA_BUNDLE={quote(str(certificate))} " if certificate else "",
        ssl=f"SSL_CERT_FILE={quote(str(certificate))} " if certificate else "",
        logs=", ".join(str(log) for log in logs),
    )
