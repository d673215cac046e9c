"""What wakes somebody up, and what they look at then: topic, alarms, event rules, dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from awacs import kms as kms_actions
from awacs import sns as sns_actions
from awacs.aws import Action, Allow, Condition, Principal, Statement, StringEquals
from troposphere import FindInMap, GetAtt, If, Join, Ref, Select, Split, Sub, cloudwatch, events, kms, sns

from generator import conditions, kinds, settings
from generator.language.retention import DISPOSABLE
from generator.language.slots import appended
from generator.language.wiring import Expression, Stack, Wire, layer
from generator.parts import dashboard
from generator.parts.iam import document
from generator.parts.lists import EMAILS
from generator.parts.tags import tags

CONSOLES = {
    "aws": {"Domain": "console.aws.amazon.com"},
    "aws-cn": {"Domain": "console.amazonaws.cn"},
    "aws-us-gov": {"Domain": "console.amazonaws-us-gov.com"},
    "aws-eusc": {"Domain": "console.amazonaws-eusc.eu"},
}


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    topic: Wire[kinds.TopicArn]
    alarms: Wire[kinds.Text]
    dashboard_url: Wire[kinds.Url]


@layer
def monitoring(
    stack: Stack,
    *,
    file_system: Wire[kinds.FileSystemId],
    certificate: Wire[kinds.CertificateArn],
    load_balancer_name: Wire[kinds.LoadBalancerFullName],
    target_group_name: Wire[kinds.TargetGroupFullName],
    cluster: Wire[kinds.ClusterName],
    service: Wire[kinds.ServiceName],
    service_arn: Wire[kinds.Arn],
    auto_scaling_group: Wire[kinds.AutoScalingGroupName],
) -> Monitoring:
    topic = _topic(stack)
    alarms = _alarms(
        stack,
        Ref(topic),
        file_system=stack.take(file_system),
        certificate=stack.take(certificate),
        load_balancer=stack.take(load_balancer_name),
        target_group=stack.take(target_group_name),
        group=stack.take(auto_scaling_group),
    )
    _events(stack, topic, stack.take(service_arn), stack.take(file_system))
    stack.add(
        cloudwatch.Dashboard(
            "Dashboard",
            Condition=stack.when(conditions.HAS_DASHBOARD),
            # Dashboard names are unique in an account, across its regions.
            DashboardName=Join(
                "-",
                [
                    stack.take(settings.SERVICE_NAME),
                    Ref("AWS::Region"),
                    Select(0, Split("-", Select(2, Split("/", Ref("AWS::StackId"))))),
                ],
            ),
            DashboardBody=dashboard.body(
                cluster=stack.take(cluster),
                service=stack.take(service),
                load_balancer=stack.take(load_balancer_name),
                target_group=stack.take(target_group_name),
                file_system=stack.take(file_system),
                bursting=stack.when(conditions.IS_BURSTING),
            ),
        )
    )
    url = Sub(
        "https://${AWS::Region}.${Domain}/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${Dashboard}",
        Domain=FindInMap(stack.mapping("Consoles", CONSOLES), Ref("AWS::Partition"), "Domain"),
    )
    return Monitoring(
        topic=stack.offer("CloudwatchAlarmSnsTopicArn", Ref(topic), "Topic of the alarms and failures."),
        alarms=stack.offer("CloudwatchAlarmArns", alarms, "ARNs of the alarms, separated by commas."),
        dashboard_url=stack.offer(
            "CloudwatchDashboardUrl", If(stack.when(conditions.HAS_DASHBOARD), url, ""), "The dashboard."
        ),
    )


def _topic(stack: Stack) -> sns.Topic:
    """Encrypted under a key that CloudWatch and EventBridge may use; SNS's own admits neither."""
    key = stack.add(
        kms.Key(
            "TopicKey",
            **DISPOSABLE,
            Description="pypiserver alarms",
            EnableKeyRotation=True,
            PendingWindowInDays=7,
            KeyPolicy=document(
                Statement(
                    Sid="Administer",
                    Effect=Allow,
                    Principal=Principal("AWS", Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")),
                    Action=[Action("kms", "*")],
                    Resource=["*"],
                ),
                Statement(
                    Sid="Publish",
                    Effect=Allow,
                    Principal=Principal("Service", ["cloudwatch.amazonaws.com", "events.amazonaws.com"]),
                    Action=[kms_actions.Decrypt, kms_actions.GenerateDataKey],
                    Resource=["*"],
                ),
            ),
            Tags=tags(stack, "alarms"),
        )
    )
    topic = stack.add(
        sns.Topic(
            "Topic",
            DisplayName="pypiserver",
            KmsMasterKeyId=Ref(key),
            # In the topic and not as resources: a resource that moves from one slot to another would end it for both.
            Subscription=[
                slot.only(sns.Subscription(Protocol="email", Endpoint=slot.value)) for slot in EMAILS.of(stack)
            ],
            Tags=tags(stack, "alarms"),
        )
    )
    stack.add(
        sns.TopicPolicy(
            "TopicPolicy",
            Topics=[Ref(topic)],
            PolicyDocument=document(
                Statement(
                    Sid="Alarms",
                    Effect=Allow,
                    Principal=Principal("Service", "cloudwatch.amazonaws.com"),
                    Action=[sns_actions.Publish],
                    Resource=[Ref(topic)],
                    Condition=Condition(StringEquals("aws:SourceAccount", Ref("AWS::AccountId"))),
                ),
                # EventBridge's requests carry no source for a Condition to check.
                Statement(
                    Sid="Events",
                    Effect=Allow,
                    Principal=Principal("Service", "events.amazonaws.com"),
                    Action=[sns_actions.Publish],
                    Resource=[Ref(topic)],
                ),
            ),
        )
    )
    return topic


def _alarms(
    stack: Stack,
    topic: Expression,
    *,
    file_system: Expression,
    certificate: Expression,
    load_balancer: Expression,
    target_group: Expression,
    group: Expression,
) -> Expression:
    """Every alarm; gives their ARNs, joined by commas."""
    actions = appended(stack, [topic], settings.ALARM_TOPIC_ARNS, conditions.HAS_ALARM_TOPICS)
    arns: list[Expression] = []

    def add(
        title: str, description: str, comparison: str, threshold: object, condition: str | None = None, **metric: Any
    ) -> None:
        alarm = stack.add(
            cloudwatch.Alarm(
                title,
                **_only_if(condition),
                AlarmDescription=description,
                ComparisonOperator=comparison,
                Threshold=threshold,
                TreatMissingData="notBreaching",
                AlarmActions=actions,
                OKActions=actions,
                Tags=tags(stack, "alarm"),
                **{"EvaluationPeriods": 2, **metric},
            )
        )
        arn = GetAtt(alarm, "Arn")
        separated = Sub(",${Arn}", Arn=arn) if arns else arn
        arns.append(If(condition, separated, "") if condition else separated)

    above, below = "GreaterThanThreshold", "LessThanThreshold"
    of_targets = {"LoadBalancer": load_balancer, "TargetGroup": target_group}
    add(
        "FileSystemIoLimitAlarm",
        "The file system is near its limit of operations: look for a client that lists or uploads in a loop.",
        above,
        80,
        **_metric("AWS/EFS", "PercentIOLimit", "Average", 300, FileSystemId=file_system),
    )
    add(
        "FileSystemThroughputAlarm",
        "The file system is near its permitted throughput: choose elastic throughput, or provision more.",
        above,
        80,
        Metrics=[
            _query("metered", "AWS/EFS", "MeteredIOBytes", "Sum", 300, FileSystemId=file_system),
            _query("permitted", "AWS/EFS", "PermittedThroughput", "Average", 300, FileSystemId=file_system),
            cloudwatch.MetricDataQuery(
                Id="used", Label="Throughput used (%)", Expression="100*metered/PERIOD(metered)/permitted"
            ),
        ],
    )
    add(
        "FileSystemBurstCreditAlarm",
        "Burst credits run out, after which the file system is slow: choose elastic throughput.",
        below,
        stack.take(settings.EFS_BURST_CREDIT_THRESHOLD),
        stack.when(conditions.IS_BURSTING),
        **_metric("AWS/EFS", "BurstCreditBalance", "Average", 300, FileSystemId=file_system),
    )
    add(
        "UnhealthyTargetsAlarm",
        "More than one task fails its health check: see the tasks' log.",
        above,
        1,
        **_metric("AWS/ApplicationELB", "UnHealthyHostCount", "Average", 60, **of_targets),
    )
    add(
        "NoHealthyTargetsAlarm",
        "No task answers: the server is down. See the service's events, then the tasks' log.",
        below,
        1,
        stack.when(conditions.HAS_ALWAYS_TASKS),
        **_metric("AWS/ApplicationELB", "HealthyHostCount", "Maximum", 60, **of_targets),
    )
    add(
        "ResponseTimeAlarm",
        "The average answer takes more than 48 seconds: see the dashboard for what is exhausted.",
        above,
        48,
        **_metric("AWS/ApplicationELB", "TargetResponseTime", "Average", 60, LoadBalancer=load_balancer),
    )
    add(
        "SuccessRateAlarm",
        "More than 1 % of the requests failed with 5xx: see the tasks' log.",
        below,
        99,
        Metrics=[
            _query("requests", "AWS/ApplicationELB", "RequestCount", "Sum", 300, LoadBalancer=load_balancer),
            _query("target", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", 300, LoadBalancer=load_balancer),
            _query("elb", "AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "Sum", 300, LoadBalancer=load_balancer),
            cloudwatch.MetricDataQuery(
                Id="success",
                Label="Success rate (%)",
                Expression="100*(1-(FILL(target,0)+FILL(elb,0))/requests)",
            ),
        ],
    )
    add(
        "HostCpuAlarm",
        "The hosts' CPUs are busy for ten minutes: choose a larger instance type or more tasks.",
        above,
        90,
        **_metric("AWS/EC2", "CPUUtilization", "Average", 300, AutoScalingGroupName=group),
    )
    add(
        "CertificateExpiryAlarm",
        "The certificate expires in less than 14 days: renew an imported one, or see why ACM could not.",
        below,
        14,
        **_metric("AWS/CertificateManager", "DaysToExpiry", "Minimum", 86400, CertificateArn=certificate),
        EvaluationPeriods=1,
    )
    return Join("", arns)


def _only_if(condition: str | None) -> dict[str, Any]:
    return {"Condition": condition} if condition else {}


def _dimensions(names: dict[str, Expression]) -> list[cloudwatch.MetricDimension]:
    return [cloudwatch.MetricDimension(Name=name, Value=value) for name, value in names.items()]


def _metric(namespace: str, name: str, statistic: str, period: int, **dimensions: Expression) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": _dimensions(dimensions),
        "Statistic": statistic,
        "Period": period,
    }


def _query(
    query: str, namespace: str, name: str, statistic: str, period: int, **dimensions: Expression
) -> cloudwatch.MetricDataQuery:
    return cloudwatch.MetricDataQuery(
        Id=query,
        ReturnData=False,
        MetricStat=cloudwatch.MetricStat(
            Metric=cloudwatch.Metric(Namespace=namespace, MetricName=name, Dimensions=_dimensions(dimensions)),
            Period=period,
            Stat=statistic,
        ),
    )


def _events(stack: Stack, topic: sns.Topic, service_arn: Expression, file_system: Expression) -> None:
    """Failures that leave no metric: of a deployment, of a backup."""
    stack.add(
        events.Rule(
            "FailedDeployment",
            Description="A deployment of the service failed",
            EventPattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Deployment State Change"],
                "resources": [service_arn],
                "detail": {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]},
            },
            Targets=[
                events.Target(
                    Id="Topic",
                    Arn=Ref(topic),
                    InputTransformer=events.InputTransformer(
                        InputPathsMap={"service": "$.resources[0]", "reason": "$.detail.reason"},
                        InputTemplate='"The deployment of <service> failed and was rolled back: <reason>"',
                    ),
                )
            ],
            Tags=tags(stack, "failed-deployment"),
        )
    )
    arn = Sub(
        "arn:${AWS::Partition}:elasticfilesystem:${AWS::Region}:${AWS::AccountId}:file-system/${Id}", Id=file_system
    )
    stack.add(
        events.Rule(
            "FailedBackup",
            Condition=stack.when(conditions.HAS_BACKUP),
            Description="A backup of the packages failed",
            EventPattern={
                "source": ["aws.backup"],
                "detail-type": ["Backup Job State Change"],
                "detail": {"state": ["ABORTED", "EXPIRED", "FAILED", "PARTIAL"], "resourceArn": [arn]},
            },
            Targets=[
                events.Target(
                    Id="Topic",
                    Arn=Ref(topic),
                    InputTransformer=events.InputTransformer(
                        InputPathsMap={"file": "$.detail.resourceArn", "state": "$.detail.state"},
                        InputTemplate='"The backup of <file> ended as <state>: see AWS Backup"',
                    ),
                )
            ],
            Tags=tags(stack, "failed-backup"),
        )
    )
