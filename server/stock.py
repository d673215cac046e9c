"""pypiserver's own application, asked only what was decided before."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from pypiserver import app_from_config
from pypiserver.bottle_wrapper import response as current_response
from pypiserver.config import RunConfig

from .http import Environ, Refusal, Response

# pip's own calls have a few hundred.
CALL_LIMIT_BYTES = 1 << 13


class Stock:
    def __init__(self, config: RunConfig) -> None:
        self._application = app_from_config(config)
        # Errors of the storage are the caller's.
        self._application.catchall = False
        self._application.default_error_handler = _as_text  # type: ignore[method-assign]  # bottle asks the instance

    def respond(self, environ: Environ) -> Response:
        """Raises OSError and, of what its handlers do not foresee, anything."""
        answer: list[Any] = []
        # bottle writes to what it gets.
        environ = dict(environ)
        # It knows no If-Range: the rest of one file would be sent to who has the beginning of another.
        if "HTTP_IF_RANGE" in environ:
            environ.pop("HTTP_RANGE", None)
        body = self._application(environ, lambda status, headers, _=None: answer.extend((status, headers)))
        status = int(answer[0].split()[0])
        if status < 400:
            # A file's name may be the address of a link that runs it.
            return Response(status, [*answer[1], ("Content-Security-Policy", "default-src 'none'")], body)
        content = b"".join(body)
        return Response(status, answer[1], [content], content.decode("utf-8", "replace"))

    def search(self, environ: Environ) -> Response:
        """Answer pip's former search, an XML-RPC call; pypiserver gets a call of ours. Raises Refusal."""
        body = environ["wsgi.input"].read(CALL_LIMIT_BYTES + 1)
        if len(body) > CALL_LIMIT_BYTES:
            raise Refusal(413, f"A call is at most {CALL_LIMIT_BYTES} bytes.")
        try:
            call = ElementTree.fromstring(body, forbid_dtd=True)
            method, wanted = call.findtext("methodName"), call.findtext(".//string")
        except (ElementTree.ParseError, ValueError, LookupError):
            method = wanted = None
        if method is None or method.strip() != "search" or not (wanted and wanted.strip()):
            raise Refusal(400, "Only search, with a name, can be called.")
        ours = f"<call><methodName>search</methodName><string>{escape(wanted.strip())}</string></call>".encode()
        return self.respond(
            environ | {"wsgi.input": BytesIO(ours), "CONTENT_LENGTH": str(len(ours)), "CONTENT_TYPE": "text/xml"}
        )


def _as_text(error: Any) -> str:
    current_response.content_type = "text/plain; charset=utf-8"
    return f"{str(error.body).strip()}\n"
