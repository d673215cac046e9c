"""The recipes of docs/ci.md: which token they ask for, and what their jobs then know. What the services do is theirs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped] # boto3 has no types
import pytest
import yaml
from deployments import Editions
from emulator import emulator, environment
from test_ci_access import ENVIRONMENT, GITHUB_ISSUER, GITLAB_ISSUER, GITLAB_MAIN, admits, made

PAGE = (Path(__file__).parents[2] / "docs" / "ci.md").read_text()
ROLE = "arn:aws:iam::123456789012:role/jobs"
TOKEN = "header.payload.signature"


def recipe(name: str) -> Any:
    found = re.search(rf"<!-- recipe: {name} -->\n```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return yaml.load(found[1], yaml.BaseLoader)


ACTION_INPUTS = {"aws-region", "role-to-assume"}
"""Of https://github.com/aws-actions/configure-aws-credentials/blob/main/action.yml, what the recipe uses."""


def test_the_recipe_for_github_asks_for_the_token_that_the_role_takes(editions: Editions) -> None:
    workflow = recipe("github")
    assert "pull_request_target" not in workflow["on"]
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    (login,) = [
        step for step in job["steps"] if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@v")
    ]
    assert login["with"].keys() == ACTION_INPUTS
    role = made(editions, GitHubSubjects=ENVIRONMENT).resources["GitHubRole"]
    subject = f"repo:octo-org/octo-repo:environment:{job['environment']}"
    assert admits(role, GITHUB_ISSUER, {"sub": subject, "aud": "sts.amazonaws.com"})
    assert all("add-mask" in step["run"] for step in job["steps"] if "get-secret-value" in step.get("run", ""))


def test_the_recipe_for_gitlab_asks_for_the_token_that_the_role_takes(editions: Editions) -> None:
    (job,) = recipe("gitlab").values()
    (token,) = job["id_tokens"].values()
    role = made(editions, GitLabSubjects=GITLAB_MAIN).resources["GitLabRole"]
    assert admits(role, GITLAB_ISSUER, {"sub": GITLAB_MAIN, "aud": token["aud"]})
    script = "\n".join([*job["before_script"], *job["script"]])
    assert all(f"${name}" in script for name in job["id_tokens"])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with emulator() as url:
        yield url


def run(lines: list[str], home: Path, given: dict[str, str]) -> dict[str, str]:
    """The environment in which a job goes on after ``lines``, begun in ``given`` by bash, where uvx has the AWS CLI only."""
    shim = home / "bin" / "uvx"
    shim.parent.mkdir()
    shim.write_text('#!/bin/sh\n[ "$1 $2 $3" = "--from awscli aws" ] && shift 3 && exec aws "$@"\n')
    shim.chmod(0o755)
    given = {**given, "PATH": f"{shim.parent}:{given['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join([*lines, "env -0"])],
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(it.split("=", 1) for it in done.stdout.rpartition("\n")[2].split("\0") if it)


def secret(region: str) -> str:
    """The ARN of one that has the reader's credentials, in the region of the recipes."""
    value = json.dumps({"username": "reader", "password": "p4ssw0rd"})
    created = boto3.client("secretsmanager", region_name=region).create_secret(Name="reader", SecretString=value)
    return str(created["ARN"])


def filled(lines: list[str], arn: str) -> list[str]:
    return [line.replace("READER_SECRET_ARN", arn) for line in lines]


KNOWN = {"UV_INDEX_PRIVATE_USERNAME": "reader", "UV_INDEX_PRIVATE_PASSWORD": "p4ssw0rd"}


def test_a_job_of_gitlab_has_its_credentials(server: str, tmp_path: Path) -> None:
    """By its token alone: neither keys nor a region are in its runner."""
    (job,) = recipe("gitlab").values()
    variables = {name: value.replace("ROLE_ARN", ROLE) for name, value in job["variables"].items()}
    variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(tmp_path / "token")
    runner = environment(server, tmp_path)
    given = {name: value for name, value in runner.items() if "KEY" not in name and "REGION" not in name}
    lines = [line.replace("/tmp/secret", f"{tmp_path}/secret") for line in job["before_script"]]
    found = run(filled(lines, secret("eu-west-1")), tmp_path, {**given, **variables, "AWS_TOKEN": TOKEN})
    assert KNOWN.items() <= found.items()
    assert (tmp_path / "token").read_text() == TOKEN


def test_a_job_of_github_has_its_credentials_masked_before_anything_shows_them(server: str, tmp_path: Path) -> None:
    """The action that logs in gives both variables of a region: its src/helpers.ts."""
    (job,) = recipe("github")["jobs"].values()
    (step,) = [it for it in job["steps"] if "get-secret-value" in it.get("run", "")]
    (login,) = [it for it in job["steps"] if "role-to-assume" in it.get("with", {})]
    region = login["with"]["aws-region"]
    written = tmp_path / "environment"
    given = {**environment(server, tmp_path), "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    arn = boto3.client("secretsmanager", region_name=region).list_secrets()["SecretList"]
    run(
        filled([step["run"]], arn[0]["ARN"] if arn else secret(region)), tmp_path, {**given, "GITHUB_ENV": str(written)}
    )
    assert dict(line.split("=", 1) for line in written.read_text().splitlines()) == KNOWN


def test_the_recipes_for_trusted_publishing_let_uv_ask_for_a_token() -> None:
    """uv asks GitHub for one where the job may have it, and takes GitLab's from this variable."""
    (job,) = recipe("github-publish")["jobs"].values()
    assert job["permissions"]["id-token"] == "write"
    assert job["environment"] == "release", "what `trust github` above it pins"
    (job,) = recipe("gitlab-publish").values()
    address = job["script"][-1].rpartition(" ")[2]
    assert address == f"https://{job['id_tokens']['PYPI_ID_TOKEN']['aud']}/"
    (step,) = recipe("buildkite-publish")["steps"]
    assert f"{address}_/oidc/mint-token" in step["command"]
