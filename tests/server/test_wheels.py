"""Two sides of one rule: what an installer takes is accepted, what pip and uv both refuse, or a member that leads out, is not."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.distributions import zips
from server.distributions.archives import read_metadata
from server.distributions.metadata import parse
from server.distributions.sources import examine
from server.distributions.tarballs import Unfit
from server.distributions.wheels import check_requirements, check_wheel

from .conftest import StartTask
from .installers import Taken, installers
from .tasks import beside, zipped

INFO = "demo-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
WHEEL = beside(INFO)[0][1].decode()
EXTRA = "Provides-Extra: x\nRequires-Dist: "


class Case(NamedTuple):
    """A wheel of one module; a member with None is left out. `reason` is a part of ours, empty where it is accepted."""

    reason: str
    members: dict[str, bytes | None] = {}
    metadata: str = ""

    def content(self) -> bytes:
        members: dict[str, bytes | None] = {
            "demo.py": b"",
            f"{INFO}/METADATA": (METADATA + self.metadata).encode(),
            **dict(beside(INFO)),
            **self.members,
        }
        return zipped((name, data) for name, data in members.items() if data is not None)


def of_wheel(reason: str, old: str, new: str) -> Case:
    return Case(reason, {f"{INFO}/WHEEL": WHEEL.replace(old, new).encode()})


def scripts(reason: str, name: str) -> Case:
    return Case(reason, {f"{INFO}/entry_points.txt": f"[console_scripts]\n{name} = demo:main\n".encode()})


# What one installer takes.
TAKEN = {
    "as it should be": Case(""),
    "minor version": of_wheel("", "1.0", "1.9"),
    "old version": of_wheel("", "1.0", "0.1"),
    "version of one number": of_wheel("", "1.0", "1"),
    "without tags": of_wheel("", "Tag: py3-none-any\n", ""),
    "without Root-Is-Purelib": of_wheel("", "Root-Is-Purelib: true\n", ""),
    "line ends of Windows": of_wheel("", "\n", "\r\n"),
    "folded version": of_wheel("", "Version: ", "Version:\n "),
    "script in a directory": scripts("", "a/demo"),
    "Requires-Python of many": Case(
        "", metadata=f"Requires-Python: >=3.8{''.join(f',!=3.{it}' for it in range(20, 220))}\n"
    ),
    "empty RECORD": Case("", {f"{INFO}/RECORD": b""}),
    "RECORD of other files": Case("", {f"{INFO}/RECORD": b"other.py,sha256=AAAA,1\n"}),
    "up and down within": Case("", {"a/../b.py": b""}),
    "backslash": Case("", {"a\\b.py": b""}),
    "data": Case("", {"demo-1.0.data/data/etc/demo": b"", "demo-1.0.data/scripts/": b""}),
    "data of another project": Case("", {"other-1.0.data/x": b""}),
    "entry points": Case(
        "", {f"{INFO}/entry_points.txt": b"[console_scripts]\ndemo = demo:main [x]\n[other]\na = demo\n"}
    ),
    "metadata of the future": Case("", {f"{INFO}/METADATA": METADATA.replace("2.1", "9.9").encode()}),
    "star after an order": Case("", metadata="Requires-Python: >=3.6.*\n"),
    "comma too many": Case("", metadata="Requires-Python: >=3.6,\n"),
    "no comma": Case("", metadata="Requires-Python: >=2.7<4\n"),
    "star without a dot": Case("", metadata="Requires-Python: >=2.7,!=3.0*\n"),
    "quotes": Case("", metadata="Requires-Python: '>=3.6'\n"),
    "requirement's star": Case("", metadata=f"{EXTRA}foo (>=1.*) ; extra == 'x'\n"),
    "requirement's quotes": Case("", metadata=f"{EXTRA}foo (>='1.0',<2) ; extra == 'x'\n"),
}
# What neither does.
REFUSED = {
    "no WHEEL": Case("no WHEEL", {f"{INFO}/WHEEL": None}),
    "empty WHEEL": Case("no Wheel-Version", {f"{INFO}/WHEEL": b""}),
    "major version": of_wheel("Wheel-Version is 2", "1.0", "2.0"),
    "version of letters": of_wheel("no Wheel-Version", "1.0", "x"),
    "WHEEL in Latin-1": Case("not UTF-8", {f"{INFO}/WHEEL": WHEEL.encode() + b"Generator: J\xf6rg\n"}),
    "no RECORD": Case("no RECORD", {f"{INFO}/RECORD": None}),
    "RECORD in Latin-1": Case("not UTF-8", {f"{INFO}/RECORD": b"J\xf6rg,,\n"}),
    "two dist-info": Case("more than one .dist-info", {"other-1.0.dist-info/x": b""}),
    "unknown scheme": Case("none of", {"demo-1.0.data/foo/x": b""}),
    "file in data": Case("none of", {"demo-1.0.data/x": b""}),
    "script without a function": Case(
        "names no function", {f"{INFO}/entry_points.txt": b"[console_scripts]\ndemo = demo\n"}
    ),
    "version in the body of WHEEL": of_wheel("no Wheel-Version", "Wheel-Version", "\nWheel-Version"),
    "script above": scripts("leads out", "../../demo"),
    "script elsewhere": scripts("leads out", "/etc/demo"),
    "longer than a name can be": Case("255 bytes", {f"{'a' * 256}.py": b""}),
    "requirement of nothing": Case("Requires-Dist", metadata="Requires-Dist: ???\n"),
    "requirement of two words": Case("Requires-Dist", metadata="Requires-Dist: foo bar\n"),
    "empty requirement": Case("Requires-Dist", metadata="Requires-Dist: \n"),
    "unknown marker": Case("Requires-Dist", metadata="Requires-Dist: foo; nonsense == 'x'\n"),
    "deep marker": Case("Requires-Dist", metadata=f"Requires-Dist: foo; {'(' * 5000}\n"),
}
# What pip takes with a warning, or uv without the member, or both where there is no Windows.
LEADING = {
    "Requires-Python in words": Case("Requires-Python", metadata="Requires-Python: 3.x or later\n"),
    "Requires-Python without order": Case("Requires-Python", metadata="Requires-Python: 3\n"),
    "Requires-Python of no version": Case("Requires-Python", metadata="Requires-Python: >=3.6.x\n"),
    **{
        name: Case("leads out", {name: b""})
        for name in (
            *("/etc/evil", "../evil", "a/../../evil", "..\\evil", "a\\..\\..\\evil", "\\evil", "C:/evil", "c:evil"),
            *("./../evil", "a/..//../evil", "//host/share/evil", "demo-1.0.data/scripts/../../evil", ".."),
            "demo-1.0.data/purelib/../evil",
        )
    },
}


def verdict(content: bytes) -> str:
    """Ours; empty if it is accepted."""
    file = io.BytesIO(content)
    try:
        metadata = parse(read_metadata("demo-1.0-py3-none-any.whl", file))
        check_requirements(metadata.requires_python, metadata.requires_dist)
        check_wheel(file)
    except Unfit as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "case", [*TAKEN.values(), *REFUSED.values(), *LEADING.values()], ids=[*TAKEN, *REFUSED, *LEADING]
)
def test_a_wheel_is_taken_or_refused_with_the_reason(case: Case) -> None:
    said = verdict(case.content())
    assert case.reason in said
    assert bool(said) == bool(case.reason), said


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    with installers(tmp_path_factory.mktemp("installers")) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("case", [*TAKEN.values(), *REFUSED.values()], ids=[*TAKEN, *REFUSED])
def test_the_rule_is_that_of_the_installers(case: Case, taken: Taken, tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(case.content())
    assert taken(path) == (not case.reason)


def test_an_encrypted_member_is_refused() -> None:
    content = bytearray(zipped([*zip_members(), ("secret.py", b"")]))
    content[content.rindex(b"PK\1\2") + 8] |= 1
    assert "encrypted" in verdict(bytes(content))


@pytest.mark.parametrize("name", ["demo-1.0-py3-none-any.whl", "demo-1.0.zip"])
def test_a_member_that_no_installer_can_inflate_is_refused(name: str) -> None:
    """Deflate64, as Windows compresses large files."""
    members = [("demo-1.0/PKG-INFO", METADATA.encode()), *zip_members(), ("demo.py", b"")]
    content = bytearray(zipped(members))
    read_metadata(name, io.BytesIO(content))
    content[content.rindex(b"PK\1\2") + 10] = 9
    with pytest.raises(Unfit, match="installers do not know"):
        read_metadata(name, io.BytesIO(content))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", ["METADATA", "WHEEL"])
def test_a_damaged_member_is_refused(name: str, compression: int) -> None:
    """Every byte of a stored member, and every bit of its sum, wherever it is declared to be that long."""
    content = zipped(zip_members(), compression)
    assert verdict(content) == ""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        it = archive.getinfo(f"{INFO}/{name}")
    begin = it.header_offset + 30 + len(it.filename)
    for at in range(begin, begin + it.compress_size):
        damaged = bytearray(content)
        damaged[at] ^= 1
        assert verdict(bytes(damaged)), at
    entry = content.rindex(f"{INFO}/{name}".encode()) - 46
    for at in range(entry + 16, entry + 20):
        damaged = bytearray(content)
        damaged[at] ^= 1
        assert verdict(bytes(damaged)), at


def test_a_null_character_ends_no_name() -> None:
    assert "null character" in verdict(zipped([*zip_members(), ("demo!.py", b"")]).replace(b"demo!.py", b"demo\0.py"))


def zip_members() -> Iterable[tuple[str, bytes]]:
    return [(f"{INFO}/METADATA", METADATA.encode()), *beside(INFO)]


# Of the times of a member.
OTHER_FIELD = b"UT\4\0aTim"


@given(
    st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=30)), max_size=8),
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.booleans(),
)
def test_members_are_those_that_zipfile_finds(
    files: list[tuple[str, bytes]], before: bytes, comment: bytes, long: bool
) -> None:
    """Behind anything, before any comment, in ZIP64 too, wherever the field of ZIP64 is among others."""
    # There zipfile finds other ends of the archive.
    assume(b"PK" not in before + comment)
    written = io.BytesIO()
    written.write(before)
    with pytest.MonkeyPatch.context() as patch:
        if long:
            patch.setattr(zipfile, "ZIP64_LIMIT", 10)
        with zipfile.ZipFile(written, "a", zipfile.ZIP_DEFLATED) as archive:
            for number, (name, data) in enumerate(files):
                info = zipfile.ZipInfo(f"{number}{name}")
                info.extra = OTHER_FIELD
                with archive.open(info, "w", force_zip64=long) as member:
                    member.write(data)
            archive.comment = comment
    for size in (8, 16, 24):
        field = rb"(\x01\x00%c\x00.{%d})%s" % (size, size, OTHER_FIELD)
        written = io.BytesIO(re.sub(field, rb"%s\1" % OTHER_FIELD, written.getvalue(), flags=re.DOTALL))
    with zipfile.ZipFile(written) as archive:
        wanted = [(it.orig_filename, it.header_offset, it.file_size, it.CRC) for it in archive.infolist()]
        contents = [archive.read(it) for it in archive.infolist()]
    found = examine(written, lambda source: list(zips.members(source)))
    assert [(it.name, it.offset, it.size, it.crc) for it in found] == wanted
    assert examine(written, lambda source: [zips.content(source, it, 100, "it") for it in found]) == contents


@pytest.mark.slow
def test_a_wheel_of_many_members_is_accepted(start_newest: StartTask, directory: Path) -> None:
    """homeassistant 2026.2.3 has 47,084."""
    members = [
        (f"demo/components/a_module_with_a_long_name/translations/{number}.json", b"") for number in range(50_000)
    ]
    content = zipped([*members, *zip_members()])
    task = start_newest(directory)
    assert task.upload("demo-1.0-py3-none-any.whl", content).status_code == 200
    (file,) = task.project("demo")["files"]
    assert task.get(f"{file['url']}.metadata").text == METADATA


def test_a_table_of_a_large_archive_that_is_not_there_is_no_table() -> None:
    """The end of the archive says where its longer end begins, and something else stands there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", 0)
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            archive.writestr("a", b"a")
    assert [it.name for it in examine(written, lambda source: list(zips.members(source)))] == ["a"]
    content = written.getvalue()
    assert content.count(b"PK\6\6") == 1
    damaged = io.BytesIO(content.replace(b"PK\6\6", b"PK\6\0"))
    with pytest.raises(Unfit, match="table of members is damaged"):
        examine(damaged, lambda source: list(zips.members(source)))


def test_where_memory_ends_the_file_is_not_to_blame() -> None:
    def reader(_: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        examine(io.BytesIO(b"PK"), reader)
