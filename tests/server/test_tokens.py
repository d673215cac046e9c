"""Tokens: each does what it may, to the projects that it names, until it ends; and nothing else."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import re
import time
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from requests import Request

from server.accounts.access import Access
from server.accounts.tokens import entries_of
from server.application import Application
from server.settings import Settings
from server.wire.messages import Environ, Later, Refusal, Response, Work

from .entries import SECRET, entry, with_token
from .tasks import READER, basic, environment_of, sdist, visible, wheel

NUMBERS = count()
Change = dict[str, Any]


def content_of(file: IO[bytes], _block_bytes: int = 0) -> list[bytes]:
    with file:
        return [file.read()]


class Local:
    """The application without a server around it."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.application = Application(Settings.from_environment(environment_of(directory, 1, **environment)))
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        while self.ask("GET", "/health", None).status != 200:
            time.sleep(0.05)

    def give(self, *entries: object) -> None:
        self.application.access.take({"TOKENS": {"AWSCURRENT": json.dumps(entries)}})

    def ask(
        self,
        method: str,
        target: str,
        account: tuple[str, str] | None,
        body: bytes = b"",
        content_type: str = "",
        **more: str,
    ) -> Response:
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "x",
            "SERVER_PORT": "1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "server.arrived": time.monotonic(),
            "wsgi.input": io.BytesIO(body),
            "wsgi.file_wrapper": content_of,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": content_type,
            **more,
        }
        if account:
            environ["HTTP_AUTHORIZATION"] = basic(account)
        answer = self.application.admit(environ)
        if isinstance(answer, Work):
            performed = self.application.perform(answer.call, environ)
            while not isinstance(performed, Response):
                if isinstance(performed, Later):
                    performed.ready.exception(60)
                further = performed.finish if isinstance(performed, Later) else performed.call
                performed = self.application.perform(further, environ)
            answer = performed
        return answer._replace(body=[b"".join(answer.body)])

    def post(self, account: tuple[str, str], fields: dict[str, str], file: tuple[str, bytes] | None = None) -> Response:
        request = Request("POST", "http://x/", data=fields, files={"content": file} if file else None).prepare()
        assert isinstance(request.body, str | bytes)
        body = request.body if isinstance(request.body, bytes) else request.body.encode()
        return self.ask("POST", "/", account, body, request.headers["Content-Type"])


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Local:
    directory = tmp_path_factory.mktemp("packages")
    for name, content in (
        wheel("acme_one", "1.0"),
        sdist("acme.two", "1.0"),
        wheel("other", "1.0"),
        sdist("o-acme", "1.0"),
    ):
        (directory / name).write_bytes(content)
    (directory / "below").mkdir()
    name, content = sdist("other", "2.0")
    (directory / "below" / name).write_bytes(content)
    # A directory called as a package of another project.
    (directory / "acme-1-1.0.tar.gz").mkdir()
    (directory / "acme-1-1.0.tar.gz" / name).write_bytes(content)
    return Local(directory, IMMUTABLE_PACKAGES="false")


ONE = {
    # Of which project the answer tells; paths as clients and attackers spell them.
    "/simple/acme-one/": "acme-one",
    "/simple/Acme_One/": "acme-one",
    "/simple/acme-one": "acme-one",
    "/simple/acme-two/": "acme-two",
    "/simple/acme-absent/": "acme-absent",
    "/simple/other/": "other",
    "/simple/OTHER": "other",
    "/simple/o-acme/": "o-acme",
    "/simple/json/": "json",
    "/at/2026-01-01/simple/acme-one/": "acme-one",
    "/at/2026-01-01/simple/other/": "other",
    "/acme-one/json": "acme-one",
    "/other/json": "other",
    "/pypi/acme-one/json": "acme-one",
    "/pypi/other/json": "other",
    "/pypi/Acme.One/1.0/json": "acme-one",
    "/pypi/other/1.0/json": "other",
    "/project/acme-one/": "acme-one",
    "/project/other": "other",
    "/project/json": "project",
    "/packages/acme_one-1.0-py3-none-any.whl": "acme-one",
    "/packages/acme_one-1.0-py3-none-any.whl.metadata": "acme-one",
    "/packages/acme.two-1.0.tar.gz": "acme-two",
    "/packages/other-1.0-py3-none-any.whl": "other",
    "/packages/other-1.0-py3-none-any.whl.metadata": "other",
    "/packages/below/other-2.0.tar.gz": "other",
    "/packages/acme-1-1.0.tar.gz/other-2.0.tar.gz": "other",
    "/packages/acme-one/../other-1.0-py3-none-any.whl": "other",
}
ALL = [
    *("/at/2026-01-01/simple/", "/at/2026-01-01/packages/other"),
    *("/simple/", "/simple", "/packages/", "/packages", "/?q=", "/?q=acme", "/packages/acme-one/", "/packages/README"),
    *("/packages/.upstream/acme-one/x", "/a/b/c", "/simple/acme-one/x", "/simple//", "/project//"),
]
PATTERNS = st.lists(
    st.sampled_from(["acme-*", "acme-one", "Acme_Two", "acme.two", "*", "*acme", "other", "o*", "acme", "*-*", "json"]),
    min_size=1,
    max_size=3,
    unique=True,
)


def covers(patterns: list[str], project: str) -> bool:
    return any(fnmatchcase(project, re.sub(r"[-_.]+", "-", it).lower()) for it in patterns)


@given(
    may=st.sampled_from(["read", "upload"]),
    patterns=PATTERNS,
    hours=st.sampled_from([None, 1.0, -1.0, -0.001]),
    method=st.sampled_from(["GET", "HEAD"]),
)
@example(may="upload", patterns=["acme-*"], hours=1.0, method="GET")
@examples(deadline=None, max_examples=60)
def test_what_a_token_reads(local: Local, may: str, patterns: list[str], hours: float | None, method: str) -> None:
    local.give(entry(may=may, projects=patterns, hours=hours))
    for target in (*ONE, *ALL):
        answer = local.ask(method, target, with_token())
        status = answer.status
        if hours is not None and hours < 0:
            expected = 401
        elif "*" in patterns or (target in ONE and covers(patterns, ONE[target])):
            expected = local.ask(method, target, READER).status
        else:
            expected = 403
            assert ("this shows others" in answer.reason) == (target in ALL), (target, answer.reason)
        assert (target, status) == (target, expected)
    assert local.ask(method, "/simple/acme-one/", with_token(SECRET + "x")).status == 401
    assert local.ask(method, "/simple/acme-one/", ("__token__", "")).status == 401


@given(
    may=st.sampled_from(["read", "upload"]),
    patterns=PATTERNS,
    hours=st.sampled_from([None, 1.0, -1.0]),
    project=st.sampled_from(["acme-one", "acme_two", "other", "json", "acme"]),
    claimed=st.sampled_from([None, "acme-one", "other"]),
    kind=st.sampled_from([wheel, sdist]),
)
@examples(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_what_a_token_stores(
    local: Local, may: str, patterns: list[str], hours: float | None, project: str, claimed: str | None, kind: Any
) -> None:
    """The file that is stored decides, not what the form says of it."""
    local.give(entry(may=may, projects=patterns, hours=hours))
    name, content = kind(project.replace("-", "_"), f"7.{next(NUMBERS)}")
    normalized = project.replace("_", "-")
    fields = {":action": "file_upload"} | ({"name": claimed} if claimed else {})
    before = visible(local.directory)
    status = local.post(with_token(), fields, (name, content)).status
    if hours is not None and hours < 0:
        assert status == 401
    elif may == "read" or not covers(patterns, normalized):
        assert status == 403
    else:
        assert status == (200 if claimed in (None, normalized) else 400)
    assert set(visible(local.directory)) - set(before) == ({name} if status == 200 else set())


@pytest.mark.parametrize(
    "action",
    ["remove_pkg", "yank", "unyank", "doc_upload", "list_classifiers", "", "file_upload\r\n"],
)
@pytest.mark.parametrize("projects", [["acme-*"], ["*"]])
def test_a_token_changes_nothing_but_by_uploads(local: Local, action: str, projects: list[str]) -> None:
    local.give(entry(may="upload", projects=projects))
    before = visible(local.directory)
    fields = {":action": action, "name": "acme-one", "version": "1.0"}
    assert local.post(with_token(), fields).status == 403
    assert local.post(with_token(), fields, sdist("acme_one", "9.0")).status == 403
    assert visible(local.directory) == before


def test_a_token_cannot_say_that_it_uploaded_earlier(local: Local) -> None:
    """Or what it uploads would pass whoever excludes what is new."""
    local.give(entry(may="upload", projects=["*"]))
    before = visible(local.directory)
    fields = {":action": "file_upload", "upload_time": "2021-03-04T05:06:07Z"}
    assert local.post(with_token(), fields, sdist("acme_one", "9.0")).status == 403
    assert visible(local.directory) == before


@pytest.mark.parametrize("stored", [True, False])
def test_a_refused_upload_does_not_tell_what_is_stored(local: Local, stored: bool) -> None:
    local.give(entry(may="upload"))
    upload = wheel("other", "1.0") if stored else wheel("other", "9.9")
    answer = local.post(with_token(), {":action": "file_upload"}, upload)
    assert (answer.status, list(answer.body)) == (403, [b"__token__:ci has no access to the project other.\n"])


VALID = entry(name="a.b_c-1", hours=1)
CHANGES: list[Change] = [
    *({"name": name} for name in ("", "a b", "a:b", "a\n", "é", "-a", "a" * 64, 7)),
    *({"sha256": it} for it in ("0" * 63, "0" * 64 + "\n", VALID["sha256"].upper(), None, ["0" * 64])),
    *({"may": may} for may in ("admin", ["read"], None)),
    *({"projects": it} for it in ([], "acme", [""], ["a,b"], [7], ["a b"], ["[a]"], {"*": 1}, None)),
    *({"expires": it} for it in (4e9, "2099-01-01", "", "2099-01-01T00:00:00")),
    {"networks": []},
]
WRONG: list[object] = [
    None,
    {},
    "x",
    [VALID, None],
    [VALID, "x"],
    [VALID, []],
    [VALID, VALID],
    [VALID, VALID | {"name": "other"}],
    [VALID, entry(name="a.b_c-1", token="another")],
    *([{**VALID, **change}] for change in CHANGES),
    *([{key: value for key, value in VALID.items() if key != missing}] for missing in VALID),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_list_with_one_wrong_entry_is_refused_as_a_whole(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"^(it is not a JSON list|its entry \d)") as raised:
        entries_of(json.dumps(wrong))
    assert VALID["sha256"] not in str(raised.value)


@pytest.mark.parametrize("text", [None, "", "no json", "[" * 60_000, "[1", '["a"]'])
def test_junk_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match=r"^it"):
        entries_of(text)


@given(st.data())
def test_whatever_is_changed_in_an_entry_it_is_refused_or_is_no_more_than_it_says(data: st.DataObject) -> None:
    changed = copy.deepcopy(VALID)
    key = data.draw(st.sampled_from(sorted(changed)))
    changed[key] = data.draw(
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(max_size=5), max_size=3)
    )
    try:
        (token,) = entries_of(json.dumps([changed])).tokens.values()
    except ValueError:
        return
    assert token.grant.name == f"__token__:{changed['name']}"
    assert token.grant.may_upload is (changed["may"] == "upload")
    if "*" not in changed["projects"]:
        assert token.grant.projects is not None
        assert ("acme-one" in token.grant.projects) is covers(changed["projects"], "acme-one")


def test_an_upload_that_began_in_time_may_finish() -> None:
    """For whoever asks a minute after the token's end, it depends on when the request arrived."""
    access = Access([])
    ended = (datetime.now(UTC) - timedelta(seconds=60)).isoformat()
    digest = hashlib.sha256(b"secret").hexdigest()
    entry = {"name": "ci", "sha256": digest, "may": "upload", "projects": ["*"], "expires": ended}
    access.take({"TOKENS": {"AWSCURRENT": json.dumps([entry])}})
    environ: Environ = {"HTTP_AUTHORIZATION": basic(("__token__", "secret")), "server.arrived": time.monotonic() - 120}
    assert access.authenticate(environ)
    with pytest.raises(Refusal):
        access.authenticate({**environ, "server.arrived": time.monotonic()})
