"""Under which project and version a file is listed, judged only by its name, as pypiserver has always done.

https://github.com/pypiserver/pypiserver/blob/v2.4.2/pypiserver/pkg_helpers.py
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from server.distributions.names import normalized

_ARCHIVE = re.compile(
    r"(\.zip|\.tar\.gz|\.tgz|\.tar\.bz2|\.tar\.xz|-py[23]\.\d-.*|\.win-amd64-py[23]\.\d\..*|\.win32-py[23]\.\d\..*|\.egg)$",
    re.I,
)
_WHEEL = re.compile(r"(.+?)-(\d.*?)(?:-\d.*?)?-.+?-.+?-.+?\.whl$")
_VERSION = re.compile(r"-\d+[a-z_.!+]", re.I)
_PLATFORM = re.compile(r"[.-](?=cp\d|py\d|macosx|linux|sunos|solaris|irix|aix|cygwin|win)", re.I)
_LOWEST = Version("0")


class Package(NamedTuple):
    """A listed file: `name` is the project as the file spells it, `version` is normalised (PEP 440) if possible."""

    path: str
    name: str
    version: str


# Installers ask for the same few files, and each request asks several times.
@lru_cache(maxsize=256)
def project_of(name: str) -> str | None:
    """The project, as PEP 503 normalises it, of a file with this name; None if it is not a package."""
    found = _split(name)
    return found and normalized(found[0])


def package_at(path: str) -> Package:
    """Whether `path` is a package's."""
    found = _split(path.rpartition("/")[2])
    assert found is not None, path
    return Package(path, found[0], normalized_version(found[1]))


def normalized_version(text: str) -> str:
    """Normalised as PEP 440 says, or unchanged if that is not possible."""
    version = parsed(text)
    return text if version is None else str(version)


def order_of(version: str) -> tuple[bool, Version, str]:
    """Sort key of versions: what is not a version comes first."""
    known = parsed(version)
    return known is not None, known or _LOWEST, version


# Releases of many projects share the same few.
@lru_cache(maxsize=4096)
def parsed(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None


def _split(name: str) -> tuple[str, str] | None:
    """Project and version, which may be empty. `name` has no line ends, on which the patterns would take minutes."""
    if name.endswith(".asc"):
        name = name.rstrip(".asc")  # of those characters, as pypiserver does
    if name.endswith(".whl"):
        wheel = _WHEEL.match(name)
        return wheel and (wheel[1], wheel[2].partition("-")[0])
    if not _ARCHIVE.search(name):
        return None
    name = _ARCHIVE.sub("", name)
    if "-" not in name:
        return name, ""
    if name.count("-") == 1:
        project, _, version = name.partition("-")
    elif "." not in name:
        project, _, version = name.rpartition("-")
    else:
        project = _VERSION.split(name)[0]
        version = _PLATFORM.split(name[len(project) + 1 :])[0]
    return project, version
