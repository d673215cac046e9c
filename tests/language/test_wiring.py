"""Wrong wiring fails before any template is written: in the type checker, and at run time where that is not run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deployments import Editions
from mypy import api
from resolve import Data
from troposphere import Equals, Ref, Template
from troposphere.sns import Topic

from generator import kinds, settings
from generator.language.wiring import Setting, Stack, When, Wire
from generator.layers.compute import compute
from generator.layers.edge import edge
from generator.layers.security import Security, security
from generator.layers.storage import storage

ROOT = Path(__file__).parents[2]

PREAMBLE = """
from generator.language.editions import Edition
from generator.layers.compute import compute
from generator.layers.edge import edge
from generator.layers.security import security
from generator.layers.storage import storage
from generator.language.wiring import Stack, Wire
from generator import kinds


def architecture(edition: Edition, stack: Stack) -> None:
    from_security = security(stack)
    from_storage = storage(
        stack,
        file_system_group=from_security.file_system_group,
        publisher=from_security.publisher,
        reader=from_security.reader,
        tokens=from_security.tokens,
    )
    from_edge = edge(stack, load_balancer_group=from_security.load_balancer_group)
"""
COMPUTE = """
    compute(
        stack,
        host_group=from_security.host_group,
        task_group=from_security.task_group,
        host_profile=from_security.host_profile,
        publisher=from_security.publisher,
        reader=from_security.reader,
        tokens=from_security.tokens,
        file_system=from_storage.file_system,
        access_point=from_storage.access_point,
        task_role=from_storage.task_role,
        target_group=from_edge.target_group,
    )
"""


class Snippet(NamedTuple):
    """What replaces what in the right wiring, and the error code that mypy must report (none: accepted)."""

    old: str = ""
    new: str = ""
    code: str | None = None


SNIPPETS = {
    "right": Snippet(),
    "two_kinds_swapped": Snippet(
        "file_system=from_storage.file_system,\n        access_point=from_storage.access_point",
        "file_system=from_storage.access_point,\n        access_point=from_storage.file_system",
        "arg-type",
    ),
    "arn_for_a_name": Snippet(
        "target_group=from_edge.target_group,", "target_group=from_edge.target_group_name,", "arg-type"
    ),
    "secret_for_a_role": Snippet("task_role=from_storage.task_role", "task_role=from_security.publisher", "arg-type"),
    "text_for_a_wire": Snippet("host_group=from_security.host_group", 'host_group="sg-0123"', "arg-type"),
    "wire_dropped": Snippet("        target_group=from_edge.target_group,\n", "", "call-arg"),
    "wire_unknown": Snippet("host_group=from_security.host_group", "hosts=from_security.host_group", "call-arg"),
    "wire_too_many": Snippet(
        "host_group=from_security.host_group",
        "host_group=from_security.host_group, cluster=from_security.host_group",
        "call-arg",
    ),
    "offer_misspelt": Snippet("from_storage.task_role", "from_storage.taskrole", "attr-defined"),
    "wires_by_position": Snippet("host_group=from_security.host_group", "from_security.host_group", "call-arg"),
    "layer_without_a_stack": Snippet("compute(\n        stack,", "compute(", "call-arg"),
    "setting_exposed": Snippet("compute(\n", 'edition.expose("VpcId")\n    compute(\n', "arg-type"),
    "offer_of_another_kind": Snippet(
        "compute(\n", "wrong: Wire[kinds.SecretArn] = from_storage.task_role\n    compute(\n", "assignment"
    ),
    "specific_kind_for_a_general_one": Snippet(
        "compute(\n", "wrong: Wire[kinds.Arn] = from_security.publisher\n    compute(\n", "assignment"
    ),
}


def test_mypy_rejects_wrong_wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run over all the snippets, as mypy's start is what takes the time."""
    right = PREAMBLE + COMPUTE
    for name, snippet in SNIPPETS.items():
        assert right.count(snippet.old) == 1 or not snippet.old, name
        (tmp_path / f"{name}.py").write_text(right.replace(snippet.old, snippet.new) if snippet.old else right)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MYPY_CONFIG_FILE_DIR", str(ROOT))  # mypy itself would leave it
    files = [str(tmp_path / f"{name}.py") for name in SNIPPETS]
    output, errors, _ = api.run(["--no-error-summary", "--no-pretty", "--hide-error-context", *files])
    assert not errors
    reported: dict[str, set[str]] = {name: set() for name in SNIPPETS}
    for line in output.splitlines():
        match = re.search(r"(\w+)\.py:\d+: error: .*\[([a-z-]+)\]$", line)
        if match and match[1] in reported:
            reported[match[1]].add(match[2])
    expected = {name: {snippet.code} if snippet.code else set() for name, snippet in SNIPPETS.items()}
    assert reported == expected, output


def _stack(title: str = "Test", *, shared: bool = False) -> Stack:
    return Stack(title=title, template=Template(), shared=shared)


def _for_storage(from_security: Security) -> dict[str, Any]:
    """What the storage layer takes."""
    return {name: getattr(from_security, name) for name in ("file_system_group", "publisher", "reader", "tokens")}


def _wires() -> dict[str, Any]:
    """All that the compute layer takes; Any, as the mistakes below are the point."""
    from_security = security(_stack("Security"))
    from_storage = storage(_stack("Storage"), **_for_storage(from_security))
    from_edge = edge(_stack("Edge"), load_balancer_group=from_security.load_balancer_group)
    return {
        "host_group": from_security.host_group,
        "task_group": from_security.task_group,
        "host_profile": from_security.host_profile,
        "publisher": from_security.publisher,
        "reader": from_security.reader,
        "tokens": from_security.tokens,
        "file_system": from_storage.file_system,
        "access_point": from_storage.access_point,
        "task_role": from_storage.task_role,
        "target_group": from_edge.target_group,
    }


def test_right_wiring_runs() -> None:
    assert compute(_stack("Compute"), **_wires()).cluster.name == "EcsClusterName"


@pytest.mark.parametrize("name", _wires())
def test_a_dropped_or_unknown_wire_is_refused(name: str) -> None:
    wires = _wires()
    wire = wires.pop(name)
    with pytest.raises(TypeError, match=name):
        compute(_stack("Compute"), **wires)
    with pytest.raises(TypeError, match="unknown"):
        compute(_stack("Compute"), **wires, **{name: wire, "unknown": wire})


def test_a_misspelt_offer_is_refused() -> None:
    from_storage: Any = storage(_stack("Storage"), **_for_storage(security(_stack("Security"))))
    with pytest.raises(AttributeError, match="taskrole"):
        _ = from_storage.taskrole


def _wire(name: str = "FileSystemId", stack: str = "Storage") -> Wire[kinds.FileSystemId]:
    return Wire(name=name, expression=Ref("FileSystem"), description="", stack=stack)


@pytest.mark.parametrize("shared", [False, True])
def test_two_sources_under_one_name_are_refused(shared: bool) -> None:
    stack = _stack(shared=shared)
    wire = _wire("VpcId")
    stack.take(settings.VPC_ID)
    stack.take(settings.VPC_ID)
    with pytest.raises(ValueError, match="two different sources are named VpcId"):
        stack.take(wire)
    with pytest.raises(ValueError, match="VpcId"):
        stack.take(replace(settings.VPC_ID, label="Another"))


def test_offering_twice_is_refused() -> None:
    stack = _stack()
    _: Wire[kinds.FileSystemId] = stack.offer("FileSystemId", Ref("A"), "A.")
    with pytest.raises(ValueError, match="FileSystemId is offered twice"):
        _ = stack.offer("FileSystemId", Ref("B"), "B.")


def test_two_conditions_or_mappings_under_one_name_are_refused() -> None:
    stack = _stack(shared=True)
    first, second = When("HasIt", lambda _: Equals("a", "")), When("HasIt", lambda _: Equals("b", ""))
    assert stack.when(first) == stack.when(first) == "HasIt"
    with pytest.raises(ValueError, match="HasIt"):
        stack.when(second)
    assert stack.mapping("Table", {"a": {"b": "c"}}) == stack.mapping("Table", {"a": {"b": "c"}}) == "Table"
    with pytest.raises(ValueError, match="Table"):
        stack.mapping("Table", {"a": {"b": "d"}})


def test_one_logical_id_twice_is_refused() -> None:
    stack = _stack()
    stack.add(Topic("Topic"))
    with pytest.raises(ValueError, match="Topic"):
        stack.add(Topic("Topic"))


@pytest.mark.parametrize(
    ("shared", "source", "parameter", "value"),
    [
        # A child declares a bare parameter; the single file has the operator's, and of a wire none at all.
        (False, _wire(), {"Type": "String"}, {"Ref": "FileSystemId"}),
        (True, _wire(), None, {"Ref": "FileSystem"}),
        (False, settings.ASG_SUBNETS, {"Type": "CommaDelimitedList"}, {"Ref": "AsgSubnets"}),
        (False, settings.BACKUP_RETENTION_DAYS, {"Type": "String"}, {"Ref": "BackupRetentionDays"}),
        (
            True,
            settings.ENABLE_EFS_BACKUP,
            settings.ENABLE_EFS_BACKUP.parameter().to_dict(),
            {"Ref": "EnableEfsBackup"},
        ),
    ],
)
def test_taking(shared: bool, source: Setting | Wire[Any], parameter: Data | None, value: Data) -> None:
    stack = _stack(shared=shared)
    taken = stack.take(source)
    assert not isinstance(taken, str)
    assert taken.to_dict() == value
    found = stack.template.to_dict().get("Parameters", {}).get(source.name)
    assert found == parameter


def test_a_wire_that_its_layer_does_not_offer_is_no_output_of_the_parent(editions: Editions) -> None:
    """What the parent shows is exactly what the architecture exposes, of the stack that offers it."""
    for name, output in editions.parent["Outputs"].items():
        producer, attribute = output["Value"]["Fn::GetAtt"]
        assert attribute == f"Outputs.{name}"
        assert name in editions.templates[f"{producer.lower()}.yaml"]["Outputs"]
