"""The program: the engine in processes that gunicorn supervises, until SIGTERM."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from datetime import datetime, timezone
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from gunicorn.app.base import BaseApplication
from gunicorn.workers.base import Worker

from .application import Application
from .connection import Answer
from .engine import Engine
from .settings import HEALTH_PATH, Settings, SettingsError

AGENT_LIMIT = 256
PATH_LIMIT = 1024


def write_access_log(answer: Answer) -> None:
    """One JSON object a line on stdout; neither headers with credentials nor query strings."""
    environ = answer.environ
    path: str = environ.get("PATH_INFO", "")
    # The load balancer appends what it saw; what precedes that is the client's word.
    client: str = environ.get("HTTP_X_FORWARDED_FOR") or environ["REMOTE_ADDR"]
    if path == HEALTH_PATH and answer.status == 200:
        return
    now = time.time()
    line = (
        f'{{"time": "{_second(int(now))}.{int(now % 1 * 1000):03}+00:00", "client": {_json(client[-AGENT_LIMIT:])}, '
        f'"user": {_json(environ.get("REMOTE_USER"))}, "method": {_json(environ.get("REQUEST_METHOD"))}, '
        f'"path": {_json(path.encode("latin-1").decode()[:PATH_LIMIT] or None)}, "status": {answer.status}, '
        f'"bytes": {max(0, answer.sent - answer.head_bytes)}, "seconds": {time.monotonic() - answer.began:.6f}, '
        f'"agent": {_json(environ.get("HTTP_USER_AGENT", "")[:AGENT_LIMIT] or None)}, '
        f'"trace": {_json(environ.get("HTTP_X_AMZN_TRACE_ID", "")[:AGENT_LIMIT] or None)}}}'
    )
    os.write(1, line.encode() + b"\n")


def _json(text: str | None) -> str:
    return "null" if text is None else encode_basestring_ascii(text)


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


class EngineWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """Runs the engine where gunicorn would run one of its own, under gunicorn's supervision."""

    def run(self) -> None:
        settings: Settings = self.app.settings
        engine = Engine(
            self.wsgi, write_access_log, threads=settings.threads, stall_seconds=float(settings.stall_timeout)
        )
        engine.start([listener.sock for listener in self.sockets])
        while self.alive and self.ppid == os.getppid():
            self._tend(engine, 0.5)
        engine.stop()
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while not engine.idle and time.monotonic() < deadline:
            self._tend(engine, 0.05)

    def _tend(self, engine: Engine, seconds: float) -> None:
        self.notify()
        engine.sweep()
        time.sleep(seconds)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self.settings
        options = {
            "bind": f"0.0.0.0:{settings.port}",
            "workers": settings.workers,
            "worker_class": f"{EngineWorker.__module__}.{EngineWorker.__name__}",
            # Shorter than the longest StopTimeout of ECS (120 s).
            "graceful_timeout": 100,
            # Longer than any request of a healthy process keeps the heartbeat waiting.
            "timeout": 120,
            # A heartbeat on a disk can stall, and with it the worker's life.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir(),
            "backlog": 2048,
            # Newer releases open a socket for remote control.
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Application:
        return Application(self.settings)


def main() -> None:
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        sys.exit(f"pypiserver: {error}")
    # What the collector does not visit stays in memory that the worker processes share.
    gc.freeze()
    Server(settings).run()
