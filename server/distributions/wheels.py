"""What installers require of a wheel besides its name: refuses what both pip and uv refuse, or would unpack elsewhere.

https://packaging.python.org/specifications/binary-distribution-format/; tested with pip 26 and uv 0.13.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from email.parser import HeaderParser
from typing import IO

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from server.distributions import zips
from server.distributions.layouts import check_length, leads_out
from server.distributions.metadata import REQUIRES_PYTHON_LIMIT
from server.distributions.sources import Source, examine
from server.distributions.tarballs import Unfit

# Of the members read here: a RECORD of 50,000 files has some 6 MiB.
_LIMITS = {"WHEEL": 1 << 20, "RECORD": 32 << 20, "entry_points.txt": 1 << 20}
_SCHEMES = ("purelib", "platlib", "headers", "scripts", "data")
_SCHEME = re.compile(rf"[^/]+\.data/(?:{'|'.join(_SCHEMES)})/")
_DRIVE = re.compile(r"[A-Za-z]:")
_WHEEL_VERSION = re.compile(r"0*(\d+)(?:\.\d+)*", re.ASCII)
_SECTION = re.compile(r"\[(.*)\]")
_WITHOUT_FUNCTION = re.compile(r"[^=#;]+=\s*[\w.]+\s*(\[[^]]*\])?")
# What uv repairs before it gives up, as older tools accepted it: `>=1.0.*`, `>=1<2`, `!=3.0*`, quotes, an extra comma.
# https://github.com/astral-sh/uv/blob/main/crates/uv-pypi-types/src/lenient_requirement.rs
_MENDED = (
    (re.compile(r"['\"]"), ""),
    (re.compile(r"(<=|>=|<|>)\s*(\d+(?:\.\d+)*)\.\*"), r"\1\2"),
    (re.compile(r"(\d)([<>=~!])"), r"\1,\2"),
    (re.compile(r"!=~((?:\d\.)*\d)"), r"!=\1.*"),
    (re.compile(r"(\d\.\d)\*"), r"\1.*"),
    (re.compile(r">dev"), r">0.0.0dev"),
    (re.compile(r",\s*(\)\s*|$)"), r"\1"),
)


def check_wheel(file: IO[bytes]) -> None:
    """Raises Unfit, and OSError if, and only if, the storage fails. That there is one METADATA is checked elsewhere."""
    examine(file, _check)


def check_requirements(python: str | None, others: list[str]) -> None:
    """Raises Unfit for a Requires-Python, or any Requires-Dist, that cannot be parsed."""
    if python and len(python) > REQUIRES_PYTHON_LIMIT:
        raise Unfit(f"its Requires-Python is longer than {REQUIRES_PYTHON_LIMIT} characters")
    if python and not _is_readable(SpecifierSet, python):
        raise Unfit(f"its Requires-Python cannot be read: {python!r}; write it like >=3.9,<4")
    for requirement in others:
        if not _is_readable(Requirement, requirement):
            raise Unfit(
                f"a Requires-Dist cannot be read: {requirement!r}; write it like name>=1.0; python_version<'3.12'"
            )


def _is_readable(read: type[SpecifierSet | Requirement], text: str) -> bool:
    mended, semicolon, marker = text.partition(";")
    for pattern, replacement in _MENDED:
        mended = pattern.sub(replacement, mended)
    for candidate in (text, mended + semicolon + marker):
        # A marker can nest any number of parentheses.
        with suppress(InvalidSpecifier, InvalidRequirement, RecursionError):
            read(candidate)
            return True
    return False


def _check(source: Source) -> None:
    homes: set[str] = set()
    found: dict[str, zips.Member] = {}
    strays: dict[str, str] = {}
    for member in zips.members(source):
        _check_place(member)
        home, _, path = member.name.partition("/")
        if home.endswith(".dist-info"):
            homes.add(home)
            if path in _LIMITS:
                found[path] = member
        elif home.endswith(".data") and path and not _SCHEME.match(member.name):
            strays[home] = member.name
    if len(homes) > 1:
        raise Unfit("it has more than one .dist-info directory")
    for name in ("WHEEL", "RECORD"):
        if name not in found:
            raise Unfit(f"it has no {name} beside its METADATA")
    # pip also rejects those of other projects, uv does not.
    if stray := strays.get(homes.pop().removesuffix(".dist-info") + ".data"):
        raise Unfit(f"its member {stray!a} is in none of the directories that .data may have: {', '.join(_SCHEMES)}")
    texts = {name: _text(source, member, name) for name, member in found.items() if name != "RECORD"}
    for _ in _texts(source, found["RECORD"], "RECORD"):
        pass
    version = _WHEEL_VERSION.fullmatch(HeaderParser().parsestr(texts["WHEEL"]).get("Wheel-Version", "").strip())
    if version is None:
        raise Unfit("its WHEEL has no Wheel-Version, like 1.0")
    if int(version[1][:9]) > 1:
        raise Unfit(f"its Wheel-Version is {version[1]}, and installers know version 1")
    _check_scripts(texts.get("entry_points.txt", ""))


def _check_place(member: zips.Member) -> None:
    check_length(member.name)
    if "\0" in member.name:
        raise Unfit(f"its member {member.name!a} has a null character in its name")
    # As Windows reads it; members of a scheme may not leave that either.
    path = _SCHEME.sub("", member.name.replace("\\", "/"))
    if leads_out(path) or _DRIVE.match(path):
        raise Unfit(f"its member {member.name!a} leads out of the wheel")


def _check_scripts(text: str) -> None:
    section = ""
    for line in map(str.strip, text.splitlines()):
        if found := _SECTION.fullmatch(line):
            section = found[1].strip()
        elif section in ("console_scripts", "gui_scripts"):
            if _WITHOUT_FUNCTION.fullmatch(line):
                raise Unfit(f"its entry point {line!a} names no function, like name = module:function")
            if leads_out(line.partition("=")[0].strip().replace("\\", "/")):
                raise Unfit(f"its entry point {line!a} leads out of the directory for scripts")


def _text(source: Source, member: zips.Member, name: str) -> str:
    return "".join(_texts(source, member, name))


def _texts(source: Source, member: zips.Member, name: str) -> Iterator[str]:
    """Piece by piece, as a RECORD can be long."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in zips.pieces(source, member, _LIMITS[name], name):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Unfit(f"its {name} is not UTF-8") from error
