"""Imports the packages of another index: what is missing is planned, fetched, checked and uploaded."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import IO, NamedTuple

from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from generator.operations.exits import FAILED, Problem
from generator.operations.terminal import Terminal
from generator.packages.pages import File
from generator.packages.planning import FILES_A_SECOND, Plan, Wanted, Yank, fill
from generator.packages.report import Left, left_of, room
from generator.packages.simple import SIGNATURE_BYTES, SimpleIndex
from generator.packages.threads import at_once
from generator.packages.transport import Failed, Stopped, printable
from server.distributions.times import EARLIEST

Outcome = list[tuple[Left, str]]
"""What part of a file is left behind, and why; nothing if all of it is here."""


class Transferred(NamedTuple):
    """``imported``, ``present`` or ``left``; ``timed`` if it has its upload time."""

    what: str
    left: Outcome
    timed: bool = True


def run(
    terminal: Terminal, source: SimpleIndex, target: SimpleIndex, names: Sequence[str], *, dry_run: bool, yes: bool
) -> int:
    """Import the projects ``names``, or all; the exit code. Raises Problem, Declined and KeyboardInterrupt."""
    try:
        with closing(Plan()) as plan:
            return _run(terminal, source, target, names, plan, dry_run=dry_run, yes=yes)
    except Stopped as error:
        raise Problem(str(error)) from error


def _run(
    terminal: Terminal,
    source: SimpleIndex,
    target: SimpleIndex,
    names: Sequence[str],
    plan: Plan,
    *,
    dry_run: bool,
    yes: bool,
) -> int:
    given = source.url
    try:
        with terminal.waiting(f"reading {given} …"):
            fill(plan, source, target, names)
            size, seconds = plan.estimate(source)
    except (Failed, Stopped) as error:
        raise Problem(str(error)) from error
    if source.url != given:
        terminal.line(f"{given} is not an index: using the one at {source.url}")
    terminal.verbatim(f"{source.url} → {target.url}")
    _show(terminal, plan, size, seconds)
    idle = not (plan.wanted or plan.yanks)
    if dry_run or idle or not yes:
        plan.report.show(terminal)
    if dry_run or idle:
        return plan.report.exit_code
    withdrawn = f", and withdraw {len(plan.yanks):,} releases" if plan.yanks else ""
    terminal.must_agree(f"Import {len(plan.wanted):,} files{withdrawn}?", yes=yes)
    return _carry_out(terminal, source, target, plan)


def _carry_out(terminal: Terminal, source: SimpleIndex, target: SimpleIndex, plan: Plan) -> int:
    done: Counter[str] = Counter()
    stopped = ""
    try:
        target.must_admit_uploads()
        with _progress(terminal, plan) as advance:
            for wanted, it in at_once(lambda it: _transfer(source, target, it), plan.wanted, (source, target)):
                done[it.what] += 1
                done["untimed"] += not it.timed
                plan.report.add_all(it.left)
                advance(wanted, it.what)
        for yank in plan.yanks:
            plan.report.add_all(_withdraw(target, yank))
    except Stopped as error:
        stopped = str(error)
    if untimed := done.pop("untimed", 0):
        plan.report.add(
            Left.LOST, f"upload times, which the source does not give for {untimed:,}: they count as uploaded now"
        )
    plan.report.show(terminal)
    if stopped:
        terminal.line(f"stopped: {printable(stopped)}", "red")
    code = FAILED if stopped else plan.report.exit_code
    untried = len(plan.wanted) - done.total()
    terminal.line(
        f"{'incomplete' if code == FAILED else 'complete'}: {done['imported']:,} imported, "
        f"{plan.present + done['present']:,} were here{plan.report.summary()}"
        + (f", {untried:,} not tried" if untried else "")
    )
    return code


def _show(terminal: Terminal, plan: Plan, size: int, seconds: float) -> None:
    compared = f", {plan.compared:,} of them to compare with what is here" if plan.compared else ""
    terminal.line(
        f"projects: {plan.projects:,}; files: {len(plan.wanted):,} to import{compared}, "
        f"{plan.present:,} are here{plan.report.summary()}"
    )
    if plan.wanted:
        about = "about " if plan.unsized else ""
        sized = f"{about}{decimal(size)}" if size else "sizes are not known"
        terminal.line(f"{sized}, {_duration(seconds)} at 100 Mbit/s and {FILES_A_SECOND} files a second")
    if plan.withdrawn:
        terminal.line(f"releases to withdraw, as they are there: {plan.withdrawn:,}")
    if plan.unchecked:
        terminal.line(f"files without a hash there, which cannot be verified: {plan.unchecked:,}", "yellow")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 120 else f"about {minutes / 60:.0f} hours"


def _transfer(source: SimpleIndex, target: SimpleIndex, wanted: Wanted) -> Transferred:
    """Raises Stopped."""
    file, name = wanted.file, wanted.file.name
    if wanted.here and _looks_the_same(source, wanted):
        return Transferred("present", _withdraw(target, wanted.yank))
    with room(), tempfile.TemporaryFile() as content, tempfile.TemporaryFile() as signature:
        try:
            arrived = source.download(file, content)
            lost = _fetch_signature(source, wanted.signature, signature)
        except Failed as error:
            return Transferred("left", [(left_of(error), f"{name}: {error}")])
        if wanted.here and wanted.here.sha256:
            if wanted.here.sha256 == arrived.sha256:
                return Transferred("present", _withdraw(target, wanted.yank))
            return Transferred("left", [(Left.REFUSED, f"{name}: other content is here under this name")])
        uploaded = _time(file.uploaded or arrived.modified)
        try:
            target.upload(name, content, arrived.sha256, uploaded, signature)
        except Failed as error:
            return Transferred("left", [(Left.REFUSED if error.status else Left.FAILED, f"{name}: {error}")])
    return Transferred("imported", [*lost, *_withdraw(target, wanted.yank)], timed=uploaded is not None)


def _looks_the_same(source: SimpleIndex, wanted: Wanted) -> bool:
    """Without fetching it: its size is that of the file here, and its time the one that an import set. Raises Stopped."""
    here = wanted.here
    if not here or here.size is None or here.uploaded is None:
        return False
    try:
        size, modified = source.measure(wanted.file)
    except Failed:
        return False
    # The time of a header has no fractions.
    return size == here.size and (wanted.file.uploaded or modified) == here.uploaded


def _fetch_signature(source: SimpleIndex, signature: File | None, into: IO[bytes]) -> Outcome:
    """What is lost if the source lists it, but does not provide it; nothing is written then. Raises Failed and Stopped."""
    if signature is None:
        return []
    try:
        source.download(signature, into, SIGNATURE_BYTES)
    except Failed as error:
        if left_of(error) is Left.FAILED and error.status != 400:
            raise
        into.seek(0)
        into.truncate()
        return [(Left.LOST, f"{signature.name}: {error}")]
    return []


def _withdraw(target: SimpleIndex, yank: Yank | None) -> Outcome:
    """Raises Stopped."""
    try:
        if yank:
            form = {":action": "yank", "name": yank.project, "version": yank.version, "reason": yank.reason}
            target.change(form)
    except Failed as error:
        return [(Left.FAILED, f"{yank.project} {yank.version} is not withdrawn: {error}")] if yank else []
    return []


def _time(uploaded: datetime | None) -> datetime | None:
    """Times that the server accepts: an index can claim any."""
    return uploaded if uploaded and EARLIEST <= uploaded.timestamp() < time.time() else None


@contextmanager
def _progress(terminal: Terminal, plan: Plan) -> Iterator[Callable[[Wanted, str], None]]:
    """Called after each file: a bar if somebody is watching, otherwise a line for each."""
    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("files"), TextColumn("{task.fields[size]}"), TimeRemainingColumn()
    )
    shown = bar.add_task("", total=len(plan.wanted), size="")
    count = size = 0

    def advance(wanted: Wanted, what: str) -> None:
        nonlocal count, size
        count, size = count + 1, size + (wanted.file.size or 0)
        bar.update(shown, completed=count, size=decimal(size))
        if not terminal.live:
            terminal.line(f"{count}/{len(plan.wanted)}  {printable(wanted.file.name)}  {what}")

    if not terminal.live:
        yield advance
        return
    with terminal.redrawn(bar.get_renderable):
        yield advance
