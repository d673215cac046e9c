"""Archives that claim, inflate to, or consist of more than a distribution's: refused, and described in bounded memory."""

from __future__ import annotations

import io
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from .conftest import StartTask
from .tasks import COMPRESSIONS, JSON_TYPE, PUBLISHER, Task, beside, sdist, sha256, tarball, visible, wheel, zipped

MIB = 1 << 20
GROWTH_BYTES = 150 * MIB
INFO = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
METADATA = ("demo-1.0.dist-info/METADATA", INFO)
PKG_INFO = ("demo-1.0/PKG-INFO", INFO)
SETUP = ("demo-1.0/setup.py", b"")


@pytest.fixture(scope="module")
def image(newest_image: Path) -> Path:
    """Archives are read by what is the same in every image."""
    return newest_image


def peak(task: Task) -> int:
    """The most bytes of memory that each of the task's processes ever had, in all."""
    pids = subprocess.run(["pgrep", "-g", str(task.process.pid)], capture_output=True, text=True, check=True).stdout
    lines = [line for pid in pids.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def understated(declared: int) -> bytes:
    """A wheel whose METADATA inflates to 512 MiB and declares fewer bytes, with the checksum of these."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    block = bytes(16 * MIB)
    packed = packer.compress(INFO + bytes(declared - len(INFO)) + block)
    packed += b"".join(packer.compress(block) for _ in range(31)) + packer.flush()
    name = METADATA[0].encode()
    sizes = zlib.crc32((INFO + bytes(declared))[:declared]), len(packed), declared
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, *sizes, len(name), 0) + name
    central = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, *sizes, len(name), 0, 0, 0, 0, 0, 0) + name
    content = local + packed
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(content), 0)
    return content + central + end


def many_members(count: int) -> bytes:
    names = [b"%06d" % number for number in range(count)]
    content = zipped([METADATA])
    entry = struct.Struct("<4s6H3L5H2L")
    central = b"".join(
        entry.pack(b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name for name in names
    )
    size = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(central), len(content))
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(content) + len(central), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return content + central + size + locator + end


def many_files(count: int) -> bytes:
    """An sdist of empty ones: of their headers, name and checksum differ."""
    header = tarfile.TarInfo("demo-1.0/000000").tobuf()
    rest = int(header[148:154], 8) - sum(b"000000")
    names = (b"%06d" % number for number in range(count))
    headers = (header[:9] + name + header[15:148] + b"%06o" % (rest + sum(name)) + header[154:] for name in names)
    return COMPRESSIONS["gz"](b"".join(headers) + bytes(2 * tarfile.BLOCKSIZE))


def zeros(compression: str) -> bytes:
    """An sdist that holds 128 MiB of zeros before its PKG-INFO."""
    size = 128 * MIB
    header = tarfile.TarInfo("demo-1.0/zeros")
    header.size = size
    pieces = [header.tobuf(), bytes(size), tarball([PKG_INFO], "none")]
    return COMPRESSIONS[compression](b"".join(pieces))


def long_header(kind: bytes) -> bytes:
    """A name or pax header of 60 MiB."""
    header = tarfile.TarInfo("demo-1.0/long")
    header.type, header.size = kind, 60 * MIB
    return COMPRESSIONS["gz"](header.tobuf() + b"1" * header.size + tarball([PKG_INFO], "none"))


def many_records() -> bytes:
    """A pax header that takes a tenth of a second for each time that it is there; read to the end, it would be a minute."""
    header = tarfile.TarInfo("demo-1.0/x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 16
    return COMPRESSIONS["gz"]((header.tobuf() + b"2 " * (1 << 15)) * 500 + tarball([PKG_INFO], "none"))


def sparse() -> bytes:
    """An sdist of a member whose map of holes is read without end."""
    header = tarfile.TarInfo("demo-1.0/sparse")
    header.size = 40 * MIB
    header.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x"}
    return COMPRESSIONS["gz"](header.tobuf(tarfile.PAX_FORMAT) + b"1" * header.size)


def fields(end: str) -> str:
    return "".join(f"A{number}:{end}" for number in range(200_000))


def of_zip(compression: int) -> bytes:
    return zipped([(METADATA[0], INFO + b"\n" + bytes(40 * MIB))], compression)


WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
HOSTILE: dict[str, Callable[[], tuple[str, bytes]]] = {
    "html": lambda: (WHEEL, b"<html>Not Found</html>"),
    "empty archive": lambda: (WHEEL, zipped([])),
    "understated metadata": lambda: (WHEEL, understated(1000)),
    "bzip2 metadata": lambda: (WHEEL, of_zip(zipfile.ZIP_BZIP2)),
    "lzma metadata": lambda: (WHEEL, of_zip(zipfile.ZIP_LZMA)),
    "large metadata": lambda: (WHEEL, of_zip(zipfile.ZIP_DEFLATED)),
    "600,000 members": lambda: (WHEEL, many_members(600_000)),
    "two metadata": lambda: (WHEEL, zipped([METADATA, METADATA])),
    "metadata of two projects": lambda: (WHEEL, zipped([METADATA, ("other-1.0.dist-info/METADATA", INFO)])),
    "metadata that is not UTF-8": lambda: (WHEEL, zipped([(METADATA[0], INFO + b"Author: J\xf6rg\n")])),
    "metadata after an empty line": lambda: (WHEEL, zipped([(METADATA[0], b"\n" + INFO)])),
    "metadata in another project's directory": lambda: (WHEEL, zipped([("other-1.0.dist-info/METADATA", INFO)])),
    "metadata whose own header has another name": lambda: (WHEEL, zipped([METADATA]).replace(b"demo", b"xxxx", 1)),
    "encrypted metadata": lambda: (WHEEL, encrypted()),
    "foreign metadata": lambda: (WHEEL, wheel("other", "1.0")[1]),
    "metadata of another version": lambda: (WHEEL, wheel("demo", "1.1")[1]),
    "metadata without name": lambda: (WHEEL, zipped([(METADATA[0], b"Version: 1.0\n")])),
    "metadata of 200000 fields": lambda: wheel("demo", "1.0", metadata=fields("\n")),
    "metadata of 200000 fields as old Macs end lines": lambda: wheel("demo", "1.0", metadata=fields("\r")),
    "archive cut off": lambda: (WHEEL, wheel("demo", "1.0", bytes(1000))[1][:-400]),
    "plain tar": lambda: (SDIST, tarball([PKG_INFO], "none")),
    "sdist without PKG-INFO": lambda: (SDIST, tarball([("demo-1.0/setup.py", b"")])),
    "sdist of two": lambda: (SDIST, tarball([PKG_INFO, ("other-1.0/PKG-INFO", INFO)])),
    "sdist of another": lambda: (SDIST, sdist("other", "1.0")[1]),
    "sdist cut off": lambda: (SDIST, tarball([("demo-1.0/it", b"1" * 9999), PKG_INFO])[:-30]),
    "gzip bomb": lambda: (SDIST, zeros("gz")),
    "bzip2 bomb": lambda: ("demo-1.0.tar.bz2", zeros("bz2")),
    "xz bomb": lambda: ("demo-1.0.tar.xz", zeros("xz")),
    "a million gzip streams": lambda: (SDIST, COMPRESSIONS["gz"](b"") * 1_000_000),
    "gzip name without end": lambda: (SDIST, b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"n" * 20 * MIB),
    "200,000 tar members": lambda: (SDIST, many_files(200_000)),
    "long name": lambda: (SDIST, long_header(tarfile.GNUTYPE_LONGNAME)),
    "long pax header": lambda: (SDIST, long_header(tarfile.XHDTYPE)),
    "pax header of many records": lambda: (SDIST, many_records()),
    "sparse member": lambda: (SDIST, sparse()),
    "tar member of a negative size": lambda: (SDIST, backwards()),
    "PKG-INFO is a link": lambda: (SDIST, linked()),
}
# To make, not to read.
SLOW = {"gzip bomb", "bzip2 bomb", "xz bomb", "lzma metadata", "200,000 tar members", "600,000 members", "long name"}


def encrypted() -> bytes:
    """As far as the table of members says."""
    content = bytearray(zipped([METADATA]))
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def backwards() -> bytes:
    """After its first member is that member again, for who believes it."""
    header = tarfile.TarInfo("demo-1.0/x")
    header.size = -tarfile.BLOCKSIZE
    return COMPRESSIONS["gz"](header.tobuf(tarfile.GNU_FORMAT) + tarball([PKG_INFO, SETUP], "none"))


def linked() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        header = tarfile.TarInfo(PKG_INFO[0])
        header.type, header.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(header)
    return content.getvalue()


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in HOSTILE]
)
def test_a_hostile_archive_is_refused_and_costs_little(shared: Task, case: str) -> None:
    name, content = HOSTILE[case]()
    stored, before = visible(shared.directory), peak(shared)
    response = shared.upload(name, content)
    if response.status_code == 200:
        (shared.directory / name).unlink()
    assert (response.status_code, visible(shared.directory)) == (400, stored), response.text
    assert response.text.startswith("Nothing was stored: ")
    assert response.reason == response.text.strip()[:240].strip()
    # The same as a file that was there before, by its listing and its metadata.
    path = shared.directory / name
    path.write_bytes(content)
    try:
        (file,) = shared.project("demo")["files"]
        assert file["hashes"] == {"sha256": sha256(content)}
        assert ("requires-python" in file) == (case == "metadata of another version")
        assert shared.get(f"/packages/{name}.metadata").status_code in (200, 404)
        assert shared.get("/health", None).status_code == 200
    finally:
        path.unlink()
    assert peak(shared) - before < GROWTH_BYTES


@pytest.mark.parametrize(
    "fields",
    [
        "Requires-Python: >=3.8",
        "requires-python: >=3.8",
        "Requires-Python:\n >=3.8",
        "Requires-Python: >=3.8\r",
        "REQUIRES-PYTHON :>=3.8".replace(" :", ":"),
    ],
)
@pytest.mark.parametrize("kind", ["whl", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_requires_python_is_read_as_mail_headers_are(shared: Task, kind: str, fields: str) -> None:
    info = INFO + fields.encode() + b"\nSummary: it\n\nRequires-Python: >=4\n"
    name = WHEEL if kind == "whl" else f"demo-1.0.{kind}"
    if kind == "whl":
        content = zipped([(METADATA[0], info), *beside("demo-1.0.dist-info")], zipfile.ZIP_DEFLATED)
    elif kind == "zip":
        content = zipped([(PKG_INFO[0], info), SETUP])
    else:
        content = tarball([("demo-1.0/a", b"1" * 1000), (PKG_INFO[0], info), SETUP], kind.partition(".")[2])
    assert shared.upload(name, content).status_code == 200
    try:
        (file,) = shared.project("demo")["files"]
        assert file["requires-python"] == ">=3.8"
        assert ("core-metadata" in file) == (kind == "whl")
    finally:
        (shared.directory / name).unlink()


def test_a_pax_archive_with_long_names_is_read(shared: Task) -> None:
    content = io.BytesIO()
    home = "long_" + "x" * 120
    with tarfile.open(fileobj=content, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in ("/".join(["a" * 200] * 2), "PKG-INFO", "setup.py"):
            data = f"Name: {home}\nVersion: 1.0\nRequires-Python: >=3.9\n".encode()
            header = tarfile.TarInfo(f"{home}-1.0/{name}")
            header.size, header.mtime = len(data), 1.5
            archive.addfile(header, io.BytesIO(data))
    assert shared.upload(f"{home}-1.0.tar.gz", content.getvalue()).status_code == 200
    (file,) = shared.project(home.replace("_", "-"))["files"]
    assert file["requires-python"] == ">=3.9"


def test_versions_are_ordered_by_their_meaning(start_newest: StartTask, directory: Path) -> None:
    versions = ["what", "1.0.dev1", "1.0rc1", "1.0", "1.0.post1", "1.9", "1.10", "11.0.dev1", "1!1.0"]
    for version in versions:
        (directory / f"ordered-{version}.tar.gz").write_bytes(b"content")
    (directory / "ordered-1.10-1-py3-none-any.whl").write_bytes(b"content")
    (directory / "Ordered-1.9.RC1.tar.gz").write_bytes(b"content")
    versions.insert(versions.index("1.9"), "1.9rc1")
    task = start_newest(directory)
    releases = task.get("/ordered/json").json()["releases"]
    assert {version: len(files) for version, files in releases.items()} == {
        version: 2 if version == "1.10" else 1 for version in versions
    }
    assert task.get("/ordered/json").json()["info"]["version"] == "1!1.0"
    assert task.get("/simple/ordered/", headers={"Accept": JSON_TYPE}).json()["versions"] == versions


def test_a_signature_has_the_version_of_its_file(start_newest: StartTask, directory: Path) -> None:
    name = "signed-1.0-1-py3-none-any.whl"
    task = start_newest(directory, IMMUTABLE_PACKAGES="false")
    assert task.upload(name, wheel("signed", "1.0")[1], signature=(f"{name}.asc", b"signature")).status_code == 200
    document = task.get("/signed/json").json()
    assert (document["info"]["version"], list(document["releases"])) == ("1.0", ["1.0"])
    form = {":action": "remove_pkg", "name": "signed", "version": "1.0"}
    assert requests.post(task.url, data=form, auth=PUBLISHER, timeout=30).status_code == 200
    assert visible(directory) == []
