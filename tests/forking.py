"""Starts of programs that cost no import of them: a process that has imported the program forks for each.

`Forked` is what `subprocess.Popen` would be for such a start, `run` what `subprocess.run` would be; the rest runs in the
given Python, which may be that of an image.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Variables that an interpreter, or the loader before it, reads once.
_OF_THE_INTERPRETER = ("PYTHON", "LD_", "LC_", "LANG")
# Of linux/prctl.h: orphans among its descendants become children of the process.
_SET_CHILD_SUBREAPER = 36

_forkers: dict[object, tuple[subprocess.Popen[bytes], bytes]] = {}
cpu_seconds = 0.0
"""Of the forked processes that have ended so far, of their children, and of those that forked them."""


def _forker(python: Path, program: str, environment: Mapping[str, str]) -> bytes:
    """The address of one that has such an interpreter. It ends with this process, and kills what it has started."""
    own = {name: value for name, value in environment.items() if name.startswith(_OF_THE_INTERPRETER)}
    kind = (python, program, *own.items())
    if kind not in _forkers:
        _forkers[kind] = _start_forker(python, program, own)
    return _forkers[kind][1]


def _start_forker(python: Path, program: str, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], bytes]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("")  # Linux chooses an address that is no file
        listener.listen(64)
        process = subprocess.Popen(
            [python, "-m", "tests.forking", program, str(listener.fileno())],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,  # no Ctrl-C ends it before those that it started
        )
        address: bytes = listener.getsockname()
    return process, address


class Forked:
    """`python -m PROGRAM WORDS` with such an environment, in a session of its own.

    If its `stdin` is a terminal, that is the session's.
    """

    def __init__(
        self,
        python: Path,
        program: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        streams: Sequence[int],
    ) -> None:
        """`streams` are its standard input, output and error."""
        self.returncode: int | None = None
        self._forker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._forker.connect(_forker(python, program, environment))
        start = [list(words), dict(environment), str(directory)]
        socket.send_fds(self._forker, [json.dumps(start).encode()], streams)
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


def run(
    program: str, words: Sequence[str], environment: Mapping[str, str], directory: Path, seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """All that it writes, without a terminal. Raises TimeoutError, and ends it, if it still runs after so many `seconds`."""
    with (
        open(os.devnull) as stdin,
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile("w+") as stderr,
    ):
        streams = [it.fileno() for it in (stdin, stdout, stderr)]
        process = Forked(Path(sys.executable), program, words, environment, directory, streams)
        try:
            code = process.wait(seconds)
        finally:
            process.terminate()
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(words, code, stdout.read(), stderr.read())


def _import_server() -> None:
    importlib.import_module("server.processes")


def _import_generator() -> None:
    """Also what a command imports only when it needs it, and what each would read and make again."""
    import boto3  # type: ignore[import-untyped]  # boto3 has no types
    import botocore.session  # type: ignore[import-untyped]  # see above

    for module in ("local.run", "operations.restore", "packages.importing", "parts.container_program"):
        importlib.import_module(f"generator.{module}")
    for library in ("pydantic.type_adapter", "pydantic.types", "questionary"):
        importlib.import_module(library)
    # AWS's descriptions of the services.
    botocore.session.create_loader = cache(botocore.session.create_loader)
    session = boto3.Session("nobody", "nothing", region_name="eu-west-1")
    for service in ("cloudformation", "ec2", "elbv2", "route53", "s3", "sts"):
        session.client(service)
    sys.modules["generator.parts.container_program"].packed()


def _import_pip() -> None:
    for module in ("pip._internal.cli.main", "pip._internal.commands.install"):
        importlib.import_module(module)


def _import_twine() -> None:
    for module in ("twine.__main__", "twine.commands.upload"):
        importlib.import_module(module)


_PROGRAMS = {"generator": _import_generator, "pip": _import_pip, "server": _import_server, "twine": _import_twine}


def _fork(program: str, listener: socket.socket) -> None:
    _PROGRAMS[program]()
    # A collection in a forked process would copy all of it.
    gc.freeze()
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
            message, descriptors, _, _ = socket.recv_fds(connection, 1 << 17, 3)
            if (pid := os.fork()) == 0:
                return _become(program, descriptors, connection, *json.loads(message))
            waiting[pid] = connection
            for descriptor in descriptors:
                os.close(descriptor)
        if child_ended in ready:
            os.read(child_ended, 1 << 12)
            with suppress(ChildProcessError):
                while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                    if ended[0] in waiting:
                        cpu = sum(os.times()[:4])
                        with suppress(BrokenPipeError), waiting.pop(ended[0]) as connection:
                            connection.send(f"{os.waitstatus_to_exitcode(ended[1])} {cpu - reported}".encode())
                        reported = cpu


def _become(
    program: str,
    descriptors: Sequence[int],
    connection: socket.socket,
    words: list[str],
    environment: dict[str, str],
    directory: str,
) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Python's own have seen which of the forker's are terminals.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        own = getattr(sys, name)
        buffering = 1 if name == "stderr" else -1
        setattr(sys, name, os.fdopen(number, own.mode, buffering, own.encoding, own.errors, closefd=False))
    connection.send(str(os.getpid()).encode())
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = words
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _fork(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
