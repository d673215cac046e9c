"""Starts of the program that cost no import of it: a process that has imported it forks for each.

`Forked` is what `subprocess.Popen` would be for such a start; the rest runs in the image's Python.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Variables that an interpreter, or the loader before it, reads once.
_OF_THE_INTERPRETER = ("PYTHON", "LD_")
# Of linux/prctl.h: orphans among its descendants become children of the process.
_SET_CHILD_SUBREAPER = 36

_forkers: dict[object, tuple[subprocess.Popen[bytes], bytes]] = {}
cpu_seconds = 0.0
"""Of the forked processes that have ended so far, and of their children."""


def _forker(python: Path, environment: Mapping[str, str]) -> bytes:
    """The address of one that has such an interpreter. It ends with this process, and kills what it has started."""
    own = {name: value for name, value in environment.items() if name.startswith(_OF_THE_INTERPRETER)}
    kind = (python, *own.items())
    if kind not in _forkers:
        _forkers[kind] = _start_forker(python, own)
    return _forkers[kind][1]


def _start_forker(python: Path, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], bytes]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("")  # Linux chooses an address that is no file
        listener.listen(64)
        process = subprocess.Popen(
            [python, "-m", "tests.server.forking", str(listener.fileno())],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,  # no Ctrl-C ends it before those that it started
        )
        address: bytes = listener.getsockname()
    return process, address


class Forked:
    """`python -m server` with such an environment, in a session of its own."""

    def __init__(self, python: Path, environment: Mapping[str, str], stdout: int, stderr: int) -> None:
        self.returncode: int | None = None
        self._forker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._forker.connect(_forker(python, environment))
        socket.send_fds(self._forker, [json.dumps(dict(environment)).encode()], [stdout, stderr])
        self.pid = int(self._forker.recv(32))

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Raises TimeoutError if it still runs after so many seconds."""
        if (status := self._ended(timeout)) is None:
            raise TimeoutError(f"{self.pid} runs")
        return status

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def _ended(self, timeout: float | None) -> int | None:
        global cpu_seconds
        if self.returncode is None and select.select([self._forker], [], [], timeout)[0]:
            status, cpu = self._forker.recv(64).split()
            self.returncode = int(status)
            cpu_seconds += float(cpu)
            self._forker.close()
        return self.returncode


def _fork(listener: socket.socket) -> None:
    import server.processes  # noqa: F401  # what each start shares

    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    waiting: dict[int, socket.socket] = {}  # for the end of a process
    child_ended, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    reported = 0.0
    while True:
        ready, _, _ = select.select([listener.fileno(), 0, child_ended], [], [])
        if 0 in ready:
            for pid in waiting:
                os.killpg(pid, signal.SIGKILL)
            return
        if listener.fileno() in ready:
            connection, _ = listener.accept()
            message, descriptors, _, _ = socket.recv_fds(connection, 1 << 17, 2)
            if (pid := os.fork()) == 0:
                return _become_the_program(json.loads(message), descriptors, connection)
            waiting[pid] = connection
            for descriptor in descriptors:
                os.close(descriptor)
        if child_ended in ready:
            os.read(child_ended, 1 << 12)
            with suppress(ChildProcessError):
                while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                    if ended[0] in waiting:
                        cpu = sum(os.times()[2:4])
                        with suppress(BrokenPipeError), waiting.pop(ended[0]) as connection:
                            connection.send(f"{os.waitstatus_to_exitcode(ended[1])} {cpu - reported}".encode())
                        reported = cpu


def _become_the_program(environment: dict[str, str], descriptors: Sequence[int], connection: socket.socket) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), *descriptors)):
        os.dup2(descriptor, number)
    connection.send(str(os.getpid()).encode())
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = []
    runpy.run_module("server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _fork(socket.socket(fileno=int(sys.argv[1])))
