"""No command touches a stack of other templates: by every command that takes a name, and every state of a stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import botocore.client  # type: ignore[import-untyped] # botocore has no types
import pytest
import typer.main
import yaml
from calls import client
from emulator import BUCKET, backend
from moto_bridge import Loader
from stacks import Parameters, give

from generator.commands import app, main
from generator.parts.descriptions import DESCRIPTIONS, PARENT, SINGLE

TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}
COMMANDS = {
    "deploy": ["--bucket", BUCKET, "--yes"],
    "deploy --dry-run": ["--bucket", BUCKET],
    "delete": ["--yes", "--unprotect"],
    "status": [],
    "status --detect-drift": [],
    "restore": ["--yes"],
    "restore --recovery-point": ["arn:aws:backup:::1", "--yes"],
    "restore --directory": ["aws-backup-restore_1", "--recovery-point", "arn:aws:backup:::1", "--yes"],
    "credentials": [],
    "rotate": ["reader"],
    "token create": ["ci", "--project", "*"],
    "token list": [],
    "token revoke": ["ci"],
    "trust github": ["octo/acme", "--workflow", "release.yml", "--project", "acme"],
    "trust gitlab": ["octo/acme", "--project", "acme"],
    "trust aws": ["arn:aws:iam::123456789012:role/release", "--project", "acme"],
    "trust issuer": ["https://issuer.example", "--name", "acme", "--claim", "job=release", "--project", "acme"],
    "trust list": [],
    "trust revoke": ["acme"],
    "project-status": ["project", "archived"],
    "import": ["https://example.com/simple/", "--yes"],
    "who": ["project"],
    "yank": ["project", "1.0", "--reason", "broken"],
    "unyank": ["project", "1.0"],
    "catalog publish": ["--version", "9.9", "--bucket", BUCKET],
}
"""What each needs beside the name of the stack."""
STATES = [
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "CREATE_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "UPDATE_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
    "DELETE_FAILED",
    "DELETE_IN_PROGRESS",
]
pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call that does more than read."""
    found: list[str] = []
    call = botocore.client.BaseClient._make_api_call

    def recorded(self: Any, operation: str, parameters: Any) -> Any:
        if not operation.startswith(("Describe", "List", "Get")):
            found.append(operation)
        return call(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recorded)
    return found


def make(name: str, description: str | None = None) -> None:
    body = {"Resources": {"Table": TABLE}} | ({"Description": description} if description else {})
    client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(body))


@pytest.fixture(scope="module")
def others(server: str) -> None:
    assert server
    make("bare")
    make("orders", "Orders, and a description of pypiserver")
    make("network", DESCRIPTIONS["network.yaml"])


def refused(words: list[str], capsys: pytest.CaptureFixture[str], changes: list[str]) -> str:
    capsys.readouterr()
    give()
    changes.clear()
    assert main(words) == 2, capsys.readouterr()
    assert changes == []
    return capsys.readouterr().err


def test_every_command_that_takes_the_name_of_a_stack_is_looked_at() -> None:
    def named(group: Any, path: str = "") -> Iterator[str]:
        for name, it in group.commands.items():
            if hasattr(it, "commands"):
                yield from named(it, f"{path}{name} ")
            elif any("--stack-name" in parameter.opts for parameter in it.params):
                yield f"{path}{name}"

    # It only writes the name into a link.
    assert set(named(typer.main.get_command(app))) - {"publish"} == {it.partition(" --")[0] for it in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("others")
def test_another_stack_is_refused_and_named(
    command: str, capsys: pytest.CaptureFixture[str], changes: list[str]
) -> None:
    said = refused([*command.split(), *COMMANDS[command], "--stack-name", "orders"], capsys, changes)
    assert "orders is no stack of " in said
    assert "'Orders, and a description of pypiserver'" in said
    assert client("dynamodb").list_tables()["TableNames"]


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("command", ["deploy", "delete", "status"])
@pytest.mark.usefixtures("others")
def test_in_whatever_state(
    status: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    changes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backend().get_stack("bare"), "status", status)
    said = refused([command, *COMMANDS[command], "--stack-name", "bare"], capsys, changes)
    assert f"without a description, {status}, made on 20" in said


@pytest.mark.usefixtures("others")
def test_an_addon_is_not_the_server(capsys: pytest.CaptureFixture[str], changes: list[str]) -> None:
    assert "It is of network.yaml" in refused(["delete", "--yes", "--stack-name", "network"], capsys, changes)


def test_a_nested_stack_is_not_the_server(
    deployed: Parameters, capsys: pytest.CaptureFixture[str], changes: list[str]
) -> None:
    assert deployed
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    (storage,) = [it["StackName"] for it in stacks if it["StackName"].startswith("pypi-Storage")]
    said = refused(["delete", "--yes", "--stack-name", storage], capsys, changes)
    assert f"{storage} is nested in pypi: give the name of that stack" in said


def test_a_change_set_that_awaits_its_review_is_somebodys(
    capsys: pytest.CaptureFixture[str], changes: list[str]
) -> None:
    client("cloudformation").create_change_set(
        StackName="review",
        ChangeSetName="theirs",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"Table": TABLE}}),
    )
    for command in ("deploy", "delete"):
        said = refused([command, *COMMANDS[command], "--stack-name", "review"], capsys, changes)
        assert "somebody's change set theirs" in said


UNDEPLOYED = "ours is REVIEW_IN_PROGRESS and has no outputs: deploy it first"
NO_TOKENS = "ours has no tokens: deploy it with Tokens=true"
ASKING = {
    "restore": "ours has no vault: name the one that has the backups by --vault",
    "who": "ours has no output TaskLogGroup yet",
    **dict.fromkeys(
        ("restore --recovery-point", "restore --directory", "credentials", "credentials --mint"), UNDEPLOYED
    ),
    **dict.fromkeys(("rotate", "project-status", "import", "yank", "unyank"), UNDEPLOYED),
    **dict.fromkeys(("token create", "token list", "token revoke"), NO_TOKENS),
    **dict.fromkeys(("trust issuer", "trust list", "trust revoke"), NO_TOKENS),
}
"""What commands say that need something of a stack which is still a change set."""


@pytest.mark.parametrize("command", ASKING)
def test_a_stack_that_was_never_deployed_is_said_to_be_none_yet(
    command: str, capsys: pytest.CaptureFixture[str], changes: list[str]
) -> None:
    client("cloudformation").create_change_set(
        StackName="ours",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Description": DESCRIPTIONS[PARENT], "Resources": {}}),
    )
    said = refused([*command.split(), *COMMANDS.get(command, []), "--stack-name", "ours"], capsys, changes)
    assert said == f"error: {ASKING[command]}\n"


def test_the_single_file_is_the_servers_but_not_what_deploy_deploys(
    capsys: pytest.CaptureFixture[str], changes: list[str]
) -> None:
    make("console", DESCRIPTIONS[SINGLE])
    said = refused(["deploy", *COMMANDS["deploy"], "--stack-name", "console"], capsys, changes)
    assert "would make anew what it has" in said
    assert "by `aws cloudformation deploy --stack-name console --template-file templates/pypiserver-single.yaml" in said
    assert main(["delete", "--yes", "--stack-name", "console"]) == 0


def test_every_template_and_release_bears_its_mark() -> None:
    for name, known in DESCRIPTIONS.items():
        written = yaml.load((Path(__file__).parents[2] / "templates" / name).read_text(), Loader)
        assert written["Description"].startswith(known)
    for release in (Path(__file__).parents[1] / "releases").glob("*.zip"):
        with ZipFile(release) as files:
            for name in (PARENT, SINGLE):
                assert yaml.load(files.read(name), Loader)["Description"] == DESCRIPTIONS[name]
