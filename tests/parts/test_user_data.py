"""A host's first start: the rendered user data, read by the real cloud-init and by shellcheck."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from deployments import DEFAULTS, Editions
from hypothesis import HealthCheck, assume, example, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from refuse import constraint_violations

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


class FirstStart:
    """``first_start(**parameters)``: what cloud-init makes of the launch template's user data; see cloud_init.py."""

    def __init__(self, editions: Editions, requests: IO[str], answers: IO[str]) -> None:
        self._editions, self._requests, self._answers = editions, requests, answers

    def __call__(self, **given: str) -> dict[str, Any]:
        template = self._editions.single_file["Resources"]["LaunchTemplate"]
        user_data = template["Properties"]["LaunchTemplateData"]["UserData"]
        print(self._editions.single({**DEFAULTS, **given}).value(user_data), file=self._requests, flush=True)
        result: dict[str, Any] = json.loads(self._answers.readline())
        return result

    def admits(self, **given: str) -> bool:
        return not given.keys() & set(constraint_violations(self._editions.parent, given))


@pytest.fixture(scope="module")
def first_start(editions: Editions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstStart]:
    script = Path(__file__).parents[1] / "support" / "cloud_init.py"
    command = [SYSTEM_PYTHON, str(script), str(tmp_path_factory.mktemp("hosts"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield FirstStart(editions, process.stdin, process.stdout)
        process.stdin.close()


OURS = {"/etc/ecs/ecs.config", "/etc/cloudwatch-agent/config.json"}


def written(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["path"]: entry for entry in result["config"]["write_files"]}


def test_host_joins_the_cluster_and_configures_the_log_agent(first_start: FirstStart) -> None:
    result = first_start()
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


def test_users_and_files_of_the_operator_are_added_to_ours(first_start: FirstStart) -> None:
    extra = {"path": "/etc/motd", "content": "hello ${name}\n", "permissions": "0644", "owner": "root:root"}
    result = first_start(
        Users=json.dumps([EVERY_USER_FIELD, {"name": "second"}], indent=2),
        ExtraFiles=json.dumps([extra]),
    )
    assert result["config"]["users"] == ["default", EVERY_USER_FIELD, {"name": "second"}]
    assert set(written(result)) == OURS | {"/etc/motd"}
    assert written(result)["/etc/motd"] == extra


@pytest.mark.parametrize("broken", ['[{"name": "admin"]', "[}]", '["', "[: :]"])
def test_a_mistake_in_the_operators_json_keeps_the_host_in_the_cluster(first_start: FirstStart, broken: str) -> None:
    result = first_start(Users=broken, ExtraFiles=broken)
    assert set(written(result)) >= OURS


def test_commands_of_the_operator_run_as_given(first_start: FirstStart) -> None:
    commands = 'echo "a b" > /tmp/it\nfor name in x y; do echo "${name}"; done'
    scripts = first_start(CloudinitExtraCommands=commands)["scripts"]
    assert scripts == {"extra-commands": f"#!/bin/bash\n{commands}"}


def test_scripts_pass_shellcheck(first_start: FirstStart, tmp_path: Path) -> None:
    for name, script in first_start()["scripts"].items():
        file = tmp_path / name
        file.write_text(script)
        subprocess.run([Path(sys.executable).with_name("shellcheck"), "--severity=style", file], check=True)


HOSTILE = (
    *("\t", "\n", "\r", "\r\n", "\0", "\x0b", "\x1b", "\x7f", "\x85", "\xa0", "é", "\u2028", "\ufeff", "\ufffe", "😀"),
    *(
        "\\",
        '"',
        "'",
        "`",
        "$",
        "${Users}",
        "$(",
        "{{ v1.region }}",
        "{%",
        "{{",
        "#",
        ": ",
        "- ",
        "---",
        "...",
        "%",
        "&a",
        "*a",
    ),
    *(
        "--",
        "==pypiserver==",
        "--==pypiserver==",
        "--==pypiserver==--",
        "\n--==pypiserver==--\n",
        "From ",
        "Content-Type: text/plain\n\n",
        "\n\n",
    ),
    *(
        "#cloud-config\n",
        "#include http://127.0.0.1\n",
        "## template: jinja\n",
        "MIME-Version: 1.0\n",
        "#!/bin/sh\n",
        "=\n",
        "=3D",
    ),
)
TEXT = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=5), st.text("az09 _{}[],", max_size=9))).map(
    "".join
)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), TEXT)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
# Much of what is hostile is refused; how much depends on constants that Hypothesis finds in whatever is imported.
UNCHECKED = [HealthCheck.too_slow, HealthCheck.filter_too_much]
tried = effort(max_examples=60, deadline=None, suppress_health_check=UNCHECKED, derandomize=True)


@st.composite
def json_lists(draw: st.DrawFn) -> str:
    """Lists of objects, as one program or another writes JSON."""
    value = draw(st.lists(st.dictionaries(TEXT, JSON, min_size=1, max_size=3), max_size=3))
    indent: str | int | None = draw(st.sampled_from([None, 0, 1, 2, "\t"]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : "), ("\n,", "\n:")]))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=indent, separators=separators)
    return text.replace("\n", draw(st.sampled_from(["\n", "\n\n", "\r\n"])))


@tried
@given(commands=TEXT)
def test_whatever_commands_are_admitted_arrive_as_given(first_start: FirstStart, commands: str) -> None:
    assume(first_start.admits(CloudinitExtraCommands=commands))
    result = first_start(CloudinitExtraCommands=commands)
    assert result["scripts"] == {"extra-commands": f"#!/bin/bash\n{commands}"}
    assert set(written(result)) == OURS


@tried
@given(users=json_lists(), files=json_lists())
def test_whatever_json_is_admitted_arrives_as_given(first_start: FirstStart, users: str, files: str) -> None:
    given = {"Users": users, "ExtraFiles": files}
    assume(first_start.admits(**given))
    config = first_start(**given)["config"]
    assert config["users"] == ["default", *json.loads(users)]
    assert [it for it in config["write_files"] if it.get("path") not in OURS] == json.loads(files)


@tried
@given(users=TEXT, files=TEXT)
@example(users="\n--==pypiserver==--\n", files="")
def test_whatever_is_admitted_leaves_the_host_in_the_cluster(first_start: FirstStart, users: str, files: str) -> None:
    given = {"Users": f"[{users}]", "ExtraFiles": f"[{files}]"}
    assume(first_start.admits(**given))
    result = first_start(**given)
    assert {it["path"] for it in result["config"]["write_files"][:2]} == OURS, "first, before one that may fail"
    assert result["scripts"] == {"extra-commands": "#!/bin/bash\n"}
