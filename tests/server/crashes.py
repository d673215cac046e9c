"""What is left of a storage after a crash: what was flushed, and of the rest what the crash happens to leave."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from .faults import Call


class _Entry:
    """What a name stands for: a directory, a symbolic link, or a file whose content is flushed under its inode."""

    def __init__(self, kind: str, target: str = "", inode: int = 0) -> None:
        self.kind, self.target, self.inode = kind, target, inode
        self.content_is_flushed, self.times_are_flushed = False, True


class Storage:
    """
    Follows a task's calls, as fault.c records them.

    A file's content and times last once they are flushed after the last change; a name lasts once its directory is.
    """

    def __init__(self, root: Path, record: Path) -> None:
        self._root, self._record = root, record
        self._names: dict[str, _Entry] = {}
        self._lasting: dict[str, _Entry] = {}
        self._files: dict[int, _Entry] = {}

    def take(self, it: Call) -> None:
        match it.call:
            case "creat":
                # Unless it was there.
                if it.path not in self._names:
                    self._names[it.path] = self._files[it.inode] = _Entry("file", inode=it.inode)
            case "mkdir":
                self._names[it.path] = _Entry("directory")
            case "symlink":
                self._names[it.path] = _Entry("link", target=it.other)
            case "link":
                self._names[it.other] = self._names[it.path]
            case "rename":
                self._names[it.other] = self._names.pop(it.path)
            case "unlink":
                self._names.pop(it.path, None)
            case "write":
                self._files[it.inode].content_is_flushed = False
            case "utime" if it.path in self._names:
                self._names[it.path].times_are_flushed = False
            case "fsync":
                self._files[it.inode].content_is_flushed = self._files[it.inode].times_are_flushed = True
            case "dirfsync":
                names = {name for name in self._names | self._lasting if os.path.dirname(name) == it.path}
                self._lasting = {name: entry for name, entry in self._lasting.items() if name not in names}
                self._lasting |= {name: self._names[name] for name in names if name in self._names}

    def crash(self, home: Path, *, names_last: bool) -> Path:
        """Make `home`, of what is left: without the names that were not flushed, or with all of them."""
        home.mkdir()
        names = self._names if names_last else self._lasting
        for name in sorted(names):
            entry, path = names[name], home / PurePosixPath(name).relative_to(self._root)
            if not path.parent.is_dir():
                continue
            if entry.kind == "directory":
                path.mkdir()
            elif entry.kind == "link":
                path.symlink_to(entry.target)
            elif not entry.content_is_flushed:
                path.touch()
            else:
                copy = shutil.copy2 if entry.times_are_flushed else shutil.copyfile
                copy(self._record / str(entry.inode), path)
        return home
