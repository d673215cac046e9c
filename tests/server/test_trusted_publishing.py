"""Uploads without a password, as clients and strangers ask for them: two tasks, and issuers in the world outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from custom_resource import serving
from secrets_manager import SecretsManager, secrets_manager

from generator.local.proxy import certificate_in, proxy

from .clients import pip_install
from .issuers import (
    AUDIENCE,
    BURN,
    MINT,
    answers,
    by,
    claims_of,
    key,
    outside,
    publish,
    published,
    publisher,
    sent_by,
    signed,
)
from .libraries import library
from .tasks import Task, becomes, free_port, staged, status_of, wait_for, wheel
from .upstream.playing import INDEX, Index, World, certificate_below, send

ISSUER, OTHER, AWS = (f"https://{INDEX}/{name}" for name in ("github", "gitlab", "aws"))
ROLE = "arn:aws:iam::123456789012:role/publish-acme"


class Place(NamedTuple):
    """Two tasks on one directory; `issuers` answers for the issuers."""

    tasks: tuple[Task, Task]
    issuers: Index
    manager: SecretsManager
    arn: str
    world: World


def minted(task: Task, **more: object) -> str:
    answer = sent_by(task, MINT, signed(claims_of(ISSUER, **more)))
    assert answer.status_code == 200, answer.text + task.errors.read_text()
    return str(answer.json()["token"])


ENTRIES = [
    publisher("release", ISSUER),
    publisher("twin", OTHER),
    publisher("role", AWS, claims={"sub": "arn:aws:iam::123456789012:role/publish-*"}),
    *(
        publisher(name, f"https://{INDEX}/{name}")
        for name in (
            *("another-issuer", "another-host", "no-tls", "a-file", "nothing", "redirect", "giant", "no-json", "error"),
            *("silent", "rotates"),
        )
    ),
]


@pytest.fixture(scope="module")
def place(newest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("place")
    (home / "packages").mkdir()
    certificate = certificate_below(home)
    index = Index(certificate)
    world = World(home / "outside", index.port)
    for issuer in (ISSUER, OTHER, AWS):
        publish(index, issuer, published(key(issuer)))
    publish(index, ISSUER, published(key()))
    with secrets_manager() as manager:
        arn = manager.create(f"publishers-{uuid.uuid4()}", ENTRIES)
        environment = {
            **manager.environment(TOKENS_SECRET=arn),
            **outside(world, manager),
            "AUDIENCE": AUDIENCE,
            "SSL_CERT_FILE": str(certificate[0]),
            "LD_PRELOAD": str(library("outside")),
            "OUTSIDE": str(world.path),
        }
        tasks = [Task(newest_image, home / "packages", home / name, environment) for name in ("one", "two")]
        try:
            for task in tasks:
                task.wait_until_ready()
            yield Place((tasks[0], tasks[1]), index, manager, arn, world)
        finally:
            for task in tasks:
                task.kill()
            index.stop()


def test_a_job_publishes_what_its_publisher_may_at_any_task_and_the_log_says_which(place: Place) -> None:
    one, two = place.tasks
    assert one.get("/_/oidc/audience", None).json() == {"audience": AUDIENCE}
    token = minted(one, jti="run-7")
    name, content = wheel("acme_one", "1.0")
    assert two.upload(name, content, account=by(token)).status_code == 200
    assert one.get("/simple/acme-one/", by(token)).status_code == 200
    name, content = wheel("other", "1.0")
    assert two.upload(name, content, account=by(token)).status_code == 403
    assert one.get("/simple/", by(token)).status_code == 403
    (mint,) = [it for it in one.changes() if it["change"] == "mint" and "run-7" in it["reason"]]
    (upload,) = [it for it in two.changes() if it["change"] == "upload"]
    assert upload["user"] == mint["user"]
    assert mint["user"].startswith("__token__:release:")
    assert json.loads(mint["reason"])["sub"] == "repo:octo/acme:environment:release"
    assert token not in one.log.read_text() + two.log.read_text()


def test_a_token_of_ci_is_exchanged_once_at_whichever_task(place: Place) -> None:
    one, two = place.tasks
    token = signed(claims_of(ISSUER))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda task=task: statuses.append(sent_by(task, MINT, token).status_code))
        for task in (one, two) * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [422] * 7
    assert "used before" in sent_by(two, MINT, token).text


def test_a_burnt_token_is_burnt_at_every_task_and_so_is_no_other(place: Place) -> None:
    one, two = place.tasks
    token, other = minted(one), minted(two)
    for junk in ("pypi-junk", token + "x", ""):
        assert sent_by(one, BURN, junk).status_code == 202
    assert two.get("/simple/acme-x/", by(token)).status_code == 404
    assert sent_by(one, BURN, token).status_code == 202
    assert [task.get("/simple/acme-x/", by(token)).status_code for task in (one, two)] == [401, 401]
    assert two.upload(*wheel("acme_burnt", "1.0"), account=by(token)).status_code == 401
    assert two.get("/simple/acme-x/", by(other)).status_code == 404
    assert [it["change"] for it in one.changes()][-1] == "burn"


def test_an_upload_whose_token_is_burnt_meanwhile_publishes_nothing(place: Place) -> None:
    """Otherwise a thief could begin uploads, and finish them days after the theft was discovered."""
    one, two = place.tasks
    token = minted(one)
    name, content = wheel("acme_slow", "1.0", os.urandom(300_000))
    connection, tail = one.begin_upload(name, len(content), account=by(token))
    connection.sendall(content)
    assert wait_for(lambda: staged(one.directory))
    assert sent_by(two, BURN, token).status_code == 202
    connection.sendall(tail)
    assert status_of(connection) == 401
    assert one.get("/simple/acme-slow/").status_code == 404
    (refusal,) = [it for it in one.changes() if it["change"] == "refusal" and it["file"] == name]
    assert "revoked" in refusal["reason"]


def test_what_proves_nothing_gets_nothing(place: Place) -> None:
    one, _ = place.tasks
    attempts = {
        "another issuer's key under the same name": signed(claims_of(ISSUER), key(OTHER)),
        "a key that nobody published": signed(claims_of(ISSUER), key("attacker"), jku=f"{OTHER}/keys"),
        "an issuer that nobody trusts": signed(claims_of(f"https://{INDEX}/evil")),
        "PyPI's": signed(claims_of(ISSUER, aud="pypi")),
        "a fork's": signed(claims_of(ISSUER, repository="evil/acme", repository_id="9", repository_owner_id="8")),
        "a pull request's": signed(claims_of(ISSUER, event_name="pull_request_target")),
        "of a time that no float holds": signed(claims_of(ISSUER, exp=10**400)),
    }
    before = len(place.issuers.asked)
    for what, token in attempts.items():
        answer = sent_by(one, MINT, token)
        assert (answer.status_code, "token" in answer.json()) == (422, False), what
        (error,) = answer.json()["errors"]
        assert error["code"] in ("invalid-token", "invalid-publisher")
        assert error["description"] == answer.json()["message"]
        assert "octo" not in answer.text, "who is trusted is nobody's business"
    assert not [path for path in place.issuers.asked[before:] if "evil" in path]
    for body in (b"", b"x", b"[]", b"{}", b'{"token": 7}', b"[" * 9000, b"x" * 40_000, b"\xff"):
        assert requests.post(one.url + MINT, data=body, timeout=60).status_code in (413, 422)
    assert requests.post(one.url + MINT, data=iter([b"{}"]), timeout=60).status_code == 413
    assert one.get(MINT, None).status_code == 401
    assert requests.post(one.url + "/_/oidc/other", timeout=60).status_code == 405


LIES: dict[str, dict[str, object]] = {
    "another-issuer": {"issuer": "https://evil.test"},
    "another-host": {"jwks_uri": "https://other.test/another-host/keys"},
    "no-tls": {"jwks_uri": f"http://{INDEX}/no-tls/keys"},
    "a-file": {"jwks_uri": "file:///etc/passwd"},
    "nothing": {"jwks_uri": None},
    "redirect": {},
    "giant": {},
    "no-json": {},
    "error": {},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_issuer_says_itself_where_its_keys_are_and_has_them_at_home(place: Place, lie: str) -> None:
    one, _ = place.tasks
    issuer = f"https://{INDEX}/{lie}"
    publish(place.issuers, issuer, published(key()), **LIES[lie])
    keys = {"keys": [published(key())]}
    place.issuers.answers["/elsewhere"] = answers(keys)
    odd = {
        "redirect": answers(b"", 302, Location=f"https://{INDEX}/elsewhere"),
        "giant": answers({**keys, "more": "x" * 300_000}),
        "no-json": answers(b"[" * 9000),
        "error": answers(keys, 500),
    }
    if lie in odd:
        place.issuers.answers[f"/{lie}/keys"] = odd[lie]
    answer = sent_by(one, MINT, signed(claims_of(issuer)))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert answer.json()["errors"][0]["code"] == "issuer-unreachable"


def test_an_issuer_that_is_silent_stops_its_own_jobs_alone_and_holds_no_thread(place: Place) -> None:
    one, _ = place.tasks
    known = minted(one)
    released = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        released.wait(60)

    place.issuers.answers["/silent/.well-known/openid-configuration"] = silent
    statuses: list[int] = []
    tokens = [signed(claims_of(f"https://{INDEX}/silent")) for _ in range(100)]
    threads = [
        threading.Thread(target=lambda token=token: statuses.append(sent_by(one, MINT, token).status_code))
        for token in tokens
    ]
    for thread in threads:
        thread.start()
    try:
        assert one.get("/health", None).status_code == 200
        assert one.get("/simple/").status_code == 200
        assert one.get("/simple/acme-x/", by(known)).status_code == 404
        assert minted(one)
        assert one.upload(*wheel("acme_meanwhile", "1.0"), account=by(known)).status_code == 200
        assert len(statuses) < len(tokens), "some still wait"
    finally:
        released.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {503}


def test_strangers_who_begin_and_never_end_hold_up_no_listing(place: Place) -> None:
    one, _ = place.tasks
    connections = [one.connect() for _ in range(100)]
    for connection in connections:
        connection.sendall(f"POST {MINT} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{{".encode())
    assert one.get("/health", None).status_code == 200
    assert one.get("/simple/").status_code == 200
    for connection in connections:
        connection.close()
    becomes(200, lambda: sent_by(one, MINT, signed(claims_of(ISSUER))).status_code)


def test_a_role_is_let_in_by_its_arn_and_revoked_with_all_that_it_was_given(place: Place) -> None:
    """As sts:GetWebIdentityToken signs for a role; that the subject is the role's ARN only AWS can show."""
    one, two = place.tasks
    here = later(claims_of(AWS, sub=ROLE, repository=None, environment=None, job_workflow_ref=None), place.world.ahead)
    token = str(sent_by(one, MINT, signed(here, key(AWS))).json()["token"])
    assert two.get("/simple/acme-x/", by(token)).status_code == 404
    other = {**here, "jti": "other", "sub": ROLE.replace("publish-", "x-")}
    assert sent_by(one, MINT, signed(other, key(AWS))).status_code == 422
    place.manager.put(place.arn, [it for it in ENTRIES if it["name"] != "role"])
    becomes({401}, lambda: {task.get("/simple/acme-x/", by(token)).status_code for task in (one, two)})


def test_unknown_keys_are_asked_for_once_a_minute_and_new_ones_are_found(place: Place) -> None:
    """Last but for uv: since the clock went ahead, tasks sleep for a minute more than they should."""
    issuer = f"https://{INDEX}/rotates"
    path = "/rotates/keys"
    publish(place.issuers, issuer, published(key()))
    one, _ = place.tasks
    assert sent_by(one, MINT, signed(claims_of(issuer))).status_code == 200
    publish(place.issuers, issuer, published(key("next"), "next"))
    for number in range(20):
        assert sent_by(one, MINT, signed(claims_of(issuer), key("attacker"), kid=f"k{number}")).status_code == 422
    assert place.issuers.asked.count(path) == 1
    place.world.advance(61)
    assert sent_by(one, MINT, signed(later(claims_of(issuer)), key("next"), kid="next")).status_code == 200
    assert sent_by(one, MINT, signed(later(claims_of(issuer)))).status_code == 422, "a key that was taken back"
    assert place.issuers.asked.count(path) == 2


def later(claims: dict[str, Any], seconds: int = 61) -> dict[str, Any]:
    return {**claims, **{name: claims[name] + seconds for name in ("iat", "nbf", "exp")}}


def test_discovery_is_for_uploads_to_the_root(place: Place) -> None:
    one, _ = place.tasks
    for url in (one.url + "/", one.url):
        found = one.get(f"/.well-known/pytp?discover={quote(url, safe='')}", None).json()
        assert found["mint-token-endpoint"] == one.url + MINT
        assert found["audience-endpoint"] == f"{one.url}/_/oidc/audience"
    for url in ("https://x/legacy/", "http://[", "//["):
        assert one.get(f"/.well-known/pytp?discover={quote(url, safe='')}", None).status_code != 200


@pytest.mark.slow
def test_uv_publishes_without_any_credential_and_pip_installs_it(place: Place, tmp_path: Path) -> None:
    """In what GitHub gives a job: https://docs.github.com/en/actions/reference/security/oidc"""
    if (nginx := shutil.which("nginx")) is None:
        pytest.skip("TLS before the task needs nginx")
    one, two = place.tasks
    name, content = wheel("acme_by_uv", "1.0")
    (tmp_path / name).write_bytes(content)
    asked: list[str] = []

    def identity(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers["Authorization"])
        assert parse_qs(urlsplit(handler.path).query)["audience"] == [AUDIENCE]
        claims = later(claims_of(ISSUER, jti="by-uv"), place.world.ahead)
        send(handler, 200, "application/json", json.dumps({"value": signed(claims)}).encode())

    class Job(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            identity(self)

        def log_message(self, *_: object) -> None:
            pass

    port, (certificate, its_key) = free_port(), certificate_in(tmp_path)
    with ExitStack() as stack:
        proxy(stack, tmp_path, nginx, port, [one.port], certificate, its_key)
        job = stack.enter_context(serving(Job))
        done = subprocess.run(
            [sys.executable, "-m", "uv", "publish", "--publish-url", f"https://localhost:{port}/", tmp_path / name],
            env={
                "PATH": os.defpath,
                "SSL_CERT_FILE": str(certificate),
                "HOME": str(tmp_path),
                "GITHUB_ACTIONS": "true",
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"{job}/token?api-version=2.0",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert asked[0].lower() == "bearer of-the-job"
    installed = pip_install(two, tmp_path / "target", "acme-by-uv")
    assert installed.returncode == 0, installed.stderr
    (upload,) = [it for it in one.changes() if it["file"] == name]
    (mint,) = [it for it in one.changes() if it["change"] == "mint" and "by-uv" in it["reason"]]
    assert (upload["change"], upload["user"]) == ("upload", mint["user"])
