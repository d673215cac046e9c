"""What uploading processes tell each other, so that none has to read the package directory again.

Each process appends to its own file (`O_APPEND` is not atomic on NFS), a line of JSON each time: before a package is
linked, that it will be; afterwards, the package directory's times before and after. A line counts once its end of line
is there. If anything is torn, missing or contradictory, a change is merely not explained, and the directory is read.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from server.distributions.listed import project_of
from server.store.entries import READ_FLAGS, report
from server.store.hidden import DAMAGE, HIDDEN, hidden
from server.store.stamps import Stamp, Watch, open_directory

# Identifies the form of the lines: other versions of this program use another name, and ignore this one.
SUFFIX = ".1"
_FILE_NAME = re.compile(r"[0-9a-f]{16}\.1")
# A process starts a new file when its own is this long or was idle this long.
FILE_BYTES = 64 << 10
IDLE_SECONDS = 600.0
# A file that has not grown for this long has no writer any more.
FOLLOW_SECONDS = 3600.0
# Bounds the cost of whatever lies in the directory.
FILES_FOLLOWED = 1000
READ_BYTES = 1 << 20
# An upload in progress is waited for this long before the directory is read instead.
WAIT_SECONDS = 0.25
# An announced upload counts as in progress for at most this long: its process may have died.
PENDING_SECONDS = 120.0
BRACKETS_REMEMBERED = 10_000
DIRECTORY = "changes"


class Announcement:
    """One link, from just before it to just after it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._before = self._stamp()
        self._after: Stamp | None = None

    def done(self) -> None:
        """To be called as soon as the link exists. Raises OSError."""
        self._after = self._stamp()

    def outcome(self) -> dict[str, Any]:
        if self._after is None:
            return {"done": False}
        return {"done": True, "bracket": [self._before.inode, self._before.ctime_ns, self._after.ctime_ns]}

    def _stamp(self) -> Stamp:
        descriptor = open_directory(f"{self._root}/")
        try:
            return Stamp.of(descriptor)
        finally:
            os.close(descriptor)


class _Own:
    """A file of this process, and how much of it is written; `whole` unless a line in it may be torn, or it is gone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0
        self.whole = True


class Announcer:
    """Writes this process's files: a name is announced in the newest, and what became of it in the same one."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._numbers = itertools.count()
        self._newest: _Own | None = None
        self._written = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def announced(self, name: str) -> Iterator[Announcement]:
        """Around the link of `name`. Raises OSError, before anything is linked, if it cannot be announced."""
        number = next(self._numbers)
        own = self._append({"number": number, "name": name})
        announcement = Announcement(self._root)
        try:
            yield announcement
        finally:
            # If this line cannot be written, the link stays unexplained, and the other processes read the directory.
            with suppress(OSError):
                self._append({"number": number, "name": name, **announcement.outcome()}, own)

    @contextmanager
    def doubted(self, name: str) -> Iterator[None]:
        """Around the removal of `name`: whoever learns of it looks. A full disk, which prevents announcements, does not prevent it."""
        number, own = next(self._numbers), None
        with suppress(OSError):
            own = self._append({"number": number, "name": name})
        try:
            yield
        finally:
            with suppress(OSError):
                self._append({"number": number, "name": name, "done": False}, own)

    def _append(self, record: dict[str, Any], own: _Own | None = None) -> _Own:
        """To `own` if that is possible, otherwise to the newest file or a new one: to which, is returned. Raises OSError."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            now = time.monotonic()
            newest = self._newest
            if newest is None or not newest.whole or newest.size > FILE_BYTES or now - self._written > IDLE_SECONDS:
                newest = None
            file = (own if own and own.whole else newest) or self._begin()
            try:
                self._write(file, line)
            except FileNotFoundError:
                file = self._begin()
                self._write(file, line)
            self._written = now
            return file

    def _write(self, file: _Own, line: bytes) -> None:
        try:
            with hidden(self._root, HIDDEN, DIRECTORY) as directory:
                descriptor = os.open(file.name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                written = os.pwrite(descriptor, line, file.size)
            finally:
                # NFS sends what was written to the server when the file is closed: only then do other hosts see it.
                os.close(descriptor)
            if written != len(line):
                raise OSError(errno.EIO, f"{written} of {len(line)} bytes were written")
        except OSError:
            # Part of the line may be there. A line after it would be torn, so the next one goes elsewhere.
            file.whole = False
            raise
        file.size += len(line)

    def _begin(self) -> _Own:
        name = f"{secrets.token_hex(8)}{SUFFIX}"
        with hidden(self._root, HIDDEN, DIRECTORY, make=True) as directory:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=directory))
        self._newest = _Own(name)
        return self._newest


class Bracket(NamedTuple):
    """Everything that changed in the directory between these two change times, in ns, is one known link."""

    inode: int
    before_ns: int
    after_ns: int


class _Followed:
    def __init__(self, now: float) -> None:
        self.offset = 0
        self.grown_at = now


class Changes:
    """Reads all processes' files. One thread uses it at a time."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._watch = Watch()
        self._followed: dict[str, _Followed] = {}
        self._left: set[str] = set()
        # Announced and not known to be over, with the time at which this host learned of it.
        self._pending: dict[tuple[str, int], tuple[str, float]] = {}
        self._brackets: list[Bracket] = []
        self._read_at = 0.0
        # Whether an announcement may have been missed, until the directory has been read.
        self.doubted = True

    def read(self) -> dict[str, bool]:
        """Names that may have been linked since the last reading; True for those that certainly were."""
        now = time.monotonic()
        if now - self._read_at > FOLLOW_SECONDS / 2:
            self.doubted = True
        self._read_at = now
        names: dict[str, bool] = {}
        try:
            with hidden(self._root, HIDDEN, DIRECTORY) as directory:
                self._follow(directory, now, names)
        except FileNotFoundError:
            self.doubted = self.doubted or bool(self._followed)
            self._forget(list(self._followed))
            return names
        except OSError as error:
            self._doubt(f"{HIDDEN}/{DIRECTORY}", error)
            return names
        for name, _ in self._pending.values():
            names.setdefault(name, False)
        return names

    def explain(self, before: Stamp, after: Stamp) -> bool:
        """Whether known uploads explain everything between two stamps of the directory."""
        if self.doubted or before[:2] != after[:2] or before.ctime_ns > after.ctime_ns:
            return False
        reached = before.ctime_ns
        for bracket in sorted(self._brackets):
            if bracket.inode == after.inode and bracket.before_ns <= reached:
                reached = max(reached, bracket.after_ns)
        return reached >= after.ctime_ns

    def trust(self, stamp: Stamp) -> None:
        """Everything in the directory at this stamp is known."""
        self.doubted = False
        self._brackets = [it for it in self._brackets if it.after_ns > stamp.ctime_ns][-BRACKETS_REMEMBERED:]

    def under_way(self, seconds: float) -> bool:
        """Whether an upload was announced that recently and is not known to be over."""
        now = time.monotonic()
        return any(now - seen < seconds for _, seen in self._pending.values())

    def _follow(self, directory: int, now: float, names: dict[str, bool]) -> None:
        try:
            self._find(directory, now)
            for file in list(self._followed):
                self._read(directory, file, now, names)
        except OSError as error:
            self._doubt(f"{HIDDEN}/{DIRECTORY}", error)

    def _find(self, descriptor: int, now: float) -> None:
        """Follow new files, and stop following those that are gone."""
        stamp = Stamp.of(descriptor)
        if self._watch.settled(stamp):
            return
        self._watch.saw(stamp, now)
        with os.scandir(descriptor) as entries:
            found = {entry.name for entry in entries if _FILE_NAME.fullmatch(entry.name)}
        self._watch.was_read(now)
        gone = [file for file in self._followed if file not in found]
        if gone:
            self.doubted = True
            self._forget(gone)
        self._left &= found
        for file in found - self._left:
            self._followed.setdefault(file, _Followed(now))
        if len(self._followed) > FILES_FOLLOWED:
            raise OSError(f"more than {FILES_FOLLOWED} files of uploading processes")

    def _read(self, descriptor: int, file: str, now: float, names: dict[str, bool]) -> None:
        followed = self._followed[file]
        opened = os.open(file, READ_FLAGS, dir_fd=descriptor)
        try:
            data = os.pread(opened, READ_BYTES, followed.offset)
            if not data and os.fstat(opened).st_size < followed.offset:
                self.doubted, followed.offset = True, 0
        finally:
            os.close(opened)
        end = data.rfind(b"\n") + 1
        if end:
            followed.offset += end
            followed.grown_at = now
            for line in data[:end].splitlines():
                try:
                    self._take(file, line, now, names)
                except DAMAGE:
                    self._doubt(f"{HIDDEN}/{DIRECTORY}/{file}", "it was damaged")
        elif len(data) == READ_BYTES:
            self.doubted = True
        # Nothing more is announced in a file this long, and what was is over.
        full = followed.offset > FILE_BYTES and not any(announced_in == file for announced_in, _ in self._pending)
        if full or now - followed.grown_at > FOLLOW_SECONDS:
            self._forget([file])
            self._left.add(file)

    def _take(self, file: str, line: bytes, now: float, names: dict[str, bool]) -> None:
        """Raises one of DAMAGE for a line that `Announcer` did not write."""
        record = json.loads(line)
        number, name = int(record["number"]), record["name"]
        if "/" in name or name.startswith(".") or not name.isprintable() or project_of(name) is None:
            raise ValueError(name)
        if "done" not in record:
            self._pending[file, number] = name, now
            return
        self._pending.pop((file, number), None)
        names[name] = names.get(name, False) or record["done"] is True
        if record["done"] is True:
            self._brackets.append(Bracket(*map(int, record["bracket"])))

    def _forget(self, files: list[str]) -> None:
        for file in files:
            del self._followed[file]
            self._pending = {key: value for key, value in self._pending.items() if key[0] != file}

    def _doubt(self, path: str, reason: object) -> None:
        self.doubted = True
        report(path, str(reason))
