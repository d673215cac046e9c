"""Tokens: each does what it may, to the projects that it names, until it ends; and nothing else."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
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
from secrets_manager import SecretsManager, secrets_manager

from server.accounts.access import Access
from server.accounts.tokens import entries_of
from server.application import Application
from server.settings import Settings
from server.wire.messages import Environ, Later, Refusal, Response, Work

from .conftest import StartTask
from .tasks import JSON_TYPE, PUBLISHER, READER, Task, basic, becomes, environment_of, sdist, visible, wheel

SECRET = "pypiserver-token"
NUMBERS = count()
Change = dict[str, Any]


def entry(name: str = "ci", *, token: str = SECRET, may: str = "read", hours: float | None = 1, **more: Any) -> Any:
    expires = None if hours is None else (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name, "sha256": digest, "may": may, "projects": ["acme-*"], "expires": expires, **more}


def with_token(token: str = SECRET) -> tuple[str, str]:
    return "__token__", token


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


@pytest.fixture(scope="module")
def manager() -> Iterator[SecretsManager]:
    with secrets_manager() as manager:
        yield manager


@pytest.fixture
def arn(manager: SecretsManager) -> str:
    return manager.create(f"tokens-{next(NUMBERS)}", "[]")


def with_tokens(start: StartTask, directory: Path, manager: SecretsManager, arn: str, **environment: str) -> Task:
    for name, content in (wheel("acme_one", "1.0"), wheel("other", "1.0")):
        (directory / name).write_bytes(content)
    return start(directory, GUNICORN_WORKERS="2", **manager.environment(TOKENS_SECRET=arn), **environment)


def test_a_token_works_until_it_is_revoked_and_the_log_has_its_name_alone(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str
) -> None:
    task = with_tokens(start_newest, directory, manager, arn)
    assert task.get("/simple/acme-one/", with_token()).status_code == 401
    manager.put(arn, [entry("deploy", may="upload"), entry("other", token="another")])
    becomes(200, lambda: task.get("/simple/acme-one/", with_token()).status_code)
    assert task.get("/simple/other/", with_token()).status_code == 403
    assert task.upload(*wheel("acme_one", "2.0"), account=with_token()).status_code == 200
    assert task.upload(*wheel("other", "2.0"), account=with_token()).status_code == 403
    upload, refusal = task.changes()
    assert (upload["change"], upload["user"], upload["file"]) == (
        "upload",
        "__token__:deploy",
        wheel("acme_one", "2.0")[0],
    )
    assert (refusal["change"], refusal["user"]) == ("refusal", "__token__:deploy")
    # What nobody understands takes nothing away, and adds nothing.
    manager.put(arn, [entry("deploy"), {"name": "x"}])
    becomes(1, lambda: task.errors.read_text().count("its entry 2 is none that docs/tokens.md describes"))
    assert task.upload(*wheel("acme_one", "3.0"), account=with_token()).status_code == 200
    manager.put(arn, [entry("other", token="another")])
    becomes(401, lambda: task.get("/simple/acme-one/", with_token()).status_code)
    assert task.get("/simple/acme-one/", with_token("another")).status_code == 200
    assert task.get("/simple/acme-one/", READER).status_code == 200
    everything = task.log.read_text() + task.errors.read_text()
    assert SECRET not in everything
    assert entry()["sha256"] not in everything


@pytest.mark.slow
def test_a_revoked_token_is_refused_under_load_and_no_other_is(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str
) -> None:
    """By clients that ask one request after another; once the last of the processes knows, no request gets through."""
    manager.put(arn, [entry("leaked"), entry("other", token="another")])
    task = with_tokens(start_newest, directory, manager, arn)
    statuses: dict[str, list[int]] = {SECRET: [], "another": []}
    ends = threading.Event()

    def ask(token: str) -> None:
        while not ends.is_set():
            statuses[token].append(task.get("/simple/acme-one/", with_token(token)).status_code)

    threads = [threading.Thread(target=ask, args=(token,)) for token in statuses for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        becomes(True, lambda: len(statuses[SECRET]) > 50)
        manager.put(arn, [entry("other", token="another")])
        becomes({401}, lambda: set(statuses[SECRET][-100:]))
    finally:
        ends.set()
        for thread in threads:
            thread.join()
    assert set(statuses["another"]) == {200}
    assert set(statuses[SECRET]) == {200, 401}


def test_an_end_needs_nothing_but_the_clock(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str
) -> None:
    manager.put(arn, [entry(hours=6 / 3600)])
    environment = manager.environment(TOKENS_SECRET=arn) | {"POLL_SECONDS": "3600"}
    (directory / wheel("acme_one", "1.0")[0]).write_bytes(wheel("acme_one", "1.0")[1])
    task = start_newest(directory, **environment)
    assert task.get("/simple/acme-one/", with_token()).status_code in (200, 401), "a busy machine may be late"
    becomes(401, lambda: task.get("/simple/acme-one/", with_token()).status_code)
    assert "expired" in task.get("/simple/acme-one/", with_token()).text


def test_as_many_tokens_as_a_secret_holds(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str
) -> None:
    entries = [entry(f"token-{number}", token=f"t{number}") for number in range(320)]
    text = json.dumps(entries, separators=(",", ":"))
    assert 56_000 < len(text) <= 65_536
    manager.put(arn, text)
    task = with_tokens(start_newest, directory, manager, arn)
    assert {task.get("/simple/acme-one/", with_token(f"t{number}")).status_code for number in (0, 160, 319)} == {200}


@pytest.mark.slow
def test_pip_uv_and_twine_take_a_token(
    start_newest: StartTask, directory: Path, manager: SecretsManager, arn: str, tmp_path: Path
) -> None:
    manager.put(arn, [entry("deploy", may="upload"), entry("install", token="reads")])
    task = with_tokens(start_newest, directory, manager, arn)

    def run(*words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
        )
        assert (done.returncode == 0) is (status == 0), done.stdout + done.stderr
        return done.stdout + done.stderr

    name, content = sdist("acme_two", "1.0")
    (tmp_path / name).write_bytes(content)
    twine = ("twine", "upload", "--non-interactive", "--disable-progress-bar", "--repository-url", task.url + "/")
    run(*twine, "-u", "__token__", "-p", SECRET, name)
    assert "may not upload" in run(*twine, "-u", "__token__", "-p", "reads", name, status=1)
    name, content = wheel("other", "5.0")
    (tmp_path / name).write_bytes(content)
    assert "has no access to the project other" in run(*twine, "-u", "__token__", "-p", SECRET, name, status=1)
    name, content = wheel("acme_two", "2.0")
    (tmp_path / name).write_bytes(content)
    run("uv", "publish", "--publish-url", task.url + "/", "--token", SECRET, name)
    index = f"{task.with_credentials(with_token('reads'))}/simple/"
    run("pip", "download", "--no-deps", "--index-url", index, "-d", "by-pip", "acme-one")
    run("pip", "download", "--no-deps", "--index-url", index, "-d", "by-pip", "other", status=1)
    run("uv", "pip", "install", "--no-deps", "--target", "by-uv", "--index-url", index, "acme-two")
    assert (tmp_path / "by-uv" / "acme_two.py").exists()
    assert sorted(path.name for path in (tmp_path / "by-pip").iterdir()) == [wheel("acme_one", "1.0")[0]]
    assert JSON_TYPE
    assert PUBLISHER[1] not in task.log.read_text()


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
