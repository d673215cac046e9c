"""A distribution's core metadata, as far as an index needs it."""

from __future__ import annotations

import hashlib
import re
from email.message import Message
from email.parser import BytesHeaderParser, HeaderParser
from typing import IO, Any, NamedTuple

from server.distributions.archives import core_metadata
from server.distributions.tarballs import Unfit

# Each takes the parser a moment and a few hundred bytes. Old metadata has whole descriptions in its headers.
HEADER_LINES_LIMIT = 50_000
# Of what a listing repeats for each file.
REQUIRES_PYTHON_LIMIT = 2_000

# Keys of PyPI's JSON that match a core metadata field, and those that list a field's values: https://docs.pypi.org/api/json/
_TEXTS = (
    *("author", "author_email", "description_content_type", "download_url", "home_page", "keywords", "license"),
    *("license_expression", "maintainer", "maintainer_email", "platform", "requires_python", "summary"),
)
_LISTS = {
    "dynamic": "Dynamic",
    "license_files": "License-File",
    "provides_extra": "Provides-Extra",
    "requires_dist": "Requires-Dist",
}

_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")
_LINE_END = re.compile(r"\r\n?")
_CONTINUATION = re.compile(r"\r?\n {7}[ |]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


class CoreMetadata(NamedTuple):
    """Fields as they were written, None if missing; of repeated ones the first, or a list of all."""

    name: str | None
    version: str | None
    requires_python: str | None
    requires_dist: list[str]


class Description(NamedTuple):
    """`metadata_sha256` is the digest of a wheel's METADATA (PEP 658), lower-case hexadecimal; both are None without one."""

    metadata_sha256: str | None
    requires_python: str | None


def describe(name: str, file: IO[bytes]) -> Description:
    """Describe the open, seekable `file`, which is called `name`: a wheel, a source distribution, or anything.

    Depends only on the name and the content, so it may be kept as long as both stay.
    Raises OSError if, and only if, the storage fails.
    """
    return describe_metadata(name, core_metadata(name, file))


def describe_metadata(name: str, content: bytes | None) -> Description:
    """As `describe`, for a file whose core metadata is `content`, as archives.core_metadata returns it."""
    if content is None:
        return Description(None, None)
    digest = hashlib.sha256(content).hexdigest() if name.endswith(".whl") else None
    try:
        python = parse(content).requires_python
    except Unfit:
        python = None
    # What is cut would say something else.
    return Description(digest, python if python and len(python) <= REQUIRES_PYTHON_LIMIT else None)


def parse(content: bytes) -> CoreMetadata:
    """Raises Unfit if there are more headers than a distribution has."""
    message = BytesHeaderParser().parsebytes(_parts(content)[0])
    return CoreMetadata(
        _field(message, "Name"),
        _field(message, "Version"),
        _field(message, "Requires-Python"),
        [_CONTROLS.sub(" ", str(value)).strip() for value in message.get_all("Requires-Dist", [])],
    )


def info(content: bytes) -> dict[str, Any]:
    """The fields of core metadata that PyPI's JSON has under `info`; missing ones are None. Raises Unfit as `parse` does."""
    message, description = _described(content)
    links = [re.split(" ?, ?", _line(link), maxsplit=1) for link in message.get_all("Project-URL", [])]
    return {
        **{key: _known(message.get(key.replace("_", "-"))) for key in _TEXTS},
        **{key: list(map(_line, message.get_all(name, []))) or None for key, name in _LISTS.items()},
        "classifiers": list(map(_line, message.get_all("Classifier", []))),
        "description": description,
        "project_urls": {link[0]: link[1] for link in links if len(link) == 2 and all(link)} or None,
    }


def _described(content: bytes) -> tuple[Message, str]:
    """The headers and the description; raises Unfit."""
    headers, body = _parts(content)
    message = HeaderParser().parsestr(headers.decode("utf-8", "replace"))
    # Until version 2.1 of core metadata the description was a header, its lines marked as its continuation.
    text = body.decode("utf-8", "replace") or _CONTINUATION.sub("\n", message.get("Description", ""))
    text = _LINE_END.sub("\n", text).strip("\n")
    return message, "" if text == "UNKNOWN" else text


def _parts(content: bytes) -> tuple[bytes, bytes]:
    """The headers, and what follows them; raises Unfit."""
    headers, *rest = _BLANK_LINE.split(content.lstrip(b"\r\n"), maxsplit=1)
    if headers.count(b"\n") + headers.count(b"\r") > HEADER_LINES_LIMIT:
        raise Unfit("its core metadata has too many lines")
    return headers, b"".join(rest)


def _field(message: Message, name: str) -> str | None:
    value = message.get(name)
    return None if value is None else _line(value) or None


def _known(value: object) -> str | None:
    """Old tools wrote UNKNOWN for a missing value."""
    text = "" if value is None else _line(value)
    return None if text in ("", "UNKNOWN") else text


def _line(value: object) -> str:
    """Unfolds lines, and drops whatever a listing could not carry in one line."""
    return _CONTROLS.sub(" ", str(value)).strip()
