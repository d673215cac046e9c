"""Nothing that changed stays unvalidated because it was clean before."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.build.validate import validate

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


@pytest.mark.slow
def test_a_change_of_what_was_clean_is_seen(tmp_path: Path) -> None:
    templates, remembered = tmp_path / "templates", tmp_path / "remembered"
    templates.mkdir()
    child, parent = templates / "child.yaml", templates / "pypiserver.yaml"
    child.write_text(CHILD)
    parent.write_text(PARENT)
    assert validate(templates, remembered) == []
    assert validate(templates, remembered) == []
    child.write_text(CHILD.replace("AWS::SNS::Topic", "AWS::SNS::Topik"))
    assert any("Topik" in finding for finding in validate(templates, remembered))
    # The parent is the same, and wrong now.
    child.write_text(CHILD.replace("  Name: {Type: String}", "  Name: {Type: String}\n  Other: {Type: String}"))
    assert any(finding.startswith(f"{parent}:") for finding in validate(templates, remembered))
    child.write_text(CHILD)
    assert validate(templates, remembered) == []
