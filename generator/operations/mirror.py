"""Copies of the images in the account's own registry, for hosts and tasks without internet access."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from generator.operations.aws import Account
from generator.operations.exits import DONE, FAILED, Problem
from generator.operations.form import form
from generator.operations.terminal import Terminal
from generator.parts.descriptions import PARENT

_TOOLS = {
    "crane": (["crane", "copy", "{source}", "{target}"], ["crane", "digest", "{target}"]),
    "skopeo": (
        ["skopeo", "copy", "--all", "docker://{source}", "docker://{target}"],
        ["skopeo", "inspect", "--format", "{{{{.Digest}}}}", "docker://{target}"],
    ),
    "docker": (
        ["docker", "buildx", "imagetools", "create", "--tag", "{target}", "{source}"],
        ["docker", "buildx", "imagetools", "inspect", "--format", "{{{{print .Manifest.Digest}}}}", "{target}"],
    ),
}
"""By program, in the order of preference: what copies an image of every architecture, and what prints its digest.

https://github.com/google/go-containerregistry/blob/main/cmd/crane/doc/crane_copy.md
https://github.com/containers/skopeo/blob/main/docs/skopeo-copy.1.md and skopeo-inspect.1.md
https://docs.docker.com/reference/cli/docker/buildx/imagetools/create/
Before buildx 0.33, a format that begins with {{.Manifest prints a table of everything.
"""


def mirror(account: Account, terminal: Terminal, templates: Path, prefix: str, *, yes: bool) -> int:
    """Copy both images into repositories that begin with ``prefix``; prints the parameters that name them by digest.

    Missing repositories are created, with immutable tags; an image is copied only if its tag does not exist yet. Raises
    Problem if no program of ``_TOOLS`` is installed, and Declined.
    """
    tool = next((name for name in _TOOLS if _is_installed(name)), None)
    if tool is None:
        raise Problem(
            f"none of {', '.join(_TOOLS)} with its buildx is installed; one of them is needed to copy the images"
        )
    terminal.must_agree(f"Copy two images into the registry of {account.number} in {account.region}?", yes=yes)
    lines = []
    with _credentials(account) as environment:
        sources = _sources(templates)
        for number, (parameter, source) in enumerate(sources.items(), 1):
            name, _, tag = source.rpartition("/")[2].partition(":")
            repository = _repository(account, f"{prefix}{name}")
            target = f"{repository}:{tag}"
            copy, digest = ([it.format(source=source, target=target) for it in words] for words in _TOOLS[tool])
            if not _has(account, f"{prefix}{name}", tag):
                with terminal.waiting(f"copying {source} by {tool}, {number} of {len(sources)} …"):
                    if not _run(terminal, copy, environment):
                        return FAILED
            found = subprocess.run(digest, env=environment, stdout=subprocess.PIPE, text=True)
            if found.returncode or not found.stdout.startswith("sha256:"):
                terminal.line(f"{target} has no digest: {found.stdout.strip() or 'see above'}")
                return FAILED
            lines.append(f"{parameter}={repository}@{found.stdout.strip()}")
    for line in lines:
        terminal.verbatim(line)
    return DONE


def _is_installed(tool: str) -> bool:
    """For docker, checks the plugin that copies: without it docker prints its usage, and changes nothing."""
    if not shutil.which(tool):
        return False
    return tool != "docker" or not subprocess.run([tool, "buildx", "version"], capture_output=True).returncode


def _sources(templates: Path) -> dict[str, str]:
    """References of the form's default images, by the parameter that takes another."""
    defaults = {it.name: it.default or "" for it in form(templates / PARENT)}
    server = f"docker.io/pypiserver/pypiserver:{defaults['DockerImageTag']}"
    return {"ContainerImage": server, "CloudWatchAgentImage": defaults["CloudWatchAgentImage"]}


def _repository(account: Account, name: str) -> str:
    """The address of the repository ``name``, which is created if missing."""
    ecr = account.client("ecr")
    try:
        found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    except ecr.exceptions.RepositoryNotFoundException:
        found = ecr.create_repository(
            repositoryName=name, imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": True}
        )["repository"]
    return str(found["repositoryUri"])


def _has(account: Account, repository: str, tag: str) -> bool:
    ecr = account.client("ecr")
    try:
        return bool(ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"])
    except ecr.exceptions.ImageNotFoundException:
        return False


@contextmanager
def _credentials(account: Account) -> Iterator[dict[str, str]]:
    """The environment in which a program of ``_TOOLS`` may write to the registry, through a temporary file.

    The token, valid for twelve hours, is neither an argument nor in the user's own configuration.
    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
    """
    (given,) = account.client("ecr").get_authorization_token()["authorizationData"]
    registry = given["proxyEndpoint"].removeprefix("https://")
    # mkdtemp's directories are their owner's alone.
    with TemporaryDirectory() as directory:
        file = Path(directory) / "config.json"
        file.write_text(json.dumps({"auths": {registry: {"auth": given["authorizationToken"]}}}))
        yield {**os.environ, "DOCKER_CONFIG": directory, "REGISTRY_AUTH_FILE": str(file)}


def _run(terminal: Terminal, words: list[str], environment: dict[str, str]) -> bool:
    """Whether the program succeeds; its output is for the user."""
    ended = subprocess.run(words, env=environment, stdout=subprocess.DEVNULL)
    if ended.returncode:
        terminal.line(f"`{' '.join(words)}` failed")
    return not ended.returncode
