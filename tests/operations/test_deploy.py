"""``deploy`` of the whole parent, on ``emulator``: see there what that proves."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import botocore.client  # type: ignore[import-untyped] # botocore has no types
import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped] # see above
from calls import client
from emulator import BUCKET, DIRECTLY, backend, environment
from program import installed
from pseudo_terminal import session
from stacks import DEPLOY, Parameters, give, give_again, physical_ids

from generator import durations
from generator.commands import main
from generator.parts.descriptions import DESCRIPTIONS, PARENT

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
pytestmark = pytest.mark.usefixtures("here")


def test_creation_shows_every_layer_and_sets_the_policies(
    deployed: Parameters, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status"]) == 1
    lines = capsys.readouterr().out
    for name in ("pypi", "Security", "Storage", "Edge", "Compute", "Monitoring"):
        assert re.search(rf"^ok +{name} +CREATE_COMPLETE", lines, re.MULTILINE)
    # Nothing runs on moto: the server is rightly said to be unwell.
    assert re.search(r"^BAD +targets", lines, re.MULTILINE)
    policy = (TEMPLATES / "stack-policy.json").read_text()
    ids = physical_ids()
    for guarded in ("pypi", ids["Security"], ids["Storage"], ids["Edge"]):
        assert client("cloudformation").get_stack_policy(StackName=guarded)["StackPolicyBody"] == policy


def test_unchanged_stack_is_left_alone(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    """Blanks in its lists are no change; it ends with what can be done with the stack."""
    lists = {name: f" {value.replace(',', ' , ')} " for name, value in deployed.items() if "," in value}
    assert lists.keys() >= {"LoadBalancerSubnets", "AsgSubnets"}
    give_again(deployed, **lists)
    events = len(backend().get_stack("pypi").events)
    assert main([*DEPLOY]) == 0
    said = capsys.readouterr().out
    assert "nothing to do" in said
    assert "https://pypiserver.example.com/" in said
    assert "credentials to install:" in said
    assert "not set up yet:" in said
    assert len(backend().get_stack("pypi").events) == events


@pytest.mark.parametrize(("error", "lines"), [("AccessDenied", 0), ("InternalFailure", 1)])
def test_who_may_not_list_all_stacks_is_told_of_no_failure(
    error: str, lines: int, deployed: Parameters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with the policies of deployer.yaml, which are of our stacks alone."""
    call = botocore.client.BaseClient._make_api_call

    def limited(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "DescribeStacks" and "StackName" not in parameters:
            raise ClientError({"Error": {"Code": error, "Message": "no"}}, operation)
        return call(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", limited)
    main(["status"])
    assert capsys.readouterr().out.count("perhaps more") == lines


def test_dry_run_changes_nothing(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    give_again(deployed, TaskMinCount="4")
    before = set(backend().change_sets)
    assert main(["deploy", "--bucket", BUCKET, "--dry-run"]) == 0
    assert re.search(r"~ modify +ScalableTarget +AWS::\S+; MinCapacity \(TaskMinCount\)", capsys.readouterr().out)
    # moto has no end of the nested change sets that the emulator makes.
    assert "deploy" not in str(set(backend().change_sets) - before)
    (found,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
    assert found["StackStatus"] == "CREATE_COMPLETE"


def test_dry_run_of_a_new_stack_leaves_none(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    give()
    assert main(["deploy", "--bucket", BUCKET, "--stack-name", "never", "--dry-run"]) == 0
    assert re.search(r"^changes +\d+ to add$", capsys.readouterr().out, re.MULTILINE)
    assert "never" not in [it["StackName"] for it in client("cloudformation").describe_stacks()["Stacks"]]


def test_update_keeps_what_the_file_does_not_name(deployed: Parameters, capsys: pytest.CaptureFixture[str]) -> None:
    Path("parameters.json").write_text('["AlarmEmails=new@example.com"]')
    before = physical_ids()
    durations.remember({"update of a stack": 700})
    assert main([*DEPLOY]) == 0
    lines = capsys.readouterr().out
    assert "the last update of a stack from here took 12 minutes" in lines
    assert durations.last("update of a stack") != "12 minutes"
    assert "pypi is UPDATE_COMPLETE" in lines
    assert physical_ids()["FileSystem"] == before["FileSystem"]
    (found,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
    given = {it["ParameterKey"]: it["ParameterValue"] for it in found["Parameters"]}
    assert given["VpcId"] == deployed["VpcId"]
    assert given["AlarmEmails"] == "new@example.com"


def test_nobody_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    give()
    assert main(["deploy", "--bucket", BUCKET, "--stack-name", "asking"]) == 2
    assert "add --yes" in capsys.readouterr().err
    assert main([*DEPLOY, "--stack-name", "asking", "--json"]) == 2
    assert capsys.readouterr().err == "error: --json shows what would change: add --dry-run\n"
    assert "asking" not in [it["StackName"] for it in client("cloudformation").describe_stacks()["Stacks"]]


@pytest.mark.slow
def test_stack_in_review_is_created(capsys: pytest.CaptureFixture[str]) -> None:
    give(ServiceName="reviewed")
    template = json.dumps({"Description": DESCRIPTIONS[PARENT], "Resources": {}})
    client("cloudformation").create_change_set(
        StackName="reviewed", ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=template
    )
    assert main([*DEPLOY, "--stack-name", "reviewed"]) == 0
    assert "reviewed is CREATE_COMPLETE" in capsys.readouterr().out
    assert main(["delete", "--stack-name", "reviewed", "--yes"]) == 0


@pytest.mark.slow
def test_readme_word_for_word(here: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of both ways from a shell, as written but for the bucket; what asks is answered yes."""
    monkeypatch.delenv(DIRECTLY)
    (here / "templates").symlink_to(ROOT / "templates")
    path = f"{installed(here / 'bin').parent}:{environment(server, here)['PATH']}"
    readme = (ROOT / "README.md").read_text()
    # In CI nobody would be asked.
    people = {name: value for name, value in os.environ.items() if name != "CI"} | {"PATH": path}
    for way, stack_name in (("cli", "pypi-cli"), ("ours", "pypi-ours")):
        give(ServiceName=stack_name)
        script = readme.partition(f"<!-- test: {way} -->\n```sh\n")[2].partition("```")[0]
        for line in script.replace("\\\n", " ").replace("BUCKET", BUCKET).strip().splitlines():
            named = line.replace("--stack-name pypi", f"--stack-name {stack_name}")
            if line.startswith("pypiserver-aws"):
                named = f"{line} --stack-name {stack_name}"
            with session(["bash", "-c", named], 120, people, here) as shell:
                if "pypiserver-aws deploy" in line:
                    shell.expect("Create bucket", 300)
                    shell.type("y")
                    shell.expect(f"Deploy {stack_name}? (y/N)", 300)
                    shell.type("y")
                # Nothing runs on moto: the server is rightly said to be unwell.
                assert shell.end() == ("pypiserver-aws status" in line), f"{line}\n{shell.text}"
        (found,) = client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
        assert found["StackStatus"] == "CREATE_COMPLETE"
        assert main(["delete", "--stack-name", stack_name, "--yes"]) == 0
