"""The two kinds of log lines: one for each request, and one for each change of the packages that was made or refused."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime, timezone
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from server.contract import HEALTH_PATH
from server.wire.connection import Answer
from server.wire.messages import Environ

# Of a text in a line, in characters as written. A line stays shorter than PIPE_BUF (4,096 bytes), so that lines
# of several threads and processes never mix in a pipe.
FIELD_LIMIT = 256
TEXT_LIMIT = 1024
_ESCAPED = re.compile(r"[^ !#-\[\]-~]")


def write_access(answer: Answer) -> None:
    """One JSON object per line on stdout, without credential headers or query strings."""
    environ = answer.environ
    path: str = environ.get("PATH_INFO", "")
    if path == HEALTH_PATH and answer.status == 200:
        return
    login = "accepted" if "REMOTE_USER" in environ else None
    # The same 401 tells a client without credentials that they are needed.
    if answer.status == 401 and "HTTP_AUTHORIZATION" in environ:
        login = "refused"
    _write(
        environ,
        f"{_asked(login, environ.get('REQUEST_METHOD'), path)}, "
        f'"status": {answer.status}, "bytes": {max(0, answer.sent - answer.head_bytes)}, '
        f'"seconds": {time.monotonic() - answer.began:.6f}, "agent": {_json(environ.get("HTTP_USER_AGENT") or None)}',
    )


def write_change(
    environ: Environ, change: str, file: str | None, sha256: str | None, size: int | None, reason: str | None = None
) -> None:
    """`change` is upload, removal, refusal, yank or unyank, whose `file` is project==version, status, mint or burn.

    For a refusal, `file`, of `size` bytes, is known once it has arrived whole.
    """
    _write(
        environ,
        f'"change": "{change}", "file": {_json(file)}, "sha256": {_json(sha256)}, '
        f'"size": {"null" if size is None else size}, "reason": {_json(reason, TEXT_LIMIT)}',
    )


def _write(environ: Environ, fields: str) -> None:
    now = time.time()
    line = (
        f'{{"time": "{_second(int(now))}.{int(now % 1 * 1000):03}+00:00", '
        f"{_asking(environ.get('HTTP_X_FORWARDED_FOR') or environ['REMOTE_ADDR'], environ.get('REMOTE_USER'))}, {fields}, "
        f'"trace": {_json(environ.get("HTTP_X_AMZN_TRACE_ID") or None)}}}\n'
    )
    os.write(1, line.encode())


# Nearly everything written repeats.
@lru_cache(maxsize=256)
def _asking(addresses: str, user: str | None) -> str:
    # The load balancer appends what it saw; what precedes that is the client's claim, and must not push it out.
    return f'"client": {_json(_ESCAPED.sub("?", addresses)[-FIELD_LIMIT:])}, "user": {_json(user)}'


@lru_cache(maxsize=256)
def _asked(login: str | None, method: str | None, path: str) -> str:
    written = _json(path.encode("latin-1").decode() or None, TEXT_LIMIT)
    return f'"login": {_json(login)}, "method": {_json(method)}, "path": {written}'


def _json(text: str | None, limit: int = FIELD_LIMIT) -> str:
    """`text` as JSON, with at most `limit` characters between the quotes."""
    return "null" if text is None else _quoted(text[:limit], limit)


@lru_cache(maxsize=256)
def _quoted(text: str, limit: int) -> str:
    written = encode_basestring_ascii(text)
    # A character takes up to twelve: two surrogates.
    return written if len(written) <= limit + 2 else encode_basestring_ascii(text[: limit // 12])


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
