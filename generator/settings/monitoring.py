"""Alarms, dashboard, logs."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import KEY_ARN, SWITCH, TOPIC_ARN, items, one_of, optional

MAX_ALARM_TOPICS = 4
"""An alarm takes five actions in each state, and one is our own topic's."""

ALARM_TOPIC_ARNS = Setting(
    name="AlarmTopicArns",
    label="Additional topics for alarms",
    description=f"Up to {MAX_ALARM_TOPICS} ARNs of standard SNS topics, separated by commas; every alarm goes there too.",
    default="",
    pattern=items(TOPIC_ARN, MAX_ALARM_TOPICS, least=0),
    constraint=f"must be up to {MAX_ALARM_TOPICS} ARNs of SNS topics that are not FIFO separated by commas, or empty",
)
PAGER_TOPIC_ARN = Setting(
    name="PagerTopicArn",
    label="Topic for the pager",
    description="SNS topic that gets only the alarm that packages are unavailable. Empty: it goes where all others go.",
    default="",
    pattern=optional(TOPIC_ARN),
    constraint="must be the ARN of an SNS topic that is not FIFO, or empty",
)
EFS_BURST_CREDIT_THRESHOLD = Setting(
    name="EfsBurstCreditThreshold",
    label="Alarm below this burst credit balance (bytes)",
    description="In bursting mode.",
    default="1000000000000",
    type="Number",
    minimum=1,
)
ENABLE_CLOUDWATCH_DASHBOARD = Setting(
    name="EnableCloudwatchDashboard",
    label="Dashboard",
    description="CloudWatch dashboard of the service.",
    default="true",
    values=SWITCH,
)
ENABLE_CONTAINER_INSIGHTS = Setting(
    name="EnableContainerInsights",
    label="Container Insights",
    description="Metrics of tasks and hosts, billed as custom metrics. Without it, parts of the dashboard are empty.",
    default="true",
    values=SWITCH,
)
LOG_RETENTION_DAYS = Setting(
    name="LogRetentionDays",
    label="Days to keep logs",
    description="Of the tasks, the hosts and the load balancer.",
    default="365",
    values=one_of(
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
    ),
)
LOG_KMS_KEY_ARN = Setting(
    name="LogKmsKeyArn",
    label="KMS key of the log groups",
    description="Its policy must admit CloudWatch Logs, which accepts no alias. Empty: encrypted by CloudWatch Logs.",
    default="",
    pattern=optional(KEY_ARN),
    constraint="must be the ARN of a KMS key, not of an alias, or empty",
)

MONITORING = Group(
    "Monitoring",
    (
        ALARM_TOPIC_ARNS,
        PAGER_TOPIC_ARN,
        EFS_BURST_CREDIT_THRESHOLD,
        ENABLE_CLOUDWATCH_DASHBOARD,
        ENABLE_CONTAINER_INSIGHTS,
        LOG_RETENTION_DAYS,
        LOG_KMS_KEY_ARN,
    ),
)
