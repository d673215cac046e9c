"""The pages as Chromium shows them, on a desk and on a phone; a hostile package does nothing there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium, chromium

from .conftest import StartTask
from .hostile import hostile
from .tasks import READER, Task, sdist, wheel

pytestmark = pytest.mark.slow
SIZES = [(1000, 800), (360, 740)]
README = "# Invoices\n\n    from acme_invoices import Invoice\n\nNumbers without gaps.\n"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    program = shutil.which("chromium")
    assert program, "apt-get install chromium"
    home = tmp_path / "browser"
    home.mkdir()
    with chromium(program, home) as opened:
        yield opened


@pytest.fixture
def task(start_newest: StartTask, directory: Path) -> Task:
    text = f"Summary: Invoices with gapless numbers\n\n{README}"
    for version in ("1.9", "1.10", "2.0rc1"):
        for make in (wheel, sdist):
            name, content = make("acme_invoices", version, metadata=text)
            (directory / name).write_bytes(content)
    hostile(directory)
    return start_newest(directory)


def happened(browser: Chromium) -> list[object]:
    """Scripts' dialogues, and what the console complained of: what the policy blocked is there, too."""
    kinds = ("Page.javascriptDialogOpening", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    found: list[object] = [event for event in browser.events if event.get("method") in kinds]
    for event in browser.events:
        entry = event.get("params", {}).get("entry", {})
        if entry.get("level") in ("warning", "error") and "favicon" not in entry.get("url", ""):
            found.append(entry)
    return found


def requested(browser: Chromium) -> set[str]:
    urls = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    return {url for url in urls if not url.endswith("/favicon.ico")}


def test_a_person_logs_in_finds_a_project_and_reads_about_it(task: Task, browser: Chromium) -> None:
    for width, height in SIZES:
        # The browser sends what it was given only when it is asked.
        browser.open(f"{task.with_credentials(READER)}/", width, height)
        assert browser.value("document.querySelector('h1').innerText") == "Projects"
        browser.follow("q = document.querySelector('input'); q.value = 'INV'; q.form.requestSubmit()")
        assert browser.value("[...document.querySelectorAll('li a')].map(e => e.innerText)") == ["acme-invoices"]
        browser.follow("document.querySelector('li a').click()")
        assert browser.value("location.pathname") == "/project/acme-invoices/"
        assert browser.value("document.querySelector('[open] b').innerText").strip().endswith("1.10")
        assert browser.value("getComputedStyle(document.querySelector('[open] b'), '::before').content") == '"▾ "'
        # Others are folded, and open without scripts.
        old = "[...document.querySelectorAll('details')].at(-1)"
        assert browser.value(f"{old}.querySelector('code').checkVisibility()") is False
        browser.value(f"{old}.querySelector('summary').click()")
        assert browser.value(f"{old}.querySelector('code').checkVisibility()") is True
        assert README.strip() == browser.value("[...document.querySelectorAll('article pre')].at(-1).innerText")
    assert happened(browser) == []


def test_pages_fit_their_window_and_have_their_style(task: Task, browser: Chromium) -> None:
    paths = ["/", "/?q=nothing", "/project/acme-invoices/", "/project/evil/", f"/project/{'w' * 200}/"]
    for width, height in SIZES:
        for path in paths:
            browser.open(f"{task.with_credentials(READER)}{path}", width, height)
            browser.value("document.querySelectorAll('details').forEach(e => e.open = true)")
            assert browser.value("document.documentElement.scrollWidth") == width, path
            # The policy lets this style through, or the browser's own would have a margin of 8 pixels.
            assert browser.value("getComputedStyle(document.body).maxWidth") == "1088px"
            assert browser.value("getComputedStyle(document.querySelector('input')).fontSize") == "16px"
    for dark in (False, True):
        browser.open(f"{task.with_credentials(READER)}/", 1000, 800, dark=dark)
        text, link = (
            browser.value(f"getComputedStyle(document.querySelector('{element}')).color") for element in ("h1", "li a")
        )
        assert text == ("rgb(255, 255, 255)" if dark else "rgb(0, 0, 0)")
        assert link != text


def test_a_hostile_package_does_nothing(task: Task, browser: Chromium, tmp_path: Path) -> None:
    base = task.with_credentials(READER)
    browser.open(f"{base}/", 1000, 800)
    links: list[str] = browser.value("[...document.querySelectorAll('li a')].map(e => e.getAttribute('href'))")
    assert len(links) == 5
    asked = {f"{task.url}/"}
    for path in links:
        for width, height in SIZES:
            browser.open(base + path, width, height)
            assert browser.value("document.scripts.length + document.images.length") == 0
            assert browser.value("document.querySelectorAll('style').length") == 1
            # What it hides with a style of its own is there.
            assert browser.value("document.querySelector('h2').checkVisibility()") is True
            # A file's own text does not turn what the page says beside it.
            assert browser.value("getComputedStyle(document.querySelector('h2')).direction") == "ltr"
            browser.screenshot(tmp_path / "page.png")
        asked.add(browser.value("location.href"))
    assert happened(browser) == []
    assert requested(browser) <= asked | {f"{base}{path}" for path in (*links, "/")}


def test_the_policy_stops_what_would_slip_through(task: Task, browser: Chromium) -> None:
    browser.open(f"{task.with_credentials(READER)}/project/evil/", 1000, 800)
    browser.value(
        "document.body.insertAdjacentHTML('beforeend', '<img src=/x onerror=\"document.title=1\">');"
        "document.body.appendChild(document.createElement('script')).textContent = 'document.title=2';"
        "document.body.insertAdjacentHTML('beforeend', '<style>body{max-width:1px}</style><iframe src=/></iframe>')"
    )
    assert browser.value("document.title") == "evil"
    assert browser.value("getComputedStyle(document.body).maxWidth") == "1088px"
    blocked = [str(entry) for entry in happened(browser)]
    for directive in ("img-src", "script-src", "style-src", "frame-src"):
        assert any(directive in entry for entry in blocked), (directive, blocked)
