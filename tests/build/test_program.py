"""What a template or a task definition carries can be read, and is what the repository holds."""

from __future__ import annotations

import bz2
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from deployments import DEFAULTS, Editions
from hypothesis import given
from hypothesis.strategies import binary

from generator.commands import main
from generator.parts import text85
from generator.parts.bare_source import bare_source
from generator.parts.container_program import HOME, VARIABLE, entry_point, packed

TEMPLATES = Path(__file__).parents[2] / "templates"
BOOT = HOME / "boot.py"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ServerProgram0a1b-AbCdEfGhIjKl-123456"


@cache
def sources() -> dict[str, str]:
    bare = {str(it.relative_to(HOME.parent)): bare_source(it.read_text()) for it in HOME.rglob("*.py") if it != BOOT}
    return {**bare, "boot.py": BOOT.read_text()}


def written_below(directory: Path) -> dict[str, str]:
    return {str(it.relative_to(directory)): it.read_text() for it in directory.rglob("*") if it.is_file()}


def described(editions: Editions) -> str:
    """As ``aws ecs describe-task-definition`` prints it."""
    container = editions.single(DEFAULTS).resources["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    secrets = [{"name": it["Name"], "valueFrom": ARN} for it in container["Secrets"] if it["Name"] == VARIABLE]
    assert secrets
    one = {"command": container["Command"], "entryPoint": container["EntryPoint"], "secrets": secrets}
    return json.dumps({"taskDefinition": {"containerDefinitions": [{"name": "other"}, one]}}, indent="\t")


def of_an_older_release(_editions: Editions, _tmp_path: Path) -> str:
    """The whole program in the command, without its digest."""
    whole = "\n".join([packed().command[0], packed().rest])
    one = {"command": [whole], "entryPoint": entry_point()}
    return json.dumps({"taskDefinition": {"containerDefinitions": [one]}})


def packaged(_editions: Editions, tmp_path: Path) -> str:
    """As ``aws cloudformation package`` writes it."""
    target = tmp_path / "packaged.yaml"
    words = ["cloudformation", "package", "--template-file", str(TEMPLATES / "compute.yaml"), "--s3-bucket", "none"]
    aws = Path(sys.executable).with_name("aws")
    subprocess.run([aws, *words, "--output-template-file", str(target)], check=True, capture_output=True)
    return target.read_text()


FORMS: dict[str, Callable[[Editions, Path], str]] = {
    "compute.yaml": lambda _editions, _tmp_path: (TEMPLATES / "compute.yaml").read_text(),
    "pypiserver-single.yaml": lambda _editions, _tmp_path: (TEMPLATES / "pypiserver-single.yaml").read_text(),
    "json template": lambda editions, _tmp_path: json.dumps(editions.single_file),
    "older": of_an_older_release,
    "packaged": packaged,
}


@pytest.mark.parametrize("form", FORMS)
def test_sources_are_written_and_printed(
    editions: Editions, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    file, output = tmp_path / "given", tmp_path / "sources"
    file.write_text(FORMS[form](editions, tmp_path))
    assert main(["program", "--from", str(file), "--output", str(output)]) == 0
    assert written_below(output) == sources()
    capsys.readouterr()
    assert main(["program", "--from", str(file)]) == 0
    printed = capsys.readouterr().out
    assert all(source in printed for source in sources().values())


@pytest.mark.parametrize("secret", [packed().rest, json.dumps({"ARN": ARN, "SecretString": packed().rest})])
def test_of_a_registered_definition_with_its_secret(editions: Editions, tmp_path: Path, secret: str) -> None:
    file, value, output = tmp_path / "given", tmp_path / "value", tmp_path / "sources"
    file.write_text(described(editions))
    value.write_text(secret)
    assert main(["program", "--from", str(file), "--secret", str(value), "--output", str(output)]) == 0
    assert written_below(output) == sources()


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "--secret FILE"),
        (packed().rest[:-1], "without the SHA-256"),
        ("", "without the SHA-256"),
        ('"quoted"', "no text of base 85"),
    ],
)
def test_without_its_secret_nothing_is_shown(
    editions: Editions, tmp_path: Path, capsys: pytest.CaptureFixture[str], secret: str | None, reason: str
) -> None:
    file, value = tmp_path / "given", tmp_path / "value"
    file.write_text(described(editions))
    value.write_text(secret or "")
    words = [] if secret is None else ["--secret", str(value)]
    assert main(["program", "--from", str(file), *words]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert reason in shown.err


def test_archive_tells_nothing_of_the_machine_that_wrote_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(text85.decode(packed().command[0] + packed().rest))) as archive:
        members = archive.getmembers()
    assert [it.name for it in members] == sorted(it.name for it in members)
    assert {(it.mtime, it.uid, it.gid, it.uname, it.gname, it.mode) for it in members} == {(0, 0, 0, "", "", 0o644)}


def test_committed_templates_carry_what_this_machine_packs() -> None:
    for name in ("compute.yaml", "pypiserver-single.yaml"):
        text = (TEMPLATES / name).read_text()
        assert all(f" {line}\n" in text for part in (packed().command[0], packed().rest) for line in part.splitlines())


def test_another_program_has_another_secret_and_no_value_changes_in_place(tmp_path: Path) -> None:
    """A task of the old definition that starts during an update, or after one that failed, finds its own."""
    programs = [packed()]
    for number in range(3):
        home = tmp_path / str(number)
        shutil.copytree(HOME, home)
        with (home / "__main__.py").open("a") as module:
            module.write(f"NUMBER = {number}\n")
        programs.append(packed(home))
    assert len({it.secret for it in programs}) == len({it.rest for it in programs}) == 4
    other_split = packed()._replace(rest=packed().rest.partition("\n")[2])
    assert other_split.secret != packed().secret


def test_whatever_lies_in_folders_travels_in_an_order_of_its_own(tmp_path: Path) -> None:
    for name in ("b.py", "boot.py", "a/z.py", "a/__init__.py", "a-b.py", "a/b/c.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# comment\n")
    with tarfile.open(fileobj=io.BytesIO(text85.decode(packed(tmp_path).command[0]))) as archive:
        names = archive.getnames()
    assert names == [f"server/{name}" for name in ("a-b.py", "a/__init__.py", "a/b/c.py", "a/z.py", "b.py")]


def task(archive: bytes) -> dict[str, Any]:
    return {"Command": [text85.encode(archive)], "EntryPoint": entry_point()}


def tar_of(name: str, content: bytes = b"") -> bytes:
    written, member = io.BytesIO(), tarfile.TarInfo(name)
    member.size = len(content)
    with tarfile.open(fileobj=written, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    return bz2.compress(written.getvalue())


@given(binary())
def test_text_of_bytes_is_plain_everywhere(data: bytes) -> None:
    text = text85.encode(data)
    assert text85.decode("\n".join(text)) == data
    assert not set(text) & set("${}<>&\"'\\ ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (json.dumps({"Resources": {}}), "carries no program"),
        ("a: [", "neither YAML nor JSON"),
        (json.dumps([task(tar_of("a")), task(tar_of("b"))]), "several programs"),
        (json.dumps(task(tar_of("a")[:-8])), "can't be unpacked"),
        (json.dumps(task(bz2.compress(b"not a tar archive, for sure"))), "can't be unpacked"),
        (json.dumps(task(bz2.compress(bytes(20_000_000)))), "more than 16 MiB"),
        (json.dumps(task(tar_of("../outside"))), "outside"),
        (json.dumps(task(tar_of("/outside"))), "outside"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    file = tmp_path / "given"
    file.write_text(content)
    assert main(["program", "--from", str(file), "--output", str(tmp_path / "new")]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.startswith(f"error: {file} ")
    assert said.count("\n") == 1
    assert {it.name for it in tmp_path.iterdir()} == {"given"}


def test_what_lies_deep_is_written_wherever_it_is_wanted(tmp_path: Path) -> None:
    file, output = tmp_path / "given", tmp_path / "not" / "there"
    file.write_text(json.dumps(task(tar_of("a/b/c.py", b"deep"))))
    assert main(["program", "--from", str(file), "--output", str(output)]) == 0
    assert written_below(output)["a/b/c.py"] == "deep"


def test_a_file_or_directory_in_the_way_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["program", "--from", str(tmp_path / "absent")]) == 2
    assert "absent" in capsys.readouterr().err
    assert main(["program", "--from", str(TEMPLATES / "compute.yaml"), "--output", str(tmp_path)]) == 2
    assert "exists" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_foreign_sources_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "given"
    file.write_text(json.dumps({**task(tar_of("a")), "EntryPoint": ["python3", "-c", "evil()\r\x1b[2K\u202e# good"]}))
    assert main(["program", "--from", str(file)]) == 0
    assert "evil()\\r\\x1b[2K\\u202e# good\n" in capsys.readouterr().out
    file.write_text(json.dumps(task(tar_of("a", b"evil()\xff\n"))))
    assert main(["program", "--from", str(file)]) == 0
    assert "evil()\\xff\n" in capsys.readouterr().out
