"""The web ACL on requests as package managers really send them: what of it is ours.

``reached`` is what AWS WAF makes of our scope-down statements. What AWS's groups make of a request that reaches them is
AWS's: of that only the limits that their page states are tried here.
https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from deployments import Editions
from refuse import constraint_violations
from resolve import PLACES, Data, Evaluation, Place

from .clients import pip_install, twine, uv_publish
from .conftest import StartTask
from .tasks import JSON_TYPE, PUBLISHER, Task, sdist, wait_for, wheel

URI_BYTES = 1024


def rules(editions: Editions, place: Place = PLACES[0], **given: str) -> list[Data]:
    found: list[Data] = Evaluation(editions.templates["web-acl.yaml"], given, place).resources["WebAcl"]["Properties"][
        "Rules"
    ]
    return sorted(found, key=lambda rule: int(rule["Priority"]))


def reached(rules: list[Data], method: str) -> set[str]:
    """The managed groups that inspect a request of this method. Raises AssertionError for statements not known here."""

    def holds(statement: Data) -> bool:
        ((kind, it),) = statement.items()
        if kind == "NotStatement":
            return not holds(it["Statement"])
        assert kind == "ByteMatchStatement"
        assert (it["FieldToMatch"], it["PositionalConstraint"]) == ({"Method": {}}, "EXACTLY")
        assert [change["Type"] for change in it["TextTransformations"]] == ["NONE"]
        return bool(method == it["SearchString"])

    groups = [rule["Statement"]["ManagedRuleGroupStatement"] for rule in rules if "OverrideAction" in rule]
    return {it["Name"] for it in groups if holds(it["ScopeDownStatement"])}


@pytest.fixture
def requests_of_clients(start_newest: StartTask, directory: Path, tmp_path: Path) -> list[dict[str, Any]]:
    """Method and path of what twine, uv and pip send to a real server for uploads and installations."""
    task: Task = start_newest(directory)
    files = []
    for name, content in (wheel("demo", "1.0+local.1", b"\x00../../etc/passwd<script>" * 9000), sdist("demo", "1.0")):
        files.append(tmp_path / name)
        files[-1].write_bytes(content)
    assert twine(task, files[0]).returncode == 0
    assert uv_publish(task, files[1]).returncode == 0
    assert pip_install(task, tmp_path / "target", "demo==1.0+local.1").returncode == 0
    task.get("/simple/", PUBLISHER, headers={"Accept": JSON_TYPE})
    assert wait_for(lambda: task.access_log()[-1]["path"] == "/simple/")
    return task.access_log()


def test_no_client_is_refused(editions: Editions, requests_of_clients: list[dict[str, Any]]) -> None:
    acl = rules(editions)
    posts = [it for it in requests_of_clients if it["method"] == "POST"]
    others = [it for it in requests_of_clients if it["method"] != "POST"]
    assert len(posts) == 2
    assert {"GET"} <= {it["method"] for it in others}
    for it in posts:
        assert it["path"] == "/"
        assert not reached(acl, it["method"]), "an archive is any bytes, and longer than 8 KiB"
    for it in others:
        assert reached(acl, it["method"]) == {"AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"}
        assert len(it["path"].encode()) <= URI_BYTES
        assert it["agent"]
        assert not re.search(r"\.\./|://|<script", it["path"])


def test_names_of_packages_and_bodies_refuse_nothing(editions: Editions) -> None:
    (common,) = [it for it in rules(editions) if it["Name"] == "AWSManagedRulesCommonRuleSet"]
    overrides = common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    assert all(it["ActionToUse"] == {"Count": {}} for it in overrides)
    assert {"SizeRestrictions_BODY", "RestrictedExtensions_URIPATH"} <= {it["Name"] for it in overrides}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_the_limit_is_ours_and_for_every_request(editions: Editions, place: Place) -> None:
    limit, *groups = rules(editions, place, RequestLimit="5000")
    statement = limit["Statement"]["RateBasedStatement"]
    assert (int(statement["Limit"]), statement["AggregateKeyType"]) == (5000, "IP")
    assert statement["EvaluationWindowSec"] == 300
    assert "ScopeDownStatement" not in statement
    assert limit["Action"] == {"Block": {"CustomResponse": {"ResponseCode": 429}}}
    assert len(groups) == 2
    assert all(it["OverrideAction"] == {"None": {}} for it in groups)
    assert len({it["Priority"] for it in (limit, *groups)}) == 3, "AWS WAF refuses two rules of one"
    assert {it["Statement"]["ManagedRuleGroupStatement"]["VendorName"] for it in groups} == {"AWS"}


@pytest.mark.parametrize("limit", ["", "0", "99", "-100", "1e5", "123456789"])
def test_a_limit_that_would_lock_out_is_refused(editions: Editions, limit: str) -> None:
    assert constraint_violations(editions.templates["web-acl.yaml"], {"RequestLimit": limit})


def test_its_output_is_what_the_server_takes(editions: Editions) -> None:
    assert editions.templates["web-acl.yaml"]["Outputs"].keys() == {"WebAclArn"}
    assert "WebAclArn" in editions.parent["Parameters"]
