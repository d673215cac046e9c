"""What installers require of the members of a source distribution: refuses what both pip and uv refuse to unpack or build.

Tested with pip 26 and uv 0.13; names are those of https://docs.python.org/3/library/tarfile.html#extraction-filters.
"""

from __future__ import annotations

import tarfile

from server.distributions.tarballs import Unfit

# PATH_MAX and NAME_MAX of Linux, beyond which installers fail: few members must not keep a reader busy for long.
_LONGEST = 4095
_LONGEST_PART_BYTES = 255
_PROJECTS = ("pyproject.toml", "setup.py")
_KINDS = (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)


class Layout:
    """For one archive, whose members are passed to `see` one by one. Methods raise Unfit."""

    def __init__(self, *, links: bool) -> None:
        """`links`: whether it is an archive that has links, a tar."""
        self._links = links
        # The directory that holds all members, "" if there is none.
        self._top: str | None = None
        # Directories that hold a project.
        self._homes: set[str] = set()
        # Total length of names, which can be long, as hard links point to earlier members.
        self._hashes: set[int] = set()

    def see(self, name: str, kind: bytes, target: str) -> None:
        """A member, with a type of tarfile's; if it is a link, it points to `target`."""
        check_length(name)
        if len(target) > _LONGEST:
            raise Unfit(f"a member's link is longer than {_LONGEST} characters")
        if self._links:
            # Installers make it a relative one.
            name = name.lstrip("/")
        if leads_out(name):
            raise Unfit(f"its member {name!a} leads out of the archive")
        if kind not in _KINDS:
            raise Unfit(f"its member {name!a} is no file, directory or link")
        if not (path := _plain(name)):
            return
        top, slash, rest = path.partition("/")
        here = top if slash or kind == tarfile.DIRTYPE else ""
        self._top = here if self._top in (None, here) else ""
        if kind == tarfile.SYMTYPE and leads_out(target, path.count("/")):
            raise Unfit(f"its link {name!a} leads out of the archive, to {target!a}")
        if kind == tarfile.LNKTYPE and not self._has(target, top):
            raise Unfit(f"its link {name!a} is to no file that comes before it: {target!a}")
        if self._links:
            self._hashes.add(hash(path))
        if (rest or top) in _PROJECTS:
            self._homes.add(here)

    def require_project(self) -> None:
        """To be called after all members."""
        if self._top not in self._homes:
            raise Unfit(f"it has no {' or '.join(_PROJECTS)} in the one directory that everything is in")

    def _has(self, target: str, top: str) -> bool:
        """Whether one of the installers finds it: uv from the archive's root, pip from the project's directory."""
        return hash(_plain(target)) in self._hashes or hash(f"{top}/{_plain(target)}") in self._hashes


def check_length(name: str) -> None:
    """Raises Unfit for a member's name that no installer can create."""
    if len(name) > _LONGEST:
        raise Unfit(f"a member's name is longer than {_LONGEST} characters")
    if any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST_PART_BYTES for part in name.split("/")):
        raise Unfit(f"a part of a member's name is longer than {_LONGEST_PART_BYTES} bytes: {name[:100]!a}")


def _plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def leads_out(name: str, depth: int = 0) -> bool:
    """Of an archive, seen from a directory at that depth in it."""
    for part in name.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            return True
    return name.startswith("/")
