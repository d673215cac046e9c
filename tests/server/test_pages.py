"""Pages for people: who sees them, what they say, and that no package can say anything else there."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import requests

from .conftest import StartTask
from .faults import Fault
from .hostile import DISGUISES, MARKUP, hostile
from .tasks import JSON_TYPE, PUBLISHER, READER, Task, sdist, sha256, wheel

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PIP = {"Accept": f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"}
WELCOME = "The index for pip and uv is at"
DESCRIPTION = "# Demo\n\n    indented <as it was>\n\nGrüße\n"


class Page(HTMLParser):
    """What a browser makes of a page: its text, the destinations of its links, its elements and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._within: list[str] = []
        self.parts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self._within.append(tag)
        self.parts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        # Elements that need no end are closed by that of what they are in.
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._within[-1:]:
            self.text += data
            if self._within:
                self.parts[self._within[-1]][-1] += data

    @property
    def projects(self) -> list[str]:
        return [link.removeprefix("/project/").removesuffix("/") for link in self.links if "/project/" in link]


def page(task: Task, path: str, account: tuple[str, str] = READER, **headers: str) -> Page:
    response = task.get(path, account, headers=BROWSER | headers)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
    return Page(response.content.decode())


@pytest.fixture(scope="module")
def task(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    home = tmp_path_factory.mktemp("pages")
    directory = home / "packages"
    directory.mkdir()
    text = f"Summary: Says <hello> & goes\nDescription-Content-Type: text/html\n\n{DESCRIPTION}"
    for number, version in enumerate(("1.10", "1.9", "2.0rc1", "1.9.post1")):
        for make in (wheel, sdist):
            name, content = make("demo", version, b"x" * 5000, metadata=text if version == "1.10" else "")
            (directory / name).write_bytes(content)
            os.utime(directory / name, (1_700_000_000 + number * 86_400,) * 2)
    (directory / f"{wheel('demo', '1.9')[0]}.asc").write_bytes(b"signature")
    for name in ("demonstration", "my_demo", "other"):
        (directory / wheel(name, "1")[0]).write_bytes(wheel(name, "1")[1])
    running = Task(image, directory, home / "task", {})
    running.wait_until_ready()
    yield running
    running.kill()


def test_accounts_see_pages_and_strangers_none(task: Task) -> None:
    paths = ["/?q=", "/?q=demo", "/project/demo/", "/project/absent/", "/project/demo", "/project/a/b"]
    for headers in (BROWSER, PIP, {"Accept": "*/*"}):
        strangers = [task.get(path, None, headers=headers) for path in paths[2:]]
        assert {response.status_code for response in strangers} == {401}
        assert len({response.content for response in strangers}) == 1
    for path in ("/", *paths):
        for account in (None, (READER[0], PUBLISHER[1])):
            response = task.get(path, account, headers=BROWSER)
            # A browser shows its dialogue for this.
            assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Basic realm="pypi"'), path
            assert b"demo" not in response.content
    for account in (READER, PUBLISHER):
        statuses = [task.get(path, account, headers=BROWSER).status_code for path in ("/", *paths)]
        assert statuses == [200, 200, 200, 200, 404, 301, 404]


def test_who_only_asks_whether_there_is_an_index_gets_the_sentence(task: Task) -> None:
    answers = [task.get("/", None), task.get("/", None, headers=PIP), task.get("/", READER, headers=PIP)]
    assert {response.status_code for response in answers} == {200}
    (content,) = {response.text for response in answers}
    assert Page(content).links == ["simple/"]
    assert WELCOME in content


def test_projects_are_found_by_any_part_of_their_name(task: Task) -> None:
    found = {
        "": ["demo", "demonstration", "my-demo", "other"],
        "demo": ["demo", "demonstration", "my-demo"],
        " DEMO ": ["demo", "demonstration", "my-demo"],
        "My_De": ["my-demo"],
        "my demo": ["my-demo"],
        "nothing": [],
        "\n": ["demo", "demonstration", "my-demo", "other"],
        "%FF": [],
        "d" * 7000: [],
    }
    for query, projects in found.items():
        assert page(task, f"/?q={query.replace(chr(10), '%0A')}").projects == projects, query
    assert "4 projects" in page(task, "/").text
    assert page(task, "/?other=1").projects == found[""]


def hits(task: Task, query: str, least: int = 0) -> list[str]:
    """What a search finds, once that is `least` projects: summaries are read by and by."""
    deadline = time.monotonic() + 60
    while True:
        shown = page(task, f"/?q={query}")
        done = "still being read" not in shown.text and len(shown.projects) >= least
        if done or time.monotonic() > deadline:
            return shown.projects
        time.sleep(0.2)


def test_projects_are_found_by_words_of_their_summary(start_newest: StartTask, directory: Path) -> None:
    said = {
        "acme_ledger": "Numbers without <gaps>, für Rechnungen",
        "gaps": "",
        "acme_old": "Ledgers of the past",
        "long": "y" * 300 + "tail",
    }
    for name, summary in said.items():
        (directory / wheel(name, "1.0")[0]).write_bytes(wheel(name, "1.0", metadata=f"Summary: {summary}\n")[1])
    for version, summary in (("1.0rc1", "unfinished"), ("0.9", "first ideas"), ("0.10", "Second thoughts")):
        (directory / sdist("acme_old", version)[0]).write_bytes(
            sdist("acme_old", version, metadata=f"Summary: {summary}\n")[1]
        )
    task = start_newest(directory)
    # Names first, whatever else has the word.
    assert hits(task, "gaps") == ["gaps", "acme-ledger"]
    for query, found in {
        "NUMBERS": ["acme-ledger"],
        "f%C3%9Cr": ["acme-ledger"],
        "acme+past": ["acme-old"],
        "past+acme": ["acme-old"],
        "acme+nothing": [],
        "ideas": [],
        "unfinished": [],
        "tail": [],
    }.items():
        assert hits(task, query) == found, query
    assert "Numbers without <gaps>" in page(task, "/").parts["small"][0]
    # What comes, and what is withdrawn, is known soon after.
    assert task.upload(*wheel("acme_old", "2.0", metadata="Summary: Fresh start\n")).status_code == 200
    assert hits(task, "fresh", 1) == ["acme-old"]
    fields = {":action": "yank", "name": "acme-old", "version": "2.0", "reason": ""}
    assert requests.post(task.url, data=fields, auth=PUBLISHER, timeout=60).status_code == 200
    assert hits(task, "past", 1) == ["acme-old"]
    fields = {":action": "status", "name": "acme-ledger", "status": "quarantined", "reason": ""}
    assert requests.post(task.url, data=fields, auth=PUBLISHER, timeout=60).status_code == 200
    deadline = time.monotonic() + 60
    while hits(task, "rechnungen") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert hits(task, "rechnungen") == []
    assert "acme-ledger" in hits(task, "ledger")


def test_summaries_that_cannot_be_read_keep_none_else_away(fault: Fault) -> None:
    task = fault.task
    assert task.upload(*wheel("acme_a", "1.0", metadata="Summary: first\n")).status_code == 200
    assert hits(task, "first", 1) == ["acme-a"]
    fault.set("read", errno.EIO)
    assert task.upload(*sdist("zeta", "1.0", metadata="Summary: last\n")).status_code in (200, 503)
    assert page(task, "/?q=first").projects == ["acme-a"]
    fault.end()
    task.upload(*sdist("zeta", "1.0", metadata="Summary: last\n"))
    assert hits(task, "last", 1) == ["zeta"]


def test_a_query_is_text_again(task: Task) -> None:
    response = task.get("/", READER, params={"q": '"><script>alert(1)</script>\u202e'}, headers=BROWSER)
    assert 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\ufffd"' in response.text
    assert "<script" not in response.text


def test_a_project_is_found_as_soon_as_it_is_uploaded(start: StartTask, directory: Path) -> None:
    task = start(directory)
    for number in range(3):
        assert f"{number} project" in page(task, "/").text
        assert task.upload(*wheel(f"new{number}", "1.0")).status_code == 200
        assert page(task, f"/?q=new{number}").projects == [f"new{number}"]
        assert task.upload(*wheel(f"new{number}", "1.1")).status_code == 200
        assert page(task, f"/project/new{number}/").parts["b"] == ["1.1", "1.0"]


def test_of_many_projects_and_files_the_first_are_shown(start_newest: StartTask, directory: Path) -> None:
    for number in range(500):
        (directory / f"many{number:03}-1.0.tar.gz").write_bytes(b"x")
        (directory / f"nightly-1.{number}.tar.gz").write_bytes(b"x")
    task = start_newest(directory)
    shown = page(task, "/?q=many")
    assert (len(shown.projects), shown.projects[0]) == (60, "many000")
    assert "Page 1 of 9" in shown.text
    # Whoever goes on sees every one of them once.
    seen = list(shown.projects)
    while following := [link for link in shown.links if link.startswith(f"/?q=many&page={len(seen) // 60 + 1}")]:
        shown = page(task, following[0])
        seen += shown.projects
    assert seen == [f"many{number:03}" for number in range(500)]
    for beyond in ("0", "-1", "10", "x", "9" * 400):
        assert page(task, f"/?q=many&page={beyond}").projects[0] in ("many000", "many480")
    shown = page(task, "/?q=99")
    assert (shown.projects, "Page" in shown.text) == ([f"many{n}99" for n in range(5)], False)
    shown = page(task, "/project/nightly/")
    assert shown.parts["b"] == [f"1.{number}" for number in range(499, 299, -1)]
    assert "/simple/nightly/" in shown.links
    assert "Older files" in shown.text


@pytest.mark.slow
def test_a_project_page_has_what_one_wants_to_know(task: Task) -> None:
    shown = page(task, "/project/demo/")
    assert shown.parts["h1"] == ["demo"]
    # The order of PEP 440; open is what pip would choose.
    assert shown.parts["b"] == ["2.0rc1", "1.10", "1.9.post1", "1.9"]
    dates = ["2023-11-16", "2023-11-14", "2023-11-17", "2023-11-15"]
    assert shown.parts["small"][1:] == [f"{date} · 2 files" for date in dates]
    assert re.findall("<details open><summary><b>([^<]*)", task.get("/project/demo/").text) == ["1.10"]
    names = [make("demo", version)[0] for version in shown.parts["b"] for make in (wheel, sdist)]
    digests = {name: sha256((task.directory / name).read_bytes()) for name in names}
    assert shown.parts["code"] == [f"sha256:{digests[name]}" for name in names]
    assert [link for link in shown.links if "/packages/" in link] == [
        f"/packages/{name}#sha256={digests[name]}" for name in names
    ]
    sizes = {name: (task.directory / name).stat().st_size for name in names}
    assert shown.parts["bdi"][-6] == f"{sizes[names[2]] / 1024:.1f} KiB · 2023-11-14 22:13 UTC · Python >=3.8"
    assert shown.parts["bdi"][-5] == f"{sizes[names[3]]} bytes · 2023-11-14 22:13 UTC"
    assert "Says <hello> & goes" in shown.text
    assert shown.parts["pre"][3] == DESCRIPTION.strip("\n")


def test_the_install_command_is_for_the_address_that_was_asked(task: Task, image: Path, tmp_path: Path) -> None:
    def command(name: str = "demo", **headers: str) -> str:
        return page(task, f"/project/{name}/", READER, **headers).parts["pre"][0]

    forwarded = {"X-Forwarded-Proto": "https"}
    assert command(Host="pypi.example.com", **forwarded) == (
        "pip install --index-url https://pypi.example.com/simple/ demo"
    )
    # What a shell would expand is quoted.
    assert command(Host="[::1]:8080") == "pip install --index-url 'http://[::1]:8080/simple/' demo"
    for host in ('"><script>', "a b", "a;b", "x@y", "x/y"):
        assert task.get("/project/demo/", READER, headers={"Host": host}).status_code == 400
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {READER[0]} password {READER[1]}\n")
    program, *arguments = shlex.split(command())
    assert program == "pip"
    subprocess.run(
        [shutil.which("pip") or "pip", "--isolated", *arguments, "--no-input", "--target", tmp_path / "installed"],
        env={"PATH": os.environ["PATH"], "NETRC": str(netrc)},
        check=True,
    )
    assert (tmp_path / "installed" / "demo.py").read_text().startswith("VERSION = b'1.10'")


def test_pages_are_asked_for_again_only_when_they_change(start: StartTask, directory: Path) -> None:
    task = start(directory)
    assert task.upload(*wheel("demo", "1.0")).status_code == 200
    for path in ("/", "/project/demo/"):
        response = task.get(path, headers=BROWSER)
        same = {"If-None-Match": response.headers["ETag"]}
        assert task.get(path, headers=BROWSER | same).status_code == 304
        assert task.upload(*wheel("demo" if "demo" in path else "other", "1.1")).status_code == 200
        assert task.get(path, headers=BROWSER | same).status_code == 200


def test_names_lead_to_their_project(task: Task) -> None:
    for path in ("/project/Demo/", "/project/demo", "/project/DEMO"):
        response = task.get(f"{path}?a=b", headers={"Host": "evil.example"})
        assert (response.status_code, response.headers["Location"]) == (301, "/project/demo/?a=b")
    assert task.get("/project/absent/").status_code == 404


def test_a_description_that_cannot_be_read_takes_nothing_else_away(fault: Fault) -> None:
    task = fault.task
    assert task.upload(*wheel("demo", "1.0", metadata="Summary: What it is\n")).status_code == 200
    task.project("demo")
    fault.set("read", errno.EIO)
    shown = page(task, "/project/demo/")
    assert shown.parts["b"] == ["1.0"]
    assert "cannot be read now" in shown.text
    fault.end()
    assert "What it is" in page(task, "/project/demo/").text


def test_descriptions_of_every_age_are_text(start_newest: StartTask, directory: Path) -> None:
    metadata = {
        "header": "Summary: One\nDescription: First\n        second\n       |  third\nLicense: MIT\n",
        "unknown": "Summary: One\nDescription: UNKNOWN\n",
        "windows": "Summary: One\n\nFirst\r\nsecond\r\n",
        "plain": "Summary: One\n\nFirst\n",
        "none": "",
        "long": "Summary: One\n\n" + "äöü<" * 100_000,
        "lines": "Keywords: a\n" * 60_000 + "Summary: One\n\nFirst\n",
    }
    for name, text in metadata.items():
        (directory / wheel(name, "1.0")[0]).write_bytes(wheel(name, "1.0", metadata=text)[1])
    (directory / "junk-1.0.tar.gz").write_bytes(b"junk")
    task = start_newest(directory)
    found = {name: page(task, f"/project/{name}/").parts["pre"][3:] for name in (*metadata, "junk")}
    long = found.pop("long")
    assert [(len(text), set(text)) for text in long] == [(50_000, set("äöü<"))]
    assert found == {
        "header": ["First\nsecond\n  third"],
        "unknown": [],
        "windows": ["First\nsecond"],
        "plain": ["First"],
        "none": [],
        "lines": [],
        "junk": [],
    }


ELEMENTS = {"html", "head", "meta", "title", "style", "body", "header", "a", "form", "input", "button", "main", "h1"}
ELEMENTS |= {"h2", "p", "pre", "ul", "li", "details", "summary", "b", "small", "br", "bdi", "code", "strong", "div"}
ELEMENTS |= {"article", "aside", "dl", "dt", "dd"}


def test_a_hostile_package_is_text(start: StartTask, directory: Path) -> None:
    hostile(directory)
    task = start(directory)
    paths = [f"/project/{name}/" for name in page(task, "/").projects]
    assert len(paths) == 4
    for path in ("/", *paths):
        response = task.get(path, READER, headers=BROWSER)
        assert response.status_code == 200, path
        shown = Page(response.content.decode())
        assert shown.elements <= ELEMENTS
        assert not {name for name in shown.attributes if name.startswith("on")} | shown.attributes & {"style", "src"}
        assert all(re.match("/(?!/)|https?://", link) for link in shown.links)
        assert not set(DISGUISES) & set(response.text) - set("gnp.exe[31m")
        assert all(character.isprintable() or character == "\n" for character in response.text)
        assert len(response.content) < 500_000
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
        assert policy.pop("style-src").startswith("'sha256-")
        assert policy == {
            "default-src": "'none'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    evil = page(task, "/project/evil/")
    assert evil.parts["pre"][3].startswith(f"{MARKUP}\ufffdgnp.exe\ufffd\ufffd[31m")
    assert evil.parts["p"][0].startswith(f"{MARKUP}\ufffd")
    assert f"Python >=3{MARKUP}\ufffd" in evil.text
    # pip could not install what has such a name, and a shell would run it.
    assert "pip install" not in page(task, "/project/%24%28reboot%29%3B%60id%60/").text


ABOUT = """Summary: Numbers without gaps
License-Expression: MIT
Author-email: Ada <ada@example.com>
Project-URL: Source, https://git.example.com/demo
Project-URL: Trap, javascript:alert(1)
Requires-Dist: requests>=2
Requires-Dist: rich ; extra == 'color'
Description-Content-Type: text/markdown; charset=UTF-8

# Demo

Reads *invoices*, see [the manual](https://docs.example.com/).
"""


def test_a_page_says_what_a_package_says_of_itself(start_newest: StartTask, directory: Path) -> None:
    (directory / wheel("demo", "1.0")[0]).write_bytes(wheel("demo", "1.0", metadata=ABOUT)[1])
    task = start_newest(directory)
    shown = page(task, "/project/demo/")
    assert shown.parts["dt"] == ["Licence", "Author", "Python", "Links", "Requires"]
    for fact in ("MIT", "Ada <ada@example.com>", ">=3.8", "requests>=2", "rich ; extra == 'color'"):
        assert fact in shown.parts["bdi"], fact
    outside = [link for link in shown.links if link.startswith("http")]
    assert outside == ["https://docs.example.com/", "https://git.example.com/demo"]
    assert (shown.parts["h3"], shown.parts["em"]) == (["Demo"], ["invoices"])
    # The description comes before the list of versions, however long that is.
    assert shown.text.index("Reads invoices") < shown.text.index("Versions")


def test_a_withdrawn_project_says_so_first(start_newest: StartTask, directory: Path) -> None:
    (directory / wheel("demo", "1.0")[0]).write_bytes(wheel("demo", "1.0", metadata=ABOUT)[1])
    task = start_newest(directory)
    fields = {":action": "yank", "name": "demo", "version": "1.0", "reason": "loses <data>"}
    assert requests.post(task.url, data=fields, auth=PUBLISHER, timeout=60).status_code == 200
    shown = page(task, "/project/demo/")
    assert shown.text.index("Every release is yanked. loses <data>") < shown.text.index("pip install")


def test_errors_are_pages_for_people_alone(task: Task) -> None:
    for path, status in (("/project/absent/", 404), ("/packages/absent-1.0.tar.gz", 404), ("/a/b/c", 404)):
        response = task.get(path, headers=BROWSER)
        assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=UTF-8")
        assert Page(response.text).parts["h1"][0].startswith("Not Found")
        assert "Content-Security-Policy" in response.headers
        for headers in (PIP, {"Accept": "*/*"}):
            assert task.get(path, headers=headers).headers["Content-Type"] == "text/plain; charset=utf-8"
    response = task.get("/?q=", None, headers=BROWSER)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Basic realm="pypi"')
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "<script" not in task.get("/packages/<script>alert(1)</script>", headers=BROWSER).text


def test_dates_are_of_the_upload(start_newest: StartTask, directory: Path) -> None:
    task = start_newest(directory)
    before = datetime.now(UTC)
    task.upload(*wheel("demo", "1.0"))
    after = datetime.now(UTC)
    date = page(task, "/project/demo/").parts["bdi"][-1].split(" · ")[1]
    assert f"{before:%Y-%m-%d %H:%M UTC}" <= date <= f"{after:%Y-%m-%d %H:%M UTC}"
