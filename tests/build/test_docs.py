"""The documents tell the truth: derived parts are current, links lead somewhere, every input has its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from troposphere import Template

from generator import settings
from generator.build import documents
from generator.build.examples import PARAMETERS, example_parameters
from generator.catalog.deployer import deployer
from generator.catalog.template import catalog
from generator.commands import main
from generator.parent import nested
from generator.parts.container_program import CAPACITY, SECRET, packed
from generator.parts.data_bearing import DATA_BEARING, stack_policy

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "README.md"
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", TESTS, *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def derived() -> dict[str, str]:
    """The generated parts by name."""
    return documents.parts(nested(), ROOT / documents.BENCHMARK)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_derived_parts_are_current(document: Path, derived: dict[str, str], tmp_path: Path) -> None:
    copy = tmp_path / document.name
    copy.write_text(document.read_text())
    documents.update(copy, derived)
    assert copy.read_text() == document.read_text(), "run make templates"


def test_each_derived_part_has_its_one_place(derived: dict[str, str]) -> None:
    """Whatever has none, or has another name there, would never be written again."""
    places = [name for path in DOCUMENTS for name in re.findall(r"^<!-- ([a-z]+) -->$", path.read_text(), re.MULTILINE)]
    elsewhere = {"spent", "works"}  # `make spent` and `make clients` write them
    assert sorted(places) == sorted(derived.keys() | elsewhere)


def test_a_part_is_replaced_and_what_is_around_it_is_kept(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text(
        "a\n<!-- one -->\nold\n\nold\n<!-- /one -->\nb\n<!-- two -->\nkept\n<!-- /two -->\n<!-- /one -->\n"
    )
    for _ in range(2):
        documents.update(document, {"one": "new", "none": "absent"})
        text = "a\n<!-- one -->\nnew\n<!-- /one -->\nb\n<!-- two -->\nkept\n<!-- /two -->\n<!-- /one -->\n"
        assert document.read_text() == text


def test_a_checkouts_pages_and_templates_are_written_and_listed(
    derived: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for page in ("README.md", "docs/a/b.md"):
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / page).write_text("kept\n<!-- costs -->\nold\n<!-- /costs -->\nkept\n")
    (tmp_path / documents.BENCHMARK).write_text((ROOT / documents.BENCHMARK).read_text())
    assert main(["templates", "--no-validate"]) == 0
    for page in ("README.md", "docs/a/b.md"):
        assert (tmp_path / page).read_text() == f"kept\n<!-- costs -->\n{derived['costs']}\n<!-- /costs -->\nkept\n"
    written = {path.name for path in (tmp_path / "templates").iterdir()}
    assert written == {path.name for path in (ROOT / "templates").iterdir()}
    said = capsys.readouterr()
    assert said.err == "", "nothing is validated"
    listed = re.findall(r"^(\S+\.yaml)(?: +[\d,]+){4}$", said.out, re.MULTILINE)
    assert sorted(listed) == sorted(name for name in written if name.endswith(".yaml"))


def test_the_room_that_is_left_is_that_of_the_program() -> None:
    said = re.search(r"Of (\d+),000 characters (\d+),000 are left to the program, (\d+) %", documents.room())
    assert said
    capacity, left, share = map(int, said.groups())
    assert abs(capacity * 1000 - CAPACITY) <= 500
    assert abs(left * 1000 - (CAPACITY - packed().size)) <= 500
    assert abs(share - 100 * left / capacity) <= 1


def test_derived_tables_have_a_cell_in_each_column(derived: dict[str, str]) -> None:
    """GitHub shows a table only if the line below its head has as many columns, and leaves out cells beyond them."""
    tables = [found for text in derived.values() for found in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)]
    assert len(tables) > 10
    for table in tables:
        head, rule, *rows = (re.split(r"(?<!\\)\|", line) for line in table.splitlines())
        assert {it for it in rule if it} <= {"---", "---:"}
        assert rows
        assert {len(it) for it in (head, rule, *rows)} == {len(head)}, table


def test_every_parameter_and_output_is_listed(built: dict[str, Template]) -> None:
    page = (ROOT / "docs" / "parameters.md").read_text()
    parent = built["pypiserver.yaml"]
    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert rows == {setting.name for setting in settings.ALL} | set(parent.outputs)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    assert [it for it in targets if "://" not in it and not (document.parent / it).exists()] == []


def test_readme_is_read_to_its_end() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_names_in_the_documents_exist(built: dict[str, Template]) -> None:
    """CamelCase names in backticks are parameters, outputs, logical IDs or AWS's own words listed here."""
    aws = {
        "AccessDenied",
        "CannotPullContainerError",
        "CloudWatch",
        "LastReplicatedTimestamp",
        "OutOfMemoryError",
        "PendingConfirmation",
        "ReplicationConfiguration",
        "ResourceInitializationError",
        "SecretString",
        "TimeSinceLastSync",
        "VcpuLimitExceeded",
    }
    known = {setting.name for setting in settings.ALL} | aws | {SECRET}
    for template in {**built, **catalog(built["pypiserver-single.yaml"]), **deployer(built)}.values():
        known |= {*template.parameters, *template.outputs, *template.resources}
    # That page names what is gone.
    named = {
        document.name: set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z0-9]*)+)`", document.read_text()))
        for document in DOCUMENTS
        if document.name != "upgrading.md"
    }
    assert "BackupSchedule" in set().union(*named.values()), "they are found"
    assert {name: it - known for name, it in named.items() if it - known} == {}


def test_messages_in_the_documents_are_printed_word_for_word() -> None:
    """Somebody searches the page for what a client or a command showed."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    server = "".join(path.read_text() for path in (ROOT / "server").rglob("*.py"))
    answers = re.findall(r"^\| `(\d{3}) (\w[^`…]+\w)", page, re.MULTILINE)
    assert len(answers) >= 6
    for status, words in answers:
        said = re.escape(words).replace("reader", r"\{self\.name\}")
        assert re.search(rf'{status},\s*f?"{said}', server), f"the server never answers {status} {words}"
    guard = (ROOT / "generator" / "operations" / "guard.py").read_text()
    refusals = re.findall(r"^\| `(refused: [^`]+)`", page, re.MULTILINE)
    assert len(refusals) >= 2
    assert [it for it in refusals if it not in guard] == []


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"^make ([a-z-]+)", document.read_text(), re.MULTILINE)) <= targets


def test_the_page_on_tests_names_every_module_of_theirs() -> None:
    page = TESTS.read_text()
    modules = {path.stem for path in (ROOT / "tests" / "support").glob("*.py") if not path.name.startswith("test_")}
    assert not {name for name in modules if f"`{name}`" not in page}, f"say in {TESTS} what it is for"
    for path in re.findall(r"tests/[\w/.]*\w", page):
        assert (ROOT / path).exists(), path


def test_every_input_of_the_terraform_module_has_a_parameter() -> None:
    """Each input is a parameter in CamelCase, or has a row of its own in docs/migrating.md."""
    inputs = """access_log_force_destroy alarm_emails alarm_topic_arns ami_id asg_instance_type asg_max_size
    asg_min_size asg_subnets backup_retention_days backup_schedule backups_force_destroy cloudinit_extra_commands
    container_cpu container_memory container_memory_reservation dns_names docker_image_tag
    efs_burst_credit_threshold efs_lifecycle_policy efs_provisioned_throughput_in_mibps efs_throughput_mode
    enable_cloudwatch_dashboard enable_efs_backup environment extra_files extra_instance_profile_permissions
    gunicorn_workers load_balancer_subnets secret_readers service_name task_max_count task_min_count users zone_id"""
    names = {setting.name for setting in settings.ALL}
    migrating = (ROOT / "docs" / "migrating.md").read_text()
    for name in inputs.split():
        camel = "".join(word.capitalize() for word in name.split("_"))
        assert camel in names or f"| `{name}` |" in migrating, name


def test_example_parameters_satisfy_the_template() -> None:
    """A user who puts in their own identifiers has given every parameter without a default."""
    required = {setting.name for setting in settings.ALL if setting.default is None}
    given = dict(line.split("=", 1) for line in json.loads(example_parameters()))
    assert given == PARAMETERS
    assert required <= set(given) <= {setting.name for setting in settings.ALL}
    assert (ROOT / "templates" / "parameters.example.json").read_text() == example_parameters()


def test_stack_policy_guards_what_holds_data_in_both_editions(built: dict[str, Template]) -> None:
    denied = json.loads(stack_policy())["Statement"][1]
    assert set(denied["Action"]) == {"Update:Replace", "Update:Delete"}
    titles = {resource.removeprefix("LogicalResourceId/") for resource in denied["Resource"]}
    holders = {
        it for it in built["pypiserver.yaml"].resources if {*DATA_BEARING} & {*built[f"{it.lower()}.yaml"].resources}
    }
    assert titles == {*holders, *DATA_BEARING}
    assert set(DATA_BEARING) <= set(built["pypiserver-single.yaml"].resources)
    assert (ROOT / "templates" / "stack-policy.json").read_text() == stack_policy()


def test_no_document_has_an_unresolved_conflict() -> None:
    conflict = re.compile("^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
    assert [it.name for it in DOCUMENTS if conflict.search(it.read_text())] == []
