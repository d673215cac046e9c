"""Archives: as build tools make them, and as attackers do."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from typing import NamedTuple

from hypothesis import strategies as st

from ..tasks import COMPRESSIONS, beside, sdist, tarball, wheel, zipped
from .wire import DRAW, mutated

PROJECTS = ["alpha", "beta_two", "g3"]
VERSIONS = ["1.0", "1!2.0", "2.0.dev1", "1.0+local.1", "0"]
MEBIBYTE = 1 << 20


class Distribution(NamedTuple):
    """`plain` is one that must be taken."""

    name: str
    content: bytes
    plain: bool = False

    @property
    def version(self) -> str:
        return self.name.removesuffix(".tar.gz").split("-")[1]

    @property
    def project(self) -> str:
        return self.name.partition("-")[0].replace("_", "-")


@st.composite
def plain_distributions(draw: DRAW) -> Distribution:
    make = draw(st.sampled_from([wheel, sdist]))
    return Distribution(*make(draw(st.sampled_from(PROJECTS)), draw(st.sampled_from(VERSIONS))), plain=True)


METADATA = [
    "Name: {project}\nVersion: {version}\n",
    "Metadata-Version: 2.1\nNAME: {project}\r\nVersion: {version}\n",
    "Name: {project}\nVersion: {version}\nRequires-Python: >=3\n  ,<4\n\nbody",
    "Name: {project}\nName: other\nVersion: {version}\n",
    "Name: other\nVersion: {version}\n",
    "Name: {project}\nVersion: 99\n",
    "Name: =?utf-8?q?{project}?=\nVersion: {version}\n",
    'Name: {project}\nVersion: {version}\nRequires-Python: \x00\xe9"><script>\n',
    "Name: {project}\x85Version: {version}\x85",
    "",
    "\n\nName: {project}\nVersion: {version}",
    "From nobody\nName: {project}\nVersion: {version}\n",
]
STRANGE_MEMBERS = ["../evil", "/etc/evil", "a/../b", "", "\0", "a" * 300, "caf\xe9", "C:\\x", ".", "a//b", "x" * 70_000]


@st.composite
def _metadata(draw: DRAW, project: str, version: str) -> bytes:
    text = draw(st.sampled_from(METADATA)).format(project=project, version=version).encode()
    return text + draw(
        st.sampled_from(
            [b""] * 8
            + [
                b"X: y\n" * 60_000,
                b"\n" + bytes(3 * MEBIBYTE),
                b"\n" + bytes(5 * MEBIBYTE),
                b"X: " + b"y" * MEBIBYTE,
                b"X: a\n " * 100_000,
                b"\r" * 100_000,
                bytes(64 * MEBIBYTE),
            ]
        )
    )


@st.composite
def _members(draw: DRAW, home: str, metadata: bytes, required: str) -> list[tuple[str, bytes]]:
    """What an archive holds; often what it must."""
    members = [(required, metadata)] * draw(st.sampled_from([1] * 10 + [0, 2]))
    members += [
        (name, b"x")
        for name in draw(st.lists(st.sampled_from([f"{home}/x", required.lower(), *STRANGE_MEMBERS]), max_size=3))
    ]
    if draw(st.integers(0, 15)) == 15:
        members += [(f"{home}/{number}", b"") for number in range(draw(st.sampled_from([2_000, 20_000])))]
    if draw(st.integers(0, 15)) == 15:
        members.insert(0, (f"{home}/zeros", bytes(draw(st.sampled_from([1, 80])) * MEBIBYTE)))
    return draw(st.permutations(members)) if len(members) < 10 else members


def _lying(content: bytes, size: int) -> bytes:
    """The archive with other uncompressed sizes in its directory and before each member."""
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = content.find(signature)
        while at >= 0 and at + offset + 4 <= len(content):
            content = content[: at + offset] + struct.pack("<I", size) + content[at + offset + 4 :]
            at = content.find(signature, at + 4)
    return content


@st.composite
def _wheels(draw: DRAW) -> Distribution:
    project, version = draw(st.sampled_from(PROJECTS)), draw(st.sampled_from(VERSIONS))
    metadata = draw(_metadata(project, version))
    info = f"{project}-{version}.dist-info"
    members = (
        draw(_members(info, metadata, f"{info}/METADATA")) + beside(info)[: draw(st.sampled_from([2] * 8 + [0, 1]))]
    )
    method = draw(
        st.sampled_from(
            [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
        )
    )
    content = zipped([(name[:65_535], data) for name, data in members], method)
    if draw(st.booleans()):
        content = _lying(content, draw(st.sampled_from([0, 100, 1 << 31, (1 << 32) - 1])))
    return Distribution(f"{project}-{version}-py3-none-any.whl", content)


@st.composite
def _sdists(draw: DRAW) -> Distribution:
    project, version = draw(st.sampled_from(PROJECTS)), draw(st.sampled_from(VERSIONS))
    home = f"{project}-{version}"
    members = draw(_members(home, draw(_metadata(project, version)), f"{home}/PKG-INFO"))
    suffix = draw(st.sampled_from([".tar.gz", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip"]))
    if suffix == ".zip":
        return Distribution(
            home + suffix, zipped([(name[:65_535], data) for name, data in members], zipfile.ZIP_DEFLATED)
        )
    kind = draw(st.sampled_from([suffix.rpartition(".")[2].replace("tgz", "gz")] * 6 + list(COMPRESSIONS)))
    if draw(st.integers(0, 3)):
        content = tarball([(name.replace("\0", ""), data) for name, data in members], kind)
    else:
        content = COMPRESSIONS[kind](draw(mutated(draw(_strange_tar(home, members)), 3)))
    return Distribution(home + suffix, content)


@st.composite
def _strange_tar(draw: DRAW, home: str, members: list[tuple[str, bytes]]) -> bytes:
    """Headers of kinds, sizes and extensions that tar never writes."""
    written = io.BytesIO()
    for name, data in members[:50]:
        header = tarfile.TarInfo(name.replace("\0", ""))
        header.type = draw(
            st.sampled_from(
                [tarfile.REGTYPE] * 4 + [tarfile.SYMTYPE, tarfile.DIRTYPE, b"L", b"x", b"g", b"S", b"K", b"Z"]
            )
        )
        header.size = draw(st.sampled_from([len(data)] * 6 + [0, 511, 1 << 33, (1 << 63) - 1]))
        records = draw(
            st.sampled_from(
                [{}] * 4 + [{"size": "-1"}, {"size": "1e9"}, {"size": "9" * 5000}, {"path": f"{home}/PKG-INFO"}]
            )
        )
        header.pax_headers = records
        try:
            written.write(header.tobuf(draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))))
        except ValueError:
            continue
        written.write(data + bytes(-len(data) % 512))
    return written.getvalue() + bytes(draw(st.sampled_from([1024, 0, 512])))


@st.composite
def distributions(draw: DRAW) -> Distribution:
    file = draw(plain_distributions() | _wheels() | _sdists())
    if file.plain:
        changed = draw(mutated(file.content, 3))
        return file if changed == file.content else Distribution(file.name, changed)
    return file if draw(st.integers(0, 3)) else Distribution(file.name, draw(mutated(file.content, 3)))
