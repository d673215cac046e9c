"""An HTML validator and axe find nothing on any kind of page: light and dark, on a desk and on a phone.

html-validate's rules: https://html-validate.org/rules/presets.html; axe's: https://github.com/dequelabs/axe-core. Both are
npm's, of exact versions: `make .venv/pages`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from chromium import Chromium, chromium

from .hostile import hostile
from .tasks import PUBLISHER, READER, ROOT, Task, sdist, wheel

pytestmark = pytest.mark.slow
MODULES = ROOT / ".venv" / "pages" / "node_modules"
RULES = ["html-validate:standard", "html-validate:a11y", "html-validate:document"]
ABOUT = """\
Summary: Invoices with gapless numbers
License-Expression: MIT
Author-email: Ada <ada@example.com>
Project-URL: Source, https://git.example.com/demo
Requires-Dist: requests>=2
Description-Content-Type: text/markdown

# Invoices

## Use

1. one
2. two

- *some* **text**, `code`, [a link](https://docs.example.com/)

> quoted

| a | b |
|---|---|
| 1 | 2 |

```python
from acme import Invoice
```
"""
PATHS = [
    *("/", "/?q=", "/?q=acme&page=2", "/?q=nothing-has-this", "/?q=%22%3E%3Cscript%3E"),
    *("/project/acme-invoices/", "/project/acme-old/", "/project/acme-bad/", "/project/evil/", "/project/absent/"),
    *("/simple/", "/simple/acme-invoices/", "/simple/absent/", "/packages/", "/packages/absent-1.0.zip", "/a/b/c"),
    *("/at/2026-01-01/simple/", "/at/today/simple/", "/at/2026-01-01/simple/absent/"),
]
# Those of the simple index are for programs.
FOR_PEOPLE = [it for it in PATHS if not re.search("/(simple|packages)/$|/simple/acme", it) or "today" in it]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    home = tmp_path_factory.mktemp("audits")
    directory = home / "packages"
    directory.mkdir()
    for name in ("acme_invoices", "acme_old", "acme_bad", *(f"acme_{number}" for number in range(80))):
        for version in ("1.9", "1.10", "2.0rc1"):
            for make in (wheel, sdist):
                file, content = make(name, version, metadata=ABOUT)
                (directory / file).write_bytes(content)
    hostile(directory)
    running = Task(Path(sys.executable), directory, home / "task", {})
    running.wait_until_ready()
    for fields in (
        {":action": "yank", "name": "acme-invoices", "version": "1.9", "reason": "loses <data>"},
        {":action": "yank", "name": "acme-old", "version": "1.10", "reason": ""},
        {":action": "status", "name": "acme-old", "status": "deprecated", "reason": "superseded"},
        {":action": "status", "name": "acme-bad", "status": "quarantined", "reason": "stolen"},
    ):
        assert requests.post(running.url, data=fields, auth=PUBLISHER, timeout=60).status_code == 200
    yield running
    running.kill()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = shutil.which("chromium")
    assert program, "apt-get install chromium"
    with chromium(program, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def validated(directory: Path) -> list[tuple[str, str, int, str]]:
    """File, rule, line and message of each finding on the pages in `directory`."""
    program = MODULES / ".bin" / "html-validate"
    assert program.exists(), "make .venv/pages"
    (directory / ".htmlvalidate.json").write_text(json.dumps({"root": True, "extends": RULES}))
    report = directory / "report.json"
    # To a file: node ends before a pipe has taken more than it holds.
    with report.open("wb") as output:
        names = sorted(it.name for it in directory.glob("*.html"))
        done = subprocess.run([program, "--formatter", "json", *names], cwd=directory, stdout=output, check=False)
    assert done.returncode in (0, 1)
    return [
        (Path(file["filePath"]).name, it["ruleId"], it["line"], it["message"])
        for file in json.loads(report.read_text())
        for it in file["messages"]
    ]


def test_the_validator_finds_nothing(task: Task, tmp_path: Path) -> None:
    accept = {"Accept": "text/html"}
    pages = {path: task.get(path, READER, headers=accept) for path in PATHS}
    pages["unauthorized"] = task.get("/", None, headers=accept)
    pages["welcome"] = task.get("/", None)
    for number, (path, response) in enumerate(pages.items()):
        assert response.headers["Content-Type"].lower() == "text/html; charset=utf-8", path
        (tmp_path / f"{number}.html").write_bytes(response.content)
    assert {response.status_code for response in pages.values()} == {200, 400, 401, 404}
    assert [(list(pages)[int(it[0].partition(".")[0])], *it[1:]) for it in validated(tmp_path)] == []


def test_the_validator_sees_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "wrong.html").write_text("<!DOCTYPE html><html lang=en><title>x</title><p><div></p><img src=x></html>")
    assert {"close-order", "wcag/h37"} <= {it[1] for it in validated(tmp_path)}


def found(browser: Chromium) -> list[tuple[str, str]]:
    """What axe finds on the open page, by rule and element; below 600 pixels of width too."""
    source = MODULES / "axe-core" / "axe.min.js"
    assert source.exists(), "make .venv/pages"
    browser.value(source.read_text())
    browser.value("document.querySelectorAll('details').forEach(it => it.open = true)")
    result: dict[str, Any] = browser.call(
        "Runtime.evaluate",
        expression="axe.run().then(it => it.violations.flatMap(v => v.nodes.map(n => [v.id, n.html])))",
        awaitPromise=True,
        returnByValue=True,
    )["result"]
    return [(rule, html) for rule, html in result["value"]]


@pytest.mark.parametrize(("width", "height"), [(1000, 800), (360, 740)], ids=["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(task: Task, browser: Chromium, width: int, height: int, dark: bool) -> None:
    for path in FOR_PEOPLE:
        browser.open(f"{task.with_credentials(READER)}{path}", width, height, dark=dark)
        assert browser.value("document.querySelector('h1').innerText"), path
        assert found(browser) == [], path


def test_axe_sees_what_is_wrong(task: Task, browser: Chromium) -> None:
    browser.open(f"{task.with_credentials(READER)}/", 1000, 800)
    browser.value("document.querySelector('h1').style.color = '#eee'; document.querySelector('input').ariaLabel = ''")
    assert "color-contrast" in {rule for rule, _ in found(browser)}
