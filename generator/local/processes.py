"""Processes on this machine, and the ports that they listen on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from generator.operations.exits import Problem

GRACE_SECONDS = 5.0


@contextmanager
def running(
    program: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is told to stop, and waited for, at the end. It hears every signal. Raises FileNotFoundError."""
    process = subprocess.Popen(
        program,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        # What is blocked here would be blocked there.
        preexec_fn=partial(signal.pthread_sigmask, signal.SIG_SETMASK, ()),
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            # An idle connection would hold gunicorn for its whole grace period.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def refuse_taken(port: int) -> None:
    """Raises Problem if this process cannot listen on ``port``: whoever does would be mistaken for the server."""
    with socket.socket() as listener:
        # Lingering connections of an earlier run do not block it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise Problem(f"port {port}: {error.strerror}: give another --port") from error


def wait_for_listener(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Raises SystemExit with the log if nothing listens within 20 seconds, or the process has ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    what = "has ended" if process.poll() is not None else f"does not listen on port {port}"
    sys.exit(f"{log.read_text()}error: {log.stem} {what}")
