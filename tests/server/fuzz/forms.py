"""Uploads: the form around a distribution, and archives of any content."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from ..tasks import PUBLISHER, READER, basic, sha256
from .distributions import Distribution, distributions, plain_distributions
from .readings import bottles_file
from .target import Finding, Server, World
from .wire import DRAW, Oddly

ODD_BOUNDARIES = ["-" * 69, "a b", "B;charset=x", '"B"', '"B C"', "B\xe9", "", "'", "B\\", "B" * 71, "B\r\n", "--B"]
ODD_DISPOSITIONS = ["Form-Data", "attachment", "", "form-data, form-data"]
ODD_NAMES = ['"{name}', '{name}\\"', "=?utf-8?q?{name}?=", "{name}\0", "\xff"]
ODD_PARAMETERS = [
    "; name={name}",
    '; NAME="{name}"',
    '; name="{name}"; name="content"',
    "; name*=utf-8''{name}",
    '; name*0="{name}"',
    '; name = "{name}"',
    '; name="{name}"; charset="\0"',
    "; name='{name}'",
]
ODD_FILENAMES = [
    "; filename={name}",
    "; filename*=utf-8''{name}",
    '; filename="{name}"; filename="other-1.0.tar.gz"',
    '; filename="../{name}"',
    '; filename="/etc/{name}"',
    '; filename="C:\\{name}"',
    '; filename="{name}\0.txt"',
    "; filename=\"{name}\"; filename*=idna''%ff",
    '; filename="sub/{name}"',
    '; filename=".index/{name}"',
    '; filename=""',
]
ODD_EXTRAS = [
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: binary\r\n",
    b"Content-Type: multipart/mixed; boundary=C\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Disposition: form-data; name=x\r\n",
    b"X: \xff\r\n",
    b" folded: x\r\n",
    b"X" * 9000 + b": y\r\n",
]
ODD_VALUES = ["", "x", "demo", "1.0", "\0", "caf\xe9", "a" * 2000, "file_upload"]
ODD_KINDS = ["multipart/mixed", "Multipart/Form-Data", "text/plain", "application/x-www-form-urlencoded"]


class Upload(NamedTuple):
    """`plain` is one that must be taken. Others are taken whole, or not at all."""

    publisher: bool
    content_type: str
    body: bytes
    file: Distribution
    plain: bool


_ASPECTS = [
    "boundary",
    "disposition",
    "name",
    "parameter",
    "filename",
    "extra",
    "fields",
    "files",
    "signature",
    "order",
    "preamble",
    "end",
    "kind",
    "body",
    "role",
]


@st.composite
def uploads(draw: DRAW) -> Upload:
    odd = Oddly(draw, *_ASPECTS)
    file = draw(plain_distributions())
    boundary = odd("boundary", "B", ODD_BOUNDARIES)
    values = [sha256(file.content), *ODD_VALUES]
    more = [(name, value) for name in (":action", "name", "sha256_digest", "description") for value in values]
    fields = [(":action", "file_upload"), ("version", file.version), *odd("fields", [], [[field] for field in more])]
    files = [("content", file)] * odd("files", 1, [0, 2])
    files += [("gpg_signature", Distribution(f"{file.name}.asc", b"sig"))] * odd("signature", 0, [1, 2])
    parts = [_head(odd, name, "") + value.encode() for name, value in fields]
    parts += [
        _head(odd, name, odd("filename", '; filename="{name}"', ODD_FILENAMES).format(name=it.name)) + it.content
        for name, it in files
    ]
    parts = odd("order", parts, [parts[::-1], parts[1:], parts + parts[:1]])
    mark = b"--" + boundary.encode().strip(b'"')
    body = odd("preamble", b"", [b"\r\n", b"preamble\r\n"]) + b"".join(
        mark + b"\r\n" + part + b"\r\n" for part in parts
    )
    body += odd("end", mark + b"--\r\n", [mark + b"--", mark, b"", mark + b"--\r\nepilogue"])
    content_type = f"{odd('kind', 'multipart/form-data', ODD_KINDS)}; boundary={boundary}"
    return Upload(odd("role", True, [False]), content_type, odd.mutated("body", body), file, plain=False)


def _head(odd: Oddly, name: str, filename: str) -> bytes:
    parameter = odd("parameter", '; name="{name}"', ODD_PARAMETERS).format(
        name=odd("name", "{name}", ODD_NAMES).format(name=name)
    )
    line = f"Content-Disposition: {odd('disposition', 'form-data', ODD_DISPOSITIONS)}{parameter}{filename}\r\n"
    extra: bytes = odd("extra", b"", ODD_EXTRAS)
    return line.encode() + extra + b"\r\n"


@st.composite
def archives(draw: DRAW) -> Upload:
    """A form as clients send it, of an archive that may be anything."""
    file = draw(distributions())
    body = (
        b'--B\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--B\r\nContent-Disposition: '
        b'form-data; name="content"; filename="%s"\r\n\r\n%s\r\n--B--\r\n' % (file.name.encode(), file.content)
    )
    return Upload(True, "multipart/form-data; boundary=B", body, file, file.plain)


def check(world: World, server: Server, upload: Upload) -> None:
    """What is acknowledged is stored and listed, what is refused leaves nothing. Raises Finding."""
    lines = [
        "POST / HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"Content-Type: {upload.content_type}",
        f"Content-Length: {len(upload.body)}",
        f"Authorization: {basic(PUBLISHER if upload.publisher else READER)}",
    ]
    head = "\r\n".join([*lines, "", ""]).encode()
    found = server.ask(head + upload.body)
    try:
        statuses = [answer.status for answer in found]
        new = world.changes()
        if upload.plain and statuses != [200]:
            raise Finding(f"a good upload is answered {found}")
        if statuses == [200]:
            _acknowledged(world, upload, new)
        elif new:
            raise Finding(f"{new} was stored, and the answer is {statuses}")
    except Finding as finding:
        raise Finding(f"{finding}\nsent: {(head + upload.body)[:100_000]!r}") from None
    finally:
        world.clear()


def _acknowledged(world: World, upload: Upload, new: dict[str, str]) -> None:
    names = sorted(new)
    if not upload.publisher or names not in ([], [upload.file.name], [upload.file.name, f"{upload.file.name}.asc"]):
        raise Finding(f"acknowledged, and {names} was stored of {upload.file.name}")
    for name in names:
        if (world.directory / name).read_bytes() not in upload.body:
            raise Finding(f"the stored content of {name} was never sent")
    if upload.plain and new.get(upload.file.name) != sha256(upload.file.content):
        raise Finding(f"{upload.file.name} was stored with other content")
    read = bottles_file(upload.content_type, upload.body)
    if read is not None and upload.file.name in new and sha256(read[1]) != new[upload.file.name]:
        raise Finding(f"{upload.file.name} is read otherwise by bottle: {read}")
    for server in world.servers:
        project = server.task.project(upload.file.project)
        server.logged()
        listed = {it["filename"]: it["hashes"]["sha256"] for it in project["files"]}
        for name, digest in new.items():
            if not name.endswith(".asc") and listed.get(name) != digest:
                raise Finding(f"{name} was acknowledged, and the listing has {listed}")
