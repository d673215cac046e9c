"""The program: gunicorn with threads, serving the application until SIGTERM."""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from .application import Application
from .http import Environ
from .settings import Settings, SettingsError


class AccessLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """One JSON object a line on stdout; neither headers with credentials nor query strings."""

    def access(self, resp: Any, req: Any, environ: Environ, request_time: timedelta) -> None:
        environ = environ.get("wsgi.request", environ)
        if environ.get("PATH_INFO") == "/health" and resp.status_code == 200:
            return
        length = resp.response_length
        line = json.dumps(
            {
                "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                "client": environ.get("HTTP_X_FORWARDED_FOR") or environ.get("REMOTE_ADDR"),
                "user": environ.get("REMOTE_USER"),
                "method": environ.get("REQUEST_METHOD"),
                "path": environ.get("PATH_INFO"),
                "status": resp.status_code,
                "bytes": resp.sent if length is None else length,
                "seconds": round(request_time.total_seconds(), 6),
                "agent": environ.get("HTTP_USER_AGENT"),
                "trace": environ.get("HTTP_X_AMZN_TRACE_ID"),
            }
        )
        os.write(1, line.encode() + b"\n")


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        options = {
            "bind": f"0.0.0.0:{settings.port}",
            "workers": settings.workers,
            "worker_class": "gthread",
            "threads": settings.threads,
            # Longer than the load balancer keeps an idle connection (60 s), so that it never meets a closed one.
            "keepalive": 75,
            # Shorter than the longest StopTimeout of ECS (120 s).
            "graceful_timeout": 100,
            # Longer than any request of a healthy process keeps the heartbeat waiting.
            "timeout": 120,
            # A heartbeat on a disk can stall, and with it the worker's life.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir(),
            "logger_class": AccessLog,
            "when_ready": self._limit_stalls,
            # Newer releases open a socket for remote control.
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Application:
        return Application(self._settings)

    def _limit_stalls(self, arbiter: Any) -> None:
        """Accepted connections inherit these: a stalled client gives its thread back."""
        seconds = self._settings.stall_timeout
        for listener in arbiter.LISTENERS:
            timeval = seconds.to_bytes(8, sys.byteorder) + bytes(8)
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
            listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)


def main() -> None:
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        sys.exit(f"pypiserver: {error}")
    # What the collector does not visit stays in memory that the worker processes share.
    gc.freeze()
    Server(settings).run()
