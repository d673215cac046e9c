"""When an alarm rings: the templates' alarms on the numbers that the services send in situations of an operator's life.

What a service sends, and when it sends nothing:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
https://docs.aws.amazon.com/efs/latest/ug/efs-metrics.html
https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html
"""

from __future__ import annotations

import json
from importlib import resources

import pytest
from cfnlint.data.schemas.extensions import aws_ec2_instance
from cloudwatch import DIMENSIONS, Metrics, Samples, metrics, name_of, state
from deployments import Editions, of_type
from resolve import Data
from updates import waits

from generator.sizing import INSTANCES

ALB, EFS = "AWS/ApplicationELB", "AWS/EFS"
TASKS, AGENTS = "AWS/ECS CPUUtilization <Service.Name>", "AWS/ECS CPUUtilization <LogAgentService.Name>"
BACKUPS = "AWS/Backup NumberOfBackupJobsCompleted"
NOTHING: Samples = ()
NORMAL: dict[str, Samples] = {
    f"{EFS} PercentIOLimit": (5, 100, 5, 5, 5),  # one busy minute
    f"{EFS} MeteredIOBytes": (60 * 10e6,) * 5,  # in each minute, of 100 MB in a second
    f"{EFS} PermittedThroughput": (100e6,) * 5,
    f"{EFS} BurstCreditBalance": (2.1e12,) * 5,
    # Each of two nodes counts; the newer one has not seen both tasks yet.
    f"{ALB} HealthyHostCount": (2, 2, 0, 2),
    f"{ALB} UnHealthyHostCount": (0, 0, 1, 0),
    f"{ALB} RequestCount": (300, 300, 300, 300),
    f"{ALB} TargetResponseTime": (0.05,) * 1195 + (90.0,) * 5,  # a few large uploads
    f"{ALB} HTTPCode_Target_5XX_Count": (9,),
    f"{ALB} HTTPCode_ELB_5XX_Count": NOTHING,  # of this, only what is not zero is sent
    f"{ALB} HTTPCode_ELB_503_Count": NOTHING,
    TASKS: (40, 55),  # of each task
    AGENTS: (1, 2),  # of each host's agent
    "AWS/ECS MemoryUtilization <Service.Name>": (70, 110),  # of what is reserved, three quarters of the limit
    "AWS/AutoScaling GroupInServiceInstances": (2,),
    "AWS/EC2 CPUCreditBalance": (288, 570),  # of each host
    "AWS/EC2 CPUUtilization": (99, 40),  # of each host
    "AWS/CertificateManager DaysToExpiry": (300, 300),  # twice a day
    "AWS/Backup NumberOfBackupJobsCompleted": (1,),  # sent only where it is not zero
    "pypiserver/<TaskLogs> RefusedLogins": (0, 1, 0, 1, 0),  # in each minute with requests
    "AWS/Lambda Errors": NOTHING,  # the function is called once in PasswordRotationDays
}
"""By metric, the samples of one period of an ordinary day with two tasks on two hosts."""
OUTAGE = {"NoHealthyTargetsAlarm", "FailingRequestsAlarm"}
PERIODS = 30
"""More than any alarm evaluates."""

SITUATIONS: dict[str, tuple[dict[str, Samples], set[str]]] = {
    "an ordinary day": ({}, set()),
    "a quiet night, in which nobody asks": (
        {f"{ALB} {name}": NOTHING for name in ("RequestCount", "TargetResponseTime", "HTTPCode_Target_5XX_Count")},
        set(),
    ),
    "one task of four fails its health check": (
        {f"{ALB} HealthyHostCount": (3, 3, 3), f"{ALB} UnHealthyHostCount": (1, 1, 1)},
        set(),
    ),
    "two tasks of four do": (
        {f"{ALB} HealthyHostCount": (2, 2), f"{ALB} UnHealthyHostCount": (2, 2)},
        {"HalfOfTargetsAlarm", "UnhealthyTargetsAlarm"},
    ),
    "one task is all there is, and healthy": ({f"{ALB} HealthyHostCount": (1, 1)}, set()),
    "all tasks fail": (
        {f"{ALB} HealthyHostCount": (0, 0), f"{ALB} UnHealthyHostCount": (4, 4)},
        {"HalfOfTargetsAlarm", "NoHealthyTargetsAlarm", "UnhealthyTargetsAlarm"},
    ),
    "half of the answers are errors": ({f"{ALB} HTTPCode_Target_5XX_Count": (600,)}, {"SuccessRateAlarm"}),
    "two errors in a hundred answers, over several nodes": (
        {f"{ALB} HTTPCode_Target_5XX_Count": (6, 6, 6, 6)},
        {"SuccessRateAlarm"},
    ),
    "the load balancer answers for tasks that hang": (
        {f"{ALB} HTTPCode_Target_5XX_Count": NOTHING, f"{ALB} HTTPCode_ELB_5XX_Count": (12, 12)},
        {"SuccessRateAlarm"},
    ),
    "one error in a hundred, of either kind": (
        {f"{ALB} HTTPCode_Target_5XX_Count": (6,), f"{ALB} HTTPCode_ELB_5XX_Count": (6,)},
        set(),
    ),
    "more than that, of both kinds together": (
        {f"{ALB} HTTPCode_Target_5XX_Count": (8,), f"{ALB} HTTPCode_ELB_5XX_Count": (8,)},
        {"SuccessRateAlarm"},
    ),
    "one of two tasks fails its health check": (
        {f"{ALB} HealthyHostCount": (1, 1), f"{ALB} UnHealthyHostCount": (1, 1)},
        {"HalfOfTargetsAlarm"},
    ),
    "one of two tasks is missing": ({TASKS: (90,)}, {"MissingTasksAlarm"}),
    "no task runs, and none is registered": (
        {TASKS: NOTHING, f"{ALB} HealthyHostCount": NOTHING, f"{ALB} UnHealthyHostCount": NOTHING},
        {"NoHealthyTargetsAlarm"},
    ),
    "more tasks run than have to": ({TASKS: (50,) * 7}, set()),
    "a host's agent is gone": ({AGENTS: (1,)}, {"LostHostsAlarm"}),
    "all hosts' agents are": ({AGENTS: NOTHING}, {"LostHostsAlarm"}),
    "there is no host": ({AGENTS: NOTHING, "AWS/AutoScaling GroupInServiceInstances": (0,)}, set()),
    "a host's agent is still there while it ends": ({AGENTS: (1, 1, 1)}, set()),
    "a task is near its limit": ({"AWS/ECS MemoryUtilization <Service.Name>": (70, 125)}, {"TaskMemoryAlarm"}),
    "a host has no credits left": ({"AWS/EC2 CPUCreditBalance": (0, 500)}, {"CpuCreditAlarm"}),
    "most requests fail, of nine a minute in a quiet night": (
        {f"{ALB} RequestCount": (9,), f"{ALB} HTTPCode_Target_5XX_Count": (7,), f"{ALB} TargetResponseTime": NOTHING},
        {"SuccessRateAlarm"},
    ),
    "most requests fail, of ten a minute": (
        {f"{ALB} RequestCount": (10,), f"{ALB} HTTPCode_Target_5XX_Count": (7,)},
        {"FailingRequestsAlarm", "SuccessRateAlarm"},
    ),
    "most requests fail": (
        {f"{ALB} HTTPCode_Target_5XX_Count": (1100,)},
        {"FailingRequestsAlarm", "SuccessRateAlarm"},
    ),
    "requests find no task": (
        {
            f"{ALB} RequestCount": NOTHING,
            f"{ALB} HTTPCode_Target_5XX_Count": NOTHING,
            f"{ALB} HTTPCode_ELB_5XX_Count": (500,),
            f"{ALB} HTTPCode_ELB_503_Count": (500,),
        },
        {"FailingRequestsAlarm", "SuccessRateAlarm"},
    ),
    "every answer takes as long as no human waits": (
        {f"{ALB} TargetResponseTime": (6.0,) * 100},
        {"ResponseTimeAlarm"},
    ),
    "two answers in a hundred do": ({f"{ALB} TargetResponseTime": (0.1,) * 980 + (9.0,) * 20}, {"ResponseTimeAlarm"}),
    "no backup completes": ({BACKUPS: NOTHING}, {"MissingBackupAlarm"}),
    "somebody guesses passwords": ({"pypiserver/<TaskLogs> RefusedLogins": (4,) * 5}, {"RefusedLoginsAlarm"}),
    "a job with an old password fails": ({"pypiserver/<TaskLogs> RefusedLogins": (0, 6, 3)}, set()),
    "a new password is made": ({"AWS/Lambda Errors": (0, 0, 0, 0)}, set()),
    "a new password could not be made": ({"AWS/Lambda Errors": (0, 1)}, {"RotationAlarm"}),
    "all hosts but a new one are busy": ({"AWS/EC2 CPUUtilization": (99,) * 9 + (60,)}, {"HostCpuAlarm"}),
    "the certificate has a fortnight left": ({"AWS/CertificateManager DaysToExpiry": (14, 14)}, set()),
    "and then a day less": ({"AWS/CertificateManager DaysToExpiry": (13, 13)}, {"CertificateExpiryAlarm"}),
    "somebody else's certificate has no metric": ({"AWS/CertificateManager DaysToExpiry": NOTHING}, set()),
    "the file system is busy for long": (
        {f"{EFS} PercentIOLimit": (100, 100, 100, 100, 20)},
        {"FileSystemIoLimitAlarm"},
    ),
    "nine tenths of the throughput are used": (
        {f"{EFS} MeteredIOBytes": (60 * 90e6,) * 5},
        {"FileSystemThroughputAlarm"},
    ),
    "three quarters of it are": ({f"{EFS} MeteredIOBytes": (60 * 75e6,) * 5}, set()),
    "burst credits run out": ({f"{EFS} BurstCreditBalance": (0.5e12,) * 5}, {"FileSystemBurstCreditAlarm"}),
    "nobody uses the file system": (
        {f"{EFS} {name}": NOTHING for name in ("PercentIOLimit", "MeteredIOBytes", "PermittedThroughput")},
        set(),
    ),
}
"""By what happens: what is different from NORMAL, in every period, and the alarms that have to ring.

Where none has to, none may.
"""


def test_whatever_spends_credits_is_watched(editions: Editions) -> None:
    """Every family of T that cfn-lint's copy of the service's list has; beside them only accelerators begin so."""
    extension = json.loads(resources.files(aws_ec2_instance).joinpath("instancetype_enum.json").read_text())
    known = {name for it in extension.values() if isinstance(it, dict) for name in it["enum"]}
    some = {family: f"{family}.large" for family in {name.partition(".")[0] for name in known}}
    for family, name in some.items():
        watched = editions.single({"AsgInstanceType": "m7g.large", "AsgInstanceTypeOverride": name}).condition(
            "HasCredits"
        )
        assert watched is family.startswith("t"), name
    for name in INSTANCES:
        assert editions.single({"AsgInstanceType": name}).condition("HasCredits") is name.startswith("t"), name


@pytest.fixture(scope="module")
def alarms(editions: Editions) -> dict[str, Data]:
    every = {"EfsThroughputMode": "bursting", "PasswordRotationDays": "30"}
    return of_type(editions.nested(every).resources, "AWS::CloudWatch::Alarm")


def ringing(alarms: dict[str, Data], given: Metrics) -> set[str]:
    return {title for title, alarm in alarms.items() if state(alarm, given) == "ALARM"}


def lasting(different: dict[str, Samples]) -> Metrics:
    """The situation for as long as any alarm looks back."""
    return {name: [samples] * PERIODS for name, samples in {**NORMAL, **different}.items()}


def test_every_metric_of_an_alarm_has_its_normal_samples(alarms: dict[str, Data]) -> None:
    watched = {name_of(metric) for alarm in alarms.values() for metric in metrics(alarm).values()}
    assert watched == NORMAL.keys(), "say in NORMAL what the metric is like on an ordinary day, and when it rings below"


def late(alarm: Data, given: Metrics, minutes: int, only: str = "") -> Metrics:
    """``given`` without what arrives so many minutes late; of the metric ``only``, or of all.

    Of a longer period all samples are late, as it may have only begun; days are counted at their end.
    """
    lost = {
        name_of(it): 0 if (period := int(it["Period"])) >= 3600 else minutes * 60 // period or 1
        for it in metrics(alarm).values()
    }
    return {
        name: [*periods[: len(periods) - missing], *[NOTHING] * missing]
        for name, periods in given.items()
        for missing in [lost.get(name, 0) if only in ("", name) else 0]
    }


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_rings(alarms: dict[str, Data], situation: str) -> None:
    different, expected = SITUATIONS[situation]
    assert ringing(alarms, lasting(different)) == expected


@pytest.mark.parametrize("minutes", [1, 2])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_late_data_neither_hides_nor_invents_anything(alarms: dict[str, Data], situation: str, minutes: int) -> None:
    """Whether all of an alarm's metrics are late, or any one of them."""
    different, expected = SITUATIONS[situation]
    given = lasting(different)
    for title, alarm in alarms.items():
        for only in ("", *map(name_of, metrics(alarm).values())):
            found = state(alarm, late(alarm, given, minutes, only)) == "ALARM"
            assert found is (title in expected), f"{title}, with {only or 'all'} late"


@pytest.mark.parametrize("minutes", range(1, 6))
def test_a_new_stack_rings_nothing(alarms: dict[str, Data], minutes: int) -> None:
    """What is longer there than an alarm has a past: the alarms come after the tasks, see below."""
    given: dict[str, list[Samples]] = {name: [NOTHING] * PERIODS for name in NORMAL}
    assert not ringing({title: it for title, it in alarms.items() if it["TreatMissingData"] != "breaching"}, given)
    for name, samples in NORMAL.items():
        given[name] = [*[NOTHING] * (PERIODS - minutes), *[samples] * minutes]
    given[BACKUPS] = [NOTHING] * PERIODS
    # A day is not over after minutes.
    given[f"{ALB} HealthyHostCount"] = [*[NOTHING] * (PERIODS - 1), NORMAL[f"{ALB} HealthyHostCount"]]
    assert not ringing(alarms, given)


def _watched(value: Data) -> str:
    """The resource that a dimension's value is of."""
    ((_, named),) = value.items()
    return named if isinstance(named, str) else str(named[0])


def test_an_alarm_on_silence_comes_after_what_it_watches(editions: Editions) -> None:
    """And after the service, which is there when its tasks are healthy: before, its load balancer is silent."""
    template = editions.single_file
    before = waits(template)
    alarms = {
        title: it["Properties"] for title, it in template["Resources"].items() if it["Type"] == "AWS::CloudWatch::Alarm"
    }
    silent = {title for title, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"}
    assert silent, "nothing is tested"
    for title in silent:
        dimensions = [it for metric in metrics(alarms[title]).values() for it in metric["Dimensions"]]
        watched = {_watched(it["Value"]) for it in dimensions}
        assert watched
        assert watched | {"Service"} <= before[title], title
    # In the other edition the whole stack comes after them.
    assert {"Compute", "Edge", "Storage"} <= waits(editions.parent)["Monitoring"]


VALUES = {
    "AutoScalingGroupName": "<AutoScalingGroup>",
    "BackupVaultName": "<BackupVault>",
    "CertificateArn": "<Certificate>",
    "ClusterName": "<Cluster>",
    "FileSystemId": "<FileSystem>",
    "FunctionName": "<RotationFunction>",
    "LoadBalancer": "<LoadBalancer.LoadBalancerFullName>",
    "ServiceName": "<Service.Name> <LogAgentService.Name>",
    "TargetGroup": "<TargetGroup.TargetGroupFullName>",
}


def test_every_metric_is_one_that_its_service_sends(alarms: dict[str, Data]) -> None:
    """With all dimensions of a set that is documented, each of the resource that it is named for."""
    for title, alarm in alarms.items():
        assert metrics(alarm), title
        for metric in metrics(alarm).values():
            if metric["Namespace"] == "pypiserver/<TaskLogs>":
                assert not metric["Dimensions"], "a metric filter's, which has none"
                continue
            dimensions = {it["Name"]: it["Value"] for it in metric["Dimensions"]}
            known = DIMENSIONS[f"{metric['Namespace']} {metric['MetricName']}"]
            assert " ".join(sorted(dimensions)) in known, title
            assert all(value in VALUES[name] for name, value in dimensions.items()), title


def test_every_alarm_has_a_situation(alarms: dict[str, Data]) -> None:
    """An alarm that nothing makes ring is not tested."""
    assert set().union(*(titles for _, titles in SITUATIONS.values())) == alarms.keys()


@pytest.mark.parametrize("errors", [NOTHING, (50.0, 50.0)])
def test_a_total_outage_rings(alarms: dict[str, Data], errors: Samples) -> None:
    """Without registered targets no count of hosts and no request is sent, only 503 where somebody asks."""
    silent = ("HealthyHostCount", "UnHealthyHostCount", "RequestCount", "TargetResponseTime")
    different = {f"{ALB} {name}": NOTHING for name in (*silent, "HTTPCode_Target_5XX_Count")}
    counts = {f"{ALB} HTTPCode_ELB_5XX_Count": errors, f"{ALB} HTTPCode_ELB_503_Count": errors}
    found = ringing(alarms, lasting({**different, **counts}))
    assert "NoHealthyTargetsAlarm" in found
    assert ("FailingRequestsAlarm" in found) == bool(errors)


@pytest.mark.parametrize("situation", [name for name, (_, titles) in SITUATIONS.items() if titles])
def test_nothing_rings_for_a_moment(alarms: dict[str, Data], situation: str) -> None:
    """One bad period between good ones is a deployment, or chance; but for what is measured once a day.

    Twenty wrong passwords are told however quickly they came, and a rotation that fails, as the next one is far.
    """
    different, _ = SITUATIONS[situation]
    frequent = {
        title: alarm
        for title, alarm in alarms.items()
        if title not in ("RefusedLoginsAlarm", "RotationAlarm")
        and all(int(it["Period"]) < 86400 for it in metrics(alarm).values())
    }
    moment = {name: [*[NORMAL[name]] * (PERIODS - 1), different.get(name, NORMAL[name])] for name in NORMAL}
    assert not ringing(frequent, moment)


def test_what_lasts_rings_within_half_an_hour(alarms: dict[str, Data]) -> None:
    """An outage within five minutes; what costs money, or nobody before a fortnight, may take longer."""
    slow = {"CertificateExpiryAlarm", "CpuCreditAlarm", "MissingBackupAlarm"}
    assert slow < alarms.keys()
    for title in alarms.keys() - slow:
        periods = int(alarms[title]["DatapointsToAlarm"])
        longest = max(int(it["Period"]) for it in metrics(alarms[title]).values()) * periods
        assert longest <= (300 if title in OUTAGE else 1800), title


@pytest.mark.parametrize(
    ("days", "rings"),
    [
        ([(1,), (1,)], False),
        ([(1,), NOTHING], False),  # one that failed, which is an event, or is under way
        ([NOTHING, (1,)], False),
        ([NOTHING, NOTHING], True),
        ([(1, 1, 1), NOTHING, NOTHING], True),
    ],
)
def test_two_days_without_a_backup_ring(alarms: dict[str, Data], days: list[Samples], rings: bool) -> None:
    given = {**{name: [NORMAL[name]] * len(days) for name in NORMAL}, BACKUPS: days}
    assert (state(alarms["MissingBackupAlarm"], given) == "ALARM") is rings


def test_a_new_server_rings_only_when_its_backups_fail_to_come(alarms: dict[str, Data]) -> None:
    """In the first minutes there is no metric at all, and the first backup is due within a day."""
    alarm, healthy = alarms["MissingBackupAlarm"], f"{ALB} HealthyHostCount"
    for served, expected in (
        ([NOTHING, NOTHING], "OK"),
        ([NOTHING, (2, 2)], "OK"),
        ([(2,), (2,)], "ALARM"),
    ):
        assert state(alarm, {healthy: served, BACKUPS: [NOTHING, NOTHING]}) == expected


@pytest.mark.parametrize(
    ("schedule", "watched"),
    [
        ("cron(0 2 * * ? *)", True),
        ("cron(30 4 ? * * *)", True),
        ("cron(0 */6 * * ? *)", True),
        ("cron(30 4 ? * MON *)", False),
        ("cron(0 2 ? * MON-FRI *)", False),
        ("cron(0 2 1 * ? *)", False),
        ("cron(0 2 */2 * ? *)", False),
        ("cron(0 2 * 1-6 ? *)", False),
        ("cron(0 2 * * ? 2027)", False),
    ],
)
def test_only_a_daily_schedule_is_missed_after_two_days(editions: Editions, schedule: str, watched: bool) -> None:
    """One that is due more rarely would ring between its backups."""
    for values, expected in (({"BackupSchedule": schedule}, watched), ({"EnableEfsBackup": "false"}, False)):
        found = of_type(editions.nested(values).resources, "AWS::CloudWatch::Alarm")
        assert ("MissingBackupAlarm" in found) is expected


def test_the_metrics_of_one_expression_are_of_the_same_periods(alarms: dict[str, Data]) -> None:
    for title, alarm in alarms.items():
        assert len({it["Period"] for it in metrics(alarm).values()}) == 1, title


def test_tasks_at_zero_ring_no_alarm(editions: Editions) -> None:
    """Who sets TaskMinCount to 0 has the server off on purpose, whoever asks for it."""
    off = of_type(editions.nested({"TaskMinCount": "0"}).resources, "AWS::CloudWatch::Alarm")
    gone = {f"{ALB} {name}": NOTHING for name in ("HealthyHostCount", "UnHealthyHostCount", "RequestCount")}
    refused = {f"{ALB} HTTPCode_ELB_{count}_Count": (500,) for count in ("5XX", "503")}
    assert not ringing(off, lasting({**gone, **refused, f"{ALB} HTTPCode_Target_5XX_Count": NOTHING, TASKS: NOTHING}))


def test_memory_is_measured_against_the_limit(editions: Editions) -> None:
    """At the same use of what is reserved, a task that reserves all of its limit is nearer to its end."""
    given = lasting({"AWS/ECS MemoryUtilization <Service.Name>": (95,)})
    for reservation, expected in (("512", {"TaskMemoryAlarm"}), ("256", set[str]())):
        values = {"ContainerMemory": "512", "ContainerMemoryReservation": reservation}
        assert ringing(of_type(editions.nested(values).resources, "AWS::CloudWatch::Alarm"), given) == expected


PAGER = "arn:aws:sns:eu-west-1:123456789012:pager"


@pytest.mark.parametrize("more", ["", "arn:aws:sns:eu-west-1:123456789012:alarms"])
def test_an_outage_goes_to_the_pager_and_nothing_else_does(editions: Editions, more: str) -> None:
    everywhere = ["<Topic>", *([more] if more else [])]
    for pager in ("", PAGER):
        resources = editions.nested({"AlarmTopicArns": more, "PagerTopicArn": pager}).resources
        (outage,) = of_type(resources, "AWS::CloudWatch::CompositeAlarm").values()
        assert outage["AlarmActions"] == ([pager] if pager else everywhere)
        assert outage.get("OKActions", []) == ([pager] if pager else everywhere[1:])
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values():
            assert alarm["AlarmActions"] == everywhere


def test_an_outage_is_no_healthy_task_or_most_requests_failing(editions: Editions) -> None:
    (outage,) = of_type(editions.nested().resources, "AWS::CloudWatch::CompositeAlarm").values()
    assert set(outage["AlarmRule"].split(" OR ")) == {f'ALARM("<{title}.Arn>")' for title in OUTAGE}
    assert not of_type(editions.nested({"TaskMinCount": "0"}).resources, "AWS::CloudWatch::CompositeAlarm")
