"""``mirror`` on moto's ECR, with a program in the place of crane, skopeo and docker that writes down how it was called.

That the real ones take these words is not proven here: their manuals are named in the module. The one in place of docker
prints what buildx did before 0.33: https://github.com/docker/buildx/blob/v0.32.1/util/imagetools/printers.go
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
from generator.settings import hosts
from server import contract

DIGEST = "sha256:" + "0a" * 32
FAKE = f"""#!/bin/sh
test "$REFUSED" = "$*" && exit 1
test "$*" = "buildx version" && exit
echo "$(basename "$0") $*" >> "$CALLS"
cat "$DOCKER_CONFIG/config.json" > "$CALLS.config"
cmp -s "$DOCKER_CONFIG/config.json" "$REGISTRY_AUTH_FILE" || exit 9
case "$*" in *"$REFUSED"*) echo {DIGEST}; exit 1;; esac
case "$*" in *"{{{{.Manifest"*) echo "Name: a table";; *igest*) echo "${{PRINTED-{DIGEST}}}";; esac
"""
SERVER_TAG = contract.IMAGE_TAG
AGENT = hosts.CLOUDWATCH_AGENT_IMAGE.default or ""
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
    ("tool", "copy", "digest"),
    [
        ("crane", "copy {0} {1}", "digest {1}"),
        ("skopeo", "copy --all docker://{0} docker://{1}", "inspect --format {{{{.Digest}}}} docker://{1}"),
        (
            "docker",
            "buildx imagetools create --tag {1} {0}",
            "buildx imagetools inspect --format {{{{print .Manifest.Digest}}}} {1}",
        ),
    ],
    ids=["crane", "skopeo", "docker"],
)
def test_both_images_are_copied_by_what_is_installed(
    programs: Path, tmp_path: Path, tool: str, copy: str, digest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install(programs, tool)
    prefix = f"mirror-{tool}/"
    assert main(["mirror", "--prefix", prefix, "--yes"]) == 0
    called = (tmp_path / "calls").read_text().splitlines()
    server, agent = f"{REGISTRY}/{prefix}pypiserver", f"{REGISTRY}/{prefix}cloudwatch-agent"
    copies = [
        (f"docker.io/pypiserver/pypiserver:{SERVER_TAG}", f"{server}:{SERVER_TAG}"),
        (AGENT, f"{agent}:{AGENT.rpartition(':')[2]}"),
    ]
    assert called == [f"{tool} {words.format(*it)}" for it in copies for words in (copy, digest)]
    said = capsys.readouterr()
    assert said.out.splitlines()[-2:] == [f"ContainerImage={server}@{DIGEST}", f"CloudWatchAgentImage={agent}@{DIGEST}"]
    made = client("ecr").describe_repositories(repositoryNames=[f"{prefix}pypiserver", f"{prefix}cloudwatch-agent"])
    for it in made["repositories"]:
        assert it["imageTagMutability"] == "IMMUTABLE"
        assert it["imageScanningConfiguration"] == {"scanOnPush": True}
    assert REGISTRY in json.loads((tmp_path / "calls.config").read_text())["auths"]
    assert "auth" not in "".join(called), "the token is no argument, which everybody on the machine could read"


def test_an_image_that_is_there_is_not_copied_again(
    programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tag could not be moved; one with another tag is no copy of it."""
    install(programs, "crane")
    ecr = client("ecr")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    for name, tag in (("pypiserver", SERVER_TAG), ("cloudwatch-agent", "older")):
        ecr.create_repository(repositoryName=f"again/{name}")
        ecr.put_image(repositoryName=f"again/{name}", imageTag=tag, imageManifest=json.dumps(manifest))
    assert main(["mirror", "--prefix", "again/", "--yes"]) == 0
    called = (tmp_path / "calls").read_text().splitlines()
    assert [it.split()[1] for it in called] == ["digest", "copy", "digest"]
    assert capsys.readouterr().out.count(f"@{DIGEST}") == 2


@pytest.mark.parametrize(
    ("variables", "calls", "said"),
    [
        ({"REFUSED": "copy"}, 1, "`crane copy docker.io/pypiserver/pypiserver:{tag} {target}` failed"),
        ({"REFUSED": "digest"}, 2, "{target} has no digest: "),
        ({"PRINTED": ""}, 2, "{target} has no digest: see above"),
        ({"PRINTED": "Name: it"}, 2, "{target} has no digest: Name: it"),
    ],
    ids=["the copy", "the digest", "nothing", "something else"],
)
def test_what_fails_is_told_and_names_no_parameter(
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    calls: int,
    said: str,
) -> None:
    install(programs, "crane")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["mirror", "--prefix", "broken/", "--yes"]) == 1
    assert len((tmp_path / "calls").read_text().splitlines()) == calls, "the other image is not copied"
    out = " ".join(capsys.readouterr().out.split())
    assert said.format(tag=SERVER_TAG, target=f"{REGISTRY}/broken/pypiserver:{SERVER_TAG}") in out
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
