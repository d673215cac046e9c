"""Alarms that arrive, a dashboard that shows what exists, tags on everything."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployments import CASES, DEFAULTS, REQUIRED, Editions, items, of_type
from resolve import PLACES, Data, Place, Values

from generator import settings

MODES = settings.EFS_THROUGHPUT_MODE.values


@pytest.mark.parametrize("more", range(settings.MAX_ALARM_TOPICS + 1))
def test_every_alarm_tells_every_topic(editions: Editions, more: int) -> None:
    topics = items("arn:aws:sns:eu-west-1:123456789012:alarms{}", more)
    optional = {"EfsThroughputMode": "bursting", "PasswordRotationDays": "30"}
    resources = editions.nested({"AlarmTopicArns": topics, **optional}).resources
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    assert alarms.keys() == of_type(editions.single_file["Resources"], "AWS::CloudWatch::Alarm").keys()
    for title, alarm in alarms.items():
        expected = ["<Topic>", *topics.split(",")] if more else ["<Topic>"]
        assert alarm["AlarmActions"] == expected, title
        assert alarm.get("OKActions", []) == expected[1:], "our own topic is told by EndedAlarm"
        assert len(expected) <= 5, "an alarm's quota of actions"
        assert alarm.get("ActionsEnabled", True) is True
        assert alarm["AlarmDescription"]


def test_the_output_lists_every_alarm(editions: Editions) -> None:
    for values in ({}, {"EfsThroughputMode": "bursting"}, {"TaskMinCount": "0"}):
        evaluation = editions.nested(values)
        listed = evaluation.outputs["CloudwatchAlarmArns"].split(",")
        assert listed == [f"<{title}.Arn>" for title in of_type(evaluation.resources, "AWS::CloudWatch::Alarm")]


def test_thresholds_of_the_terraform_module_are_kept(editions: Editions) -> None:
    alarms = of_type(editions.nested({"EfsThroughputMode": "bursting"}).resources, "AWS::CloudWatch::Alarm")
    thresholds = {
        "FileSystemBurstCreditAlarm": ("LessThanThreshold", 1e12, 300),
        "FileSystemIoLimitAlarm": ("GreaterThanThreshold", 80, 300),
        "UnhealthyTargetsAlarm": ("GreaterThanThreshold", 1, 60),
        "HostCpuAlarm": ("GreaterThanThreshold", 90, 300),
    }
    for title, (comparison, threshold, period) in thresholds.items():
        alarm = alarms[title]
        found = (alarm["ComparisonOperator"], float(alarm["Threshold"]), alarm["Period"], alarm["EvaluationPeriods"])
        assert found == (comparison, threshold, period, 2), title
    assert (alarms["SuccessRateAlarm"]["ComparisonOperator"], alarms["SuccessRateAlarm"]["Threshold"]) == (
        "LessThanThreshold",
        99,
    )


def _queries(properties: Data) -> list[Data]:
    return [query for query in properties.get("Metrics", []) if "MetricStat" in query]


DIMENSIONS = {
    "AutoScalingGroupName": "<AutoScalingGroup>",
    "BackupVaultName": "<BackupVault>",
    "CertificateArn": "<Certificate>",
    "ClusterName": "<Cluster>",
    "FileSystemId": "<FileSystem>",
    "FunctionName": "<RotationFunction>",
    "LoadBalancer": "<LoadBalancer.LoadBalancerFullName>",
    "ServiceName": "<Service.Name>",
    "TargetGroup": "<TargetGroup.TargetGroupFullName>",
}
"""The value of each dimension of a metric, as the services publish them."""


def _counted(resources: Data) -> set[tuple[str, str]]:
    """Namespaces and names of the metrics that filters of the deployment make."""
    made = [it["MetricTransformations"] for it in of_type(resources, "AWS::Logs::MetricFilter").values()]
    return {(it["MetricNamespace"], it["MetricName"]) for (it,) in made}


def test_every_alarm_watches_a_resource_of_the_deployment(resources: Data) -> None:
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    assert alarms
    for title, alarm in alarms.items():
        metrics = [query["MetricStat"]["Metric"] for query in _queries(alarm)] or [alarm]
        for metric in metrics:
            if (metric["Namespace"], metric["MetricName"]) in _counted(resources):
                continue
            assert metric["Dimensions"], title
            for it in metric["Dimensions"]:
                assert it["Name"] in DIMENSIONS, f"{title}: give DIMENSIONS the resource that {it['Name']} names"
                of_agent = title == "LostHostsAlarm" and it["Name"] == "ServiceName"
                assert it["Value"] == ("<LogAgentService.Name>" if of_agent else DIMENSIONS[it["Name"]]), title


def test_every_expression_uses_the_metrics_beside_it(resources: Data) -> None:
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    calculated = {title: alarm for title, alarm in alarms.items() if "Metrics" in alarm}
    assert calculated
    for title, alarm in calculated.items():
        (expression,) = [query["Expression"] for query in alarm["Metrics"] if "Expression" in query]
        assert set(re.findall(r"\b[a-z]\w*", expression)) == {query["Id"] for query in _queries(alarm)}, title
        returned = [query for query in alarm["Metrics"] if query.get("ReturnData", True)]
        assert len(returned) == 1, "an alarm watches one value"


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_events_reach_the_topic(editions: Editions, place: Place) -> None:
    given = {"BackupCopyVaultArn": f"arn:{place.partition}:backup:eu-west-3:123456789012:backup-vault:copies"}
    rules = of_type(editions.nested(given, place).resources, "AWS::Events::Rule")
    of_backups = {"FailedBackup", "FailedBackupCopy", "FailedRestore"}
    assert rules.keys() == {"EndedAlarm", "FailedDeployment", "FailedTask", "UnplacedTask", "FailedHosts"} | of_backups
    for rule in rules.values():
        assert [target["Arn"] for target in rule["Targets"]] == ["<Topic>"]
        template = rule["Targets"][0]["InputTransformer"]
        assert set(re.findall("<([^>]+)>", template["InputTemplate"])) == template["InputPathsMap"].keys()
    assert rules["FailedDeployment"]["EventPattern"]["resources"] == ["<Service>"]
    (arn,) = rules["FailedBackup"]["EventPattern"]["detail"]["resourceArn"]
    assert arn == f"arn:{place.partition}:elasticfilesystem:{place.region}:123456789012:file-system/<FileSystem>"


def test_every_address_is_subscribed_once(editions: Editions) -> None:
    addresses = items("ops{}@example.com", settings.MAX_EMAILS)
    resources = editions.nested({"AlarmEmails": addresses}).resources
    subscriptions = resources["Topic"]["Properties"]["Subscription"]
    assert subscriptions == [{"Protocol": "email", "Endpoint": address} for address in addresses.split(",")]


def test_alarms_need_no_address_where_topics_are_given(editions: Editions) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:pager"
    resources = editions.nested({"AlarmEmails": "", "AlarmTopicArns": topic}).resources
    assert resources["Topic"]["Properties"]["Subscription"] == []
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    assert alarms
    assert all(topic in alarm["AlarmActions"] for alarm in alarms.values())


def _dashboard(editions: Editions, mode: str, place: Place) -> Data:
    resources = editions.nested({"EfsThroughputMode": mode}, place).resources
    body: Data = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"])
    return body


SHOWN = {
    # What tasks use, and how many there are.
    *("CPUUtilization", "MemoryUtilization", "CpuUtilized", "CpuReserved", "MemoryUtilized", "MemoryReserved"),
    *("DesiredTaskCount", "RunningTaskCount", "PendingTaskCount", "HealthyHostCount", "UnHealthyHostCount"),
    # What clients see.
    *(
        "TargetResponseTime",
        "RequestCount",
        "HTTPCode_ELB_5XX_Count",
        *(f"HTTPCode_Target_{n}XX_Count" for n in (2, 4, 5)),
    ),
    *("ActiveConnectionCount", "NewConnectionCount", "RejectedConnectionCount"),
    # Whether the file system keeps up.
    *("PercentIOLimit", "MeteredIOBytes", "PermittedThroughput", "ClientConnections"),
    *("DataReadIOBytes", "DataWriteIOBytes", "MetadataIOBytes"),
}
"""By the names of the services' pages on their metrics."""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
@pytest.mark.parametrize("mode", MODES)
def test_the_dashboard_shows_what_exists(editions: Editions, mode: str, place: Place) -> None:
    metrics = [
        metric
        for widget in _dashboard(editions, mode, place)["widgets"]
        if widget["type"] == "metric"
        for metric in widget["properties"]["metrics"]
    ]
    names = set()
    counted = _counted(editions.nested({"EfsThroughputMode": mode}, place).resources)
    for metric in metrics:
        if isinstance(metric[0], dict):
            assert "expression" in metric[0]
            continue
        namespace, name, *dimensions, options = metric
        names.add(name)
        if (namespace, name) in counted:
            continue
        assert namespace in ("AWS/ECS", "ECS/ContainerInsights", "AWS/ApplicationELB", "AWS/EFS")
        assert isinstance(options, dict)
        assert dimensions
        for dimension, value in zip(dimensions[::2], dimensions[1::2], strict=True):
            assert DIMENSIONS[dimension] == value
    burst = {"BurstCreditBalance"} if mode == "bursting" else set()
    assert names == SHOWN | burst | {name for _, name in counted}


COUNTS = re.compile("RequestCount|HTTPCode_.*|.*ConnectionCount|ClientConnections|.*IOBytes")
"""Metrics that each request or connection adds to: any statistic but Sum says nothing of how many there were.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
https://docs.aws.amazon.com/efs/latest/ug/efs-metrics.html
"""


def test_the_dashboard_adds_up_what_is_counted_and_nothing_else(editions: Editions) -> None:
    counted = _counted(editions.nested().resources)
    graphs = [
        it["properties"] for it in _dashboard(editions, "bursting", PLACES[0])["widgets"] if it["type"] == "metric"
    ]
    assert graphs
    for graph in graphs:
        series = [it for it in graph["metrics"] if isinstance(it[0], str)]
        for namespace, name, *_, options in series:
            is_count = (namespace, name) in counted or COUNTS.fullmatch(name) is not None
            assert (options["stat"] == "Sum") == is_count, name
            assert options["label"].startswith(name)
        if series[0][1] == "TargetResponseTime":
            assert [options["stat"] for *_, options in series] == ["p50", "p95", "p99", "Average"]
        hidden = {it[-1]["id"] for it in series if it[-1].get("visible") is False}
        calculated = {
            name for (it,) in graph["metrics"][len(series) :] for name in re.findall("[a-z]+", it["expression"])
        }
        assert hidden == calculated


def test_the_dashboards_tables_are_the_saved_queries(editions: Editions) -> None:
    resources = editions.nested().resources
    saved = of_type(resources, "AWS::Logs::QueryDefinition").values()
    assert all(
        it["LogGroupNames"] == ["<TaskLogs>"] and it["Name"].startswith("pypiserver/<TaskLogs>/") for it in saved
    )
    texts = {f"SOURCE '<TaskLogs>' | {it['QueryString']}" for it in saved}
    widgets = [it for it in _dashboard(editions, "elastic", PLACES[0])["widgets"] if it["type"] == "log"]
    assert widgets
    assert all(it["properties"]["query"] in texts for it in widgets)


@pytest.mark.parametrize("mode", MODES)
def test_the_dashboards_widgets_are_in_the_region_and_do_not_overlap(editions: Editions, mode: str) -> None:
    taken: set[tuple[int, int]] = set()
    widgets = _dashboard(editions, mode, PLACES[1])["widgets"]
    assert widgets
    for widget in widgets:
        assert widget["properties"].get("region", "cn-north-1") == "cn-north-1"
        columns, rows = (range(widget[at], widget[at] + widget[size]) for at, size in (("x", "width"), ("y", "height")))
        assert columns.stop <= 24
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_the_dashboards_address_is_the_partitions_console(editions: Editions, place: Place) -> None:
    domain = {
        "aws": "console.aws.amazon.com",
        "aws-cn": "console.amazonaws.cn",
        "aws-us-gov": "console.amazonaws-us-gov.com",
        "aws-eusc": "console.amazonaws-eusc.eu",
    }[place.partition]
    url = editions.nested(place=place).outputs["CloudwatchDashboardUrl"]
    assert url.startswith(f"https://{place.region}.{domain}/cloudwatch/home?region={place.region}#dashboards")
    assert editions.nested({"EnableCloudwatchDashboard": "false"}, place).outputs["CloudwatchDashboardUrl"] == ""


def test_two_deployments_have_two_dashboards(editions: Editions) -> None:
    """Dashboard names are unique in an account, across its regions."""
    names = [
        editions.nested(place=place).resources["Dashboard"]["Properties"]["DashboardName"]
        for place in (Place(), Place(region="eu-west-3"))
    ]
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name) for name in names)


CRON_FIELDS = (
    r"[0-5]?\d",
    r"[01]?\d|2[0-3]",
    r"\?|\*|[1-9]|[12]\d|3[01]|L",
    r"\*|1?\d",
    r"\?|\*|[1-7]|[A-Z]{3}",
    r"\*|\d{4}",
)


def test_the_backups_schedule_is_a_cron_expression_that_aws_takes(editions: Editions) -> None:
    """Six fields, of which exactly one of day-of-month and day-of-week is a question mark."""
    plan = editions.nested().resources["BackupPlan"]["Properties"]["BackupPlan"]
    (rule,) = plan["BackupPlanRule"]
    match = re.fullmatch(r"cron\((.+)\)", rule["ScheduleExpression"])
    assert match
    fields = match[1].split(" ")
    for field, pattern in zip(fields, CRON_FIELDS, strict=True):
        assert re.fullmatch(pattern, field), field
    assert (fields[2] == "?") != (fields[4] == "?")
    assert rule["TargetBackupVault"] == "<BackupVault>"
    assert rule["Lifecycle"] == {"DeleteAfterDays": "7"}


@pytest.mark.parametrize("adopted", ["", "fs-0123456789abcdef0"])
def test_the_file_system_in_use_is_backed_up(editions: Editions, adopted: str) -> None:
    resources = editions.nested({"ExistingFileSystemId": adopted}).resources
    selection = resources["BackupSelection"]["Properties"]["BackupSelection"]
    identity = adopted or "<FileSystem>"
    assert selection["Resources"] == [f"arn:aws:elasticfilesystem:eu-west-1:123456789012:file-system/{identity}"]
    assert selection["IamRoleArn"] == "<BackupRole.Arn>"


UNTAGGED = {
    "AWS::CloudWatch::Dashboard": "troposphere 4.11 does not know tags of dashboards yet",
}
"""Resource types that their schema says are taggable and that carry no tags, and why."""


def _tags(value: Any) -> dict[str, str]:
    return value if isinstance(value, dict) else {tag["Key"]: tag["Value"] for tag in value}


def _tag_property(kind: str) -> str | None:
    """The property that carries tags, where the type's schema says it can have any."""
    if kind == "AWS::CloudFormation::CustomResource":
        return None
    tagging = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema.get("tagging", {})
    pointer: str | None = tagging.get("tagProperty") if tagging.get("taggable") else None
    return pointer and pointer.removeprefix("/properties/")


def _expected_tags(values: Values) -> dict[str, str]:
    service = values.get("ServiceName", "pypiserver")
    return {
        "account": "123456789012",
        "created_by": "cloudformation-aws-pypiserver",
        "environment": values.get("Environment", "development"),
        "service": service,
    }


@pytest.mark.parametrize("case", CASES)
def test_everything_taggable_carries_the_five_tags(editions: Editions, case: str) -> None:
    expected = _expected_tags(CASES[case])
    untagged = set()
    for title, resource in editions.nested(CASES[case]).resources.items():
        name = _tag_property(resource["Type"])
        if name is None:
            continue
        if name not in resource["Properties"]:
            untagged.add(resource["Type"])
            continue
        found = _tags(resource["Properties"][name])
        assert found.items() >= expected.items(), title
        assert re.fullmatch(f"{expected['service']}-[a-z0-9-]+", found["Name"]), title
    missing, stale = untagged - UNTAGGED.keys(), UNTAGGED.keys() - untagged
    assert not missing, f"{sorted(missing)} can be tagged: give it tags(), or say in UNTAGGED why not"
    assert not stale, f"{sorted(stale)} has tags, or is not there: take it out of UNTAGGED"


@pytest.mark.parametrize("case", CASES)
def test_what_is_started_for_us_is_tagged_too(editions: Editions, case: str) -> None:
    """Hosts, their volumes, launch template, tasks and nested stacks: not resources of a template, or not taggable."""
    expected = _expected_tags(CASES[case]).items()
    resources = editions.nested(CASES[case]).resources
    template = resources["LaunchTemplate"]["Properties"]
    kinds = {it["ResourceType"]: _tags(it["Tags"]) for it in template["LaunchTemplateData"]["TagSpecifications"]}
    kinds |= {it["ResourceType"]: _tags(it["Tags"]) for it in template["TagSpecifications"]}
    assert kinds.keys() == {"instance", "volume", "launch-template"}
    assert all(tags.items() >= expected for tags in kinds.values())
    group = resources["AutoScalingGroup"]["Properties"]["Tags"]
    assert {tag["Key"] for tag in group if not tag["PropagateAtLaunch"]} == {"force-destroy"}
    assert _tags(group)["AmazonECSManaged"] == "true"
    for service in of_type(resources, "AWS::ECS::Service").values():
        assert service["PropagateTags"] == "SERVICE"
    for stack in editions.parent["Resources"].values():
        tags = _tags(editions.nested(CASES[case]).value(stack["Properties"]["Tags"]))
        assert tags.items() >= expected


@pytest.mark.parametrize(
    ("parameter", "on", "resource"),
    [
        ("AccessLogForceDestroy", "true", "AccessLogs"),
        ("BackupsForceDestroy", "true", "BackupVault"),
        ("ManagedTerminationProtection", "ENABLED", "AutoScalingGroup"),
    ],
)
def test_a_cleaner_finds_its_permission_on_the_resource(
    editions: Editions, parameter: str, on: str, resource: str
) -> None:
    for values, expected in (({parameter: on}, "true"), (DEFAULTS, "false")):
        properties = editions.nested(REQUIRED | dict(values)).resources[resource]["Properties"]
        name = "BackupVaultTags" if resource == "BackupVault" else "Tags"
        assert _tags(properties[name])["force-destroy"] == expected
