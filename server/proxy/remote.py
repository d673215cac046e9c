"""A project's page as an upstream index sends it (PEP 691, PEP 700): parsed, checked, and kept on the disk."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

from server.distributions.digests import is_sha256
from server.distributions.names import normalized
from server.distributions.releases import BadName, released
from server.distributions.times import read_time
from server.proxy.cached import PAGES
from server.proxy.policy import Candidate
from server.proxy.sides import UPSTREAM
from server.store.entries import open_hidden_file
from server.store.hidden import DAMAGE, hidden
from server.store.kept import Details, Identity
from server.store.staging import Staged
from server.store.statuses import STATES, UNSAID, Status
from server.views.listings import Listed, Listing, rendered

PAGE_BYTES = 16 << 20
VALUES_LIMIT = 1_000_000
# S3 allows no larger objects, nor does PyPI accept larger files.
FILE_BYTES = 5 << 30
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.!+-]{0,250}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")
_TEXT_LIMIT = 1000


class BadPage(ValueError):
    """What was sent is not a page of the project; the message says why."""


class RemoteFile(NamedTuple):
    """`yanked` is None if it is not, otherwise the reason, which may be empty; `provenance` is an address (PEP 740)."""

    name: str
    url: str
    size: int
    candidate: Candidate
    requires_python: str | None
    metadata_sha256: str | None
    yanked: str | None
    provenance: str | None = None

    def details(self) -> Details:
        """In the form used for files here."""
        uploaded_ns = round((self.candidate.uploaded or 0) * 1_000_000) * 1000
        identity = Identity(0, self.size, uploaded_ns, uploaded_ns)
        return Details(identity, self.candidate.sha256, self.metadata_sha256, self.requires_python)


class Page(NamedTuple):
    """The files by name."""

    files: dict[str, RemoteFile]
    status: Status


def read_page(content: bytes, project: str, url: str, allowed: Callable[[str], object]) -> Page:
    """The files that can be served: of this project, with a sha256, a size, and an `allowed` address.

    `url` is the page's. Raises BadPage.
    """
    # Each of them starts a value, which takes a hundred bytes and more once parsed.
    if sum(map(content.count, (b"[", b"{", b",", b":"))) > VALUES_LIMIT:
        raise BadPage(f"it has more than {VALUES_LIMIT:,} values")
    try:
        document = json.loads(content)
        if not str(document["meta"]["api-version"]).startswith("1.") or normalized(document["name"]) != project:
            raise BadPage("it is of another project, or of another version of the interface")
        found: dict[str, RemoteFile] = {}
        for entry in document["files"]:
            with suppress(BadName, KeyError, TypeError, AttributeError, ValueError):
                file = _read_file(entry, project, url, allowed)
                found.setdefault(file.name, file)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadPage(f"it is not a PEP 691 page: {error}") from error
    return Page(found, _status(document.get("project-status")))


def _status(entry: object) -> Status:
    """Active if nothing is said, or for a status that no standard has yet."""
    if not isinstance(entry, dict) or entry.get("status") not in STATES:
        return UNSAID
    return Status(entry["status"], _text(entry.get("reason")))


def _read_file(entry: Any, project: str, page: str, allowed: Callable[[str], object]) -> RemoteFile:
    """Raises BadName, KeyError, TypeError, AttributeError or ValueError for a file that cannot be served."""
    name, url, sha256, size = entry["filename"], urljoin(page, entry["url"]), entry["hashes"]["sha256"], entry["size"]
    # The address of the metadata is this one with a suffix.
    url = url.partition("#")[0]
    file = released(name)
    if (
        not _FILENAME.fullmatch(name)
        or file.project != project
        or not is_sha256(sha256)
        or type(size) is not int
        or not 0 < size <= FILE_BYTES
        or not allowed(url)
    ):
        raise ValueError(name)
    metadata = entry.get("core-metadata", entry.get("dist-info-metadata"))
    metadata_sha256 = metadata.get("sha256") if isinstance(metadata, dict) else None
    if not (name.endswith(".whl") and is_sha256(metadata_sha256)):
        metadata_sha256 = None
    yanked = entry.get("yanked")
    return RemoteFile(
        name,
        url,
        size,
        Candidate(project, file.version, sha256, read_time(entry.get("upload-time"))),
        _text(entry.get("requires-python")) or None,
        metadata_sha256,
        _text(yanked) if yanked else None,
        _address(entry.get("provenance")),
    )


def _address(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"https://[!-~]{1,1000}", value) else None


def _text(value: object) -> str:
    return _CONTROLS.sub(" ", value).strip()[:_TEXT_LIMIT] if isinstance(value, str) else ""


def listing_of(name: str, files: list[RemoteFile], status: Status = UNSAID) -> Listing:
    """The project's page as served here. `files` are in the order of versions."""
    listed = [
        Listed(
            f"{UPSTREAM}/{name}/{file.name}",
            str(file.candidate.version),
            file.details(),
            file.yanked,
            dated=file.candidate.uploaded is not None,
            provenance=file.provenance,
        )
        for file in files
    ]
    return Listing(0, 0.0, 0.0, [], [], *rendered(name, listed, status=status))


class Answered(NamedTuple):
    """What an upstream sent for `url`, from `base`; and the validator to ask whether it has changed."""

    url: str
    base: str
    etag: str
    content: bytes


class KeptPages:
    """Never fails: what cannot be read is requested again, and what cannot be written is not kept."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self, project: str) -> tuple[Answered, float] | None:
        """With the seconds since it was last known to be current."""
        try:
            with open_hidden_file(str(self._root), UPSTREAM, PAGES, _name(project)) as file:
                # Negative if the file server's clock is ahead.
                age = abs(time.time() - os.fstat(file.fileno()).st_mtime)
                data = file.read(PAGE_BYTES + (1 << 14))
            digest, _, rest = data.partition(b"\n")
            head, _, content = rest.partition(b"\n")
            if hashlib.sha256(rest).hexdigest().encode() != digest:
                return None
            name, *texts = json.loads(head)
            url, base, etag = texts
            if name != project or not all(isinstance(it, str) for it in texts):
                return None
        except (OSError, *DAMAGE):
            return None
        return Answered(url, base, etag, content), age

    def keep(self, project: str, before: Answered | None, now: Answered | None) -> None:
        """What was kept, `before`, proved to be `now`."""
        with suppress(OSError):
            if now is not before and now is not None:
                self._save(project, now)
                return
            with hidden(self._root, UPSTREAM, PAGES) as directory:
                if now is None:
                    os.unlink(_name(project), dir_fd=directory)
                else:
                    os.utime(_name(project), dir_fd=directory, follow_symlinks=False)

    def _save(self, project: str, answered: Answered) -> None:
        """Raises OSError."""
        rest = json.dumps([project, *answered[:3]]).encode() + b"\n" + answered.content
        staged = Staged(self._root, f"{UPSTREAM}/{PAGES}/{_name(project)}")
        try:
            staged.write(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
            staged.file.flush()
            staged.publish(replace=True)
        finally:
            staged.discard()


def _name(project: str) -> str:
    return hashlib.sha256(project.encode()).hexdigest()
