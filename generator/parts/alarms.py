"""The alarms: what they watch, when they go off, and what to do then.

``AWS/…`` metrics and their dimensions are in each service's own documentation:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/aws-services-cloudwatch-metrics.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from troposphere import GetAtt, Join, Split, Sub, cloudwatch

from generator import conditions, settings
from generator.language.slots import appended
from generator.language.wiring import Expression, Setting, Stack, When, only_if
from generator.parts import log_metrics, names, runbooks
from generator.parts.metrics import Computed, Dimensions, Metric
from generator.parts.tags import tags

ABOVE, AT_LEAST, BELOW = "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Goes off when ``metric`` is ``comparison`` ``threshold`` in ``breaching`` of ``periods`` periods, all by default; if ``condition`` holds.

    ``title`` is the logical ID. ``description`` is the message: what is wrong, and what to do; ``runbook`` is one of
    ``runbooks``. ``silence`` is what a period without a datapoint counts as, a value of CloudWatch's TreatMissingData.

    An expression that fills in for each of its metrics has a datapoint even for the newest periods, whose metrics have
    not arrived yet: such an alarm needs more periods than ``breaching``, or it never goes off.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    """

    title: str
    runbook: str
    description: str
    metric: Metric | Computed
    comparison: str
    threshold: int | Setting
    periods: int = 2
    breaching: int | None = None
    condition: When | None = None
    silence: str = "notBreaching"


_FILE_SYSTEM = ("FileSystemId",)
_LOAD_BALANCER = ("LoadBalancer",)
_TASKS = ("LoadBalancer", "TargetGroup")
_SERVICE = ("ClusterName", "ServiceName")
_HOSTS = ("AutoScalingGroupName",)


def _successes(period: int, least: int) -> Computed:
    """Percentage of the requests of ``period`` seconds that did not fail with 5xx; 100 if there are fewer than ``least``.

    RequestCount has only requests for which there was a target. The load balancer answers the others with 503.
    """
    asked = "(FILL(requests,0)+FILL(refused,0))"
    metrics = {
        "requests": "RequestCount",
        "refused": "HTTPCode_ELB_503_Count",
        "target": "HTTPCode_Target_5XX_Count",
        "elb": "HTTPCode_ELB_5XX_Count",
    }
    return Computed(
        "success",
        "Success rate (%)",
        f"IF({asked}>={least},100*(1-(FILL(target,0)+FILL(elb,0))/IF({asked}>0,{asked},1)),100)",
        {key: Metric("AWS/ApplicationELB", name, "Sum", period, _LOAD_BALANCER) for key, name in metrics.items()},
    )


ALARMS = (
    Alarm(
        title="FileSystemIoLimitAlarm",
        runbook=runbooks.SLOW,
        description="The file system is near its operations limit: look for a client that lists or uploads in a loop.",
        metric=Metric("AWS/EFS", "PercentIOLimit", "Average", 300, _FILE_SYSTEM),
        comparison=ABOVE,
        threshold=80,
    ),
    Alarm(
        title="FileSystemThroughputAlarm",
        runbook=runbooks.SLOW,
        description="The file system is near its permitted throughput: choose elastic throughput, or provision more.",
        metric=Computed(
            "used",
            "Throughput used (%)",
            "100*metered/PERIOD(metered)/permitted",
            {
                "metered": Metric("AWS/EFS", "MeteredIOBytes", "Sum", 300, _FILE_SYSTEM),
                "permitted": Metric("AWS/EFS", "PermittedThroughput", "Average", 300, _FILE_SYSTEM),
            },
        ),
        comparison=ABOVE,
        threshold=80,
    ),
    Alarm(
        title="FileSystemBurstCreditAlarm",
        runbook=runbooks.CREDITS,
        description="Burst credits are running out; then the file system is slow: choose elastic throughput.",
        metric=Metric("AWS/EFS", "BurstCreditBalance", "Average", 300, _FILE_SYSTEM),
        comparison=BELOW,
        threshold=settings.EFS_BURST_CREDIT_THRESHOLD,
        condition=conditions.IS_BURSTING,
    ),
    Alarm(
        title="UnhealthyTargetsAlarm",
        runbook=runbooks.TASKS,
        description="More than one task fails its health check: see the tasks' log.",
        metric=Metric("AWS/ApplicationELB", "UnHealthyHostCount", "Average", 60, _TASKS),
        comparison=ABOVE,
        threshold=1,
    ),
    Alarm(
        title="NoHealthyTargetsAlarm",
        runbook=runbooks.OUTAGE,
        description="No task answers: the server is down. See the service's events, then the tasks' log, then the hosts.",
        metric=Metric("AWS/ApplicationELB", "HealthyHostCount", "Maximum", 60, _TASKS),
        comparison=BELOW,
        threshold=1,
        periods=3,
        condition=conditions.HAS_ALWAYS_TASKS,
        # Without any registered target there is no datapoint.
        silence="breaching",
    ),
    Alarm(
        title="FailingRequestsAlarm",
        runbook=runbooks.OUTAGE,
        description="More than half of the requests failed with 5xx for five minutes: see the tasks' log, then the file "
        "system's metrics on the dashboard.",
        # One failure among two requests is not an outage.
        metric=_successes(60, 10),
        comparison=BELOW,
        threshold=50,
        periods=7,
        breaching=5,
        condition=conditions.HAS_ALWAYS_TASKS,
    ),
    Alarm(
        title="HalfOfTargetsAlarm",
        runbook=runbooks.TASKS,
        description="Half of the tasks or more fail their health check, and the others carry their load: see the tasks' "
        "log, and whether the tasks that fail share a host or a zone.",
        metric=Computed(
            "failing",
            "Tasks that fail (%)",
            "100*unhealthy/(healthy+unhealthy)",
            {
                "healthy": Metric("AWS/ApplicationELB", "HealthyHostCount", "Average", 60, _TASKS),
                "unhealthy": Metric("AWS/ApplicationELB", "UnHealthyHostCount", "Average", 60, _TASKS),
            },
        ),
        comparison=AT_LEAST,
        threshold=50,
        periods=5,
    ),
    Alarm(
        title="MissingTasksAlarm",
        runbook=runbooks.TASKS,
        description="Fewer tasks run than TaskMinCount for 15 minutes: see the service's events, whether tasks fail to "
        "start or hosts are missing.",
        # Each running task sends one sample a minute, and without Container Insights nothing else counts them:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_utilization.html
        metric=Metric("AWS/ECS", "CPUUtilization", "SampleCount", 60, _SERVICE),
        comparison=BELOW,
        threshold=settings.TASK_MIN_COUNT,
        periods=15,
        condition=conditions.HAS_ALWAYS_TASKS,
        # A service whose tasks have only started, or all ended, sends nothing: NoHealthyTargetsAlarm reports the latter.
        silence="missing",
    ),
    Alarm(
        title="TaskMemoryAlarm",
        runbook=runbooks.TASKS,
        description="A task uses more than 90 % of its memory limit, where it is stopped: raise ContainerMemory, or lower "
        "GunicornWorkers.",
        # ECS measures against the reservation, but it is the limit that stops a task.
        metric=Computed(
            "limited",
            "Memory used (% of the limit)",
            "used*${Reservation}/${Limit}",
            {"used": Metric("AWS/ECS", "MemoryUtilization", "Maximum", 300, _SERVICE)},
        ),
        comparison=ABOVE,
        threshold=90,
    ),
    Alarm(
        title="LostHostsAlarm",
        runbook=runbooks.HOST,
        description="A host runs no log agent for 15 minutes: its ECS agent is gone or never joined the cluster. "
        "Terminate the host, and another starts; if that one is lost too, check its log and its route to ECS.",
        # The agent's figures come through the ECS agent of the host.
        metric=Computed(
            "lost",
            "Hosts without an agent",
            "hosts-FILL(agents,0)",
            {
                "hosts": Metric("AWS/AutoScaling", "GroupInServiceInstances", "Minimum", 60, _HOSTS),
                "agents": Metric(
                    "AWS/ECS", "CPUUtilization", "SampleCount", 60, ("ClusterName", "LogAgent.ServiceName")
                ),
            },
        ),
        comparison=ABOVE,
        threshold=0,
        periods=15,
        condition=conditions.IS_EC2,
    ),
    Alarm(
        title="CpuCreditAlarm",
        runbook=runbooks.CREDITS,
        description="A host has been out of CPU credits for two hours, and extra use is billed: choose a larger "
        "AsgInstanceType, or one that is not burstable.",
        # A new host has no credits yet.
        metric=Metric("AWS/EC2", "CPUCreditBalance", "Minimum", 300, _HOSTS),
        comparison=BELOW,
        threshold=10,
        periods=24,
        condition=conditions.HAS_CREDITS,
    ),
    Alarm(
        title="ResponseTimeAlarm",
        runbook=runbooks.SLOW,
        description="One answer in a hundred takes more than 5 seconds, for 15 minutes: see on the dashboard which of "
        "CPU, memory and file system is exhausted. Large uploads take as long as their client sends.",
        metric=Metric("AWS/ApplicationELB", "TargetResponseTime", "p99", 300, _LOAD_BALANCER),
        comparison=ABOVE,
        threshold=5,
        periods=3,
    ),
    Alarm(
        title="MissingBackupAlarm",
        runbook=runbooks.BACKUP,
        description="No backup has succeeded for two days, and perhaps none was started: see the plan and its jobs, and whether "
        "AWS Backup is allowed to back up EFS in this region.",
        # AWS sends only values other than zero. Days before the server existed do not count: a new one would ring until
        # its first backup.
        metric=Computed(
            "missing",
            "Days without a backup",
            "IF((FILL(served,0)>0) AND (FILL(done,0)<1),1,0)",
            {
                "done": Metric("AWS/Backup", "NumberOfBackupJobsCompleted", "Sum", 86400, ("BackupVaultName",)),
                "served": Metric("AWS/ApplicationELB", "HealthyHostCount", "SampleCount", 86400, _TASKS),
            },
        ),
        comparison=AT_LEAST,
        threshold=1,
        condition=conditions.HAS_DAILY_BACKUP,
        silence="breaching",
    ),
    Alarm(
        title="SuccessRateAlarm",
        runbook=runbooks.TASKS,
        description="More than 1 % of the requests failed with 5xx: see the tasks' log.",
        metric=_successes(300, 1),
        comparison=BELOW,
        threshold=99,
        periods=3,
        breaching=2,
        condition=conditions.HAS_ALWAYS_TASKS,
    ),
    Alarm(
        title="RefusedLoginsAlarm",
        runbook=runbooks.LOGINS,
        description="Twenty wrong passwords or more within five minutes: a client with an old one, or somebody guessing. "
        "The saved query on refusals shows who.",
        metric=Metric(log_metrics.NAMESPACE, "RefusedLogins", "Sum", 300, ()),
        comparison=AT_LEAST,
        threshold=20,
        periods=1,
    ),
    Alarm(
        title="RotationAlarm",
        runbook=runbooks.ROTATION,
        description="A password could not be rotated; the old one is still valid. See the rotation's log.",
        metric=Metric("AWS/Lambda", "Errors", "Sum", 300, ("FunctionName",)),
        comparison=AT_LEAST,
        threshold=1,
        periods=1,
        condition=conditions.HAS_ROTATION,
    ),
    Alarm(
        title="HostCpuAlarm",
        runbook=runbooks.SLOW,
        description="The hosts' CPUs are busy for ten minutes: choose a larger instance type or more tasks.",
        metric=Metric("AWS/EC2", "CPUUtilization", "Average", 300, _HOSTS),
        comparison=ABOVE,
        threshold=90,
        condition=conditions.IS_EC2,
    ),
    Alarm(
        title="CertificateExpiryAlarm",
        runbook=runbooks.CERTIFICATE,
        description="The certificate expires in less than 14 days: renew an imported one, or see why ACM could not.",
        metric=Metric("AWS/CertificateManager", "DaysToExpiry", "Minimum", 86400, ("CertificateArn",)),
        comparison=BELOW,
        threshold=14,
        periods=1,
    ),
)


OUTAGE = ("NoHealthyTargetsAlarm", "FailingRequestsAlarm")
"""Each of these alone means that nobody gets packages."""
OUTAGE_DESCRIPTION = (
    "Packages are unavailable: no task answers, or most requests fail. See which of the two alarms rings."
)


def alarms(stack: Stack, topic: Expression, values: Dimensions, *, silent: dict[str, Any]) -> Expression:
    """Every alarm, sent to ``topic`` and to the operator's topics; returns their ARNs, joined by commas.

    Those that ring when data is missing get the resource attributes ``silent``: before there are tasks they would ring at once,
    so they come after the service, which waits until its tasks are healthy. The outage goes to the operator's pager instead, if any.
    """
    actions = appended(stack, [topic], settings.ALARM_TOPIC_ARNS, conditions.HAS_ALARM_TOPICS)
    others = stack.if_(conditions.HAS_ALARM_TOPICS, Split(",", stack.take(settings.ALARM_TOPIC_ARNS)))
    arns: list[object] = []
    for it in ALARMS:
        threshold = stack.take(it.threshold) if isinstance(it.threshold, Setting) else it.threshold
        alarm = stack.add(
            cloudwatch.Alarm(
                it.title,
                **only_if(stack.when(it.condition) if it.condition else None),
                **(silent if it.silence == "breaching" else {}),
                AlarmName=Join("-", [names.in_region(stack), it.title]),
                AlarmDescription=runbooks.named(it.description, it.runbook),
                ComparisonOperator=it.comparison,
                Threshold=threshold,
                TreatMissingData=it.silence,
                AlarmActions=actions,
                OKActions=others,
                Tags=tags(stack, "alarm"),
                EvaluationPeriods=it.periods,
                DatapointsToAlarm=it.breaching or it.periods,
                **it.metric.properties(values),
            )
        )
        arn = GetAtt(alarm, "Arn")
        separated = Sub(",${Arn}", Arn=arn) if arns else arn
        arns.append(stack.if_(it.condition, separated, "") if it.condition else separated)
    _outage(stack, actions, others)
    return Join("", arns)


def _outage(stack: Stack, actions: Expression, others: Expression) -> None:
    """The one alarm worth waking someone for; not in the list of the others, which are its causes."""
    pager = [stack.take(settings.PAGER_TOPIC_ARN)]
    stack.add(
        cloudwatch.CompositeAlarm(
            "PackagesUnavailableAlarm",
            Condition=stack.when(conditions.HAS_ALWAYS_TASKS),
            AlarmName=Join("-", [names.in_region(stack), "PackagesUnavailableAlarm"]),
            AlarmDescription=runbooks.named(OUTAGE_DESCRIPTION, runbooks.OUTAGE),
            AlarmRule=Join(" OR ", [Sub('ALARM("${Arn}")', Arn=GetAtt(title, "Arn")) for title in OUTAGE]),
            AlarmActions=stack.if_(conditions.HAS_PAGER, pager, actions),
            OKActions=stack.if_(conditions.HAS_PAGER, pager, others),
            Tags=tags(stack, "alarm"),
        )
    )
