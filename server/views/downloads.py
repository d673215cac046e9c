"""Package files and wheels' metadata, as they are on disk now."""

from __future__ import annotations

import mimetypes
import os
import time
from email.utils import format_datetime, mktime_tz, parsedate_tz
from functools import lru_cache
from typing import IO

from server.distributions.archives import core_metadata
from server.distributions.listed import project_of
from server.distributions.times import moment
from server.store.entries import open_file
from server.store.index import Index
from server.wire.connection import SHORT_BYTES
from server.wire.messages import REVALIDATED, Environ, Response, has_etag, plain, whole

# No file system has longer names.
NAME_LIMIT_BYTES = 255
BLOCK_BYTES = 1 << 18
# PyPI says this of its files, with `public`: this server's answer is only for those with a password.
KEPT = ("Cache-Control", "private, max-age=31536000, immutable")
# A file that another program copies into the directory is visible before it is complete.
SETTLED_SECONDS = 60.0

for _suffix in (".whl", ".egg"):
    mimetypes.add_type("application/octet-stream", _suffix)
mimetypes.add_type("text/plain", ".asc")


def download(index: Index, path: str, environ: Environ, *, immutable: bool) -> Response | None:
    """The file at `path`, relative to the index's root; None if no such package is listed, or it came since the last
    `index.refresh`.

    Raises OSError if the file cannot be read.
    """
    file = _open(index, path)
    if file is None:
        return None
    status = os.fstat(file.fileno())
    return _sent(file, status, path, environ, _etag_of(status), _caching(path, status, immutable=immutable))


def send(file: IO[bytes], path: str, environ: Environ, etag: str) -> Response:
    """The open file, named by `path`. Raises OSError."""
    return _sent(file, os.fstat(file.fileno()), path, environ, etag, REVALIDATED)


def _sent(
    file: IO[bytes], status: os.stat_result, path: str, environ: Environ, etag: str, caching: tuple[str, str]
) -> Response:
    modified = _http_date(status.st_mtime_ns)
    headers = [("ETag", etag), ("Last-Modified", modified), caching]
    if _not_modified(environ, etag, status.st_mtime_ns):
        file.close()
        return Response(304, headers, [])
    if content_type := _content_type(path):
        headers.append(("Content-Type", content_type))
    headers.append(("Accept-Ranges", "bytes"))
    size = status.st_size
    answer = 200
    if "HTTP_RANGE" in environ and environ.get("HTTP_IF_RANGE", etag) in (etag, modified):
        start, end = _range(environ["HTTP_RANGE"], size)
        if start >= end:
            file.close()
            return plain(416, "Range not satisfiable\n", ("Content-Range", f"bytes */{size}"))
        file.seek(start)
        answer = 206
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
        size = end - start
    headers.append(("Content-Length", str(size)))
    if size > SHORT_BYTES:
        return Response(answer, headers, environ["wsgi.file_wrapper"](file, BLOCK_BYTES))
    # Costs less than the kernel's sending it, and one that cannot be read still gets an answer that says so.
    with file:
        content = file.read(size)
    if len(content) < size:
        raise OSError(f"{path} was truncated while it was read")
    return Response(answer, headers, [content])


def metadata(index: Index, path: str, environ: Environ, *, immutable: bool) -> Response | None:
    """The METADATA of the wheel at `path` (PEP 658); None if there is none. Raises OSError."""
    file = _open(index, path)
    if file is None:
        return None
    with file:
        status = os.fstat(file.fileno())
        etag = _etag_of(status, "-metadata")
        headers = (("ETag", etag), _caching(path, status, immutable=immutable))
        has_it = has_etag(environ, etag)
        # `*` asks whether there is any.
        if has_it and environ["HTTP_IF_NONE_MATCH"] != "*":
            return Response(304, headers, [])
        content = core_metadata(path, file)
    if content is None:
        return None
    if has_it:
        return Response(304, headers, [])
    return whole(200, "text/plain; charset=UTF-8", content, *headers)


def _etag_of(status: os.stat_result, suffix: str = "") -> str:
    # The inode as well: with upload_time, two files can have one mtime.
    return f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}{suffix}"'


def _caching(path: str, status: os.stat_result, *, immutable: bool) -> tuple[str, str]:
    # A signature may be replaced while its file is not stored.
    if immutable and not path.endswith(".asc") and time.time() - status.st_mtime > SETTLED_SECONDS:
        return KEPT
    return REVALIDATED


def _open(index: Index, path: str) -> IO[bytes] | None:
    """The listed file at `path`. Its name alone decides whether it is listed, unless it is in a sub-directory."""
    if "/" in path:
        index.refresh()
        if path not in index:
            index.require_complete()
            return None
    elif (
        path.startswith(".")
        or not path.isprintable()
        or len(path.encode()) > NAME_LIMIT_BYTES
        or project_of(path) is None
    ):
        return None
    try:
        return open_file(str(index.root), path)
    except FileNotFoundError:
        return None


def _range(header: str, size: int) -> tuple[int, int]:
    """The first byte and the one after the last, of `bytes=FIRST-LAST` in the form that `canonical` accepts."""
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def _not_modified(environ: Environ, etag: str, mtime_ns: int) -> bool:
    if (named := has_etag(environ, etag)) is not None:
        return named
    if "HTTP_IF_MODIFIED_SINCE" not in environ:
        return False
    header = environ["HTTP_IF_MODIFIED_SINCE"].partition(";")[0]
    try:
        since = mktime_tz(parsedate_tz(header.strip()))  # of None raises TypeError
    except (TypeError, ValueError, OverflowError):
        return False
    return since >= int(moment(mtime_ns).timestamp())


@lru_cache(maxsize=256)
def _http_date(ns: int) -> str:
    return format_datetime(moment(ns), usegmt=True)


@lru_cache(maxsize=256)
def _content_type(path: str) -> str | None:
    guessed = mimetypes.guess_type(path)[0]
    return f"{guessed}; charset=UTF-8" if guessed and guessed.startswith("text/") else guessed
