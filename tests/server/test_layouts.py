"""Two sides of one rule, for source distributions: what pip or uv builds is accepted, what both refuse is refused."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from server.distributions import tarballs
from server.distributions.archives import read_metadata
from server.distributions.layouts import Layout
from server.distributions.tarballs import Unfit

from .installers import Taken, installers
from .tasks import COMPRESSIONS, zipped

HOME = "demo-1.0"
INFO = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
# Builds without anything from elsewhere.
BACKEND = f"""
import zipfile

def build_wheel(directory, *_):
    info = "demo-1.0.dist-info"
    with zipfile.ZipFile(f"{{directory}}/demo-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{{info}}/METADATA", {INFO!r})
        wheel.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{{info}}/RECORD", "")
    return "demo-1.0-py3-none-any.whl"
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
FILES = {f"{HOME}/PKG-INFO": INFO, f"{HOME}/pyproject.toml": PROJECT, f"{HOME}/backend.py": BACKEND}
REG, SYM, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


class Case(NamedTuple):
    """`reason` is a part of ours, empty where it is accepted; members beside `files` are of a type, and links to something."""

    reason: str
    more: Mapping[str, tuple[bytes, str]] = {}
    files: Mapping[str, str] = FILES
    name: str = f"{HOME}.tar.gz"

    def content(self) -> bytes:
        if self.name.endswith(".zip"):
            return zipped(
                (name, text.encode()) for name, text in [*self.files.items(), *dict.fromkeys(self.more, "").items()]
            )
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name, text in self.files.items():
                header = tarfile.TarInfo(name)
                header.size = len(text)
                archive.addfile(header, io.BytesIO(text.encode()))
            for name, (kind, target) in self.more.items():
                header = tarfile.TarInfo(name)
                header.type, header.linkname = kind, target
                archive.addfile(header)
        return content.getvalue()


def without(name: str) -> dict[str, str]:
    return {path: text for path, text in FILES.items() if path != f"{HOME}/{name}"}


# What one installer takes.
TAKEN = {
    "as it should be": Case(""),
    "zip": Case("", name=f"{HOME}.zip"),
    "another directory": Case(
        "",
        {"xlib/a": (HARD, "xlib/PKG-INFO")},
        files={path.replace(HOME, "xlib"): text for path, text in FILES.items()},
    ),
    "with dots": Case("", files={f"./{path}": text for path, text in FILES.items()}),
    "directory of its own": Case("", {HOME: (tarfile.DIRTYPE, "")}),
    "project beside the directory": Case(
        "",
        files={path if path.endswith("INFO") else path.removeprefix(f"{HOME}/"): text for path, text in FILES.items()},
    ),
    "link within": Case("", {f"{HOME}/a": (SYM, "PKG-INFO")}),
    "link to nothing": Case("", {f"{HOME}/a": (SYM, "nothing")}),
    "link beside the directory": Case("", {f"{HOME}/a": (SYM, "../b")}),
    "hard link": Case("", {f"{HOME}/a": (HARD, f"{HOME}/PKG-INFO")}),
    "hard link from the directory": Case("", {f"{HOME}/a": (HARD, "PKG-INFO")}),
    "hard link with a dot": Case("", {f"{HOME}/a": (HARD, f"./{HOME}/PKG-INFO")}),
    "absolute member in the directory": Case("", {f"/{HOME}/a": (REG, "")}),
    "dots in names": Case("", {f"{HOME}/..a": (REG, ""), f"{HOME}/a..": (REG, "")}),
    "long link": Case("", {f"{HOME}/{'a' * 200}": (REG, ""), f"{HOME}/b": (HARD, f"{HOME}/{'a' * 200}")}),
    "long file": Case("", files={**FILES, f"{HOME}/a": "0" * 3_000_000}),
    "contiguous file": Case("", {f"{HOME}/a": (tarfile.CONTTYPE, "")}),
}
# What neither does.
REFUSED = {
    "no project": Case("pyproject.toml or setup.py", files=without("pyproject.toml")),
    "no project in a zip": Case("pyproject.toml", files=without("pyproject.toml"), name=f"{HOME}.zip"),
    "two directories": Case("the one directory", {"other/a": (REG, "")}),
    "file beside the directory": Case("the one directory", {"._demo-1.0": (REG, "")}),
    "member above": Case("leads out", {"../evil": (REG, "")}),
    "member far above": Case("leads out", {f"{HOME}/../../evil": (REG, "")}),
    "absolute member": Case("the one directory", {"/evil": (REG, "")}),
    "link above": Case("leads out", {f"{HOME}/a": (SYM, "../../evil")}),
    "deep link above": Case("leads out", {f"{HOME}/a/b/c": (SYM, "../../../../evil")}),
    "absolute link": Case("leads out", {f"{HOME}/a": (SYM, "/etc/passwd")}),
    "long link above": Case("leads out", {f"{HOME}/a": (SYM, f"../../{'a' * 200}")}),
    "hard link above": Case("no file that comes before", {f"{HOME}/a": (HARD, "../evil")}),
    "hard link to nothing": Case("no file that comes before", {f"{HOME}/a": (HARD, f"{HOME}/nothing")}),
    "longer than a name can be": Case("255 bytes", {f"{HOME}/{'a' * 256}": (REG, "")}),
    "pipe": Case("no file, directory or link", {f"{HOME}/a": (tarfile.FIFOTYPE, "")}),
    "device": Case("no file, directory or link", {f"{HOME}/a": (tarfile.CHRTYPE, "")}),
    "unknown type": Case("no file, directory or link", {f"{HOME}/a": (b"Z", "")}),
}
# What pip refuses, and uv leaves out or takes.
LEADING = {
    "name longer than Linux has": Case("4095", {f"{HOME}/" + "a/" * 2100 + "b": (REG, "")}),
    "zip's member above": Case("leads out", {"../evil": (REG, "")}, name=f"{HOME}.zip"),
    "zip's absolute member": Case("leads out", {"/evil": (REG, "")}, name=f"{HOME}.zip"),
}


@pytest.mark.parametrize(
    "case", [*TAKEN.values(), *REFUSED.values(), *LEADING.values()], ids=[*TAKEN, *REFUSED, *LEADING]
)
def test_a_source_distribution_is_taken_or_refused_with_the_reason(case: Case) -> None:
    said, layout = "", Layout(links=not case.name.endswith(".zip"))
    try:
        assert read_metadata(case.name, io.BytesIO(case.content()), layout.see).decode() == INFO
        layout.require_project()
    except Unfit as error:
        said = str(error)
    assert case.reason in said
    assert bool(said) == bool(case.reason), said
    # Where it lies in the directory already, its metadata is read all the same.
    assert read_metadata(case.name, io.BytesIO(case.content())).decode() == INFO


SIZE = 2 * tarfile.BLOCKSIZE


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize(
    ("form", "extension"),
    [
        (tarfile.USTAR_FORMAT, b""),
        (tarfile.GNU_FORMAT, b""),
        (tarfile.PAX_FORMAT, tarfile.XHDTYPE),
        (tarfile.PAX_FORMAT, tarfile.SOLARIS_XHDTYPE),
    ],
)
def test_members_are_those_that_tarfile_finds(
    form: int, extension: bytes, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With names and targets of every length and encoding, sizes in pax headers, and sizes of what has no content."""
    written = io.BytesIO()
    name, target = ("\u00e9" * 90, "x") if form == tarfile.USTAR_FORMAT else ("\u00e9/" * 100, "\u00e8/" * 100)
    with (
        pytest.MonkeyPatch.context() as patch,
        tarfile.open(
            fileobj=written, mode="w", format=form, encoding="latin-1", pax_headers={"comment": "x"}
        ) as archive,
    ):
        patch.setattr(tarfile, "XHDTYPE", extension)
        for kind in (REG, HARD, SYM, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, REG):
            for number, it in enumerate(("short", name)):
                header = tarfile.TarInfo(f"{number}{it}")
                header.type, header.size, header.linkname = kind, SIZE, target
                if number and form == tarfile.PAX_FORMAT:
                    header.size, header.pax_headers = 0, {"size": f"{SIZE}"}
                archive.addfile(header)
                if header.isreg():
                    written.write(random.Random(number).randbytes(SIZE))
                directory = tarfile.TarInfo(f"{number}{kind.decode('latin-1')}{it}")
                directory.type, directory.size = tarfile.DIRTYPE, SIZE
                archive.addfile(directory)
    packed = COMPRESSIONS[suffix.replace("tgz", "gz").rpartition(".")[2]]
    # In several streams, as parallel compressors write them.
    half = len(written.getvalue()) // 2
    content = io.BytesIO(packed(written.getvalue()[:half]) + packed(written.getvalue()[half:]))

    def said(found: Iterable[tarfile.TarInfo]) -> list[tuple[str, str, bytes, int]]:
        return [(it.name.rstrip("/"), it.linkname, it.type, it.size) for it in found]

    written.seek(0)
    with tarfile.open(fileobj=written) as archive:
        wanted = said(archive)
    # Cut everywhere, and as if it were so large that its size decides how much it may inflate to.
    monkeypatch.setattr(tarballs, "CHUNK_BYTES", 1)
    monkeypatch.setattr(tarballs, "INFLATED_BYTES", 0)
    stream = tarballs.Inflated(content.read, len(content.getvalue()), tarballs.COMPRESSIONS[suffix])
    assert said(tarballs.members(stream)) == wanted
    assert len(wanted) == 32


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    with installers(tmp_path_factory.mktemp("installers")) as found:
        yield found


# By Python's extraction filters (PEP 706), which Debian 12's Python 3.11.2 lacks.
FILTERED = {"hard link above", "hard link to nothing", "unknown type"}
UNFILTERED = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="pip with this Python takes it")


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=UNFILTERED if name in FILTERED else ())
        for name, case in {**TAKEN, **REFUSED}.items()
    ],
)
def test_the_rule_is_that_of_the_installers(case: Case, taken: Taken, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.content())
    assert taken(path) == (not case.reason)
