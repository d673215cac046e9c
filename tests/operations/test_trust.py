"""``trust`` against a deployed stack, and the APIs that say who a repository is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

import pytest
from calls import client
from custom_resource import serving
from emulator import DIRECTLY

from generator.access.minting import minted
from generator.commands import main
from generator.operations.aws import Account
from generator.operations.exits import Problem
from generator.operations.formats import Credentials
from server.accounts.access import Access
from server.accounts.tokens import entries_of

pytestmark = pytest.mark.usefixtures("here")
ACME = ("--project", "acme-*")
ANSWERS = {
    "/repos/octo/acme": {"id": 74, "full_name": "Octo/acme", "owner": {"id": 65}},
    "/api/v4/projects/octo%2Fsub%2Facme": {"id": 20, "path_with_namespace": "octo/sub/acme", "namespace": {"id": 7}},
}
ISSUER = "https://0b2.tokens.sts.global.api.aws"


class Outside(BaseHTTPRequestHandler):
    """GitHub, GitLab and IAM as far as they are asked; ``disabled`` as the account is before the feature is turned on."""

    disabled = False
    refusal: tuple[int, str] | None = None
    odd: Mapping[str, str] = {}  # what is answered instead
    seen: list[str | None] = []  # of the class, as a handler lives for one request

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN"))
        found = ANSWERS.get(self.path)
        if self.path == "/_/oidc/audience":
            found = {"audience": "pypi.example.com"}
        self._answer(200 if found else 404, self.odd.get(self.path) or json.dumps(found or {}))

    def do_POST(self) -> None:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetOutboundWebIdentityFederationInfo.html"""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/_/oidc/mint-token":
            assert json.loads(body)["token"] == "of-aws"
            return self._answer(*self.refusal or (200, json.dumps({"token": "pypi-x"})))
        if "GetWebIdentityToken" in body:
            # https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
            self.seen.append(body)
            name = "GetWebIdentityToken"
            facts = "<WebIdentityToken>of-aws</WebIdentityToken><Expiration>2027-01-01T00:00:00Z</Expiration>"
            return self._answer(200, f"<{name}Response><{name}Result>{facts}</{name}Result></{name}Response>")
        if self.disabled:
            error = "<Error><Type>Sender</Type><Code>FeatureDisabled</Code><Message>off</Message></Error>"
            return self._answer(404, f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>")
        name = "GetOutboundWebIdentityFederationInfo"
        facts = f"<IssuerIdentifier>{ISSUER}</IssuerIdentifier><JwtVendingEnabled>true</JwtVendingEnabled>"
        return self._answer(200, f"<{name}Response><{name}Result>{facts}</{name}Result></{name}Response>")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(Outside) as url:
        monkeypatch.delenv(DIRECTLY)
        for service in ("IAM", "STS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield url


@pytest.fixture(autouse=True)
def arn(with_tokens: dict[str, str], labels_move: None) -> str:
    secret = with_tokens["TokensSecret"]
    client("secretsmanager").put_secret_value(SecretId=secret, SecretString="[]")
    return secret


def stored(arn: str) -> str:
    return str(client("secretsmanager").get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"])


def admits(arn: str, **claims: object) -> str | None:
    """Whom a task would take a job with these claims for."""
    access = Access([])
    access.take({"TOKENS": {"AWSCURRENT": stored(arn)}})
    found = access.publisher(claims)
    return found and found.grant.name


def rights(arn: str) -> tuple[str, str | None]:
    """Of the only publisher: what it may, and until when."""
    (entry,) = json.loads(stored(arn))
    return entry["may"], entry["expires"]


GITHUB_JOB: dict[str, Any] = {
    "iss": "https://token.actions.githubusercontent.com",
    "repository": "Octo/acme",
    "repository_id": "74",
    "repository_owner_id": "65",
    "job_workflow_ref": "Octo/acme/.github/workflows/release.yml@refs/tags/v1",
    "environment": "release",
    "event_name": "push",
}
GITLAB_JOB: dict[str, Any] = {
    "iss": "https://gitlab.com",
    "project_path": "octo/sub/acme",
    "project_id": "20",
    "namespace_id": "7",
    "ci_config_ref_uri": "gitlab.com/octo/sub/acme//.gitlab-ci.yml@refs/heads/main",
    "ref_protected": "true",
}


def test_a_workflow_is_trusted_by_the_numbers_that_github_knows(
    arn: str, api: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", "mine")
    words = ("octo/acme", "--workflow", "release.yml", "--environment", "release", *ACME, "--api", api)
    assert main(["trust", "github", *words]) == 0
    assert Outside.seen[-1] == "Bearer mine"
    assert capsys.readouterr().out.splitlines() == [
        "Octo-acme may upload acme-*, if https://token.actions.githubusercontent.com says:",
        "  repository: Octo/acme",
        "  repository_id: 74",
        "  repository_owner_id: 65",
        "  job_workflow_ref: Octo/acme/.github/workflows/release.yml@*",
        "  environment: release",
        "Every task knows it within two minutes. docs/ci.md says what the job does.",
    ]
    assert admits(arn, **GITHUB_JOB) == "__token__:Octo-acme"
    for change in ({"repository_id": "75"}, {"environment": "x"}, {"job_workflow_ref": "Octo/acme/x.yml@v1"}):
        assert admits(arn, **{**GITHUB_JOB, **change}) is None
    assert main(["trust", "list", "--json"]) == 0
    shown = capsys.readouterr().out
    (listed,) = json.loads(shown)
    assert (listed["name"], listed["may"], listed["expires"]) == ("Octo-acme", "upload", None)
    assert json.loads(stored(arn))[0]["key"] not in shown
    assert main(["trust", "list"]) == 0
    first, *more = capsys.readouterr().out.splitlines()
    assert first == "Octo-acme  upload  acme-*  never expires  iss: https://token.actions.githubusercontent.com"
    assert "environment: release" in [it.strip() for it in more]
    assert main(["trust", "github", *words, "--name", "again"]) == 2
    assert "has these claims already" in capsys.readouterr().err
    assert main(["token", "create", "Octo-acme", *ACME]) == 2
    assert "there is a publisher Octo-acme already" in capsys.readouterr().err
    assert main(["token", "revoke", "Octo-acme"]) == 2
    capsys.readouterr()
    assert main(["trust", "revoke", "Octo-acme"]) == 0
    assert capsys.readouterr().out.startswith("Octo-acme is no longer trusted.")
    assert admits(arn, **GITHUB_JOB) is None
    assert main(["trust", "revoke", "Octo-acme"]) == 2
    captured = capsys.readouterr()
    assert ("`trust list`" in captured.err, captured.out) == (True, "")
    assert main(["trust", "list"]) == 0
    assert capsys.readouterr().out == "Nobody is trusted.\n"


def test_a_project_of_gitlab_is_trusted_for_protected_branches_and_tags(arn: str, api: str) -> None:
    assert main(["trust", "gitlab", "octo/sub/acme", *ACME, "--api", api, "--expires", "1h"]) == 0
    assert admits(arn, **GITLAB_JOB) == "__token__:octo-sub-acme"
    assert rights(arn)[0] == "upload"
    for change in ({"ref_protected": "false"}, {"project_id": "21"}, {"pipeline_source": "merge_request_event"}):
        assert admits(arn, **{**GITLAB_JOB, **change}) is None
    (publisher,) = entries_of(stored(arn)).publishers.values()
    assert 3500 < publisher.until - time.time() <= 3600


def test_every_job_of_a_project_of_gitlab_may_be_trusted_to_read(arn: str, api: str) -> None:
    """Whatever file its pipeline has, and on whatever branch."""
    assert main(["trust", "gitlab", "octo/sub/acme", *ACME, "--api", api, "--may", "read"]) == 0
    assert rights(arn)[0] == "read"
    elsewhere = {"ci_config_ref_uri": "gitlab.com/octo/sub/acme//other.yml@refs/heads/topic", "ref_protected": "false"}
    assert admits(arn, **{**GITLAB_JOB, **elsewhere}) == "__token__:octo-sub-acme"
    assert admits(arn, **{**GITLAB_JOB, "project_id": "21"}) is None


def test_jobs_of_a_server_of_ones_own_are_trusted_by_its_issuer(arn: str, api: str) -> None:
    server = "https://git.example.com"
    at = (*ACME, "--server", server, "--api", api)
    assert main(["trust", "github", "octo/acme", "--workflow", "release.yml", *at]) == 0
    assert main(["trust", "gitlab", "octo/sub/acme", *at]) == 0
    assert admits(arn, **GITHUB_JOB) is None
    assert admits(arn, **{**GITHUB_JOB, "iss": f"{server}/_services/token"}) == "__token__:Octo-acme"
    job = {**GITLAB_JOB, "ci_config_ref_uri": "git.example.com/octo/sub/acme//.gitlab-ci.yml@refs/heads/main"}
    assert admits(arn, **job) is None
    assert admits(arn, **{**job, "iss": server}) == "__token__:octo-sub-acme"


@pytest.mark.parametrize(
    ("words", "address"),
    [
        (["github"], "https://api.github.com/repos/octo/acme"),
        (["github", "--server", "https://git.test"], "https://git.test/api/v3/repos/octo/acme"),
        (["gitlab"], "https://gitlab.com/api/v4/projects/octo%2Facme"),
        (["gitlab", "--server", "https://git.test"], "https://git.test/api/v4/projects/octo%2Facme"),
    ],
)
def test_each_server_is_asked_where_its_api_is(
    arn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], address: str
) -> None:
    """By a proxy that is not there."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    assert main(["trust", *words, "octo/acme", "--may", "read", *ACME]) == 2
    assert f"error: {address} cannot be read" in capsys.readouterr().err
    assert stored(arn) == "[]"


def test_roles_of_the_account_are_trusted_by_the_issuer_that_it_has(
    arn: str, api: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "arn:aws:iam::123456789012:role/build-"
    assert main(["trust", "aws", f"{role}*", "--project", "*"]) == 0
    assert admits(arn, iss=ISSUER, sub=f"{role}one") == "__token__:build"
    assert rights(arn) == ("read", None)
    assert admits(arn, iss=ISSUER, sub="arn:aws:iam::123456789012:role/other") is None
    assert main(["trust", "aws", "arn:aws:iam::123456789012:user/me", "--project", "*"]) == 2
    monkeypatch.setattr(Outside, "disabled", True)
    capsys.readouterr()
    assert main(["trust", "aws", f"{role}two", "--project", "*"]) == 2
    assert "enable-outbound-web-identity-federation" in capsys.readouterr().err


def test_a_role_gets_credentials_without_a_secret(
    api: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert minted(Account(), api) == Credentials(api, "__token__", "pypi-x")
    asked = parse_qs(str(Outside.seen[-1]))
    assert (asked["Audience.member.1"], asked["SigningAlgorithm"]) == (["pypi.example.com"], ["RS256"])
    assert 0 < int(asked["DurationSeconds"][0]) <= 300
    assert main(["credentials", "--mint", "--account", "reader"]) == 2
    assert "leave out --account or --mint" in capsys.readouterr().err
    assert main(["credentials", "--mint"]) == 2
    assert "pypiserver.example.com/_/oidc/audience cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (422, '{"message": "no such publisher"}', "answers 422: no such publisher"),
        (401, "", "deploy with Tokens=true"),
        (403, "<html>", "answers 403: Forbidden"),
        (500, "[]", "answers 500: Internal Server Error"),
        (502, "{}", "answers 502: Bad Gateway"),
        (503, '{"message": ["x"]', "answers 503: Service Unavailable"),
        (200, "<html>", "mint-token cannot be read: Expecting value"),
        (200, "[" * 100_000, "mint-token cannot be read: maximum recursion depth"),
        (500, "[" * 100_000, "answers 500: Internal Server Error"),
        *(
            (200, body, "answers without token: is it the address of the server")
            for body in ("{}", "[]", "1", '"token"', '{"token": null}', '{"token": ["pypi-x"]}')
        ),
    ],
)
def test_a_server_that_mints_nothing_is_told_in_a_line(
    api: str, status: int, body: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outside, "refusal", (status, body))
    with pytest.raises(Problem, match=said):
        minted(Account(), api)


def test_any_other_issuer_is_trusted_by_the_claims_that_are_given(arn: str) -> None:
    buildkite = ("https://agent.buildkite.com", "--name", "acme", *ACME)
    claims = ("--claim", "organization_slug=acme", "--claim", "pipeline_slug=release")
    assert main(["trust", "issuer", *buildkite, *claims]) == 0
    job = {"iss": buildkite[0], "organization_slug": "acme", "pipeline_slug": "release"}
    assert admits(arn, **job) == "__token__:acme"
    assert rights(arn) == ("upload", None)
    assert admits(arn, **{**job, "organization_slug": "evil"}) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[" * 100_000, "cannot be read, which has the numbers to trust"),
        ("<html>", "cannot be read, which has the numbers to trust"),
        ('{"full_name": "a b/c", "id": 1, "owner": {"id": 2}}', "'a b/c' is not written as OWNER/REPOSITORY"),
        *(
            (body, "did not describe a repository: check --server and --api")
            for body in (
                *("{}", "[]", "1", "null", '{"id": 1}', '{"full_name": null, "id": 1, "owner": {"id": 2}}'),
                '{"full_name": "octo/acme", "id": 1}',
                '{"full_name": "octo/acme", "id": 1, "owner": 2}',
                '{"full_name": "octo/acme", "id": null, "owner": {"id": 2}}',
                '{"full_name": "octo/acme", "id": "*", "owner": {"id": 2}}',
                '{"full_name": "octo/acme", "id": 1e999, "owner": {"id": 2}}',
            )
        ),
    ],
)
def test_an_answer_that_is_no_repository_is_not_trusted(
    arn: str, api: str, body: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Outside, "odd", {"/repos/octo/acme": body})
    assert main(["trust", "github", "octo/acme", "--workflow", "r.yml", *ACME, "--api", api]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert stored(arn) == "[]"


def test_an_audience_that_is_none_is_not_asked_for(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for body in ("[]", '{"audience": null}'):
        monkeypatch.setattr(Outside, "odd", {"/_/oidc/audience": body})
        with pytest.raises(Problem, match="answers without audience: is it the address of the server"):
            minted(Account(), api)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["github", "octo/acme", "--workflow", "r.yml"], "'--project'"),
        (["github", "octo/acme", *ACME], "add --workflow"),
        (["github", "octo", "--workflow", "r.yml", *ACME], "OWNER/REPOSITORY"),
        (["github", "../../user", "--workflow", "r.yml", *ACME, "--api", "API"], "answers 404"),
        (["github", "octo/absent", "--workflow", "r.yml", *ACME, "--api", "API"], "set GH_TOKEN"),
        (["github", "octo/acme", "--workflow", "r.yml", *ACME, "--server", "http://x"], "--server must be"),
        (["github", "octo/acme", "--workflow", "r.yml", *ACME, "--api", "http://127.0.0.1:1"], "cannot be read"),
        (["issuer", "http://ci.test", "--name", "x", "--claim", "a=b", *ACME], "https address"),
        (["issuer", "https://gitlab.com", "--name", "x", "--claim", "environment=x", *ACME], "by a number"),
        (["issuer", "https://ci.test", "--name", "x", "--claim", "a", *ACME], "NAME=VALUE"),
        (["issuer", "https://ci.test", "--name", "a b", "--claim", "a=b", *ACME], "cannot be a name"),
    ],
)
def test_what_cannot_be_trusted_is_refused_before_anything_is_written(
    arn: str, api: str, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["trust", *(api if word == "API" else word for word in words)]) == 2
    assert said in capsys.readouterr().err
    assert stored(arn) == "[]"
