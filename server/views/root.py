"""`/simple/`: the projects, as HTML (PEP 503) and JSON (PEP 691), rendered once per content."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from html import escape
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from server.store.packages import Packages
from server.store.serials import Serials
from server.views.listings import (
    JSON_TYPE,
    PATIENCE_SECONDS,
    RECHECK_SECONDS,
    Body,
    document_of,
    negotiate,
    page,
    respond,
    serial_header,
)
from server.wire.calls import Calls
from server.wire.messages import Awaited, Environ, Response


class Form(NamedTuple):
    """The index's count when it was rendered; `serial` is None if none was requested.

    It was started at `began` of the monotonic clock, and is current for everyone who asked before.
    """

    counted: int
    began: float
    body: Body
    serial: int | None
    # When the oldest file of each project was uploaded, in ns since 1970, by name in order.
    first_ns: Mapping[str, int] = MappingProxyType({})


class Root:
    def __init__(self, packages: Packages) -> None:
        self._index = packages.index
        self._serials = Serials(packages)
        # One request renders for all that ask meanwhile: it takes long and much memory.
        self._calls = Calls(1)
        self._html: Form | None = None
        self._json: Form | None = None

    def respond(self, environ: Environ) -> Response:
        """Raises OSError if a directory or file cannot be read, and Awaited."""
        content_type = negotiate(environ.get("HTTP_ACCEPT", ""))
        form = self.current(environ, is_json=content_type == JSON_TYPE)
        return respond(form.body, content_type, environ, *serial_header(form.serial))

    def current(self, environ: Environ, *, is_json: bool) -> Form:
        """Raises OSError if a directory or file cannot be read, and Awaited."""
        form = self._json if is_json else self._html
        if form is None or form.began < environ["server.arrived"]:
            self._index.refresh()
            counted = self._index.changes if is_json else self._index.projects_generation
            # A mark by another task changes nothing in the directory itself.
            is_old = is_json and form is not None and time.monotonic() > form.began + RECHECK_SECONDS
            if form is None or form.counted != counted or is_old:
                render = self._render_json if is_json else self._render_html
                raise Awaited(self._calls.wait(is_json, render, PATIENCE_SECONDS))
        return form

    def as_of(self, form: Form, ends: int, environ: Environ) -> Response:
        """Only the projects that had a file before `ends`, in seconds since 1970; `form` is JSON's."""
        names = [name for name, first_ns in form.first_ns.items() if first_ns < ends * 10**9]
        content_type = negotiate(environ.get("HTTP_ACCEPT", ""))
        if content_type == JSON_TYPE:
            return respond(document_of({"projects": [{"name": name} for name in names]}, None), content_type, environ)
        return respond(_in_html(names), content_type, environ)

    def _render_html(self) -> None:
        began = time.monotonic()
        self._index.refresh()
        counted = self._index.projects_generation
        self._html = Form(counted, began, _in_html(sorted(self._index.projects())), None)

    def _render_json(self) -> None:
        """With serials, for mirrors. Each project's takes one call for each file that has changed."""
        began = time.monotonic()
        self._index.refresh()
        counted = self._index.changes
        found = dict(sorted(self._serials.of_all().items()))
        # A project that is gone leaves its trace only in the directory.
        serial = max(self._index.changed_ns // 1000, *(it.serial for it in found.values()), 0)
        projects = [{"_last-serial": it.serial, "name": name} for name, it in found.items()]
        first_ns = {name: it.first_ns for name, it in found.items()}
        self._json = Form(counted, began, document_of({"projects": projects}, serial), serial, first_ns)


def _in_html(names: Iterable[str]) -> Body:
    links = (f'        <a href="{quote(name)}/">{escape(name)}</a><br>\n' for name in names)
    return Body(page("Simple Index", links))
