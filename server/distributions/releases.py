"""File names of distributions: which file of which release each is, and how releases are ordered."""

from __future__ import annotations

import re
from contextlib import suppress
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

from server.distributions.listed import package_at, parsed, project_of
from server.distributions.names import is_name, normalized
from server.distributions.tarballs import COMPRESSIONS

# pip and uv install all of them; PyPI takes only .tar.gz and .zip.
SDIST_SUFFIXES = (*COMPRESSIONS, ".zip")
DOTS_LIMIT = 40
_BEFORE_VERSION = re.compile(r"-(?=v?\d)", re.IGNORECASE)
_TAG = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")


class BadName(ValueError):
    """The name is not a distribution's; the message says why."""


class Released(NamedTuple):
    """What a file name means: names of equal value are spellings of one file.

    `build` and `tags` are empty for source distributions, of which a release has one.
    """

    project: NormalizedName
    version: Version
    build: tuple[int, str] | tuple[()]
    tags: frozenset[Tag]


def released(name: str) -> Released:
    """Raises BadName: installers do not agree on names that PEP 508 does not allow, as each folds other letters its own way."""
    if not name.isascii():
        raise BadName("it has characters other than ASCII")
    try:
        file = _wheel(name) if name.endswith(".whl") else _sdist(name)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion) as error:
        raise BadName(str(error).partition(": '")[0]) from error
    if not is_name(file.project):
        raise BadName("its project must begin and end with a letter or digit, and have only letters, digits and . _ -")
    return file


def _wheel(name: str) -> Released:
    """Raises BadName, and packaging's errors."""
    # Tags are a product of three lists; wheels of real projects have a dozen.
    if name.count(".") > DOTS_LIMIT:
        raise BadName("it has too many tags")
    parts = name.removesuffix(".whl").split("-")
    # packaging before 26.3 accepts any.
    if len(parts) > 4 and not all(map(_TAG.fullmatch, parts[-3:])):
        raise BadName("its tags must be letters, digits and _, with dots between")
    if (len(parts) == 6 and not parts[2][:1].isdigit()) or (len(parts) == 7 and parts[2][:1].isdigit()):
        raise BadName("it is a wheel variant (PEP 825, a draft), which this index does not support")
    return Released(*parse_wheel_filename(name))


def _sdist(name: str) -> Released:
    """Raises BadName, and packaging's errors."""
    for suffix in SDIST_SUFFIXES:
        if name.endswith(suffix):
            # packaging knows two of the suffixes.
            project, version = parse_sdist_filename(name.removesuffix(suffix) + ".tar.gz")
            return Released(project, version, (), frozenset())
    raise BadName(f"it must end in .whl or {', '.join(SDIST_SUFFIXES)}")


def projects_meant(name: str) -> set[str]:
    """Every project, as PEP 503 normalises it, whose file this name may have been meant to be, in any format."""
    plain = "".join(it for it in name if it.isprintable() and it != "\\").lstrip(".")
    meant = {normalized(plain[: found.start()]) for found in _BEFORE_VERSION.finditer(plain)}
    if listed := project_of(plain):
        meant.add(listed)
    # It is listed as a file of pkg if it is called pkg-3d-1.0.tar.gz.
    with suppress(BadName):
        meant.add(released(plain.removesuffix(".asc")).project)
    return {project.strip("-") for project in meant}


def filed_otherwise(name: str, file: Released) -> str | None:
    """How the file is listed, if that is under another project or version than `file`."""
    if project_of(name) is None:
        return "nothing"
    package = package_at(name)
    if normalized(package.name) == file.project and package.version == str(file.version):
        return None
    return f"{package.name} {package.version}"


def same_file(one: Released, name: str) -> bool:
    """Whether `name`, which may be anything, is a spelling of `one`."""
    return _hash_of(name) == hash(one) and released(name) == one


# Each upload is compared with every file of its project, three times. A hash is small enough to keep, and tells nearly all apart.
@lru_cache(maxsize=1 << 15)
def _hash_of(name: str) -> int | None:
    try:
        return hash(released(name))
    except BadName:
        return None


def same_version(text: str, file: Released) -> bool:
    return parsed(text) == file.version
