"""``import`` from layouts of many servers and writers of static indexes: what pip would install is what arrives."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ..server.tasks import JSON_TYPE, sdist, sha256, visible, wheel
from .conftest import Import
from .sources import Scripted, answer

FILES = dict([wheel("acme_core", "1.0"), sdist("acme_core", "1.0"), wheel("tools", "2.0+local.1")])
PROJECTS = {"acme-core": [*FILES][:2], "tools": [*FILES][2:]}
HTML = "text/html; charset=utf-8"


@contextmanager
def listed(directory: Path, fetched: list[str]) -> Iterator[str]:
    """The address at which ``http.server`` lists the directory; ``fetched`` gets the paths of each GET."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            fetched.append(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def put(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)


def quoted(name: str) -> str:
    return name.replace("+", "%2B")


def flat() -> dict[str, bytes]:
    """What ``pip wheel`` leaves, and people serve by ``python -m http.server``."""
    return dict(FILES)


def tree() -> dict[str, bytes]:
    """A directory for each project, called as its authors do."""
    homes = {"acme-core": "Acme_Core", "tools": "tools"}
    return {f"{homes[project]}/{name}": FILES[name] for project, names in PROJECTS.items() for name in names}


def s3pypi() -> dict[str, bytes]:
    """``Index.to_html`` of s3pypi 2.0.1, with ``--put-root-index``: pages beside their files, no ``simple/``."""

    def page(links: dict[str, str]) -> bytes:
        body = "<br>\n".join(f'    <a href="{href}">{text}</a>' for href, text in links.items())
        return f'<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset="UTF-8">\n  </head>\n  <body>\n{body}\n</body>'.encode()

    files = {f"{project}/{name}": FILES[name] for project, names in PROJECTS.items() for name in names}
    for project, names in PROJECTS.items():
        files[f"{project}/index.html"] = page({f"{quoted(it)}#sha256={sha256(FILES[it])}": it for it in names})
    return files | {"index.html": page({f"{project}/": project for project in PROJECTS})}


def dumb_pypi() -> dict[str, bytes]:
    """Of ``simple.html`` and ``package.html`` of dumb-pypi 1.15.0: links to ``index.html``, files elsewhere."""
    files = {f"pool/{name}": content for name, content in FILES.items()}
    for project, names in PROJECTS.items():
        links = "".join(
            f'<li><a href="../../pool/{quoted(it)}#sha256={sha256(FILES[it])}" data-requires-python="&gt;=3.8">x</a></li>'
            for it in names
        )
        files[f"simple/{project}/index.html"] = f"<ul>{links}</ul>".encode()
    links = "".join(f'<li><a href="{project}/index.html">{project}</a></li>' for project in PROJECTS)
    return files | {
        "simple/index.html": f"<ul>{links}</ul>".encode(),
        "index.html": b'<a class="package" href="simple/tools/index.html"><strong>tools</strong> (latest version: 2)</a>',
    }


def bandersnatch() -> dict[str, bytes]:
    """``SimpleAPI`` of bandersnatch 6.8.0: both forms beside each other, files below ``packages/`` by their hash."""
    files: dict[str, bytes] = {}
    for project, names in PROJECTS.items():
        links = []
        for name in names:
            digest = sha256(FILES[name])
            place = f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{quoted(name)}"
            files[place.replace("%2B", "+")] = FILES[name]
            links.append(f'    <a href="../../{place}#sha256={digest}" data-requires-python="&gt;=3.8">{name}</a><br/>')
        page = f"<html>\n  <head>\n  <title>Links</title></head>\n  <body>{''.join(links)}</body>\n</html>\n<!--SERIAL 1-->"
        files[f"simple/{project}/index.html"] = page.encode()
        files[f"simple/{project}/index.v1_json"] = b"{}"
    links = [f'    <a href="{project}/">{project}</a><br/>' for project in PROJECTS]
    return files | {"simple/index.html": f"<html>\n{''.join(links)}</html>".encode()}


@pytest.mark.parametrize(
    ("layout", "path"),
    [
        (flat, ""),
        (tree, ""),
        (s3pypi, ""),
        (dumb_pypi, ""),
        (dumb_pypi, "simple/"),
        (bandersnatch, ""),
        (bandersnatch, "simple/"),
    ],
)
def test_static_layouts(
    layout: Callable[[], dict[str, bytes]],
    path: str,
    bring: Import,
    directory: Path,
    tmp_path: Path,
) -> None:
    """Served by ``http.server``; a second run finds all here, and fetches nothing, though listings have no hashes."""
    put(tmp_path / "site", layout())
    fetched: list[str] = []
    with listed(tmp_path / "site", fetched) as url:
        assert bring(url + path) == 0
        assert {name: (directory / name).read_bytes() for name in visible(directory)} == FILES
        fetched.clear()
        assert bring(url + path) == 0
    assert fetched
    assert not [path for path in fetched if path.endswith((".whl", ".gz"))]


def test_names_in_a_listing(bring: Import, directory: Path, tmp_path: Path) -> None:
    """Files lie beside each other, or in directories that are called as their authors do."""
    for number, layout in enumerate((flat, tree)):
        put(tmp_path / str(number), layout())
        with listed(tmp_path / str(number), []) as url:
            assert bring(url, "Acme.Core") == 0
            assert visible(directory) == sorted(PROJECTS["acme-core"])
            assert bring(url, "acme") == 1


@pytest.mark.parametrize("named", [[], ["acme"]], ids=["all", "by name"])
def test_files_beside_the_directory_of_their_project_come_too(
    named: list[str], scripted: Scripted, bring: Import, directory: Path
) -> None:
    within, beside = wheel("acme", "1.0"), wheel("acme", "2.0")
    scripted.file(*within)
    scripted.answers["/simple/"] = partial(_say, f'<a href="Acme/">Acme/</a><a href="{beside[0]}">x</a>'.encode())
    scripted.answers["/simple/Acme/"] = partial(_say, f'<a href="/files/{within[0]}">x</a>'.encode())
    scripted.answers[f"/simple/{beside[0]}"] = lambda it: answer(it, 200, beside[1], "application/octet-stream")
    assert bring(scripted.url, *named) == 0
    assert visible(directory) == [within[0], beside[0]]


def gitlab(root: str) -> dict[str, str]:
    """As https://docs.gitlab.com/api/packages/pypi/ shows it: addresses in full, those of projects without a slash."""
    index = "/api/v4/projects/1/packages/pypi"
    pages = {f"{index}/simple": "".join(f'<a href="{root}{index}/simple/{it}">{it}</a><br>' for it in PROJECTS)}
    for project, names in PROJECTS.items():
        pages[f"{index}/simple/{project}"] = "".join(
            f'<a href="{root}/files/{quoted(it)}#sha256={sha256(FILES[it])}" data-requires-python="&gt;=3.6">{it}</a><br>'
            for it in names
        )
    return pages


def nexus(root: str) -> dict[str, str]:
    """Hosted repositories list below ``simple/``, and have files below ``packages/PROJECT/VERSION/``."""
    pages = {"/repository/hosted/simple/": "".join(f'<a href="{it}/">{it}</a>\n' for it in PROJECTS)}
    for project, names in PROJECTS.items():
        pages[f"/repository/hosted/simple/{project}/"] = "".join(
            f'<a href="../../../../files/{quoted(it)}#sha256={sha256(FILES[it])}" rel="internal">{it}</a><br/>'
            for it in names
        )
    return pages


def artifactory(root: str) -> dict[str, str]:
    """https://jfrog.com/help: ``/artifactory/api/pypi/REPOSITORY/simple/``; behind a proxy it says http and another host."""
    pages = {"/artifactory/api/pypi/local/simple/": "".join(f'<a href="{it}">{it}</a>\n<br/>' for it in PROJECTS)}
    for project, names in PROJECTS.items():
        pages[f"/artifactory/api/pypi/local/simple/{project}/"] = "".join(
            f'<a data-requires-python="&gt;=3.8" href="../../../../../../files/{quoted(it)}#md5=&sha256={sha256(FILES[it])}"'
            f' rel="internal">{it}</a><br/>'
            for it in names
        )
    return pages


@pytest.mark.parametrize(
    ("shape", "path"),
    [
        (gitlab, "/api/v4/projects/1/packages/pypi/simple"),
        (gitlab, "/api/v4/projects/1/packages/pypi"),
        (nexus, "/repository/hosted/"),
        (artifactory, "/artifactory/api/pypi/local/simple/"),
    ],
)
def test_shapes_of_servers_that_nobody_can_run_here(
    shape: Callable[[str], dict[str, str]], path: str, scripted: Scripted, bring: Import, directory: Path
) -> None:
    for name, content in FILES.items():
        scripted.file(name, content)
        scripted.answers[f"/files/{quoted(name)}"] = scripted.answers[f"/files/{name}"]
    for address, page in shape(scripted.root).items():
        html = f"<!DOCTYPE html>\n<html><head><title>Links</title></head><body>{page}</body></html>".encode()
        scripted.answers[address] = partial(_say, html)
    assert bring(scripted.root + path) == 0
    assert {name: (directory / name).read_bytes() for name in visible(directory)} == FILES


def _say(content: bytes, handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 200, content, HTML)


def test_codeartifact_has_projects_and_no_list_of_them(scripted: Scripted, bring: Import, directory: Path) -> None:
    """https://docs.aws.amazon.com/codeartifact/latest/ug/python-compatibility.html, for ``simple/PROJECT/`` alone."""
    scripted.page("acme-core", *(scripted.file(name, FILES[name]) for name in PROJECTS["acme-core"]))
    del scripted.answers["/simple/"]
    assert bring(scripted.url, "Acme.Core") == 0
    assert visible(directory) == sorted(PROJECTS["acme-core"])
    assert bring(scripted.url, "acme-core", "gone") == 1
    assert bring(scripted.url) == 2


APACHE = """<html><head><title>Index of /</title></head><body><table>
<tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td></tr>
<tr><td><a href="acme_core-1.0-py3-none-any.whl">acme_core-1.0-py3-none..&gt;</a></td><td>2024-05-31 12:00</td></tr>
<tr><td><a href="acme_core-1.0.tar.gz">acme_core-1.0.tar.gz</a></td></tr>
<tr><td><a href="tools-2.0%2Blocal.1-py3-none-any.whl">tools-2.0+local.1-py3-n..&gt;</a></td></tr>
</table></body></html>"""


def test_apache_cuts_the_texts_of_its_links(scripted: Scripted, bring: Import, directory: Path) -> None:
    for name, content in FILES.items():
        scripted.answers[f"/packages/{quoted(name)}"] = partial(_say, content)
    scripted.answers["/packages/"] = partial(_say, APACHE.encode())
    assert bring(f"{scripted.root}/packages/") == 0
    assert {name: (directory / name).read_bytes() for name in visible(directory)} == FILES


NAME, CONTENT = wheel("acme", "1.0")
SHA512 = hashlib.sha512(CONTENT).hexdigest()
LINKS = {
    "a base, of which the first counts": f'<base href="../../files/"><base href="/x/"><a href="{NAME}">x</a>',
    "an absolute path": f'<a href="/files/{NAME}">whatever</a>',
    "two fields of a fragment": f'<a href="/files/{NAME}#sha512={SHA512}&amp;egg=acme-1.0">acme</a>',
    "an egg first": f'<a href="/files/{NAME}#egg=acme-1.0&sha512={SHA512}">acme</a>',
    "a hash nobody knows": f'<a href="/files/{NAME}#crc=1">acme</a>',
    "an upper-case hash": f'<A HREF="/files/{NAME}#sha512={SHA512.upper()}">acme</A>',
    "percent-encoded": f'<a href="/files/{NAME.replace("-", "%2D").replace("/", "%2F")}">acme</a>',
    "a query": f'<a href="/files/{NAME}?signed=1">acme</a>',
    "spaces around": f'<a href=" /files/{NAME}\n">acme</a>',
    "links elsewhere": f'<a href="/">up</a><a href="mailto:a@b">a</a><a href="?C=N">sort</a><a href="/files/{NAME}">x</a>',
    "Latin-1": f'<meta charset="latin-1"><p>\xe9</p><a href="/files/{NAME}">x</a>',
    "nothing closed": f'<html><body><p><a href="/files/{NAME}">acme',
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_links_are_read_as_pip_reads_them(link: str, scripted: Scripted, bring: Import, directory: Path) -> None:
    scripted.file(NAME, CONTENT)
    for path in (f"{NAME}?signed=1", NAME.replace("-", "%2D")):
        scripted.answers[f"/files/{path}"] = scripted.answers[f"/files/{NAME}"]
    scripted.answers["/simple/acme/"] = partial(_say, link.encode("latin-1"))
    assert bring(scripted.url, "acme") == 0
    assert visible(directory) == [NAME]


ENCODED = {
    "utf-8": ("", b"", "utf-8"),
    "a byte order mark": ("", b"", "utf-8-sig"),
    "the header": ("; charset=utf-16", b"", "utf-16"),
    "the header, quoted and not alone": ('; Charset="Latin-1" ; x=y', b"", "latin-1"),
    "the page": ("", b"<meta charset=latin-1>", "latin-1"),
    "both, of which the header counts": ("; charset=latin-1", b'<meta charset="utf-8">', "latin-1"),
    "an encoding that nobody knows": ("; charset=x-none", b"", "utf-8"),
}
"""By who says it: what follows the media type, how the page begins, and the encoding."""


@pytest.mark.parametrize(("said", "beginning", "encoding"), ENCODED.values(), ids=ENCODED)
def test_a_page_is_read_in_its_encoding(
    said: str, beginning: bytes, encoding: str, scripted: Scripted, bring: Import, directory: Path
) -> None:
    scripted.file(NAME, CONTENT)
    scripted.answers[f"/d%C3%A9p%C3%B4t/{NAME}"] = scripted.answers[f"/files/{NAME}"]
    content = beginning + f'<a href="/d\xe9p\xf4t/{NAME}">acme</a>'.encode(encoding)
    scripted.answers["/simple/acme/"] = lambda it: answer(it, 200, content, f"text/html{said}")
    assert bring(scripted.url, "acme") == 0
    assert visible(directory) == [NAME]


ENTRIES = {
    "yanked is null": {"yanked": None},
    "a time that is none": {"upload-time": "yesterday"},
    "a size that is none": {"size": "large"},
    "hashes that are none": {"hashes": None},
    "no hashes": {"hashes": {}},
    "md5": {"hashes": {"md5": hashlib.md5(CONTENT).hexdigest()}},
    "blake2b, as PyPI says it": {"hashes": {"blake2b_256": hashlib.blake2b(CONTENT, digest_size=32).hexdigest()}},
    "a hash that nobody knows": {"hashes": {"crc": "1"}},
    "no name but the address's": {"filename": None},
    "keys that nobody knows": {"core-metadata": [], "x": {}},
}


@pytest.mark.parametrize("facts", ENTRIES.values(), ids=ENTRIES)
def test_entries_are_taken_with_what_makes_sense(
    facts: dict[str, object], scripted: Scripted, bring: Import, directory: Path
) -> None:
    scripted.page("acme", scripted.file(NAME, CONTENT, **facts))
    assert bring(scripted.url) == 0
    assert visible(directory) == [NAME]


def test_pages_in_parts_and_compressed_ones(
    scripted: Scripted, elsewhere: Scripted, bring: Import, directory: Path
) -> None:
    """By ``Link`` (RFC 8288) as JSON, by an element as HTML; gzip that was not asked for; a part elsewhere is not asked."""
    names = [wheel("acme", f"1.{number}") for number in range(4)]
    first, second, third, last = (scripted.file(*it) for it in names)
    root = {"meta": {"api-version": "1.0"}, "projects": [{"name": "Acme"}]}
    scripted.answers["/simple/"] = lambda handler: answer(handler, 200, json.dumps(root).encode(), JSON_TYPE)

    def part(entry: dict[str, object], handler: BaseHTTPRequestHandler, **headers: str) -> None:
        content = json.dumps({"meta": {"api-version": "1.4"}, "name": "acme", "files": [entry]}).encode()
        answer(handler, 200, gzip.compress(content), JSON_TYPE, Content_Encoding="gzip", **headers)

    scripted.answers["/simple/acme/"] = lambda it: part(first, it, Link='</simple/acme/?page=2>; rel="next"')
    scripted.answers["/simple/acme/?page=2"] = lambda it: part(second, it, Link='<?page=3>; rel="next"')
    html = f'<link rel="Next" href="?page=4"><link rel="icon" href="acme-9.tar.gz"><a href="{third["url"]}">x</a>'
    scripted.answers["/simple/acme/?page=3"] = partial(_say, html.encode())
    scripted.answers["/simple/acme/?page=4"] = partial(_say, f'<a href="{last["url"]}">x</a>'.encode())
    assert bring(scripted.url) == 0
    assert visible(directory) == [name for name, _ in names]
    scripted.answers["/simple/acme/?page=3"] = lambda it: part(third, it, Link=f'<{elsewhere.url}acme/>; rel="next"')
    elsewhere.page("acme", elsewhere.file(*wheel("acme", "2.0")))
    assert bring(scripted.url) == 1
    assert (len(visible(directory)), elsewhere.asked) == (4, [])


def test_an_index_whose_proxy_keeps_the_start_of_its_path_to_itself(
    scripted: Scripted, bring: Import, directory: Path
) -> None:
    """Its own links are those that it would have without the proxy; what is there is something else."""
    scripted.file(NAME, CONTENT)
    scripted.answers["/pypi/simple/"] = partial(_say, b'<a href="/">home</a><a href="/simple/acme/">acme</a>')
    scripted.answers["/pypi/simple/acme/"] = partial(_say, f'<a href="/files/{NAME}">acme</a>'.encode())
    scripted.answers["/simple/acme/"] = lambda it: answer(it, 403)
    assert bring(f"{scripted.root}/pypi/simple/") == 0
    assert visible(directory) == [NAME]
