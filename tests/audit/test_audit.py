"""The comparison that ``make audit`` ends with, and that a scanner sees what a deployment has."""

from __future__ import annotations

import pytest
from audit import Finding, compare
from rendered import deployments
from resolve import Data

from generator.build.findings import Explained

LOGS = Finding("defaults", "CKV_AWS_158", "TaskLogs", "not encrypted")
NIST = Finding("defaults", "NIST.800.53.R5-LogGroupEncrypted", "TaskLogs", "not encrypted")
PCI = Finding("defaults", "PCI.DSS.321-LogGroupEncrypted", "TaskLogs", "not encrypted")
EXPLAINED = Explained(("CKV_AWS_158", "LogGroupEncrypted"), ("*Logs",), "a parameter")


def test_one_entry_explains_a_rule_of_several_packs() -> None:
    assert compare([LOGS, NIST, PCI], [EXPLAINED]) == []


def test_a_finding_without_explanation_is_a_problem_that_says_where_and_what_to_do() -> None:
    elsewhere = LOGS._replace(resource="BackupVault", deployment="everything")
    [problem] = compare([LOGS, NIST, elsewhere], [EXPLAINED])
    assert all(word in problem for word in ("CKV_AWS_158 on BackupVault", "everything", "findings.py"))


def test_rules_and_resources_without_a_finding_are_stale() -> None:
    entry = EXPLAINED._replace(resources=("TaskLogs", "HostLogs"))
    [rule, resource] = compare([LOGS], [entry])
    assert "nothing is found any more for LogGroupEncrypted" in rule
    assert "nothing is found any more for HostLogs" in resource


def test_a_finding_explains_only_what_names_its_rule_and_its_resource() -> None:
    other = Explained(("CKV_AWS_18",), ("TaskLogs",), "another reason")
    assert len(compare([LOGS, NIST], [EXPLAINED, other])) == 2


@pytest.fixture(scope="module")
def rendered() -> dict[str, Data]:
    return deployments()


def test_references_stand_where_scanners_follow_them(rendered: dict[str, Data]) -> None:
    resources = rendered["defaults-aws"]["Resources"]
    assert resources["AccessLogsPolicy"]["Properties"]["Bucket"] == {"Ref": "AccessLogs"}
    assert resources["Service"]["Properties"]["Cluster"] in ({"Ref": "Cluster"}, {"Fn::GetAtt": ["Cluster", "Arn"]})
    group = resources["AutoScalingGroup"]["Properties"]
    assert group["LaunchTemplate"]["LaunchTemplateId"] == {"Ref": "LaunchTemplate"}


def test_text_around_a_reference_is_kept(rendered: dict[str, Data]) -> None:
    resources = rendered["everything"]["Resources"]
    [statement, *_] = resources["AccessLogsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    [target] = statement["Resource"]
    assert target["Fn::Sub"].startswith("${AccessLogs.Arn}/")
