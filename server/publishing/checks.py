"""Whether what was posted is a distribution, and whether form, file name and metadata agree."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event

from packaging.utils import canonicalize_name

from server.distributions.archives import read_metadata
from server.distributions.layouts import Layout
from server.distributions.metadata import Description, describe_metadata, parse
from server.distributions.releases import BadName, Released, filed_otherwise, released, same_version
from server.distributions.tarballs import Unfit
from server.distributions.times import EARLIEST, read_time
from server.distributions.wheels import check_requirements, check_wheel
from server.store.staging import Staged
from server.wire.gate import Gate
from server.wire.messages import Refusal

# Metadata as long as it may be takes seconds and some 20 MiB, an archive up to 40 MiB.
_CHECKS = Gate[Event](3)
NAME_LIMIT_BYTES = 255
# pypiserver's own rule, and a first character that PEP 508 allows at the start of a name.
_NAME = re.compile(r"[a-z0-9][a-z0-9_.!+-]*", re.IGNORECASE | re.ASCII)


def check_name(name: str) -> str:
    """The project of a file or signature with this name. Raises Refusal if it could not be stored, listed or installed."""
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
    return file.project


def check_digests(fields: Mapping[str, str], content: Staged) -> None:
    """Raises Refusal if a digest in the form does not match the bytes that arrived."""
    for field, digest in content.digests.items():
        announced = fields.get(field, "").strip().lower()
        if announced and announced != digest.hexdigest():
            raise Refusal(
                400,
                f"Nothing was stored: the {field} of what arrived is {digest.hexdigest()}, not {announced}. "
                "Upload the file again.",
            )


def uploaded_at(fields: Mapping[str, str]) -> float | None:
    """When the file was uploaded to the index that it comes from, in seconds since 1970. Raises Refusal."""
    text = fields.get("upload_time")
    if text is None:
        return None
    seconds = read_time(text)
    if seconds is None or not EARLIEST <= seconds <= time.time():
        raise Refusal(
            400, "Nothing was stored: upload_time is not a time from 2003 until now, like 2024-05-31T12:00:00Z."
        )
    return seconds


def check_content(content: Staged, file: Released, account: str) -> None:
    """Raises Unfit if `content` is not what its file name says, or cannot be installed; OSError.

    Others may have to be checked before, of each account in turn.
    """
    with _turn(account):
        content.description = _checked(content, file)


@contextmanager
def _turn(account: str) -> Iterator[None]:
    ready = Event()
    if not _CHECKS.enter(ready, account):
        ready.wait()
    try:
        yield
    finally:
        if following := _CHECKS.leave(account):
            following.set()


def _checked(content: Staged, file: Released) -> Description:
    """Raises Unfit, OSError."""
    layout = Layout(links=not content.name.endswith(".zip"))
    core = read_metadata(content.name, content.file, layout.see)
    metadata = parse(core)
    if not metadata.name or not metadata.version:
        raise Unfit("its core metadata lacks a Name or a Version")
    check_agreement("its core metadata", metadata.name, metadata.version, file)
    if content.name.endswith(".whl"):
        # What pip does not install. Of source distributions it generates the metadata anew.
        try:
            begins_empty = core.decode()[0] in "\r\n"
        except UnicodeDecodeError as error:
            raise Unfit("its core metadata is not UTF-8") from error
        if begins_empty:
            raise Unfit("its core metadata begins with an empty line")
        check_requirements(metadata.requires_python, metadata.requires_dist)
        check_wheel(content.file)
    else:
        layout.require_project()
    return describe_metadata(content.name, core)


def check_agreement(source: str, name: str | None, version: str | None, file: Released) -> None:
    """Raises Unfit if `source` names another project or version than the file's name; a missing one agrees."""
    # KELVIN SIGN becomes a k in lower case.
    if name and not (name.isascii() and canonicalize_name(name) == file.project):
        raise Unfit(f"{source} names the project {name[:NAME_LIMIT_BYTES]!r}, and the file name {file.project!r}")
    if version and not (version.isascii() and same_version(version, file)):
        raise Unfit(
            f"{source} names the version {version[:NAME_LIMIT_BYTES]!r}, and the file name {str(file.version)!r}"
        )
