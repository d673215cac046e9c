"""``program``: the sources that a template or a registered task definition carries, for whoever reviews it."""

from __future__ import annotations

import bz2
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from generator.parts import text85

_START = text85.encode(b"BZh91AY&")
"""How the text of a bzip2 archive begins."""
_MOST = 16 * 1024 * 1024
"""Bytes that an archive may unpack to: a few KiB can be made to fill any memory."""


class ProgramError(Exception):
    """Nothing to show, and why."""


def show(file: Path, output: Path | None) -> int:
    """Print the sources that ``file`` carries, or write them below the new directory ``output``. Gives the exit code."""
    try:
        sources = carried(_read(file))
        if output is None:
            for name, source in sources.items():
                print(f"# ---- {name}\n{_visible(source)}")
        else:
            _write(output, sources)
            print(f"{len(sources)} files below {output}")
    except ProgramError as error:
        print("error:", file, " ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def carried(document: object) -> dict[str, bytes]:
    """Sources by path: ``boot.py``, the entry point's, then the archive's, of a template or task definition as data.

    Raises ProgramError where there is no such container, or several that differ, or its archive can't be read.
    """
    found: list[dict[str, bytes]] = []
    for container in _containers(document):
        sources = {"boot.py": container["entrypoint"][2].encode(), **_unpacked(container["command"][0])}
        if sources not in found:
            found.append(sources)
    if not found:
        raise ProgramError("carries no program; compute.yaml, pypiserver-single.yaml and task definitions do")
    if len(found) > 1:
        raise ProgramError("carries several programs; give one task definition")
    return found[0]


def _read(file: Path) -> object:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ProgramError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ProgramError("is not UTF-8") from error
    try:
        # Not every JSON document is YAML: some are indented by tabs.
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise ProgramError(f"is neither YAML nor JSON: {error}") from error


class _Loader(yaml.SafeLoader):
    """Reads ``!Ref X`` and its like as the plain data behind the tag."""


def _behind_tag(loader: _Loader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_yaml_map(node)


_Loader.add_multi_constructor("!", _behind_tag)


def _containers(document: object) -> Iterator[dict[str, Any]]:
    """Container definitions with a packed program, keys in lower case: ECS and CloudFormation spell them differently."""
    open_values, seen = [document], set()
    while open_values:
        value = open_values.pop()
        # An alias of YAML stands for the same object at several places.
        if not isinstance(value, dict | list) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list):
            open_values += value
            continue
        open_values += value.values()
        container = {str(key).lower(): item for key, item in value.items()}
        match container:
            case {"entrypoint": [_, "-c", str(), *_], "command": [str(packed), *_]} if packed.startswith(_START):
                yield container


def _unpacked(text: str) -> dict[str, bytes]:
    try:
        with bz2.open(io.BytesIO(text85.decode(text))) as stream:
            unpacked = stream.read(_MOST + 1)
        if len(unpacked) > _MOST:
            raise ProgramError("unpacks to more than 16 MiB")
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
            return {name: source.read() for name, source in files.items() if source is not None}
    except (ValueError, EOFError, OSError, tarfile.TarError, KeyError) as error:
        raise ProgramError(f"has a program that can't be unpacked: {error}") from error


def _visible(source: bytes) -> str:
    """``source`` for a terminal: what would move its cursor or hide text is written as an escape."""
    text = source.decode("utf-8", "backslashreplace")
    return "".join(it if it.isprintable() or it in "\n\t" else it.encode("unicode_escape").decode() for it in text)


def _write(directory: Path, sources: dict[str, bytes]) -> None:
    for name in sources:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ProgramError(f"has a file of the name {name!r}, which would lie outside {directory}")
    try:
        directory.mkdir(parents=True)
        for name, source in sources.items():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source)
    except OSError as error:
        raise ProgramError(f"cannot be written: {error.filename}: {error.strerror}") from error
