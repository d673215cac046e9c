"""What an import has to do: compares the source's pages with ours, one project at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from packaging.utils import InvalidName, canonicalize_name

from generator.operations.exits import Problem
from generator.packages.filenames import NO_PACKAGE, project_of, version_of
from generator.packages.pages import File, Page
from generator.packages.report import Left, Report, Spool, left_of
from generator.packages.simple import SimpleIndex, known_hash
from generator.packages.threads import at_once
from generator.packages.transport import Failed

_SAMPLE = 20
"""Files whose sizes are requested, if pages have none."""
BYTES_A_SECOND = 100_000_000 // 8
FILES_A_SECOND = 40
"""For small files, measured: docs/import.md."""
_REASON_BYTES = 1024
"""The server accepts no longer one."""


class Yank(NamedTuple):
    """A release that is yanked at the source, and is to be here."""

    project: str
    version: str
    reason: str


@dataclass(frozen=True)
class Wanted:
    """A file to import, of a release to be yanked at once if there is a ``yank``.

    ``here`` is what the target has under its name, if that must be compared.
    """

    file: File
    signature: File | None
    here: File | None
    yank: Yank | None


@dataclass
class Found:
    """For one project: ``present`` counts what is already here, ``yanks`` are those of releases that are here."""

    wanted: list[Wanted] = field(default_factory=list)
    present: int = 0
    yanks: list[Yank] = field(default_factory=list)
    withdrawn: int = 0
    left: list[tuple[Left, str]] = field(default_factory=list)


class Plan:
    """``compared`` counts the ``wanted`` whose names are here, ``unchecked`` those without a hash.

    ``size`` is in bytes, as far as pages say; they do not for ``unsized`` files.
    """

    def __init__(self) -> None:
        self.wanted: Spool[Wanted] = Spool()
        self.yanks: Spool[Yank] = Spool()
        self.report = Report()
        self.projects = self.present = self.compared = self.withdrawn = self.unchecked = 0
        self.size = self.unsized = 0

    def close(self) -> None:
        for spool in (self.wanted, self.yanks, self.report):
            spool.close()

    def add(self, found: Found) -> None:
        self.projects += bool(found.wanted or found.present)
        self.present += found.present
        self.withdrawn += found.withdrawn
        for wanted in found.wanted:
            self.wanted.add(wanted)
            self.compared += wanted.here is not None
            self.unchecked += not any(map(known_hash, wanted.file.hashes))
            self.size += wanted.file.size or 0
            self.unsized += wanted.file.size is None
        for yank in found.yanks:
            self.yanks.add(yank)
        self.report.add_all(found.left)

    def estimate(self, source: SimpleIndex) -> tuple[int, float]:
        """Bytes and seconds; requests the sizes of a sample of files whose pages have none. Raises Stopped."""
        try:
            sizes = [size for file in self._sample() if (size := source.measure(file)[0]) is not None]
        except Failed:
            sizes = []
        size = self.size + (sum(sizes) * self.unsized // len(sizes) if sizes else 0)
        return size, len(self.wanted) / FILES_A_SECOND + size / BYTES_A_SECOND

    def _sample(self) -> Iterable[File]:
        unsized = (wanted.file for wanted in self.wanted if wanted.file.size is None)
        return islice(unsized, 0, None, self.unsized // _SAMPLE + 1)


def fill(plan: Plan, source: SimpleIndex, target: SimpleIndex, names: Sequence[str]) -> None:
    """Plan to import the projects ``names``, or all; a project that cannot be read is a line of the report.

    Raises Problem, Failed and Stopped.
    """
    wanted = _normalised(names)
    source.locate()
    root = Page() if wanted else source.root()
    # If our server does not have a project, it looks for it at its upstream, if any. A stranger's project there
    # would be taken from then on, and ours refused; so it is only asked about projects that it lists.
    known = {entry.name for entry in target.root().projects}

    def compare(project: str) -> Found:
        try:
            page = source.project(project)
        except Failed as error:
            return Found(left=[(left_of(error), f"{project}: {error}")])
        if page is None:
            return Found(left=[(Left.GONE, f"{project}: {source.url} does not have it")])
        try:
            here = target.project(project) if project in known else None
        except Failed as error:
            return Found(left=[(Left.FAILED, f"{project}: {error}")])
        return _compared(project, page, here or Page())

    listed = {entry.name for entry in root.projects} | {project_of(file.name) for file in root.files}
    for _, found in at_once(compare, wanted or sorted(filter(None, listed)), (source, target)):
        plan.add(found)
    plan.report.add_all((Left.DAMAGED, what) for what in root.unread)
    plan.report.add_all((Left.NO_PACKAGE, f"{name}: {NO_PACKAGE}") for name in _loose(root))
    told = plan.report.counts.keys() - {Left.NO_PACKAGE, Left.GONE}
    if not (wanted or root.declared or plan.wanted or plan.present or told):
        raise Problem(
            f"{source.url} lists no packages: give the address of an index, most end in /simple/, or of a directory"
        )


def _normalised(names: Sequence[str]) -> list[str]:
    """Raises Problem."""
    try:
        return sorted({canonicalize_name(name, validate=True) for name in names})
    except InvalidName as error:
        raise Problem(f"{error}: give names of projects") from error


def _loose(root: Page) -> list[str]:
    """The names of files next to the projects that belong to none."""
    projects = {entry.url for entry in root.projects}
    stems = {
        file.name: file.name.removesuffix(".asc").removesuffix(".metadata")
        for file in root.files
        if file.url not in projects
    }
    return [name for name, stem in stems.items() if not project_of(stem)]


def _compared(project: str, page: Page, target: Page) -> Found:
    """``page`` with what the target has of the project."""
    found = Found()
    here = {file.name: file for file in target.files}
    files = _files(project, page.files, found)
    versions = _versions(project, files, found)
    yanks = _yanks(project, versions, files, here, found)
    for name, version in versions.items():
        file, ours = files[name], here.get(name)
        if ours and ours.sha256 and file.sha256:
            if ours.sha256 == file.sha256:
                found.present += 1
            else:
                found.left.append(
                    (Left.REFUSED, f"{name}: other content is here under this name, sha256 {ours.sha256}")
                )
            continue
        if ours and None not in (file.size, file.uploaded) and (file.size, file.uploaded) == (ours.size, ours.uploaded):
            # As an import left it.
            found.present += 1
            continue
        signature = files.get(f"{name}.asc") or (_beside(file) if file.signed else None)
        found.wanted.append(Wanted(file, signature, ours, yanks.get(version)))
    coming = {it.yank for it in found.wanted}
    found.yanks = [yank for yank in yanks.values() if yank not in coming]
    if page.status not in ("", target.status):
        found.left.append((Left.LOST, f"{project}: its status there, {page.status}: `project-status` sets it here"))
    if attested := sum(it.file.attested for it in found.wanted):
        found.left.append((Left.LOST, f"{project}: attestations (PEP 740) of {attested:,} files: there are none here"))
    found.left += [(Left.DAMAGED, f"{project}: {what}") for what in page.unread]
    if not (page.files or page.declared or found.left):
        found.left.append((Left.NO_PACKAGE, f"{project}: its page lists no files"))
    return found


def _files(project: str, listed: Iterable[File], found: Found) -> dict[str, File]:
    """By name; of two with one name the first, as pip does."""
    files: dict[str, File] = {}
    for file in listed:
        first = files.setdefault(file.name, file)
        if first.sha256 and file.sha256 not in ("", first.sha256):
            found.left.append((Left.LOST, f"{file.name}: the page of {project} has it twice: the first is taken"))
    return files


def _versions(project: str, files: dict[str, File], found: Found) -> dict[str, str]:
    """By the names of what pip or uv would install."""
    versions: dict[str, str] = {}
    for name in files:
        # Signatures and metadata (PEP 658) come with their files.
        if name.endswith((".asc", ".metadata")) and name.rpartition(".")[0] in files:
            continue
        try:
            versions[name] = version_of(name, project)
        except ValueError as error:
            found.left.append((Left.NO_PACKAGE, f"{name}: {error}"))
    return versions


def _beside(file: File) -> File:
    """The signature (PEP 503): the file's address followed by ``.asc``."""
    parts = urlsplit(file.url)
    url = urlunsplit(parts._replace(path=f"{parts.path}.asc", fragment=""))
    return replace(file, name=f"{file.name}.asc", url=url, hashes={}, size=None)


def _yanks(
    project: str, versions: dict[str, str], files: dict[str, File], here: dict[str, File], found: Found
) -> dict[str, Yank]:
    """By version, of releases whose files are all yanked at the source, and not all here; ``versions`` is by file.

    PEP 592 yanks files; our server, like PyPI, releases.
    """
    yanks: dict[str, Yank] = {}
    of_release: dict[str, list[str]] = {}
    for name, version in versions.items():
        of_release.setdefault(version, []).append(name)
    for version, names in of_release.items():
        reasons = [files[name].yanked for name in names]
        if all(reason is None for reason in reasons):
            continue
        if any(reason is None for reason in reasons):
            some = ", ".join(name for name in names if files[name].yanked is not None)
            found.left.append(
                (Left.LOST, f"{project} {version}: not all of it is withdrawn there, so none here: {some}")
            )
            continue
        if all(name in here and here[name].yanked is not None for name in names):
            continue
        reason = (reasons[0] or "").replace("\0", "").encode("utf-8", "replace")
        if len(reason) > _REASON_BYTES:
            found.left.append((Left.LOST, f"{project} {version}: the reason for the yank is cut off"))
        yanks[version] = Yank(project, version, reason[:_REASON_BYTES].decode(errors="ignore"))
    found.withdrawn = len(yanks)
    return yanks
