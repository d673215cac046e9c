"""File names of distributions: which file of which release each stands for, and how releases are ordered."""

from __future__ import annotations

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

from server.distributions.listed import package_at, parsed, project_of
from server.distributions.names import normalized
from server.distributions.tarballs import COMPRESSIONS

# pip and uv install all of them; PyPI takes only .tar.gz and .zip.
SDIST_SUFFIXES = (*COMPRESSIONS, ".zip")
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
    """As what the file is listed, if that is another project or version than `file`."""
    if project_of(name) is None:
        return "nothing"
    package = package_at(name)
    if normalized(package.name) == file.project and package.version == str(file.version):
        return None
    return f"{package.name} {package.version}"


def same_file(one: Released, name: str) -> bool:
    """Whether `name`, which may be any, is a spelling of `one`."""
    try:
        return released(name) == one
    except BadName:
        return False


def same_version(text: str, file: Released) -> bool:
    return parsed(text) == file.version
