"""Uploads: checked, written aside, and published whole."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from io import BytesIO
from urllib.parse import parse_qsl, urlencode

from packaging.utils import canonicalize_name, canonicalize_version

from server.accounts.grants import Grant
from server.distributions.archives import read_metadata
from server.distributions.listed import package_at
from server.distributions.metadata import parse
from server.distributions.releases import BadName, Released, filed_otherwise, released, same_version
from server.distributions.tarballs import Unfit
from server.distributions.times import read_time
from server.store.packages import Packages
from server.store.publication import Publication, storage_refusal
from server.store.staging import Staged
from server.views.records import write_change
from server.wire.messages import Environ, Refusal, Response, whole
from server.wire.multipart import READ_BYTES, Malformed, Part, boundary_of, parts

FIELD_LIMIT_BYTES = 1 << 10
FIELDS_LIMIT = 100
NAME_LIMIT_BYTES = 255
# 2003-01-01: PyPI began in that year.
EARLIEST = 1041379200
# In `environ`: name, SHA-256 and size in bytes of a file that arrived whole.
ARRIVED = "container.arrived"
# pypiserver's own rule, and a first character with which PEP 508 lets a name begin.
_NAME = re.compile(r"[a-z0-9][a-z0-9_.!+-]*", re.IGNORECASE)
# The parts of a form that are used. All others are read and dropped: a description alone can have megabytes.
_FILES = {"content", "gpg_signature"}
_FIELDS = {":action", "name", "version", "sha256_digest", "blake2_256_digest", "md5_digest", "upload_time", "reason"}


class Form(ExitStack):
    """A form's short fields, and its files as staged; leaving it removes what was not published."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.files: dict[str, Staged] = {}

    def add(self, name: str, value: str) -> None:
        """Raises Malformed if there is a field of this name."""
        if name in self.fields:
            raise Malformed(f"it has two fields {name}")
        self.fields[name] = value


class Uploads:
    def __init__(self, packages: Packages, *, immutable: bool, claim: Callable[[str], None] | None = None) -> None:
        """`claim` raises Refusal or OSError unless a file of the project may be published here."""
        self._packages = packages
        self._claim = claim
        self._immutable = immutable

    def respond(self, environ: Environ, account: Grant) -> Response | None:
        """
        Answer a form posted to `/`; raises Refusal.

        None if the form is for pypiserver itself, which then finds it in `environ`.
        """
        with Form() as form:
            try:
                self._receive(form, environ["wsgi.input"].read, environ.get("CONTENT_TYPE", ""))
            except OSError as error:
                raise storage_refusal(error) from error
            action = form.fields.get(":action")
            if action == "file_upload":
                return self._publish(form, environ, account)
            account.require_account()
            if action in ("yank", "unyank"):
                return self._yank(action, form, environ)
            if action == "remove_pkg" and self._immutable:
                raise Refusal(403, "Released files are immutable: removal is off (IMMUTABLE_PACKAGES=true).")
            encoded = urlencode(form.fields).encode()
            environ |= {
                "wsgi.input": BytesIO(encoded),
                "CONTENT_LENGTH": str(len(encoded)),
                "CONTENT_TYPE": "application/x-www-form-urlencoded",
            }
            return None

    def _receive(self, form: Form, read: Callable[[int], bytes], content_type: str) -> None:
        if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            encoded = read(READ_BYTES)
            if read(1):
                raise Refusal(413, f"A form without files is at most {READ_BYTES} bytes.")
            try:
                for name, value in parse_qsl(encoded.decode("utf-8", "replace"), max_num_fields=FIELDS_LIMIT):
                    form.add(name, value)
            except ValueError as error:
                raise Refusal(400, f"The form is malformed: {error}.") from error
        else:
            try:
                for part in parts(read, boundary_of(content_type)):
                    self._take(form, part)
            except Malformed as error:
                raise Refusal(400, f"Nothing was stored: the form is malformed: {error}.") from error

    def _take(self, form: Form, part: Part) -> None:
        if part.name in _FILES:
            if part.filename is None:
                raise Malformed(f"{part.name} has no file name")
            if part.name in form.files:
                raise Malformed(f"it has two parts {part.name}")
            _check_name(part.filename)
            staged = form.files[part.name] = Staged(self._packages.index.root, part.filename)
            form.callback(staged.discard)
            for chunk in part.chunks:
                staged.write(chunk)
            return
        value = b""
        for chunk in part.chunks:
            value += chunk[: FIELD_LIMIT_BYTES + 1 - len(value)]
        if part.name not in _FIELDS:
            return
        if part.filename is not None or len(value) > FIELD_LIMIT_BYTES:
            raise Malformed(f"the field {part.name} is a file, or longer than {FIELD_LIMIT_BYTES} bytes")
        form.add(part.name, value.decode("utf-8", "replace"))

    def _publish(self, form: Form, environ: Environ, account: Grant) -> Response:
        content, signature = form.files.get("content"), form.files.get("gpg_signature")
        if content is None:
            raise Refusal(400, "Nothing was stored: the form has no file (content).")
        environ[ARRIVED] = content.name, content.sha256, content.size
        if content.name.endswith(".asc"):
            raise Refusal(400, f"Nothing was stored: {content.name} is a signature, and comes with its file.")
        if signature is not None and signature.name != f"{content.name}.asc":
            raise Refusal(400, f"Nothing was stored: {signature.name} is no signature of {content.name}.")
        for staged in filter(None, (content, signature)):
            if not staged.size:
                raise Refusal(400, f"Nothing was stored: {staged.name} is empty.")
        _check_digests(form, content)
        content.uploaded = _uploaded(form)
        if content.uploaded is not None:
            account.require_account()
        file = released(content.name)
        # Before anything is told of what is stored.
        account.require({file.project})
        # As PyPI does, whose answer twine understands; other clients expect a conflict.
        taken_status = 400 if "twine" in environ.get("HTTP_USER_AGENT", "") else 409
        publication = Publication(self._packages, immutable=self._immutable, taken_status=taken_status)
        try:
            _check_agreement("the form", form.fields.get("name"), form.fields.get("version"), file)
            # A file that is stored already may be older than these checks, so repeating its upload succeeds without them.
            if publication.stored(content, file) is None:
                _check_content(content, file)
            if self._claim:
                self._claim(file.project)
        except Unfit as error:
            raise Refusal(400, f"Nothing was stored: {content.name} was refused: {error}.") from error
        except OSError as error:
            raise storage_refusal(error) from error
        publication.publish(content, signature, file)
        for staged in filter(None, (content, signature)):
            write_change(environ, "upload", staged.name, staged.sha256, staged.size)
        return whole(200, "text/html; charset=UTF-8", b"")

    def _yank(self, action: str, form: Form, environ: Environ) -> Response:
        project = canonicalize_name(form.fields.get("name", ""))
        version = form.fields.get("version", "")
        reason = form.fields.get("reason", "") if action == "yank" else None
        if len((reason or "").encode()) > FIELD_LIMIT_BYTES or "\0" in (reason or ""):
            raise Refusal(400, f"The reason is longer than {FIELD_LIMIT_BYTES} bytes, or has a null character.")
        self._packages.index.refresh()
        packages = map(package_at, self._packages.index.paths(project))
        wanted = canonicalize_version(version)
        package = next((it for it in packages if canonicalize_version(it.version) == wanted), None)
        # Old files may have no version, or dots for one, which no link can be called.
        if package is None or not wanted.strip("."):
            self._packages.index.require_complete()
            raise Refusal(404, f"Nothing was changed: there is no {project} {version} here.")
        self._packages.yank(package, reason)
        write_change(environ, action, f"{project}=={package.version}", None, None, reason)
        return whole(200, "text/html; charset=UTF-8", b"")


def _check_name(name: str) -> None:
    """Raises Refusal for a name that could not be stored, listed or installed."""
    try:
        if len(name.encode("utf-8", "replace")) > NAME_LIMIT_BYTES:
            raise BadName(f"it is longer than {NAME_LIMIT_BYTES} bytes")
        if not _NAME.fullmatch(name):
            raise BadName("it must begin with a letter or digit and contain only letters, digits and _ . ! + -")
        distribution = name.removesuffix(".asc")
        file = released(distribution)
        if otherwise := filed_otherwise(distribution, file):
            raise BadName(
                f"it would be listed as {otherwise}; build it with a newer tool, "
                f"which calls it {file.project.replace('-', '_')}-{file.version}"
            )
    except BadName as error:
        raise Refusal(400, f"Bad filename: {name[:NAME_LIMIT_BYTES]!r}: {error}.") from error


def _check_digests(form: Form, content: Staged) -> None:
    """Raises Refusal if a digest in the form is not that of the bytes that arrived."""
    for field, digest in content.digests.items():
        announced = form.fields.get(field, "").strip().lower()
        if announced and announced != digest.hexdigest():
            raise Refusal(
                400,
                f"Nothing was stored: the {field} of what arrived is {digest.hexdigest()}, not {announced}. "
                "Upload the file again.",
            )


def _uploaded(form: Form) -> float | None:
    """When the file was uploaded to the index that it comes from, in seconds since 1970. Raises Refusal."""
    text = form.fields.get("upload_time")
    if text is None:
        return None
    seconds = read_time(text)
    if seconds is None or not EARLIEST <= seconds <= time.time():
        raise Refusal(400, "Nothing was stored: upload_time is no time from 2003 until now, like 2024-05-31T12:00:00Z.")
    return seconds


def _check_content(content: Staged, file: Released) -> None:
    """Raises Unfit if the core metadata in `content` lacks or contradicts what its file name says; OSError."""
    content.metadata = read_metadata(content.name, content.file)
    metadata = parse(content.metadata)
    if not metadata.name or not metadata.version:
        raise Unfit("its core metadata lacks a Name or a Version")
    _check_agreement("its core metadata", metadata.name, metadata.version, file)
    if content.name.endswith(".whl"):
        # What pip does not install. Of source distributions it has the metadata made anew.
        try:
            begins_empty = content.metadata.decode()[0] in "\r\n"
        except UnicodeDecodeError as error:
            raise Unfit("its core metadata is not UTF-8") from error
        if begins_empty:
            raise Unfit("its core metadata begins with an empty line")


def _check_agreement(source: str, name: str | None, version: str | None, file: Released) -> None:
    """Raises Unfit if `source` names another project or version than the file's name; what is missing agrees."""
    if name and canonicalize_name(name) != file.project:
        raise Unfit(f"{source} names the project {name!r}, and the file name {file.project!r}")
    if version and not same_version(version, file):
        raise Unfit(f"{source} names the version {version!r}, and the file name {str(file.version)!r}")
