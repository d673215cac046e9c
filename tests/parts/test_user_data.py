"""A host's first start: the rendered user data, read by the real cloud-init and by shellcheck."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deployments import DEFAULTS, Editions

from generator.parts.user_data import HOST_LOGS

pytestmark = pytest.mark.slow
SYSTEM_PYTHON = "/usr/bin/python3"
"""The one Debian's cloud-init is installed for (``apt-get install cloud-init``)."""

EVERY_USER_FIELD = {
    "name": "admin",
    "expiredate": "2032-09-01",
    "gecos": "An administrator",
    "homedir": "/home/admin",
    "primary_group": "wheel",
    "groups": "wheel,adm",
    "selinux_user": "staff_u",
    "lock_passwd": True,
    "inactive": "5",
    "passwd": "$6$salt$hash${HOME}",
    "no_create_home": False,
    "no_user_group": False,
    "no_log_init": False,
    "ssh_import_id": ["gh:admin"],
    "ssh_authorized_keys": ["ssh-ed25519 AAAA admin@example.com"],
    "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
    "system": False,
    "snapuser": "admin@example.com",
}
"""Every field that the Terraform module's ``users`` may have."""


def first_start(editions: Editions, directory: Path, **given: str) -> dict[str, Any]:
    """What cloud-init makes of the launch template's user data; see cloud_init.py."""
    template = editions.single({**DEFAULTS, **given}).resources["LaunchTemplate"]
    data = template["Properties"]["LaunchTemplateData"]["UserData"]
    script = Path(__file__).parents[1] / "support" / "cloud_init.py"
    ran = subprocess.run(
        [SYSTEM_PYTHON, script, directory], input=base64.b64decode(data), capture_output=True, check=True
    )
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def written(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["path"]: entry for entry in result["config"]["write_files"]}


def test_host_joins_the_cluster_and_configures_the_log_agent(editions: Editions, tmp_path: Path) -> None:
    result = first_start(editions, tmp_path)
    assert result["invalid"] == ""
    assert result["config"]["users"] == ["default"]
    ecs = written(result)["/etc/ecs/ecs.config"]
    assert ecs["append"] is True
    assert "ECS_CLUSTER=<Cluster>" in ecs["content"].splitlines()
    agent = json.loads(written(result)["/etc/cloudwatch-agent/config.json"]["content"])
    collected = agent["logs"]["logs_collected"]["files"]["collect_list"]
    assert agent["agent"]["region"] == "eu-west-1"
    assert {it["log_stream_name"]: it["file_path"] for it in collected} == {
        f"i-0123456789abcdef0/{name}": f"/host{path}" for name, path in HOST_LOGS.items()
    }
    assert {it["log_group_name"] for it in collected} == {"<HostLogs>"}


def test_users_and_files_of_the_operator_are_added_to_ours(editions: Editions, tmp_path: Path) -> None:
    extra = {"path": "/etc/motd", "content": "hello ${name}\n", "permissions": "0644", "owner": "root:root"}
    result = first_start(
        editions,
        tmp_path,
        Users=json.dumps([EVERY_USER_FIELD, {"name": "second"}], indent=2),
        ExtraFiles=json.dumps([extra]),
    )
    assert result["config"]["users"] == ["default", EVERY_USER_FIELD, {"name": "second"}]
    assert set(written(result)) == {"/etc/ecs/ecs.config", "/etc/cloudwatch-agent/config.json", "/etc/motd"}
    assert written(result)["/etc/motd"] == extra


@pytest.mark.parametrize("broken", ['[{"name": "admin"]', "[}]", '["', "[: :]"])
def test_a_mistake_in_the_operators_json_keeps_the_host_in_the_cluster(
    editions: Editions, tmp_path: Path, broken: str
) -> None:
    result = first_start(editions, tmp_path, Users=broken, ExtraFiles=broken)
    assert {"/etc/ecs/ecs.config", "/etc/cloudwatch-agent/config.json"} <= set(written(result))


def test_commands_of_the_operator_run_as_given(editions: Editions, tmp_path: Path) -> None:
    commands = 'echo "a b" > /tmp/it\nfor name in x y; do echo "${name}"; done'
    scripts = first_start(editions, tmp_path, CloudinitExtraCommands=commands)["scripts"]
    assert scripts == {"extra-commands": f"#!/bin/bash\n{commands}"}


def test_scripts_pass_shellcheck(editions: Editions, tmp_path: Path) -> None:
    for name, script in first_start(editions, tmp_path)["scripts"].items():
        file = tmp_path / name
        file.write_text(script)
        subprocess.run([Path(sys.executable).with_name("shellcheck"), "--severity=style", file], check=True)
