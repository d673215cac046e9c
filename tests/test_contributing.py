"""The recipes of CONTRIBUTING.md name what exists, and lead where they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generator.operations.exits import DONE, REFUSED
from tests.test_imports import PACKAGES, wrong_imports

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()

_BUILD = """
import json
from generator.parent import templates
print(json.dumps({name: template.to_dict() for name, template in templates().items()}))
"""


def test_every_path_exists() -> None:
    named = set(re.findall(r"`([\w./]+(?:\.py|\.md|\.json|\.yaml|/))`", TEXT))
    places = (ROOT, ROOT / "generator", ROOT / "templates")
    missing = [name for name in sorted(named) if not any((place / name).exists() for place in places)]
    assert not missing, f"CONTRIBUTING.md names {missing}, which do not exist: correct the tree or the recipe there"


def test_every_entry_of_the_generator_is_in_the_tree() -> None:
    entries = {path.name for path in (ROOT / "generator").iterdir() if not path.name.startswith("__")}
    missing = sorted(name for name in entries if f"`{name}`" not in TEXT and f"`{name}/`" not in TEXT)
    assert not missing, f"give {missing} a line in CONTRIBUTING.md's table"


def _follow(directory: Path, steps: list[tuple[str, str, str]]) -> None:
    """Make a copy of the generator in ``directory``, after ``new`` has replaced ``old`` once in each ``path``."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, old, new in steps:
        file = directory / "generator" / path
        text = file.read_text()
        assert text.count(old) == 1, f"this test looks for {old!r} in {path}: choose another place for the recipe"
        file.write_text(text.replace(old, new))


def _templates(directory: Path, steps: list[tuple[str, str, str]]) -> Any:
    """What such a copy builds, by file name."""
    _follow(directory, steps)
    built = subprocess.run([sys.executable, "-c", _BUILD], cwd=directory, check=True, capture_output=True, text=True)
    return json.loads(built.stdout)


_OPERATION = """
from generator.operations.aws import Account
from generator.operations.exits import Problem


def region(account: Account, *, upper: bool) -> str:
    if account.region.startswith("cn-"):
        raise Problem("not for China: give another --region")
    return account.region.upper() if upper else account.region
"""
_COMMAND = '''@app.command()
def region(
    upper: Annotated[bool, typer.Option("--upper", help="In capitals.")] = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Print the region that the commands work in."""
    from generator.operations import region as operation

    print(operation.region(account_of(profile, region, endpoint_url), upper=upper))
    return DONE


@app.command()
def delete('''


def test_a_new_parameter_reaches_a_resource(tmp_path: Path) -> None:
    setting = 'VOLUME = Setting(name="VolumeSize", label="Volume (GiB)", description="Of a host.", default="30")\n'
    templates = _templates(
        tmp_path,
        [
            ("settings/hosts.py", "HOSTS = Group(", f"{setting}HOSTS = Group("),
            ("settings/hosts.py", "        ASG_INSTANCE_TYPE,", "        ASG_INSTANCE_TYPE, VOLUME,"),
            ("parts/hosts.py", "ec2.EBSBlockDevice(", "ec2.EBSBlockDevice(VolumeSize=stack.take(settings.VOLUME), "),
        ],
    )
    parent, compute = templates["pypiserver.yaml"], templates["compute.yaml"]
    assert parent["Parameters"]["VolumeSize"]["Default"] == "30"
    assert parent["Resources"]["Compute"]["Properties"]["Parameters"]["VolumeSize"] == {"Ref": "VolumeSize"}
    data = compute["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    assert data["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == {"Ref": "VolumeSize"}


def test_a_parameter_in_no_group_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        _templates(tmp_path, [("settings/backup.py", "        BACKUP_SCHEDULE,\n", "")])
    assert "put the setting into its module's Group" in failed.value.stderr


def test_a_new_output_reaches_another_layer(tmp_path: Path) -> None:
    templates = _templates(
        tmp_path,
        [
            ("layers/storage.py", "class Storage:\n", "class Storage:\n    place: Wire[kinds.Arn]\n"),
            (
                "layers/storage.py",
                "return Storage(\n",
                'return Storage(\n        place=stack.offer("Place", arn, "A."),\n',
            ),
            ("parent.py", "certificate=from_edge", "place=from_storage.place, certificate=from_edge"),
            ("layers/monitoring.py", "    certificate: Wire", "    place: Wire[kinds.Arn],\n    certificate: Wire"),
            (
                "layers/monitoring.py",
                "    dimensions = {\n",
                '    dimensions = {\n        "Place": stack.take(place),\n',
            ),
        ],
    )
    passed = templates["pypiserver.yaml"]["Resources"]["Monitoring"]["Properties"]["Parameters"]
    assert passed["Place"] == {"Fn::GetAtt": ["Storage", "Outputs.Place"]}
    assert templates["monitoring.yaml"]["Parameters"]["Place"] == {"Type": "String"}
    assert "Place" in templates["storage.yaml"]["Outputs"]


def test_a_new_command_runs_refuses_and_is_in_the_help(tmp_path: Path) -> None:
    _follow(tmp_path, [("commands/stack.py", "@app.command()\ndef delete(", _COMMAND)])
    (tmp_path / "generator" / "operations" / "region.py").write_text(_OPERATION)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "generator", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    done = run("region", "--upper", "--region", "eu-north-1")
    assert (done.returncode, done.stdout) == (DONE, "EU-NORTH-1\n"), done.stderr
    refused = run("region", "--region", "cn-north-1")
    assert (refused.returncode, refused.stderr) == (REFUSED, "error: not for China: give another --region\n")
    assert "Print the region that the commands work in." in run("--help").stdout
    assert wrong_imports(tmp_path) == []
