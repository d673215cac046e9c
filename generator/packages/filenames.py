"""File names, read as pip does: whether it would install such a file, and as which release of which project."""

from __future__ import annotations

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

PACKAGES = (
    *(".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz"),
    *(".tar", ".tbz", ".txz", ".tlz", ".tar.lz", ".tar.lzma", ".tar.zst"),
)
"""Suffixes of wheels and source distributions that pip or uv installs. The server accepts only those of the first line."""

NO_PACKAGE = "it is not a wheel or source distribution"


def is_package(name: str) -> bool:
    """Whether pip or uv would look at a file called ``name``."""
    return name.lower().endswith(PACKAGES)


def version_of(name: str, project: str) -> str:
    """The release of ``project`` that the file belongs to, read as pip does. Raises ValueError if there is none."""
    if not is_package(name):
        raise ValueError(NO_PACKAGE)
    if name.lower().endswith(".whl"):
        found, version, *_ = parse_wheel_filename(name)
        if found == project:
            return str(version)
    else:
        stem = _stem(name)
        for at, character in enumerate(stem):
            if character == "-" and canonicalize_name(stem[:at]) == project:
                return str(Version(stem[at + 1 :]))
    # A page could offer a file of any other project, which nobody has asked for.
    raise ValueError(f"it is a file of {project_of(name) or 'no project'}, and listed with {project or 'none'}")


def project_of(name: str) -> str:
    """The project of the file ``name``, if it has one."""
    if not is_package(name):
        return ""
    if name.lower().endswith(".whl"):
        return canonicalize_name(name.partition("-")[0])
    stem = _stem(name)
    for at, character in enumerate(stem):
        if character == "-" and _is_version(stem[at + 1 :]):
            return canonicalize_name(stem[:at])
    return ""


def _stem(name: str) -> str:
    suffix = max((it for it in PACKAGES if name.lower().endswith(it)), key=len)
    return name[: -len(suffix)]


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except ValueError:
        return False
    return True
