"""Packages of another index, brought here: what is missing is planned, fetched, checked and uploaded."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from packaging.utils import InvalidName, canonicalize_name, parse_sdist_filename, parse_wheel_filename
from pypi_simple import DistributionPackage
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from generator.operations.exits import DONE, FAILED, Problem
from generator.operations.terminal import Terminal
from generator.packages.simple import Failed, SimpleIndex, Stopped, printable
from server.distributions.releases import SDIST_SUFFIXES
from server.distributions.times import EARLIEST

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE = 4
"""Pages read, and files under way: each of these lies in a temporary file meanwhile."""


class Yank(NamedTuple):
    """A release that is withdrawn at the source, and is to be here."""

    project: str
    version: str
    reason: str


@dataclass(frozen=True)
class Wanted:
    """A file to import, of a release to be withdrawn at once if there is a ``yank``.

    ``here`` is the SHA-256 of what the target has under its name, if that must be compared.
    """

    package: DistributionPackage
    signature: DistributionPackage | None
    here: str | None
    yank: Yank | None


@dataclass
class Plan:
    """``refused`` are lines that say what cannot be imported, and why; ``present`` counts what is here already.

    ``yanks`` are those of releases that are here.
    """

    projects: int = 0
    present: int = 0
    wanted: list[Wanted] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    yanks: list[Yank] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes, as far as the source says."""
        return sum(it.package.size or 0 for it in self.wanted)


def run(
    terminal: Terminal, source: SimpleIndex, target: SimpleIndex, names: Sequence[str], *, dry_run: bool, yes: bool
) -> int:
    """Import the projects ``names``, or all; the exit code. Raises Problem, Declined and KeyboardInterrupt."""
    try:
        plan = _planned(terminal, source, target, names)
    except (Failed, Stopped) as error:
        raise Problem(str(error)) from error
    _show(terminal, plan, f"{source.url} → {target.url}")
    if dry_run or not (plan.wanted or plan.yanks):
        return FAILED if plan.refused else DONE
    withdrawn = f", and withdraw {len(plan.yanks):,} releases" if plan.yanks else ""
    terminal.must_agree(f"Import {len(plan.wanted):,} files{withdrawn}?", yes=yes)
    done: Counter[str] = Counter()
    try:
        target.must_admit_uploads()
        with _progress(terminal, plan) as advance:
            for wanted, outcome in _at_once(lambda it: _transfer(source, target, it), plan.wanted, (source, target)):
                done[outcome.kind] += 1
                advance(wanted, outcome)
        for yank in plan.yanks:
            if reason := _withdraw(target, yank):
                terminal.line(f"failed  {reason}", "yellow")
                done["failed"] += 1
    except Stopped as error:
        terminal.line(f"stopped: {error}", "red")
        done["failed"] += 1
    refused = len(plan.refused) + done["refused"]
    terminal.line(
        f"{done['imported']:,} imported, {plan.present + done['present']:,} were here, {refused:,} refused, "
        f"{done['failed']:,} failed" + (": run it again, what is here is passed over" if done["failed"] else "")
    )
    return FAILED if refused or done["failed"] else DONE


class Outcome(NamedTuple):
    """Of one file: ``imported``, ``present``, ``refused`` or ``failed``, and why where it is one of the last two."""

    kind: str
    reason: str = ""


def _planned(terminal: Terminal, source: SimpleIndex, target: SimpleIndex, names: Sequence[str]) -> Plan:
    """Raises Failed and Stopped; a project that cannot be read is a line of the plan."""
    plan = Plan()
    with terminal.waiting(f"reading {source.url} …"):
        projects = _projects(names) or source.projects()
        # Our server looks for a project that it does not have at its upstream, if there is one. A stranger's there
        # would be taken from then on, and ours refused; so it is asked for what it lists alone.
        known = {*target.projects()}

        def compare(project: str) -> Plan:
            try:
                return _compared(project, source, target if project in known else None)
            except Failed as error:
                return Plan(refused=[f"{project}: {error}"])

        found = dict(_at_once(compare, projects, (source, target)))
    for project in projects:
        plan.projects += found[project].projects
        plan.present += found[project].present
        plan.wanted += found[project].wanted
        plan.yanks += found[project].yanks
        plan.refused += found[project].refused
    return plan


def _projects(names: Sequence[str]) -> list[str]:
    """Normalised. Raises Problem."""
    try:
        return sorted({canonicalize_name(name, validate=True) for name in names})
    except InvalidName as error:
        raise Problem(f"{error}: give names of projects") from error


def _compared(project: str, source: SimpleIndex, target: SimpleIndex | None) -> Plan:
    """One project's part of the plan; ``target`` if it has the project. Raises Failed and Stopped."""
    plan = Plan(projects=1)
    found = source.files(project)
    if found is None:
        return Plan(refused=[f"{project}: {source.url} does not have it"])
    files, wrong = found
    # A line may quote as much as a page has.
    plan.refused += [str(Failed(f"{project}: an entry of its page cannot be read: {error}")) for error in wrong]
    here, _ = (target and target.files(project)) or ({}, [])
    signatures = {name.removesuffix(".asc"): it for name, it in files.items() if name.endswith(".asc")}
    releases: dict[str, str] = {}
    for name in files:
        if not name.endswith(".asc"):
            try:
                releases[name] = _release(name, project)
            except ValueError as error:
                plan.refused.append(f"{name}: {error}")
    yanks = _yanks(project, releases, files, here)
    for name, version in releases.items():
        package = files[name]
        there, ours = package.digests.get("sha256", "").lower(), None
        if name in here:
            ours = here[name].digests.get("sha256", "").lower()
            if ours == there != "":
                plan.present += 1
                continue
            if there and ours:
                plan.refused.append(f"{name}: other content is here under this name, sha256 {ours}")
                continue
        signature = signatures.get(name)
        if signature is None and package.has_sig:
            signature = replace(package, filename=f"{name}.asc", url=package.sig_url, digests={}, size=None)
        plan.wanted.append(Wanted(package, signature, ours, yanks.get(version)))
    coming = {it.yank for it in plan.wanted}
    plan.yanks += [yank for yank in yanks.values() if yank not in coming]
    return plan


def _yanks(
    project: str,
    releases: dict[str, str],
    files: dict[str, DistributionPackage],
    here: dict[str, DistributionPackage],
) -> dict[str, Yank]:
    """By version, of releases whose files are all withdrawn at the source, and not all here; ``releases`` is by file.

    PEP 592 withdraws files; our server, as PyPI, releases.
    """
    found: dict[str, Yank] = {}
    of_release: dict[str, list[str]] = {}
    for name, version in releases.items():
        of_release.setdefault(version, []).append(name)
    for version, names in of_release.items():
        there = all(files[name].is_yanked for name in names)
        if there and not all(name in here and here[name].is_yanked for name in names):
            found[version] = Yank(project, version, files[names[0]].yanked_reason or "")
    return found


def _release(name: str, project: str) -> str:
    """The version of the project that the file belongs to. Raises ValueError if it cannot be imported as one of it."""
    if name.endswith(".whl"):
        found, version, *_ = parse_wheel_filename(name)
    else:
        suffix = next((it for it in SDIST_SUFFIXES if name.endswith(it)), None)
        if suffix is None:
            raise ValueError("it is no wheel or source distribution")
        # packaging knows two of the suffixes.
        found, version = parse_sdist_filename(f"{name.removesuffix(suffix)}.tar.gz")
    if found != project:
        # A page could bring a file of any other project, which nobody has asked for.
        raise ValueError(f"it is a file of {found}")
    return str(version)


def _show(terminal: Terminal, plan: Plan, way: str) -> None:
    terminal.verbatim(way)
    for line in plan.refused:
        terminal.line(f"refused  {printable(line)}", "yellow")
    unknown = sum(it.package.size is None for it in plan.wanted)
    unchecked = sum(not it.package.digests for it in plan.wanted)
    terminal.line(
        f"projects: {plan.projects:,}; files: {len(plan.wanted):,} to import, {len(plan.refused):,} refused, "
        f"{plan.present:,} are here"
    )
    if plan.wanted:
        terminal.line(f"{decimal(plan.size)}" + (f", and {unknown:,} files of unknown size" if unknown else ""))
    if withdrawn := {it.yank for it in plan.wanted if it.yank} | {*plan.yanks}:
        terminal.line(f"releases to withdraw, as they are there: {len(withdrawn):,}")
    if unchecked:
        terminal.line(f"{unchecked:,} files have no hash there: that they are whole cannot be checked", "yellow")


def _transfer(source: SimpleIndex, target: SimpleIndex, wanted: Wanted) -> Outcome:
    """Raises Stopped."""
    package, name = wanted.package, wanted.package.filename.strip()
    try:
        with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as signature:
            sha256, modified = source.download(package, file)
            if wanted.here:
                same = wanted.here == sha256
                reason = _withdraw(target, wanted.yank) if same else f"{name}: other content is here"
                return Outcome("present" if same and not reason else "refused", reason)
            if wanted.signature:
                source.download(wanted.signature, signature)
            try:
                target.upload(name, file, sha256, _time(package.upload_time or modified), signature)
            except Failed as error:
                return Outcome("refused" if error.status else "failed", f"{name}: {error}")
            if reason := _withdraw(target, wanted.yank):
                return Outcome("failed", reason)
    except Failed as error:
        return Outcome("failed", f"{name}: {error}")
    except OSError as error:
        raise Stopped(f"{tempfile.gettempdir()}: {error.strerror}: set TMPDIR to where there is room") from error
    return Outcome("imported")


def _withdraw(target: SimpleIndex, yank: Yank | None) -> str:
    """Why it was not, if there is one and it was not. Raises Stopped."""
    try:
        if yank:
            # The server takes no longer reason.
            reason = yank.reason.replace("\0", "").encode()[:1024].decode(errors="ignore")
            target.change({":action": "yank", "name": yank.project, "version": yank.version, "reason": reason})
    except Failed as error:
        return f"{yank.project} {yank.version} is not withdrawn: {error}" if yank else ""
    return ""


def _time(uploaded: datetime | None) -> datetime | None:
    """What the server takes for a time: an index can claim any."""
    if uploaded and uploaded.tzinfo is None:
        uploaded = uploaded.replace(tzinfo=UTC)
    return uploaded if uploaded and EARLIEST <= uploaded.timestamp() < time.time() else None


def _at_once(call: Callable[[T], U], items: Iterable[T], indexes: Sequence[SimpleIndex]) -> Iterator[tuple[T, U]]:
    """Each item with what ``call`` gives for it, as they are done; on any exception the others end soon."""
    pool = ThreadPoolExecutor(AT_ONCE)
    waiting: dict[Future[U], T] = {}
    try:
        for item in items:
            waiting[pool.submit(call, item)] = item
            if len(waiting) > AT_ONCE:
                yield from _next(waiting)
        while waiting:
            yield from _next(waiting)
    except BaseException:
        for index in indexes:
            index.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _next(waiting: dict[Future[U], T]) -> Iterator[tuple[T, U]]:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        item = waiting.pop(future)
        yield item, future.result()


@contextmanager
def _progress(terminal: Terminal, plan: Plan) -> Iterator[Callable[[Wanted, Outcome], None]]:
    """What to call after each file: a bar where somebody looks, else a line for each; reasons always are lines."""
    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("files"), TextColumn("{task.fields[size]}"), TimeRemainingColumn()
    )
    shown = bar.add_task("", total=len(plan.wanted), size="")
    count = size = 0

    def advance(wanted: Wanted, outcome: Outcome) -> None:
        nonlocal count, size
        count, size = count + 1, size + (wanted.package.size or 0)
        bar.update(shown, completed=count, size=decimal(size))
        if outcome.reason:
            terminal.line(f"{outcome.kind}  {printable(outcome.reason)}", "yellow")
        elif not terminal.live:
            terminal.line(f"{count}/{len(plan.wanted)}  {printable(wanted.package.filename.strip())}")

    if not terminal.live:
        yield advance
        return
    with terminal.redrawn(bar.get_renderable):
        yield advance
