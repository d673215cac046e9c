"""One file of a registry: sent to a task by a client, and compared with what the registry says of it."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from pip._internal.models.link import Link

from tests.server.clients import run, twine, uv_publish
from tests.server.tasks import READER, Task

from .eyes import Eyes

Client = Callable[[Task, Path], object]


class Verdict(NamedTuple):
    """`refused` is the reason why the file is not listed, else empty; `differs` says what is not as the registry has it."""

    refused: str
    differs: list[str]


def compare(eyes: Eyes, task: Task, path: Path, theirs: Link, number: int) -> Verdict:
    """`theirs` is the registry's link to the file at `path`; `number` chooses the client that uploads."""
    index = f"{task.with_credentials(READER)}/simple/"
    project = project_of(path.name)
    clients: list[Client] = [twine, lambda task, path: uv_publish(task, path, check=False)]
    if number % 2:
        clients.reverse()
    # What clients of today do not send any more.
    clients.append(lambda task, path: task.upload(path.name, path.read_bytes()))
    for client in clients:
        client(task, path)
        if ours := eyes.links(index, project).get(path.name):
            return Verdict("", list(_differences(eyes, path, theirs, ours, index)))
    return Verdict(_reason(task, path.name), [])


def project_of(name: str) -> str:
    parts = name.partition("-") if name.endswith(".whl") else name.rpartition("-")
    return canonicalize_name(parts[0])


def _differences(eyes: Eyes, path: Path, theirs: Link, ours: Link, index: str) -> Iterator[str]:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if ours.as_hashes() != Link(f"{ours.url_without_fragment}#sha256={sha256}").as_hashes():
        yield f"our hash is {ours.hash}, the file's {sha256}"
    if ours.yanked_reason is not None:
        yield "it is yanked"
    metadata = _metadata(path)
    said = theirs.requires_python
    if said is None and metadata is not None and not theirs.url.startswith("http"):
        # A directory of files says nothing of them.
        said = BytesHeaderParser().parsebytes(metadata)["Requires-Python"]
    if _versions(ours.requires_python) != _versions(said):
        yield f"our Requires-Python is {ours.requires_python!r}, the registry's {said!r}"
    with tempfile.TemporaryDirectory() as home:
        if metadata is not None:
            link = ours.metadata_link()
            if link is None or eyes.download(link, Path(home)).read_bytes() != metadata:
                yield "our metadata is not that of the file"
        if theirs.metadata_file_data and theirs.metadata_file_data != ours.metadata_file_data:
            yield f"our metadata is {ours.metadata_file_data}, the registry's {theirs.metadata_file_data}"
        if (got := _fetched(eyes, ours, path.name, sha256, index, Path(home))) != sha256:
            yield got


def _metadata(path: Path) -> bytes | None:
    """A wheel's."""
    if path.suffix != ".whl":
        return None
    with zipfile.ZipFile(path) as archive:
        (name,) = (it for it in archive.namelist() if it.count("/") == 1 and it.endswith(".dist-info/METADATA"))
        return archive.read(name)


def _fetched(eyes: Eyes, ours: Link, name: str, sha256: str, index: str, home: Path) -> str:
    """The SHA-256 of what pip gets, or what it says."""
    if not name.endswith(".whl"):
        # To download a source distribution, pip runs it.
        return hashlib.sha256(eyes.download(ours, home).read_bytes()).hexdigest()
    project, version, _, _ = parse_wheel_filename(name)
    (home / "wanted").write_text(f"{project} == {version} --hash=sha256:{sha256}\n")
    pythons, abis, platforms = (tags.split(".") for tags in name.removesuffix(".whl").split("-")[-3:])
    digits = pythons[-1].lstrip("cpy")
    options = ["--implementation", pythons[-1].rstrip("0123456789"), "--python-version", digits]
    options += [option for platform in platforms for option in ("--platform", platform)]
    options += [option for abi in abis for option in ("--abi", abi)]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--quiet", "--index-url", index, *options]
    got = run(*command, "-d", home / "got", "-r", home / "wanted")
    found = list(home.glob("got/*"))
    return hashlib.sha256(found[0].read_bytes()).hexdigest() if found else got.stderr


def _reason(task: Task, name: str) -> str:
    answers = [line["reason"] for line in task.changes() if (line["change"], line["file"]) == ("refusal", name)]
    return str(answers[-1]) if answers else "no client sends it"


def installers_that_take(path: Path) -> list[str]:
    """Of pip and uv, without what the file requires; a wheel of another platform is called as one of any."""
    with tempfile.TemporaryDirectory() as home:
        name = path.name
        if path.suffix == ".whl":
            name = "-".join([*name.split("-")[:2], "py3-none-any.whl"])
        (copy := Path(home, name)).symlink_to(path)
        options = ["--no-deps", "--target"]
        pip: list[str | Path] = ["pip", "install", "--no-cache-dir", "--ignore-requires-python", *options]
        uv: list[str | Path] = ["uv", "pip", "install", "--no-cache", "--python", sys.executable, *options]
        commands = {"pip": pip, "uv": uv}
        return [
            it
            for it, command in commands.items()
            if not run(sys.executable, "-m", *command, Path(home, it), copy).returncode
        ]


def _versions(requires_python: str | None) -> SpecifierSet | None:
    """A registry may write the same in another order."""
    return None if requires_python is None else SpecifierSet(requires_python)
