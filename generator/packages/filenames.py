"""Names of files, read as pip does: whether it would install such a file, and as which release of which project."""

from __future__ import annotations

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

PACKAGES = (
    *(".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz"),
    *(".tar", ".tbz", ".txz", ".tlz", ".tar.lz", ".tar.lzma", ".tar.zst"),
)
"""How wheels and source distributions end that pip or uv installs. The server takes those of the first line alone."""

NO_PACKAGE = "it is not a wheel or source distribution"


def is_package(name: str) -> bool:
    """Whether ``name`` is that of a file that pip or uv would look at."""
    return name.lower().endswith(PACKAGES)


def version_of(name: str, project: str) -> str:
    """Of the release of ``project`` that the file belongs to, read as pip does. Raises ValueError if it is of none."""
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
    # A page could bring a file of any other project, which nobody has asked for.
    raise ValueError(f"it is a file of {project_of(name) or 'no project'}, and listed with {project or 'none'}")


def project_of(name: str) -> str:
    """The project whose file ``name`` is, if it is one's."""
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
