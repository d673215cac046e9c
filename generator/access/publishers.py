"""Trusted publishers of a stack: whose jobs and roles get a token without a password, by claims of their issuer."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from rich.table import Table

from generator.access import entries
from generator.access.entries import Entry
from generator.access.minting import DISABLED
from generator.operations.aws import Account
from generator.operations.errors import ClientError, code
from generator.operations.exits import Problem
from generator.operations.stacks import get

_KEY_BYTES = 32
_ANSWER_SECONDS = 20
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)+", re.ASCII)
_SHOWN = ("name", "may", "projects", "expires", "issuer", "claims")


@dataclass(frozen=True)
class Identity:
    """``name`` is the publisher's default name."""

    name: str
    issuer: str
    claims: Mapping[str, str]


def github(server: str, api: str, repository: str, workflow: str | None, environment: str | None) -> Identity:
    """Jobs of a repository. The IDs of repository and owner outlive their names, which others can take.

    https://docs.github.com/en/actions/reference/security/oidc, and of an Enterprise Server
    https://docs.github.com/en/enterprise-server@3.17/actions/reference/security/oidc. Raises Problem.
    """
    on_cloud = server == "https://github.com"
    api = api or ("https://api.github.com" if on_cloud else f"{server}/api/v3")
    token = os.environ.get("GH_TOKEN") or os.environ.get("GITHUB_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    facts = _facts(api, f"/repos/{_checked(repository)}", headers, "GH_TOKEN")
    name, number, owner = _repository(facts, api, "full_name", "owner")
    claims = {
        "repository": name,
        "repository_id": number,
        "repository_owner_id": owner,
        **({"job_workflow_ref": f"{name}/.github/workflows/{workflow}@*"} if workflow else {}),
        **({"environment": environment} if environment else {}),
    }
    issuer = "https://token.actions.githubusercontent.com" if on_cloud else f"{server}/_services/token"
    return Identity(name.replace("/", "-"), issuer, claims)


def gitlab(server: str, api: str, project: str, pipeline: str | None, environment: str | None) -> Identity:
    """Jobs of a project; with ``pipeline``, the path of its file, only of protected branches and tags.

    https://docs.gitlab.com/ci/secrets/id_token_authentication/. Raises Problem.
    """
    token = os.environ.get("GITLAB_TOKEN")
    path = f"/api/v4/projects/{quote(_checked(project), safe='')}"
    facts = _facts(api or server, path, {"PRIVATE-TOKEN": token} if token else {}, "GITLAB_TOKEN")
    name, number, namespace = _repository(facts, api or server, "path_with_namespace", "namespace")
    file = {"ci_config_ref_uri": f"{urlsplit(server).netloc}/{name}//{pipeline}@*", "ref_protected": "true"}
    claims = {
        "project_path": name,
        "project_id": number,
        "namespace_id": namespace,
        **(file if pipeline else {}),
        **({"environment": environment} if environment else {}),
    }
    return Identity(name.replace("/", "-"), server, claims)


def role(account: Account, arn: str) -> Identity:
    """Roles of this account by ARN; ``*`` matches any characters but colons. Raises Problem.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html
    """
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/*-]+", arn, re.ASCII):
        raise Problem(f"{arn!r} is not the ARN of a role, such as arn:aws:iam::123456789012:role/publish-*")
    try:
        issuer = account.client("iam").get_outbound_web_identity_federation_info()["IssuerIdentifier"]
    except ClientError as error:
        if code(error) != "FeatureDisabled":
            raise
        raise Problem(DISABLED) from error
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", arn.partition(":role/")[2]).strip("-.")
    return Identity(name or "roles", issuer, {"sub": arn})


def other(issuer: str, claims: list[str]) -> Identity:
    """``claims`` are ``NAME=VALUE``. Raises Problem."""
    if wrong := [it for it in claims if not re.fullmatch(r"[^=]+=.+", it)]:
        raise Problem(f"--claim {wrong[0]!r} is not NAME=VALUE")
    return Identity("", issuer, dict(it.split("=", 1) for it in claims))


def trust(
    account: Account,
    stack_name: str,
    identify: Callable[[], Identity],
    name: str,
    may: str,
    projects: list[str],
    expires: str,
) -> tuple[str, Identity]:
    """The publisher's name from now on, and who it is. Raises Problem if tasks would refuse it."""
    # Refuses a stack of other templates before asking anybody else.
    get(account, stack_name)
    identity = identify()
    name = name or identity.name
    entry = {
        **entries.begun(name, may, projects, expires),
        "issuer": identity.issuer,
        "claims": dict(identity.claims),
        "key": secrets.token_urlsafe(_KEY_BYTES),
    }
    entries.refuse_wrong(
        entry,
        f"{identity.issuer} with these claims cannot be trusted: the issuer is an https address, and of one that everybody can "
        "use a claim says who it is by a number (docs/ci.md)",
    )
    entries.add(account, stack_name, entry)
    return name, identity


def revoke(account: Account, stack_name: str, name: str) -> None:
    """Raises Problem if there is no such publisher."""
    entries.remove(account, stack_name, name, "publisher")


def listed(account: Account, stack_name: str) -> list[Entry]:
    """Every publisher, without its key, with ``expired``. Raises Problem."""
    return entries.listed(account, stack_name, "publisher", _SHOWN)


def table(publishers: list[Entry]) -> Table:
    """The result of ``listed``, for a person."""
    grid = Table.grid(padding=(0, 2))
    for it in publishers:
        claims = "\n".join(f"{name}: {value}" for name, value in {"iss": it["issuer"], **it["claims"]}.items())
        grid.add_row(it["name"], it["may"], ", ".join(it["projects"]), entries.until(it), claims)
    if not publishers:
        grid.add_row("Nobody is trusted.")
    return grid


def _checked(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise Problem(f"{path!r} is not written as OWNER/REPOSITORY")
    return path


def _facts(api: str, path: str, headers: Mapping[str, str], variable: str) -> Any:
    """What an API says about a repository, in whatever form. Raises Problem."""
    url = f"{api.rstrip('/')}{path}"
    try:
        with urlopen(
            Request(url, headers={"Accept": "application/json", **headers}), timeout=_ANSWER_SECONDS
        ) as answer:
            facts = json.load(answer)
    except HTTPError as error:
        advice = f"set {variable} if the repository is private" if error.code in (401, 403, 404) else "try again"
        raise Problem(f"{url} answers {error.code}: check the name, and {advice}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise Problem(
            f"{url} cannot be read, which has the numbers to trust: {getattr(error, 'reason', error)}"
        ) from error
    return facts


def _repository(facts: Any, api: str, name: str, owner: str) -> tuple[str, str, str]:
    """Its path, which is under ``name``, its number, and that of its ``owner``. Raises Problem."""
    try:
        # Claims may have wildcards; numbers have none.
        return _checked(facts[name]), str(int(facts["id"])), str(int(facts[owner]["id"]))
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise Problem(f"{api} did not describe a repository: check --server and --api") from error
