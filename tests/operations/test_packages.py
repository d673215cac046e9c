"""The commands about packages without ``--to``: they speak to the stack's server."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from stacks import Parameters

from generator.commands import main
from generator.packages import simple

pytestmark = pytest.mark.usefixtures("here")


def test_they_speak_to_the_stacks_server(
    deployed: Parameters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through a proxy, which has the host and refuses."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(502)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(simple, "_PAUSE_SECONDS", 0.01)
    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        assert main(["yank", "acme-core", "1.2"]) == 1
        assert main(["import", f"http://127.0.0.1:{proxy.server_port}/simple/", "acme"]) == 2
        proxy.shutdown()
        thread.join()
    assert set(asked) == {"pypiserver.example.com:443"}
    assert "pypiserver.example.com" in capsys.readouterr().err


def test_no_stack_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["yank", "acme-core", "1.2", "--stack-name", "absent"]) == 2
    assert "there is no stack absent" in capsys.readouterr().err
