"""Pages for people: who sees them, what they say, and that no package can say anything else there."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from .browsing import BROWSER, Page, page
from .conftest import StartTask
from .faults import Fault
from .hostile import DISGUISES, MARKUP, hostile
from .tasks import JSON_TYPE, PUBLISHER, READER, Task, sdist, sha256, wheel

PIP = {"Accept": f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"}
WELCOME = "The index for pip and uv is at"
DESCRIPTION = "# Demo\n\n    indented <as it was>\n\nGrüße\n"


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
