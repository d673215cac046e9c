"""From each release to today's templates: what holds data stays, and what else is replaced is known.

``tests/releases/VERSION.zip`` has the templates that a release came with. Compared is what the schemas of the resource types
say, expression by expression; and a stack of them is updated on ``emulator``: see there what that proves.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from calls import client
from deployments import DEFAULTS, Editions
from emulator import BUCKET
from moto_bridge import Loader
from refuse import constraint_violations
from replacement import replacing_properties
from stacks import DEPLOY, give, give_again, outputs, physical_ids

from generator.commands import main
from generator.operations.aws import Account
from generator.operations.deploy import Deployment, deploy
from generator.operations.exits import Problem
from generator.operations.form import form
from generator.operations.parameters import check_kept
from generator.operations.terminal import terminal
from generator.parts.data_bearing import DATA_BEARING

TEMPLATES = Path(__file__).parents[2] / "templates"
RELEASES = sorted((Path(__file__).parents[1] / "releases").glob("*.zip"))
GIVEN = {"DockerImageTag": "v2.4.2"}
"""What docs/upgrading.md tells to give."""
ALARMS = (
    "CertificateExpiryAlarm",
    "FileSystemBurstCreditAlarm",
    "FileSystemIoLimitAlarm",
    "FileSystemThroughputAlarm",
    "HostCpuAlarm",
    "NoHealthyTargetsAlarm",
    "ResponseTimeAlarm",
    "SuccessRateAlarm",
    "UnhealthyTargetsAlarm",
)
REPLACED = {
    "1.0.0": {
        "Certificate": "Written anew for @ and wildcards; the names of a stack are what they were.",
        "CertificateAuthorityRecords": "CertificateHostedZoneId, which is empty in a stack of the release.",
        "TargetGroup": "Another port where the load balancer is internal: listeners move to the new group.",
        "CapacityProvider": "Its name holds pypiserver for ServiceName: the same by default; docs/upgrading.md has the rest.",
        "TaskDefinition": "A new revision, to which the service rolls.",
        "Service": "Its cluster, written so that the service waits for the log group of Container Insights.",
    }
    | dict.fromkeys(ALARMS, "Alarms have names that say which stack's they are; an alarm holds no data.")
}
"""By release: resources whose replacing properties are written differently now, and why that is well."""


def single(release: Path) -> dict[str, Any]:
    with ZipFile(release) as files:
        template: dict[str, Any] = yaml.load(files.read("pypiserver-single.yaml"), Loader)
    return template


def replacing(resource: dict[str, Any]) -> dict[tuple[str, ...], str]:
    """The expressions of the properties whose change replaces the resource."""
    found = {}
    for path in replacing_properties(resource["Type"]):
        node: Any = resource.get("Properties", {})
        for segment in path:
            node = node.get(segment) if isinstance(node, dict) else None
        if node is not None:
            found[path] = json.dumps(node, sort_keys=True)
    return found


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_what_an_update_may_replace(release: Path, editions: Editions) -> None:
    old, new = single(release)["Resources"], editions.single_file["Resources"]
    kept = {title for title, resource in old.items() if "Retain" in resource.get("DeletionPolicy", "")}
    assert kept <= new.keys() & set(DATA_BEARING)
    both = old.keys() & new.keys()
    assert {title for title in both if old[title]["Type"] != new[title]["Type"]} == set()
    # What a stack that takes the defaults has: options that are new since, keys among them, are off.
    taken = editions.single(DEFAULTS).resources
    found = set()
    for title in both:
        before = replacing(old[title])
        off = replacing(new[title]).keys() - before.keys() - replacing(taken.get(title, new[title])).keys()
        if before != {path: value for path, value in replacing(new[title]).items() if path not in off}:
            found.add(title)
    assert found == REPLACED[release.stem].keys()
    assert not found & set(DATA_BEARING)


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_defaults_that_are_refused_now_are_in_the_notes(release: Path, editions: Editions) -> None:
    """CloudFormation checks the values that a stack keeps against today's form."""
    old, new = single(release)["Parameters"], editions.single_file["Parameters"]
    refused = {
        name
        for name, parameter in new.items()
        if "Default" in old.get(name, {})
        and (
            not re.search(parameter.get("AllowedPattern", ""), str(old[name]["Default"]))
            or str(old[name]["Default"]) not in map(str, parameter.get("AllowedValues", [old[name]["Default"]]))
        )
    }
    assert refused == GIVEN.keys()
    assert all(f"`{name}`" in (Path(__file__).parents[2] / "docs" / "upgrading.md").read_text() for name in refused)


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_what_could_be_chosen_still_can(release: Path, editions: Editions) -> None:
    """Or CloudFormation refuses every update of a stack that has chosen it."""
    old, new = single(release)["Parameters"], editions.single_file["Parameters"]
    chosen = [(name, str(it)) for name in old.keys() & new.keys() for it in old[name].get("AllowedValues", [])]
    assert [it for it in chosen if it[0] in constraint_violations(editions.single_file, dict([it]))] == []
    gone = {name for name in old.keys() - new.keys() if "AllowedValues" in old[name]}
    text = (Path(__file__).parents[2] / "docs" / "upgrading.md").read_text()
    assert {name for name in gone if f"The parameter {name} is gone" not in text} == set()


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_values_that_a_stack_would_keep_are_refused_with_what_to_give(release: Path) -> None:
    """By `deploy`, before it uploads anything: the release's defaults, as a stack made with them has them."""
    declared = form(TEMPLATES / "pypiserver.yaml")
    kept = {name: str(it["Default"]) for name, it in single(release)["Parameters"].items() if "Default" in it}
    with pytest.raises(Problem) as refused:
        check_kept(declared, {}, kept)
    lines = str(refused.value).splitlines()
    assert {line.split()[0] for line in lines} == GIVEN.keys()
    assert all(f"give {name}={value}" in line for line, (name, value) in zip(lines, GIVEN.items(), strict=True))
    check_kept(declared, GIVEN, kept)


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_a_stack_of_the_release_becomes_todays(release: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As docs/upgrading.md says; what only moves from one revision to the next is named here."""
    with ZipFile(release) as files:
        files.extractall("released")
    values = give()
    released = Deployment("pypi", Path("released"), Path("parameters.json"), BUCKET, "released", yes=True)
    assert deploy(Account(), terminal(), released) == 0
    ids, had = physical_ids(), outputs()
    secrets = client("secretsmanager")
    password = secrets.get_secret_value(SecretId=ids["PublisherSecret"])["SecretString"]

    assert main([*DEPLOY]) == 2
    assert "give DockerImageTag=v2.4.2, the default" in capsys.readouterr().err
    give_again(values, **GIVEN)
    assert main([*DEPLOY]) == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    assert "what holds data is neither replaced nor removed" in shown
    alarms = set(ALARMS) & ids.keys()
    assert sorted(re.findall(r"! (?:maybe )?replace +(\w+)", shown)) == sorted(["TaskDefinition", *alarms])

    now, has = physical_ids(), outputs()
    assert ids.keys() - now.keys() == {"HttpListener"}
    kept = set(DATA_BEARING) & ids.keys()
    assert {name: ids[name] for name in kept} == {name: now[name] for name in kept}
    assert secrets.get_secret_value(SecretId=now["PublisherSecret"])["SecretString"] == password
    assert {name for name in had if had[name] != has.get(name)} == {"CloudwatchAlarmArns"}
    listed = {arn.partition(":alarm:")[2] for arn in has["CloudwatchAlarmArns"].split(",")}
    assert alarms
    assert {now[name] for name in ids.keys() & now.keys() if name.endswith("Alarm")} <= listed
    assert main([*DEPLOY]) == 0
    assert "nothing to do" in capsys.readouterr().out
