"""The recipes of CONTRIBUTING.md name what exists, and lead where they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from troposphere import Ref, Tags, ec2, sns

from generator.commands import main, stack
from generator.commands.options import Region
from generator.language.editions import Edition, Form, Nested, Single
from generator.language.wiring import Group, Kind, Setting, Stack, Wire
from generator.operations.exits import DONE, REFUSED, Problem
from generator.settings.values import of_server
from server import contract, settings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def test_every_path_exists() -> None:
    named = set(re.findall(r"`([\w./]+(?:\.py|\.md|\.json|\.yaml|/))`", TEXT))
    places = (ROOT, ROOT / "generator", ROOT / "templates")
    missing = [name for name in sorted(named) if not any((place / name).exists() for place in places)]
    assert not missing, f"CONTRIBUTING.md names {missing}, which do not exist: correct the tree or the recipe there"


def test_every_entry_of_the_generator_is_in_the_tree() -> None:
    entries = {path.name for path in (ROOT / "generator").iterdir() if not path.name.startswith("__")}
    missing = sorted(name for name in entries if f"`{name}`" not in TEXT and f"`{name}/`" not in TEXT)
    assert not missing, f"give {missing} a line in CONTRIBUTING.md's table"


SIZE = Setting(name="DiskSize", label="Size (GiB)", description="Of the disk.", default="30", type="Number")


class DiskId(Kind): ...


@dataclass(frozen=True, kw_only=True)
class Disks:
    disk: Wire[DiskId]


def disks(stack: Stack) -> Disks:
    disk = stack.add(ec2.Volume("Disk", AvailabilityZone="eu-west-1a", Size=stack.take(SIZE)))
    return Disks(disk=stack.offer("DiskId", Ref(disk), "The disk."))


@dataclass(frozen=True, kw_only=True)
class Watch: ...


def watch(stack: Stack, *, disk: Wire[DiskId]) -> Watch:
    stack.add(sns.Topic("Topic", DisplayName=stack.take(disk)))
    return Watch()


def product(edition: Edition) -> Edition:
    """A generator as small as can be, of one setting, one wire and two layers."""
    from_disks = disks(edition.stack("Disks", "A disk."))
    watch(edition.stack("Watch", "Who watches it."), disk=from_disks.disk)
    return edition


def form(*of_the_group: Setting) -> Form:
    return Form(groups=(Group("Disks", of_the_group),))


def test_a_new_parameter_reaches_a_resource_and_a_new_output_another_layer() -> None:
    edition = product(Nested("A product.", form(SIZE), lambda _, noun: Tags(Name=noun)))
    parent, disks, watch = (it.to_dict() for it in edition.templates().values())
    assert parent["Parameters"]["DiskSize"]["Default"] == "30"
    assert parent["Resources"]["Disks"]["Properties"]["Parameters"] == {"DiskSize": {"Ref": "DiskSize"}}
    assert disks["Parameters"] == {"DiskSize": {"Type": "String"}}
    assert disks["Resources"]["Disk"]["Properties"]["Size"] == {"Ref": "DiskSize"}
    assert disks["Outputs"]["DiskId"]["Value"] == {"Ref": "Disk"}
    passed = parent["Resources"]["Watch"]["Properties"]["Parameters"]
    assert passed == {"DiskId": {"Fn::GetAtt": ["Disks", "Outputs.DiskId"]}}
    assert watch["Parameters"] == {"DiskId": {"Type": "String"}}
    (single,) = (it.to_dict() for it in product(Single("single.yaml", "A product.", form(SIZE))).templates().values())
    assert single["Resources"]["Topic"]["Properties"]["DisplayName"] == {"Ref": "Disk"}


def test_a_parameter_in_no_group_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"DiskSize.*: put the setting into its module's Group"):
        product(Single("single.yaml", "A product.", form())).templates()


def test_a_variable_of_the_server_is_a_setting_with_its_bounds() -> None:
    variable = contract.Number("LINES", 3, 0, 9)
    setting = of_server(variable, name="Lines", label="Lines", description="Of a page.")
    assert setting.default == "3"
    assert setting.pattern
    assert [it for it in ("0", "9", "10", "-1", "x", "") if re.fullmatch(setting.pattern, it)] == ["0", "9"]
    assert settings.number({"LINES": "9"}, variable) == 9
    assert settings.number({}, variable) == 3
    with pytest.raises(settings.SettingsError, match="LINES must be a whole number from 0 to 9, not '10'"):
        settings.number({"LINES": "10"}, variable)


@pytest.fixture
def place() -> Iterator[None]:
    """A command that is there for one test."""

    @stack.app.command()
    def place(
        upper: Annotated[bool, typer.Option("--upper", help="In capitals.")] = False, region: Region = None
    ) -> int:
        """Print the region."""
        if not region or region.startswith("cn-"):
            raise Problem("not for China: give another --region")
        print(region.upper() if upper else region)
        return DONE

    yield
    stack.app.registered_commands.pop()


@pytest.mark.usefixtures("place")
def test_a_new_command_runs_refuses_and_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["place", "--upper", "--region", "eu-north-1"]) == DONE
    assert capsys.readouterr().out == "EU-NORTH-1\n"
    assert main(["place", "--region", "cn-north-1"]) == REFUSED
    assert capsys.readouterr().err == "error: not for China: give another --region\n"
    main(["--help"])
    assert "Print the region." in capsys.readouterr().out
