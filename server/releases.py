"""File names of distributions: which file of which release each stands for, and how releases are ordered."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version
from pypiserver.pkg_helpers import guess_pkgname_and_version, normalize_pkgname

# pip and uv install all of them; PyPI takes only the first two.
SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
DOTS_LIMIT = 40


class BadName(ValueError):
    """The name is no distribution's; the message says why."""


class Released(NamedTuple):
    """
    What a file name stands for: names of equal value are spellings of one file.

    `build` and `tags` are empty for source distributions, of which a release has one.
    """

    project: NormalizedName
    version: Version
    build: tuple[int, str] | tuple[()]
    tags: frozenset[Tag]


def released(name: str) -> Released:
    """Raises BadName."""
    try:
        if name.endswith(".whl"):
            # Tags are a product of three lists; wheels of real projects have a dozen.
            if name.count(".") > DOTS_LIMIT:
                raise BadName("it has too many tags")
            return Released(*parse_wheel_filename(name))
        for suffix in SDIST_SUFFIXES:
            if name.endswith(suffix):
                # packaging knows two of the suffixes.
                project, version = parse_sdist_filename(name.removesuffix(suffix) + ".tar.gz")
                return Released(project, version, (), frozenset())
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion) as error:
        raise BadName(str(error).partition(": '")[0]) from error
    raise BadName(f"it must end in .whl or {', '.join(SDIST_SUFFIXES)}")


def filed_otherwise(name: str, file: Released) -> str | None:
    """As what pypiserver's rule lists the file, if that is another project or version than `file`."""
    guess = guess_pkgname_and_version(name)
    if guess is None:
        return "nothing"
    project, version = guess[0], version_of(name, guess[1])
    if normalize_pkgname(project) == file.project and version == str(file.version):
        return None
    return f"{project} {version}"


def same_file(one: Released, name: str) -> bool:
    """Whether `name`, which may be any, is a spelling of `one`."""
    try:
        return released(name) == one
    except BadName:
        return False


def same_version(text: str, file: Released) -> bool:
    return _version(text) == file.version


def version_of(name: str, guessed: str) -> str:
    """The version of the file `name`, for which pypiserver guessed `guessed`: normalised (PEP 440) if it is one."""
    # pypiserver appends a wheel's build tag (PEP 427).
    text = guessed.partition("-")[0] if name.removesuffix(".asc").endswith(".whl") else guessed
    version = _version(text)
    return text if version is None else str(version)


def order_of(version: str) -> tuple[bool, Version, str]:
    """By which versions are sorted: what is no version comes first."""
    parsed = _version(version)
    return parsed is not None, parsed or _NONE, version


_NONE = Version("0")


# Releases of many projects have the same few.
@lru_cache(maxsize=4096)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
