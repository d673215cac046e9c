"""A form as it arrives: short fields in memory, files written to the disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qsl

from server.accounts.grants import Grant
from server.publishing.checks import check_name
from server.publishing.publication import storage_refusal
from server.store.staging import Staged
from server.wire.messages import Environ, Refusal
from server.wire.multipart import READ_BYTES, Malformed, Part, boundary_of, parts

FIELD_LIMIT_BYTES = 1 << 10
FIELDS_LIMIT = 100
# The parts that are used. All others are read and dropped: a description alone can have megabytes.
_FILES = {"content", "gpg_signature"}
_FIELDS = {":action", "name", "version", "sha256_digest", "blake2_256_digest", "md5_digest", "upload_time", "reason"}


class Form(ExitStack):
    """Empty until it is received; leaving it removes files that were not published."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self.fields: dict[str, str] = {}
        self.files: dict[str, Staged] = {}
        # Whether attestations (PEP 740) were sent, which are not kept.
        self.attested = False
        self._whole = False

    @property
    def content(self) -> Staged | None:
        """The distribution, once the whole form is here."""
        return self.files.get("content") if self._whole else None

    @property
    def facts(self) -> tuple[str | None, str | None, int | None]:
        """Name, SHA-256 and size in bytes of `content`, for the log."""
        return (self.content.name, self.content.sha256, self.content.size) if self.content else (None, None, None)

    def receive(self, environ: Environ, account: Grant) -> None:
        """Raises Refusal, for a file that the account may not upload before any of it is stored."""
        read, content_type = environ["wsgi.input"].read, environ.get("CONTENT_TYPE", "")
        try:
            if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
                self._decode(read)
            else:
                for part in parts(read, boundary_of(content_type)):
                    self._take(part, account)
        except Malformed as error:
            raise Refusal(400, f"Nothing was stored: the form is malformed: {error}.") from error
        except OSError as error:
            raise storage_refusal(error) from error
        self._whole = True

    def _decode(self, read: Callable[[int], bytes]) -> None:
        encoded = read(READ_BYTES)
        if read(1):
            raise Refusal(413, f"A form without files is at most {READ_BYTES} bytes.")
        try:
            fields = parse_qsl(encoded.decode("utf-8", "replace"), max_num_fields=FIELDS_LIMIT)
        except ValueError as error:
            raise Malformed(str(error)) from error
        for name, value in fields:
            self._add(name, value)

    def _take(self, part: Part, account: Grant) -> None:
        if part.name in _FILES:
            if part.filename is None:
                raise Malformed(f"{part.name} has no file name")
            if part.name in self.files:
                raise Malformed(f"it has two parts {part.name}")
            account.require({check_name(part.filename)})
            staged = self.files[part.name] = Staged(self._root, part.filename)
            self.callback(staged.discard)
            for chunk in part.chunks:
                staged.write(chunk)
            return
        self.attested = self.attested or part.name == "attestations"
        value = b""
        for chunk in part.chunks:
            value += chunk[: FIELD_LIMIT_BYTES + 1 - len(value)]
        if part.name not in _FIELDS:
            return
        if part.filename is not None or len(value) > FIELD_LIMIT_BYTES:
            raise Malformed(f"the field {part.name} is a file, or longer than {FIELD_LIMIT_BYTES} bytes")
        self._add(part.name, value.decode("utf-8", "replace"))

    def _add(self, name: str, value: str) -> None:
        if name in self.fields:
            raise Malformed(f"it has two fields {name}")
        self.fields[name] = value
