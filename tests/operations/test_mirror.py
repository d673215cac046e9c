"""``mirror`` on moto's ECR, with a program in the place of crane, skopeo and docker that writes down how it was called.

That the real ones take these words is not proven here: their manuals are named in the module.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from calls import client
from emulator import emulator, environment

from generator.commands import main

DIGEST = "sha256:" + "0a" * 32
FAKE = f"""#!/bin/sh
test "$REFUSED" = "$*" && exit 1
test "$*" = "buildx version" && exit
echo "$(basename "$0") $*" >> "$CALLS"
cat "$DOCKER_CONFIG/config.json" > "$CALLS.config"
cmp -s "$DOCKER_CONFIG/config.json" "$REGISTRY_AUTH_FILE" || exit 9
case "$*" in *"$REFUSED"*) echo "Usage: $0"; exit 1;; esac
case "$*" in *igest*) echo {DIGEST};; esac
"""
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture
def programs(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory, the first of PATH, for programs that are installed."""
    for name, value in environment(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("REFUSED", "nothing")
    return directory


def install(programs: Path, name: str) -> None:
    (programs / name).write_text(FAKE)
    (programs / name).chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    ("tool", "copy"),
    [
        ("crane", "crane copy {0} {1}"),
        ("skopeo", "skopeo copy --all docker://{0} docker://{1}"),
        ("docker", "docker buildx imagetools create --tag {1} {0}"),
    ],
)
def test_both_images_are_copied_by_what_is_installed(
    programs: Path, tmp_path: Path, tool: str, copy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install(programs, tool)
    prefix = f"mirror-{tool}/"
    assert main(["mirror", "--prefix", prefix, "--yes"]) == 0
    called = (tmp_path / "calls").read_text().splitlines()
    server, agent = f"{REGISTRY}/{prefix}pypiserver", f"{REGISTRY}/{prefix}cloudwatch-agent"
    assert called[0] == copy.format("docker.io/pypiserver/pypiserver:v2.4.2", f"{server}:v2.4.2")
    public = "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:"
    assert called[2].startswith(copy.partition("{")[0])
    assert public in called[2]
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2:] == [f"ContainerImage={server}@{DIGEST}", f"CloudWatchAgentImage={agent}@{DIGEST}"]
    made = client("ecr").describe_repositories(repositoryNames=[f"{prefix}pypiserver"])["repositories"]
    assert [it["imageTagMutability"] for it in made] == ["IMMUTABLE"]
    assert REGISTRY in json.loads((tmp_path / "calls.config").read_text())["auths"]
    assert "auth" not in "".join(called), "the token is no argument, which everybody on the machine could read"


def test_a_copy_that_fails_is_told_and_names_no_parameter(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(programs, "crane")
    monkeypatch.setenv("REFUSED", "copy")
    assert main(["mirror", "--prefix", "broken/", "--yes"]) == 1
    out = capsys.readouterr().out
    assert "crane copy" in out
    assert "ContainerImage=" not in out


@pytest.mark.parametrize("docker", [False, True], ids=["nothing", "docker without buildx"])
def test_without_a_program_nothing_is_made(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], docker: bool
) -> None:
    if docker:
        install(programs, "docker")
        monkeypatch.setenv("REFUSED", "buildx version")
    monkeypatch.setenv("PATH", f"{programs}:/nowhere")
    capsys.readouterr()
    assert main(["mirror", "--prefix", "nothing/", "--yes"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "error: none of crane, skopeo, docker with its buildx is installed; one of them is needed to copy the images\n"
    )
    names = [it["repositoryName"] for it in client("ecr").describe_repositories()["repositories"]]
    assert not [it for it in names if it.startswith("nothing/")]
