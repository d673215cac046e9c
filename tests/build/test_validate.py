"""Nothing that changed stays unvalidated because it was clean before, and nothing with findings is taken for clean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generator import durations
from generator.build import validators
from generator.build.validate import unvalidated, validate
from generator.build.write import report_findings

CHILD = """\
Parameters:
  Name: {Type: String}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: !Ref Name
      KmsMasterKeyId: alias/aws/sns
"""
PARENT = """\
Metadata:
  cfn-lint:
    config:
      ignore_checks: [W3002]
Resources:
  Child:
    Type: AWS::CloudFormation::Stack
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      TemplateURL: child.yaml
      Parameters: {Name: one}
"""
SINGLE = """\
Parameters:
  IsSmall: {Type: String, AllowedValues: ["true", "false"]}
Conditions:
  IsSmall: !Equals [!Ref IsSmall, "true"]
  IsLarge: !Not [!Condition IsSmall]
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: "*", Action: "sts:AssumeRole"}]}}
  Topic:
    Condition: IsLarge
    Type: AWS::SNS::Topic
    Properties: {KmsMasterKeyId: alias/aws/sns}
  Function:
    Condition: IsSmall
    Type: AWS::Lambda::Function
    Properties:
      Code: {S3Bucket: bucket, S3Key: key}
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Runtime: python3.13
"""
ELSEWHERE = """\
Resources:
  Plan:
    Type: AWS::Backup::RestoreTestingPlan
    Properties:
      RestoreTestingPlanName: plan
      ScheduleExpression: cron(0 5 ? * * *)
      RecoveryPointSelection: {Algorithm: LATEST_WITHIN_WINDOW, IncludeVaults: ["*"], RecoveryPointTypes: [SNAPSHOT]}
"""
VALIDATORS = {"cfn-lint", "cloudformation-validate"}


class Project:
    """A directory of templates, and what has been remembered of them."""

    def __init__(self, root: Path) -> None:
        self.templates = root / "templates"
        self.templates.mkdir()
        self._remembered = root / "remembered"

    def write(self, name: str, text: str) -> None:
        (self.templates / name).write_text(text)

    def findings(self) -> dict[str, list[str]]:
        """Of each template that was seen."""
        return {path.name: found for path, found in validate(unvalidated(self.templates, self._remembered))}

    def unvalidated(self) -> set[str]:
        return {path.name for path in unvalidated(self.templates, self._remembered)}

    def take_for_clean(self) -> None:
        self._remembered.mkdir(exist_ok=True)
        for mark in unvalidated(self.templates, self._remembered).values():
            mark.touch()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.slow
def test_only_what_changed_is_seen(project: Project) -> None:
    project.write("child.yaml", CHILD)
    project.write("pypiserver.yaml", PARENT)
    project.write("alone.yaml", CHILD)
    assert project.findings() == {"child.yaml": [], "pypiserver.yaml": [], "alone.yaml": []}
    assert project.findings() == {}
    # The parent is the same, and wrong now: it does not give what the child has to have.
    project.write(
        "child.yaml", CHILD.replace("  Name: {Type: String}", "  Name: {Type: String}\n  Other: {Type: String}")
    )
    seen = project.findings()
    assert seen.keys() == {"child.yaml", "pypiserver.yaml"}
    assert any("Other" in finding for finding in seen["pypiserver.yaml"])
    project.write("child.yaml", CHILD)
    assert project.findings() == {}, "as it was when it was clean"


def test_a_parent_is_not_taken_for_clean_when_a_child_has_changed(project: Project) -> None:
    project.write("child.yaml", CHILD)
    project.write("pypiserver.yaml", PARENT)
    project.write("alone.yaml", SINGLE)
    project.take_for_clean()
    assert project.unvalidated() == set()
    project.write("child.yaml", CHILD + "# changed\n")
    assert project.unvalidated() == {"child.yaml", "pypiserver.yaml"}


def test_what_has_findings_has_them_again(project: Project) -> None:
    project.write("child.yaml", CHILD.replace("AWS::SNS::Topic", "AWS::SNS::Topik"))
    (found,) = project.findings().values()
    assert any("Topik" in finding for finding in found)
    assert project.findings() == {"child.yaml": found}


def test_both_validators_speak(project: Project) -> None:
    project.write("child.yaml", CHILD.replace("TopicName", "TopikName"))
    (found,) = project.findings().values()
    assert {word for finding in found for word in finding.split() if word in VALIDATORS} == VALIDATORS


@pytest.mark.slow
def test_the_single_file_shows_what_one_layer_gives_another(project: Project) -> None:
    def findings(was: str, wrong: str) -> list[str]:
        project.write("pypiserver-single.yaml", SINGLE.replace(was, wrong))
        (found,) = project.findings().values()
        return found

    assert findings("", "") == []
    assert findings("!GetAtt Role.Arn", "!Ref Topic"), "of another kind"
    assert findings("!GetAtt Role.Arn", "!GetAtt Rolle.Arn"), "of nothing"
    assert findings("S3Key: key", "S3Key: !If [IsLarge, one, two]"), "for a condition that cannot be"
    assert findings("S3Key: key", "S3Key: !GetAtt Topic.TopicName"), "of what is there on another condition"


def test_a_type_that_one_partition_lacks_is_found(project: Project) -> None:
    project.write("backups.yaml", ELSEWHERE)
    (found,) = project.findings().values()
    assert any("cn-north-1" in finding and "RestoreTestingPlan" in finding for finding in found)


def test_who_waits_is_told_how_long_it_took_last_time(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # A quiet machine is done within what nobody needs to be told.
    monkeypatch.setattr(durations, "LEAST_SECONDS", 0.01)
    said = []
    for version in ("first", "second"):
        project.write("alone.yaml", f"{CHILD}# {version}\n")
        assert report_findings(project.templates) == 0
        said.append(capsys.readouterr().err.splitlines()[0])
    assert said[0] == "validating 1 changed files"
    assert re.fullmatch(r"validating 1 changed files; last time it took \d+ seconds", said[1])


OWN = sorted({name for _, name in validators.ACCEPTED} - {"*"})


@pytest.mark.parametrize("name", OWN)
def test_what_is_accepted_of_a_template_is_found_there_and_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = Path(__file__).parents[2] / "templates" / name
    accepted = {rule for rule, of in validators.ACCEPTED if of == name}
    everywhere = {rule for rule, of in validators.ACCEPTED if of == "*"}
    assert validators.cloudformation_validate(template) == []
    monkeypatch.setattr(validators, "ACCEPTED", {})
    found = {line.partition("cloudformation-validate ")[2][:5] for line in validators.cloudformation_validate(template)}
    assert found - everywhere == accepted
