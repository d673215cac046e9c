"""What an import leaves behind, and why: counted, listed at the end, and reflected in the exit code."""

from __future__ import annotations

import pickle
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Generic, TypeVar

from generator.operations.exits import DONE, FAILED, NO_PACKAGES
from generator.operations.terminal import Terminal
from generator.packages.transport import Damaged, Failed, Stopped, printable

T = TypeVar("T")


@contextmanager
def room() -> Iterator[None]:
    """For temporary files. Raises Stopped if there is no room for them."""
    try:
        yield
    except OSError as error:
        raise Stopped(f"{tempfile.gettempdir()}: {error.strerror}: set TMPDIR to where there is room") from error


class Spool(Generic[T]):
    """Things in order of arrival, in a temporary file, as there can be more than memory can hold. Raises Stopped."""

    def __init__(self) -> None:
        with room():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 # closed by close()
        self._count = 0

    def add(self, thing: T) -> None:
        """Not while it is read."""
        with room():
            pickle.dump(thing, self._file)
        self._count += 1

    def close(self) -> None:
        with room():
            self._file.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        with room():
            self._file.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._file)


class Left(Enum):
    """Why something of the source is not here: its name, and what to do."""

    FAILED = "failed", "run the import again: files that are here are skipped"
    DENIED = "denied", "let the source's account read them (IMPORT_USERNAME), and run the import again"
    GONE = "missing", "the source does not have them: check their names, ask who runs it, or build them again"
    DAMAGED = "damaged", "they are not what the source's own pages promise: fix them there, or build them again"
    REFUSED = "refused", "they cannot be imported as they are, and what is here stays: publish them as a new version"
    NO_PACKAGE = "no package", "pip and uv install none of them"
    LOST = "not carried", "their packages are here"

    def __init__(self, label: str, advice: str) -> None:
        self.label = label
        self.advice = advice


def left_of(error: Failed) -> Left:
    """By what the source did."""
    if isinstance(error, Damaged):
        return Left.DAMAGED
    if error.status in (401, 403):
        return Left.DENIED
    return Left.GONE if error.status in (404, 410) else Left.FAILED


class Report:
    """Lines about what is left behind."""

    def __init__(self) -> None:
        self.counts: Counter[Left] = Counter()
        self._lines: Spool[tuple[Left, str]] = Spool()

    def add(self, left: Left, line: str) -> None:
        self.counts[left] += 1
        self._lines.add((left, printable(line)))

    def add_all(self, lines: Iterable[tuple[Left, str]]) -> None:
        for left, line in lines:
            self.add(left, line)

    def close(self) -> None:
        self._lines.close()

    def show(self, terminal: Terminal) -> None:
        """Every line, and what to do about each kind."""
        for left, line in self._lines:
            terminal.line(f"{left.label}  {line}", "" if left in (Left.NO_PACKAGE, Left.LOST) else "yellow")
        for left in Left:
            if count := self.counts[left]:
                terminal.line(f"{count:,} {left.label}: {left.advice}")

    def summary(self) -> str:
        """The counts, in the form that follows what is here."""
        return "".join(f", {self.counts[left]:,} {left.label}" for left in Left if self.counts[left])

    @property
    def exit_code(self) -> int:
        """What is not carried does not count: its packages are here."""
        left = {kind for kind in self.counts if kind is not Left.LOST}
        return DONE if not left else NO_PACKAGES if left == {Left.NO_PACKAGE} else FAILED
