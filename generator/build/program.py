"""``program``: prints the sources that a template or a registered task definition carries, for review.

There are three forms: a template has the beginning in the command and the rest in a secret, a task definition names that
secret, and those of older releases have everything in the command.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from generator.parts import text85
from generator.parts.container_program import VARIABLE

_START = text85.encode(b"BZh91AY&")
"""How the text of a bzip2 archive begins."""
_MOST = 16 * 1024 * 1024
"""Bytes that an archive may unpack to: a few KiB can be made to fill any memory."""


class ProgramError(Exception):
    """Nothing to show, with the reason."""


def show(file: Path, secret: Path | None, output: Path | None) -> int:
    """Print the sources that ``file`` carries, or write them below the new directory ``output``. Returns the exit code.

    ``secret``: the output of ``aws secretsmanager get-secret-value``, for a task definition that takes the rest from there.
    """
    try:
        rest = None if secret is None else _value(secret)
        sources = carried(_data(_text(file)), rest)
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


def carried(document: object, rest: str | None = None) -> dict[str, bytes]:
    """Sources by path: ``boot.py``, the entry point's, then the archive's, of a template or task definition as data.

    ``rest``: the value of the secret, if ``document`` does not have it. Raises ProgramError if there is no such container,
    or several that differ, or its archive is incomplete or cannot be read.
    """
    found: list[dict[str, bytes]] = []
    for container in _containers(document):
        packed, *digest = container["command"]
        archive = _decoded(packed + _rest(document, container, rest))
        if digest and hashlib.sha256(archive).hexdigest() != digest[0]:
            raise ProgramError(
                "has a program without the SHA-256 that its command names: the secret belongs to another program"
            )
        sources = {"boot.py": container["entrypoint"][2].encode(), **_unpacked(archive)}
        if sources not in found:
            found.append(sources)
    if not found:
        raise ProgramError("carries no program; compute.yaml, pypiserver-single.yaml and task definitions do")
    if len(found) > 1:
        raise ProgramError("carries several programs; give one task definition")
    return found[0]


def _rest(document: object, container: dict[str, Any], given: str | None) -> str:
    """What ``container`` takes from a secret: one of the template ``document``, or else the value ``given``."""
    sources = [it["valuefrom"] for it in _mappings(container) if it.get("name") == VARIABLE and "valuefrom" in it]
    if not sources:
        return ""
    title = str(sources[0].get("Ref") if isinstance(sources[0], dict) else sources[0])
    match document:
        case {"Resources": {**resources}}:
            match resources.get(title):
                case {"Properties": {"SecretString": str(value)}}:
                    return value
    if given is None:
        raise ProgramError(
            "has the end of its program in a secret, the valueFrom of PROGRAM_1. Give its value by --secret FILE, which "
            "`aws secretsmanager get-secret-value --secret-id VALUE_FROM > FILE` writes"
        )
    return given


def _value(file: Path) -> str:
    """The value of a secret: of ``get-secret-value``'s JSON, or as ``--query SecretString --output text`` prints it."""
    text = _text(file)
    try:
        return str(json.loads(text)["SecretString"])
    except (ValueError, TypeError, KeyError):
        return text


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ProgramError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ProgramError("is not UTF-8") from error


def _data(text: str) -> object:
    try:
        # Not every JSON document is YAML: some are indented by tabs.
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise ProgramError(f"is neither YAML nor JSON: {error}") from error


class _Loader(yaml.CSafeLoader):
    """Reads ``!Ref X`` and its like as the plain data behind the tag."""


def _behind_tag(loader: _Loader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_yaml_map(node)


_Loader.add_multi_constructor("!", _behind_tag)


def _containers(document: object) -> Iterator[dict[str, Any]]:
    """Container definitions with a packed program."""
    for container in _mappings(document):
        match container:
            case {"entrypoint": [_, "-c", str(), *_], "command": [str(packed), *_]} if packed.startswith(_START):
                yield container


def _mappings(document: object) -> Iterator[dict[str, Any]]:
    """Every mapping anywhere within ``document``, keys in lower case: ECS and CloudFormation spell them differently."""
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
        yield {str(key).lower(): item for key, item in value.items()}


def _decoded(text: str) -> bytes:
    try:
        return text85.decode(text)
    except ValueError as error:
        raise ProgramError(f"has a program that is no text of base 85: {error}") from error


def _unpacked(archive: bytes) -> dict[str, bytes]:
    try:
        with bz2.open(io.BytesIO(archive)) as stream:
            unpacked = stream.read(_MOST + 1)
        if len(unpacked) > _MOST:
            raise ProgramError("unpacks to more than 16 MiB")
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as members:
            files = {member.name: members.extractfile(member) for member in members}
            return {name: source.read() for name, source in files.items() if source is not None}
    except (ValueError, EOFError, OSError, tarfile.TarError, KeyError) as error:
        raise ProgramError(f"has a program that can't be unpacked: {error}") from error


def _visible(source: bytes) -> str:
    """``source`` for a terminal: whatever would move its cursor or hide text is escaped."""
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
