"""The program: the engine in processes that gunicorn supervises, until SIGTERM."""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

from gunicorn.app.base import BaseApplication
from gunicorn.workers.base import Worker

from server.accounts.polling import Polling
from server.application import Application
from server.settings import Settings, SettingsError
from server.store.abilities import lacking
from server.views.records import write_access
from server.wire.engine import Engine

log = logging.getLogger("gunicorn.error")


class EngineWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """Runs the engine in place of gunicorn's own worker, under gunicorn's supervision."""

    def run(self) -> None:
        settings: Settings = self.app.settings
        engine = Engine(self.wsgi, write_access, threads=settings.threads, stall_seconds=float(settings.stall_timeout))
        engine.start([listener.sock for listener in self.sockets])
        while self.alive and self.ppid == os.getppid():
            self._tend(engine, 0.5)
        # SIGTERM can arrive before the load balancer has stopped sending requests.
        told = time.monotonic()
        while time.monotonic() < told + settings.drain_seconds:
            self._tend(engine, 0.5)
        engine.stop()
        while not engine.idle and time.monotonic() < told + self.cfg.graceful_timeout:
            self._tend(engine, 0.05)

    def _tend(self, engine: Engine, seconds: float) -> None:
        self.notify()
        engine.sweep()
        time.sleep(seconds)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, settings: Settings, polling: Polling | None) -> None:
        self.settings = settings
        self.polling = polling
        super().__init__()

    def load_config(self) -> None:
        settings = self.settings
        options = {
            "bind": f"0.0.0.0:{settings.port}",
            "workers": settings.workers,
            "worker_class": f"{EngineWorker.__module__}.{EngineWorker.__name__}",
            # Shorter than the longest StopTimeout of ECS (120 s).
            "graceful_timeout": 100,
            # Longer than any request of a healthy process delays the heartbeat.
            "timeout": 120,
            # A heartbeat on a disk can stall, and kill the worker.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir(),
            "backlog": 2048,
            # Newer releases open a socket for remote control.
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Application:
        application = Application(self.settings)
        if self.polling:
            self.polling.bring(application.access)
            Thread(target=self.polling.follow, args=(application.access,), daemon=True).start()
        return application


def _require_able(directory: Path) -> None:
    """A storage that fails now may recover, and /health reports it; one that lacks a required ability never will."""
    try:
        missing = lacking(directory)
    except OSError as error:
        log.warning("The storage could not be checked: %s", error)
        return
    if missing:
        sys.exit(
            f"pypiserver: {directory} is on a storage that cannot do what the index relies on: {'; '.join(missing)}."
        )


def main() -> None:
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        sys.exit(f"pypiserver: {error}")
    _require_able(settings.packages_directory)
    polling = None
    if settings.polled:
        polling = Polling(settings.polled, settings.accounts)
        # Before anybody is served: a password may be about to become the current one.
        polling.refresh()
    # What the collector does not visit stays in memory that the worker processes share.
    gc.freeze()
    Server(settings, polling).run()
