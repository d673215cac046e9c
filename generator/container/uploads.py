"""Uploads: checked, written aside, and published whole."""

from __future__ import annotations

import contextlib
import errno
import re
from contextlib import ExitStack
from io import BytesIO
from urllib.parse import parse_qsl, urlencode

from pypiserver.pkg_helpers import guess_pkgname_and_version

from .backend import IndexedBackend
from .http import Environ, Refusal, Response, whole
from .multipart import READ_BYTES, Malformed, Part, boundary_of, parts
from .staging import Staged

FIELD_LIMIT_BYTES = 1 << 10
NAME_LIMIT_BYTES = 255
# pypiserver's own rule, and a first character with which PEP 508 lets a name begin.
_NAME = re.compile(r"[a-z0-9][a-z0-9_.!+-]*", re.IGNORECASE)
# The others, a project's description of megabytes among them, are passed over.
_FIELDS = {":action", "name", "version", "sha256_digest", "blake2_256_digest", "md5_digest"}


class Form(ExitStack):
    """A form's short fields, and its files as staged; leaving it removes what was not published."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.files: dict[str, Staged] = {}


class Uploads:
    def __init__(self, backend: IndexedBackend, *, immutable: bool) -> None:
        self._backend = backend
        self._immutable = immutable

    def respond(self, environ: Environ) -> Response | None:
        """
        Answer a form posted to `/`; raises Refusal.

        None if the form is for pypiserver itself, which then finds it in `environ`.
        """
        body = _Body(environ)
        with Form() as form:
            try:
                self._receive(form, body, environ)
            except (Refusal, OSError) as error:
                # A client reads the answer only when it has sent everything.
                body.drain()
                if isinstance(error, OSError):
                    raise _storage_refusal(error) from error
                raise
            action = form.fields.get(":action")
            if action == "file_upload":
                return self._publish(form, environ)
            if action == "remove_pkg" and self._immutable:
                raise Refusal(403, "Released files are immutable: removal is off (IMMUTABLE_PACKAGES=true).")
            encoded = urlencode(form.fields).encode()
            environ |= {
                "wsgi.input": BytesIO(encoded),
                "CONTENT_LENGTH": str(len(encoded)),
                "CONTENT_TYPE": "application/x-www-form-urlencoded",
            }
            return None

    def _receive(self, form: Form, body: _Body, environ: Environ) -> None:
        content_type = environ.get("CONTENT_TYPE", "")
        if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            encoded = body.read(READ_BYTES)
            if body.read(1):
                raise Refusal(413, f"A form without files is at most {READ_BYTES} bytes.")
            form.fields |= parse_qsl(encoded.decode("utf-8", "replace"))
        else:
            try:
                for part in parts(body.read, boundary_of(content_type)):
                    self._take(form, part, environ)
            except Malformed as error:
                raise Refusal(400, f"Nothing was stored: {error}.") from error
            body.drain()
        if body.expected is not None and body.received != body.expected:
            raise Refusal(
                400,
                f"Nothing was stored: {body.received} of {body.expected} bytes arrived. Upload the file again.",
            )

    def _take(self, form: Form, part: Part, environ: Environ) -> None:
        if part.filename is not None and part.name in ("content", "gpg_signature"):
            name = _checked_name(part.filename)
            if self._immutable and self._backend.exists(name):
                raise _taken(name, environ)
            staged = form.files[part.name] = Staged(self._backend.index.root, name)
            form.callback(staged.discard)
            for chunk in part.chunks:
                staged.write(chunk)
            return
        value = b""
        for chunk in part.chunks:
            value += chunk[: FIELD_LIMIT_BYTES + 1 - len(value)]
        if part.filename is None and part.name in _FIELDS and len(value) <= FIELD_LIMIT_BYTES:
            form.fields.setdefault(part.name, value.decode("utf-8", "replace"))

    def _publish(self, form: Form, environ: Environ) -> Response:
        content, signature = form.files.get("content"), form.files.get("gpg_signature")
        if content is None:
            raise Refusal(400, "Missing 'content' file-field!")
        if signature is not None and signature.name != f"{content.name}.asc":
            raise Refusal(400, f"Unrelated signature {signature.name} for package {content.name}!")
        for upload in filter(None, (content, signature)):
            if not upload.size:
                raise Refusal(400, f"{upload.name} is empty.")
        for field, digest in content.digests.items():
            announced = form.fields.get(field, "").strip().lower()
            if announced and announced != digest.hexdigest():
                raise Refusal(
                    400,
                    f"Nothing was stored: the {field} of what arrived is {digest.hexdigest()}, not {announced}. "
                    "Upload the file again.",
                )
        for upload in filter(None, (content, signature)):
            try:
                self._backend.publish(upload)
            except FileExistsError as error:
                raise _taken(upload.name, environ) from error
            except OSError as error:
                raise _storage_refusal(error) from error
        return whole(200, "text/html; charset=UTF-8", b"")


class _Body:
    """The request's body; `expected` is its announced length in bytes, None if it is sent in chunks."""

    def __init__(self, environ: Environ) -> None:
        length = environ.get("CONTENT_LENGTH")
        self.expected = int(length) if length else None
        self.received = 0
        self._stream = environ["wsgi.input"]

    def read(self, size: int) -> bytes:
        """Raises Refusal if the client stalls or goes away."""
        try:
            data: bytes = self._stream.read(size)
        except OSError as error:
            # It is not waited for once more.
            self._stream = BytesIO()
            raise Refusal(408, "Nothing was stored: the upload stalled. Upload again.") from error
        self.received += len(data)
        return data

    def drain(self) -> None:
        with contextlib.suppress(Refusal):
            while self.read(READ_BYTES):
                pass


def _checked_name(name: str) -> str:
    """Raises Refusal for a name that could not be stored, listed or installed."""
    if len(name.encode("utf-8", "replace")) > NAME_LIMIT_BYTES:
        reason = f"it is longer than {NAME_LIMIT_BYTES} bytes"
    elif not _NAME.fullmatch(name):
        reason = "it must begin with a letter or digit and contain only letters, digits and _ . ! + -"
    elif guess_pkgname_and_version(name) is None:
        reason = "it is not the name of a wheel or source distribution"
    else:
        return name
    raise Refusal(400, f"Bad filename: {name[:NAME_LIMIT_BYTES]!r}: {reason}.")


def _taken(name: str, environ: Environ) -> Refusal:
    # As PyPI does, whose answer twine understands; other clients expect a conflict.
    status = 400 if "twine" in environ.get("HTTP_USER_AGENT", "") else 409
    return Refusal(status, f"File already exists: {name}. Released files are immutable: upload under a new version.")


def _storage_refusal(error: OSError) -> Refusal:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(507, "Nothing was stored: the package directory is full.")
    return Refusal(503, f"Nothing was stored: the package directory fails: {error.strerror}.")
