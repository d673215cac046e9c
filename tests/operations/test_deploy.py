"""The commands on the whole parent, on ``emulator``: see there what that proves."""

from __future__ import annotations

import json
import netrc
import os
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from pathlib import Path
from shutil import copytree

import pytest
from calls import REGION, client
from emulator import BUCKET, backend, emulator, environment, network
from pseudo_terminal import session

from generator.commands import main
from generator.operations.aws import Account
from generator.operations.deploy import Wish, deploy
from generator.operations.exits import Problem
from generator.operations.parameters import read
from generator.operations.terminal import terminal
from generator.parent import single
from generator.parts.data_bearing import DATA_BEARING

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
DEPLOY = ("deploy", "--bucket", BUCKET, "--yes")
Deployment = dict[str, str]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture(autouse=True)
def here(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, from which the commands reach the server."""
    for name, value in environment(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def give(**settings: str) -> Deployment:
    """Write the file of parameters."""
    values = {**network(), **settings}
    Path("parameters.json").write_text(json.dumps([f"{name}={value}" for name, value in values.items()]))
    return values


@pytest.fixture(scope="module")
def deployed(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stack ``pypi`` as it is after its creation; its parameters."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("deployed")
        for name, value in environment(server, directory).items():
            patch.setenv(name, value)
        patch.chdir(directory)
        values = give()
        assert main([*DEPLOY]) == 0
        yield values


def stack(name: str = "pypi") -> dict[str, str]:
    """Physical IDs by logical ID, of all layers."""
    found: dict[str, str] = {}
    for it in client("cloudformation").list_stack_resources(StackName=name)["StackResourceSummaries"]:
        if it["ResourceType"] == "AWS::CloudFormation::Stack":
            found |= {it["LogicalResourceId"]: it["PhysicalResourceId"]} | stack(it["PhysicalResourceId"])
        elif it["ResourceType"]:
            found[it["LogicalResourceId"]] = it["PhysicalResourceId"]
    return found


def write(values: Deployment, **changed: str) -> None:
    Path("parameters.json").write_text(json.dumps({"Parameters": {**values, **changed}}))


def deploy_from(templates: Path) -> int:
    wish = Wish("pypi", templates, Path("parameters.json"), BUCKET, "pypiserver", yes=True)
    return deploy(Account(), terminal(), wish)


def test_data_bearing_is_what_the_templates_retain() -> None:
    resources = single().templates()["pypiserver-single.yaml"].to_dict()["Resources"]
    assert set(DATA_BEARING) == {title for title, it in resources.items() if it.get("UpdateReplacePolicy") == "Retain"}


def test_creation_shows_every_layer_and_sets_the_policies(
    deployed: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status"]) == 1
    lines = capsys.readouterr().out
    for name in ("pypi", "Security", "Storage", "Edge", "Compute", "Monitoring"):
        assert re.search(rf"^ok +{name} +CREATE_COMPLETE", lines, re.MULTILINE)
    # Nothing runs on moto: the server is rightly said to be unwell.
    assert re.search(r"^BAD +targets", lines, re.MULTILINE)
    policy = (TEMPLATES / "stack-policy.json").read_text()
    ids = stack()
    for guarded in ("pypi", ids["Security"], ids["Storage"], ids["Edge"]):
        assert client("cloudformation").get_stack_policy(StackName=guarded)["StackPolicyBody"] == policy


def test_unchanged_stack_is_left_alone(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    write(deployed)
    events = len(backend().get_stack("pypi").events)
    assert main([*DEPLOY]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert len(backend().get_stack("pypi").events) == events


def test_dry_run_changes_nothing(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    write(deployed, TaskMinCount="4")
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


def test_update_keeps_what_the_file_does_not_name(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    Path("parameters.json").write_text('["AlarmEmails=new@example.com"]')
    before = stack()
    assert main([*DEPLOY]) == 0
    lines = capsys.readouterr().out
    assert "pypi is UPDATE_COMPLETE" in lines
    assert stack()["FileSystem"] == before["FileSystem"]
    (found,) = client("cloudformation").describe_stacks(StackName="pypi")["Stacks"]
    given = {it["ParameterKey"]: it["ParameterValue"] for it in found["Parameters"]}
    assert given["VpcId"] == deployed["VpcId"]
    assert given["AlarmEmails"] == "new@example.com"


def test_removal_of_data_is_refused(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    write(deployed, ExistingFileSystemId="fs-0123456789abcdef0")
    before = stack()
    assert main([*DEPLOY]) == 2
    captured = capsys.readouterr()
    assert "FileSystem (remove). If you mean it: --allow-data-loss FileSystem" in captured.err
    assert re.search(r"- remove +FileSystem +AWS::EFS::FileSystem; .*the old one stays in the account", captured.out)
    assert stack() == before


@pytest.mark.parametrize("capacity", ["fargate", "fargate-spot"])
def test_a_change_between_hosts_and_fargate_is_refused(
    deployed: Deployment, capacity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is uploaded or compared; a policy of the stacks refuses it where somebody goes another way."""
    before = stack()
    write(deployed, Capacity=capacity)
    assert main([*DEPLOY]) == 2
    assert f"refused: Capacity={capacity} in pypi, which runs on ec2" in capsys.readouterr().err
    assert stack() == before
    policy = client("cloudformation").get_stack_policy(StackName=before["Security"])["StackPolicyBody"]
    denied = [it for it in json.loads(policy)["Statement"] if it["Effect"] == "Deny"]
    (removal,) = [it for it in denied if "LogicalResourceId/HostSecurityGroup" in it["Resource"]]
    assert removal["Action"] == ["Update:Delete"], "a change of VpcId replaces it, which works"
    assert "HostSecurityGroup" in before


def test_another_capacity_is_a_second_stack_on_the_same_files(deployed: Deployment, here: Path) -> None:
    """The way of docs/operations.md, up to the moved names."""
    outputs = {
        it["OutputKey"]: it["OutputValue"]
        for it in client("cloudformation").describe_stacks(StackName="pypi")["Stacks"][0]["Outputs"]
    }
    second = {"Capacity": "fargate", "ExistingFileSystemId": outputs["FileSystemId"], "CreateMountTargets": "false"}
    new = ("--stack-name", "pypi-next")
    write(deployed, **second, DnsNames="pypi-next")
    assert main([*DEPLOY, *new]) == 0
    has = stack("pypi-next")
    assert "FileSystem" not in has
    (point,) = client("efs").describe_access_points(AccessPointId=has["AccessPoint"])["AccessPoints"]
    assert point["FileSystemId"] == outputs["FileSystemId"]
    write(deployed, **(second | {"Capacity": "fargate-spot"}), DnsNames="pypi-next,pypi-moved")
    assert main([*DEPLOY, *new]) == 0, "Fargate and its Spot are exchanged in place"
    write(deployed, **(second | {"Capacity": "ec2"}), DnsNames="pypi-next")
    assert main([*DEPLOY, *new]) == 2, "and the way back is refused like the way there"
    assert main(["delete", *new, "--yes"]) == 0
    assert client("efs").describe_file_systems(FileSystemId=outputs["FileSystemId"])["FileSystems"]


def test_replacement_of_data_is_refused(deployed: Deployment, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copytree(TEMPLATES, here / "templates")
    storage = here / "templates" / "storage.yaml"
    storage.write_text(storage.read_text().replace("      Encrypted: true", "      Encrypted: false"))
    write(deployed)
    before = stack()
    with pytest.raises(Problem, match=r"FileSystem \(replace\)"):
        deploy_from(here / "templates")
    shown = capsys.readouterr().out
    assert re.search(r"! replace +FileSystem +AWS::EFS::FileSystem; by Encrypted; the old one stays", shown)
    assert re.search(r"data +FileSystem \(replace\), the old one stays", shown)
    assert stack() == before


def test_removal_of_a_nested_stack_with_data_is_refused(deployed: Deployment, here: Path) -> None:
    copytree(TEMPLATES, here / "templates")
    parent = here / "templates" / "pypiserver.yaml"
    parent.write_text(re.sub(r"\n  Storage:\n.*?(?=\n  Edge:)", "", parent.read_text(), flags=re.DOTALL))
    # The other layers do without its outputs.
    parent.write_text(re.sub(r"!GetAtt Storage\.Outputs\.\w+", "none", parent.read_text()))
    write(deployed)
    with pytest.raises(Problem, match=r"Storage \(remove\)"):
        deploy_from(here / "templates")


def keys() -> list[str]:
    """Of everything in the bucket."""
    return [it["Key"] for it in client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_wrong_parameters_are_named_all_at_once_and_before_an_upload(
    deployed: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    write(deployed, TaskMinCnt="3", DnsName="pypi", ContainerMemory="513", HostedZoneName="Example.com.")
    bucket = set(keys())
    assert main([*DEPLOY]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: HostedZoneName must be a lower-case domain name without a dot at the end, e.g. example.com; "
        "it is 'Example.com.'",
        "error: the template has no parameter TaskMinCnt, but TaskMinCount",
        "error: the template has no parameter DnsName, but DnsNames",
        "error: ContainerMemory must be 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, "
        "16384, 24576, 30720 (did you mean 512?); it is '513'",
    ]
    assert set(keys()) == bucket


def test_required_parameters_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("parameters.json").write_text('["VpcId=vpc-1"]')
    assert main([*DEPLOY, "--stack-name", "lacking"]) == 2
    assert "lacks LoadBalancerSubnets, AsgSubnets, HostedZoneName, IngressCidrs, AlarmEmails" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory"),
        ("{", "parameters.json: Expecting"),
        ('["VpcId"]', '"VpcId" is neither "Key=value"'),
        ("{}", "neither a list"),
        ('["VpcId=a", "VpcId=b"]', "VpcId given more than once"),
        ('{"Parameters": {"AsgSubnets": {"a": 1}}}', "AsgSubnets is {"),
    ],
)
def test_unreadable_parameters(text: str | None, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if text is not None:
        Path("parameters.json").write_text(text)
    assert main([*DEPLOY]) == 2
    assert message in capsys.readouterr().err


def test_values_of_json_become_cloudformations() -> None:
    Path("parameters.json").write_text('{"Parameters": {"EnableEfsBackup": true, "TaskMinCount": 3, "L": ["a", "b"]}}')
    assert read(Path("parameters.json")) == {"EnableEfsBackup": "true", "TaskMinCount": "3", "L": "a,b"}


def test_nobody_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    give()
    assert main(["deploy", "--bucket", BUCKET, "--stack-name", "asking"]) == 2
    assert "add --yes" in capsys.readouterr().err


@pytest.fixture
def in_state(deployed: Deployment) -> Iterator[Callable[[str], None]]:
    """Puts the stack into a state."""
    found = backend().get_stack("pypi")
    before = found.status

    def put(status: str) -> None:
        found.status = status

    yield put
    found.status = before


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("ROLLBACK_COMPLETE", "can only be deleted: `python -m generator delete --stack-name pypi`"),
        ("ROLLBACK_FAILED", "can only be deleted"),
        ("UPDATE_ROLLBACK_FAILED", "`aws cloudformation continue-update-rollback --stack-name pypi`"),
    ],
)
def test_states_that_no_deployment_can_change(
    status: str,
    message: str,
    deployed: Deployment,
    in_state: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(deployed, TaskMinCount="5")
    in_state(status)
    assert main([*DEPLOY]) == 2
    error = capsys.readouterr().err
    assert f"pypi is {status}" in error
    assert message in error


@pytest.mark.slow
def test_stack_in_review_is_created(capsys: pytest.CaptureFixture[str]) -> None:
    give(ServiceName="reviewed")
    client("cloudformation").create_change_set(
        StackName="reviewed", ChangeSetName="first", ChangeSetType="CREATE", TemplateBody='{"Resources": {}}'
    )
    assert main([*DEPLOY, "--stack-name", "reviewed"]) == 0
    assert "reviewed is CREATE_COMPLETE" in capsys.readouterr().out
    assert main(["delete", "--stack-name", "reviewed", "--yes"]) == 0


def test_running_again_watches_what_is_under_way(
    deployed: Deployment, in_state: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The operation has ended by its events, as the emulator has no other kind."""
    in_state("UPDATE_IN_PROGRESS")
    write(deployed, TaskMinCount="6")
    assert main([*DEPLOY]) == 0
    lines = capsys.readouterr().out
    assert "pypi is UPDATE_IN_PROGRESS: watching, nothing new is deployed" in lines
    assert "ScalableTarget" not in lines.partition("watching")[2].partition("TaskMinCount")[2]


def test_interrupting_ends_only_the_watching(
    deployed: Deployment,
    in_state: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = backend().get_stack("pypi")
    end = found.events.pop()
    in_state("UPDATE_IN_PROGRESS")
    write(deployed)

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    assert main([*DEPLOY]) == 130
    assert "The same command watches again." in capsys.readouterr().out
    assert found.status == "UPDATE_IN_PROGRESS"
    found.events.append(end)
    assert main([*DEPLOY]) == 0


def test_root_cause_of_a_child_deep_within(capsys: pytest.CaptureFixture[str]) -> None:
    """The web ACL does not exist: the first to notice is a resource of Edge, and the service answers so itself."""
    give(WebAclArn=f"arn:aws:wafv2:{REGION}:123456789012:regional/webacl/wall/0a-1b", ServiceName="broken")
    assert main([*DEPLOY, "--stack-name", "broken"]) == 1
    lines = capsys.readouterr().out
    cause = lines.partition("root cause: ")[2].splitlines()
    assert re.fullmatch(
        r"Edge/WebAclAssociation \(AWS::WAFv2::WebACLAssociation\), CREATE_FAILED after \d+:\d\d", cause[0]
    )
    assert "WAFNonexistentItem" in cause[1]
    assert cause[2].startswith("  to do: ")
    assert "broken is ROLLBACK_COMPLETE: mend it, then `python -m generator delete --stack-name broken`" in lines

    assert main([*DEPLOY, "--stack-name", "broken"]) == 2
    again = capsys.readouterr()
    assert "root cause: Edge/WebAclAssociation" in again.out
    assert "can only be deleted" in again.err


@pytest.mark.slow
def test_deletion_names_what_stays_and_how_to_remove_it(capsys: pytest.CaptureFixture[str]) -> None:
    give(ServiceName="short-lived", DeletionProtection="true")
    assert main([*DEPLOY, "--stack-name", "short"]) == 0
    had = stack("short")
    capsys.readouterr()
    client("cloudformation").update_termination_protection(StackName="short", EnableTerminationProtection=True)

    assert main(["delete", "--stack-name", "short", "--yes"]) == 2
    assert capsys.readouterr().err == (
        "error: the stack has termination protection and its load balancer has deletion protection: "
        "add --unprotect to turn this off and delete\n"
    )
    assert main(["delete", "--stack-name", "short", "--yes", "--unprotect"]) == 0
    lines = capsys.readouterr().out.partition("short is deleted\n")[2]
    for name in DATA_BEARING:
        if name in had:
            assert f"stays   {name}  {had[name]}" in lines
    assert f"adopt   deploy with ExistingFileSystemId={had['FileSystem']}" in lines
    assert f"remove  aws efs delete-file-system --file-system-id {had['FileSystem']}" in lines
    file_systems = client("efs").describe_file_systems()["FileSystems"]
    assert had["FileSystem"] in [it["FileSystemId"] for it in file_systems]


def test_deletion_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["delete", "--stack-name", "missing", "--yes"]) == 2
    assert capsys.readouterr().err == (
        f"error: there is no stack missing in {REGION}: look at the name and the region\n"
    )


@pytest.mark.slow
def test_data_may_leave_the_stack_when_told_so(here: Path) -> None:
    """As after a restore into another file system."""
    values = give(ServiceName="restored")
    options = ["--stack-name", "restored"]
    assert main([*DEPLOY, *options]) == 0
    had = stack("restored")
    other = client("efs").create_file_system(CreationToken="restored", Encrypted=True)["FileSystemId"]
    write(values, ExistingFileSystemId=other)
    assert main([*DEPLOY, *options, "--allow-data-loss", "FileSystem"]) == 0
    assert "FileSystem" not in stack("restored")
    assert had["FileSystem"] in [it["FileSystemId"] for it in client("efs").describe_file_systems()["FileSystems"]]
    policy = client("cloudformation").get_stack_policy(StackName=had["Storage"])["StackPolicyBody"]
    assert policy == (TEMPLATES / "stack-policy.json").read_text()


def secret(name: str = "PublisherSecret") -> dict[str, str]:
    found = client("secretsmanager").get_secret_value(SecretId=stack()[name])
    values: dict[str, str] = json.loads(found["SecretString"])
    return values


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What ``credentials`` prints."""
    assert main(["credentials", *options]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_credentials_to_install_are_the_readers(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    password = secret("ReaderSecret")["password"]
    server = "pypiserver.example.com"
    index = f"https://reader:{password}@{server}/simple/"
    pip = RawConfigParser()
    pip.read_string(printed(capsys))
    assert pip["global"]["index-url"] == index
    (uv,) = tomllib.loads(printed(capsys, "--format", "uv"))["index"]
    assert (uv["url"], uv["default"]) == (index, True)
    pdm = tomllib.loads(printed(capsys, "--format", "pdm"))["pypi"]["private"]
    assert pdm == {"url": f"https://{server}/simple/", "username": "reader", "password": password}
    Path("netrc").write_text(printed(capsys, "--format", "netrc"))
    assert netrc.netrc("netrc").authenticators(server) == ("reader", "", password)
    for form in ("env", "poetry"):
        assert secret()["password"] not in printed(capsys, "--format", form)
        assert password in printed(capsys, "--format", form)


def test_credentials_to_upload_are_the_publishers(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    password = secret()["password"]
    pypirc = RawConfigParser()
    pypirc.read_string(printed(capsys, "--format", "pypirc"))
    repository = {"repository": "https://pypiserver.example.com/", "username": "publisher", "password": password}
    assert dict(pypirc["private"]) == repository
    for form in ("twine", "uv-publish", "poetry-publish", "hatch"):
        assert password in printed(capsys, "--format", form)
        assert main(["credentials", "--format", form, "--account", "reader"]) == 2
        assert "the reader may only install" in capsys.readouterr().err
    as_json = json.loads(printed(capsys, "--format", "json", "--account", "publisher"))
    assert as_json == {"url": "https://pypiserver.example.com/", "username": "publisher", "password": password}


def test_credentials_that_need_quoting(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    """A rotated password may be anything."""
    before = secret()
    odd = {"username": "publisher", "password": "a/b'c@d %\"$x"}
    client("secretsmanager").put_secret_value(SecretId=stack()["PublisherSecret"], SecretString=json.dumps(odd))
    lines = printed(capsys, "--format", "twine") + printed(capsys, "--format", "env", "--account", "publisher")
    shell = ["sh", "-c", f'{lines}\nprintf \'%s\\n%s\' "$TWINE_PASSWORD" "$PIP_INDEX_URL"']
    password, index = subprocess.run(shell, env={}, capture_output=True, text=True, check=True).stdout.split("\n")
    client("secretsmanager").put_secret_value(SecretId=stack()["PublisherSecret"], SecretString=json.dumps(before))
    assert password == odd["password"]
    assert index == "https://publisher:a%2Fb%27c%40d%20%25%22%24x@pypiserver.example.com/simple/"


def test_secret_of_another_form_is_named(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    before = secret()
    for text in ("hunter2", '{"user": "publisher"}', "[]"):
        client("secretsmanager").put_secret_value(SecretId=stack()["PublisherSecret"], SecretString=text)
        assert main(["credentials", "--account", "publisher"]) == 2
        assert "is not JSON with username and password: docs/operations.md" in capsys.readouterr().err
    client("secretsmanager").put_secret_value(SecretId=stack()["PublisherSecret"], SecretString=json.dumps(before))


def test_credentials_file_is_its_owners_alone(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--output", "pip.conf") == ""
    assert os.stat("pip.conf").st_mode & 0o777 == 0o600
    assert secret("ReaderSecret")["password"] in Path("pip.conf").read_text()
    assert main(["credentials", "--output", "pip.conf"]) == 2
    assert "pip.conf exists" in capsys.readouterr().err


@pytest.mark.slow
def test_readme_word_for_word(here: Path, server: str) -> None:
    """Each line of both ways from a shell, as written but for the bucket; what asks is answered yes."""
    for name in ("templates", "generator", "Makefile", "requirements.txt"):
        (here / name).symlink_to(ROOT / name)
    (here / ".venv").symlink_to(Path(environment(server, here)["PATH"].split(":")[0]).parent)
    readme = (ROOT / "README.md").read_text()
    # In CI nobody would be asked.
    people = {name: value for name, value in os.environ.items() if name != "CI"}
    for way, stack_name in (("cli", "pypi-cli"), ("ours", "pypi-ours")):
        give(ServiceName=stack_name)
        script = readme.partition(f"<!-- test: {way} -->\n```sh\n")[2].partition("```")[0]
        for line in script.replace("\\\n", " ").replace("BUCKET", BUCKET).strip().splitlines():
            named = line.replace("--stack-name pypi", f"--stack-name {stack_name}")
            if "-m generator" in line:
                named = f"{line} --stack-name {stack_name}"
            with session(["bash", "-c", named], 120, people, here) as shell:
                if "generator deploy" in line:
                    shell.expect("Make the bucket", 300)
                    shell.type("y")
                    shell.expect(f"Deploy {stack_name}? (y/N)", 300)
                    shell.type("y")
                # Nothing runs on moto: the server is rightly said to be unwell.
                assert shell.end() == ("generator status" in line), f"{line}\n{shell.text}"
        (found,) = client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
        assert found["StackStatus"] == "CREATE_COMPLETE"
        assert main(["delete", "--stack-name", stack_name, "--yes"]) == 0
