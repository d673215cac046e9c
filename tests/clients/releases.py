"""The releases that every client gets, and what a client that knows the standards makes of them."""

from __future__ import annotations

from pathlib import Path

from tests.server.tasks import tarball, zipped

MANY = 200
# What is asked for, and what is to be installed of it.
WANTED = {
    "acme-wheel": "1.0",
    "acme-sdist": "1.0",
    "acme-yanked": "1.0",
    "acme-pre": "1.0",
    "acme-local": "1.0+abc.1",
    "acme-python": "1.0",
    "Acme.Dotted": "1.0",
    "acme-many": f"{MANY - 1}.0",
    "acme-app": "1.0",
}
# What only the metadata of another names.
NEEDED = {"acme-core": "1.0"}
WITHDRAWN = ("acme-yanked", "1.1")


def write(directory: Path) -> None:
    """The files, as other programs would lay them there; `WITHDRAWN` is still to be withdrawn."""
    releases = [
        (name, version, "") for name, version in (WANTED | NEEDED).items() if name not in ("acme-sdist", "acme-app")
    ]
    releases += [(*WITHDRAWN, ""), ("acme-pre", "2.0rc1", ""), ("acme-python", "2.0", "Requires-Python: >=3.99\n")]
    releases += [("acme-app", "1.0", "Requires-Dist: acme-core >=1\n")]
    releases += [("acme-many", f"{number}.0", "") for number in range(MANY - 1)]
    for name, content in [*(wheel(*release) for release in releases), sdist("acme-sdist", "1.0")]:
        (directory / name).write_bytes(content)


def wheel(name: str, version: str, fields: str = "") -> tuple[str, bytes]:
    """For every Python, old ones too."""
    module = name.lower().replace("-", "_").replace(".", "_")
    info = f"{module}-{version}.dist-info"
    members = {
        f"{module}.py": b"VERSION = %r\n" % version.encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{fields}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
    }
    members[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*members, f"{info}/RECORD")).encode()
    return f"{module}-{version}-py2.py3-none-any.whl", zipped(members.items())


def sdist(name: str, version: str) -> tuple[str, bytes]:
    """Built by the setuptools that is there; its metadata is static, for clients that would build it in isolation."""
    module = name.replace("-", "_")
    setup = f"from setuptools import setup\nsetup(name={name!r}, version={version!r}, py_modules=[{module!r}])\n"
    home = f"{name}-{version}"
    members = {
        f"{home}/PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
        f"{home}/setup.py": setup,
        f"{home}/{module}.py": f"VERSION = {version!r}\n",
    }
    return f"{home}.tar.gz", tarball([(path, text.encode()) for path, text in members.items()])
