"""Debian's Chromium without a screen, led through its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/: JSON, each message ended by a zero byte, over two pipes that the
browser finds as descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    # Nothing but loopback can be reached, whatever a page or the browser itself asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
]
PATIENCE_SECONDS = 120


class Chromium:
    """One tab. `events` are those that the browser told of since it was opened."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._received = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """The result. Raises AssertionError if the browser has none."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "result" in answer, (method, answer)
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def open(self, url: str, width: int, height: int, *, dark: bool = False) -> None:
        """Returns once the page is loaded; below 600 pixels of width as a phone."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._load("Page.navigate", url=url)

    def follow(self, expression: str) -> None:
        """Evaluate what leads to another page, and wait for that."""
        self._load("Runtime.evaluate", expression=expression)

    def value(self, expression: str) -> Any:
        """Evaluated by the browser's console, which a page's Content-Security-Policy does not bind."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _load(self, method: str, **parameters: object) -> None:
        seen = len(self.events)
        self.call(method, **parameters)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events[seen:]):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._answers, 1 << 20) if ready else b""
            assert data, "Chromium says nothing more"
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


@contextlib.contextmanager
def chromium(program: str, home: Path) -> Iterator[Chromium]:
    """`home` is an empty directory for the browser's profile."""
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    line = shlex.join([program, *FLAGS, f"--user-data-dir={home / 'profile'}", "about:blank"])
    with (home / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line} 3<&{to_browser} 4>&{from_browser}"],
            env={"PATH": os.defpath, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=(to_browser, from_browser),
            start_new_session=True,
        )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Chromium(commands, answers)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(commands)
        os.close(answers)
