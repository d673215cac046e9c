"""The surroundings of a custom resource: the function's runtime, and CloudFormation waiting at the ResponseURL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

Answer = dict[str, Any]
FUNCTIONS = Path(__file__).parents[2] / "functions"


class Context:
    """Lambda's second argument, with ``seconds`` left to run."""

    log_stream_name = "2026/01/01/[$LATEST]0123456789abcdef"

    def __init__(self, seconds: float = 900) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def module(source: str) -> ModuleType:
    """``source`` as the module ``index``, which is what Lambda makes of inline code; tracebacks name the file it is from."""
    index = ModuleType("index")
    path = next((it for it in FUNCTIONS.glob("*.py") if it.read_text() == source), "index.py")
    exec(compile(source, path, "exec"), index.__dict__)
    return index


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL at which ``handler`` answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class CloudFormation:
    """The other end of the ResponseURL; ``answers`` is what has come in."""

    def __init__(self, url: str, answers: list[Answer]) -> None:
        self._url = url
        self.answers = answers

    def ask(
        self,
        index: ModuleType,
        request: str,
        properties: dict[str, Any],
        seconds: float = 900,
        logical: str = "Cleaner",
    ) -> Answer:
        """What the function ``index`` answers to ``request``, which must be one answer to exactly that."""
        before = len(self.answers)
        event = {
            "RequestType": request,
            "ResponseURL": f"{self._url}/answer?signature=1",
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/pypi/0f6d3bd0",
            "RequestId": f"request-{before}",
            "ResourceType": "AWS::CloudFormation::CustomResource",
            "LogicalResourceId": logical,
            "ResourceProperties": {
                "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:clean",
                **properties,
            },
        }
        index.handler(event, Context(seconds))
        (answer,) = self.answers[before:]
        assert {key: answer[key] for key in ("StackId", "RequestId", "LogicalResourceId")} == {
            key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")
        }
        return answer


@contextmanager
def cloudformation() -> Iterator[CloudFormation]:
    """A real HTTP server in CloudFormation's place."""
    answers: list[Answer] = []

    class ResponseUrl(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_line: object) -> None:
            """Silent: the output is pytest's."""

    with serving(ResponseUrl) as url:
        yield CloudFormation(url, answers)
